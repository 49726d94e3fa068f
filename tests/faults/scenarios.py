"""The starts on which the product dies: what lies in the bucket, what was changed, and what the log tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.world import event_of
from tests.faults.crash_world import CYCLE, INITIAL, Scenario, Theatre

BEFORE = {
    "change.txt": b"first words",
    "docs/gone.txt": b"to be deleted",
    "docs/stays.txt": b"stays as it is",
    "move-me.txt": b"goes to another folder",
    "one.txt": b"was one",
    "other.txt": b"was the other",
    "permitted.txt": b"under other permissions later",
    "rename-me.txt": b"gets another name",
    "streamed.bin": bytes(range(256)) * 1200,
}
FEW = ("change.txt", "docs/stays.txt", "permitted.txt", "streamed.bin")
EVENTS = (
    ("update", "change.txt", None),
    ("update", "streamed.bin", None),
    ("create", "new.txt", None),
    ("delete", "docs/gone.txt", None),
    ("rename", "rename-me.txt", "renamed.txt"),
    ("move", "move-me.txt", "docs/moved.txt"),
    ("rename", "one.txt", "t.txt"),
    ("rename", "other.txt", "one.txt"),
    ("rename", "t.txt", "other.txt"),
)
"""What happens to them: each kind of change, and two objects that change places."""


def a_full_bucket(theatre: Theatre, scenario: Scenario) -> None:
    """Nothing but a bucket with a few objects."""
    del theatre
    _fill(scenario, *FEW)


def changes_untold(theatre: Theatre, scenario: Scenario) -> None:
    """A first sync, then changes of every kind of which no event tells."""
    _synced(theatre, scenario)
    scenario.put("change.txt", b"second words, more of them")
    scenario.put("streamed.bin", bytes(range(255, -1, -1)) * 1200)
    scenario.put("new.txt", b"not there before", permissions="rwx------")
    scenario.bucket.delete("docs/gone.txt")
    for _, old, new in EVENTS:
        if new is not None:
            scenario.bucket.rename(old, new)


def changes_told(theatre: Theatre, scenario: Scenario) -> None:
    """The same, and the log tells them all; and one that it alone knows."""
    changes_untold(theatre, scenario)
    told = [event_of(*event) for event in EVENTS]
    theatre.manager.api.publish(*told, event_of("change_permission", "permitted.txt", permissions="r--r--r--"))


def a_death(theatre: Theatre, scenario: Scenario) -> None:
    """A cycle that died while its calls were on their way: some are done, some not, and nobody has said which."""
    changes_told(theatre, scenario)
    assert theatre.live(scenario, CYCLE, place=scenario.work, die_at=9, only="answer's headers received").died


def deletes_approved(theatre: Theatre, scenario: Scenario) -> None:
    """Deletes that the guard held; a person agreed to them beside a daemon."""
    from sync_service.services.requests import leave_approval, leave_retry

    _synced(theatre, scenario)
    for key in ("docs/gone.txt", "docs/stays.txt"):
        scenario.bucket.delete(key)
        theatre.manager.api.publish(event_of("delete", key))
    assert theatre.live(scenario, CYCLE, place=scenario.work).codes == [6]
    with theatre.catalogue(scenario.work) as rows:
        held = rows.execute("SELECT id, file_path FROM delivered WHERE file_path LIKE 'docs/%'").fetchall()
    leave_approval(scenario.work / "data" / "requests", "a-yes", held)
    leave_retry(scenario.work / "data" / "requests", "a-wish", [])


def _fill(scenario: Scenario, *keys: str) -> None:
    for key in keys:
        scenario.put(key, BEFORE[key], **({"permissions": "rw-r-----"} if key == "permitted.txt" else {}))


def _synced(theatre: Theatre, scenario: Scenario) -> None:
    _fill(scenario, *BEFORE)
    assert theatre.live(scenario, INITIAL, place=scenario.work).codes == [0]


LATER = (
    ("delete", "new.txt", None),
    ("delete", "docs/moved.txt", None),
    ("rename", "renamed.txt", "renamed-again.txt"),
    ("rename", "one.txt", "docs/one.txt"),
    ("update", "change.txt", None),
)
"""What others do to the bucket between a death and the next life."""


@contextmanager
def the_world_goes_on(theatre: Theatre, scenario: Scenario) -> Iterator[dict[str, str]]:
    """The bucket changes again, and the log tells of it; all is as before when the block ends. Gives what is wanted now."""
    before = {old: scenario.bucket.read(old) for _, old, _ in LATER}
    scenario.put("change.txt", BEFORE["change.txt"])
    for kind, old, new in LATER:
        if new is not None:
            scenario.bucket.rename(old, new)
        elif kind == "delete":
            scenario.bucket.delete(old)
    theatre.manager.api.publish(*(event_of(*event) for event in LATER))
    try:
        yield scenario.bucket.digests()
    finally:
        for _, old, new in LATER:
            scenario.put(old, before[old])
            if new is not None:
                scenario.bucket.delete(new)
