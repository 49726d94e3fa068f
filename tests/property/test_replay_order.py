"""Replays: the same log in any order, with any repetition and cut into any batches, ends in the same observed state."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from sync_service.models.data_models import Event, EventType
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.event_processor import EventCounts, EventProcessor, Scope
from sync_service.services.retry import RetryPolicy
from sync_service.services.tools import Tools
from tests.fakes.event_log import FakeEventLog
from tests.fakes.observer import RecordingObserver
from tests.fakes.source import FakeSource
from tests.property.rigged import Fate, RiggedThread
from tests.property.world import fast_folder, lay_catalogue

KEYS = st.sampled_from(["a", "b", "c", "d/a"])
RENAMES = (EventType.RENAME, EventType.MOVE)
PLAIN = [EventType.CREATE, EventType.UPDATE, EventType.DELETE, EventType.CHANGE_PERMISSION]

State = dict[str, tuple[str, str | None]]


@st.composite
def objects(draw: st.DrawFn) -> dict[str, tuple[bytes, str | None]]:
    bodies = st.sampled_from([b"", b"one", b"two"])
    return draw(st.dictionaries(KEYS, st.tuples(bodies, st.sampled_from([None, "600"]))))


@st.composite
def logs(draw: st.DrawFn, kinds: Sequence[EventType]) -> list[Event]:
    """A log as a bucket's history may have written it, true or not; each event has its id, permissions their sequencer."""
    events = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(kinds))
        permissions = f"p{number}" if kind is EventType.CHANGE_PERMISSION else None
        new_path = draw(KEYS) if kind in RENAMES else None
        events.append(
            Event(kind, draw(KEYS), new_path, f"e{number}", f"{number:04X}", permissions=permissions, raw=str(number))
        )
    return events


def replayed(
    before: dict[str, tuple[bytes, str | None]],
    now: dict[str, tuple[bytes, str | None]],
    logs_read: Sequence[Sequence[Event]],
) -> State:
    """The observed state after `before` was known and these logs were read, one after the other, while the source held `now`."""
    folder = fast_folder()
    lay_catalogue(folder / "sync.db")
    catalogue = DatabaseManager(folder / "sync.db").open_writer("t")
    try:
        return asyncio.run(_replayed(catalogue, before, now, logs_read))
    finally:
        catalogue.close()
        shutil.rmtree(folder)


async def _replayed(
    catalogue: DatabaseManager,
    before: dict[str, tuple[bytes, str | None]],
    now: dict[str, tuple[bytes, str | None]],
    logs_read: Sequence[Sequence[Event]],
) -> State:
    known = [Event(EventType.CREATE, key, event_id=f"known {key}") for key in sorted(before)]
    thread = RiggedThread(Fate())
    for held, entries in [(before, known), *((now, entries) for entries in logs_read)]:
        source = FakeSource()
        for key, (body, permissions) in held.items():
            source.put(key, body, {} if permissions is None else {"permissions": permissions})
        tools = Tools(catalogue, thread, RetryPolicy(0, 0), RecordingObserver(), lambda: "t", 2)
        log = FakeEventLog(entries, cursors=False)
        await EventProcessor(tools, log, source, Scope(None)).replay(EventCounts())
    rows = catalogue.observations_at(["a", "b", "c", "d/a"])
    return {path: (o.row.etag, o.row.permissions) for path, o in rows.items()}


def _cut(events: Sequence[Event], seed: int) -> list[list[Event]]:
    """Any permutation of the events with repetitions, in batches of any size."""
    chance = random.Random(seed)
    mixed = [*events, *chance.choices(events, k=chance.randrange(4))]
    chance.shuffle(mixed)
    at = chance.randrange(len(mixed) + 1)
    return [mixed[:at], mixed[at:]]


def _contents(state: State) -> dict[str, str]:
    return {path: etag for path, (etag, _) in state.items()}


@settings(max_examples=60, deadline=None, report_multiple_bugs=False)
@given(objects(), objects(), logs([*PLAIN, *RENAMES]), st.integers(0, 9999))
def test_any_order_ends_in_the_same_contents(
    before: dict[str, tuple[bytes, str | None]],
    now: dict[str, tuple[bytes, str | None]],
    events: list[Event],
    seed: int,
) -> None:
    """Whatever the order, the repetition and the batches: paths and contents come out the same, renames or not."""
    in_order = replayed(before, now, [events])
    assert _contents(replayed(before, now, _cut(events, seed))) == _contents(in_order)


@settings(max_examples=60, deadline=None, report_multiple_bugs=False)
@given(objects(), objects(), logs(PLAIN), st.integers(0, 9999))
def test_any_order_ends_in_the_same_permissions(
    before: dict[str, tuple[bytes, str | None]],
    now: dict[str, tuple[bytes, str | None]],
    events: list[Event],
    seed: int,
) -> None:
    """Where sequencers order the permissions of a key, their events may come in any order too."""
    assert replayed(before, now, _cut(events, seed)) == replayed(before, now, [events])


@settings(max_examples=60, deadline=None, report_multiple_bugs=False)
@given(objects(), objects(), logs([*PLAIN, *RENAMES]), st.integers(0, 9999))
def test_a_replay_changes_nothing(
    before: dict[str, tuple[bytes, str | None]],
    now: dict[str, tuple[bytes, str | None]],
    events: list[Event],
    seed: int,
) -> None:
    """What was recorded once is recorded: any part of the log, in any order, read again leaves everything as it is."""
    assert replayed(before, now, [events, *_cut(events, seed)]) == replayed(before, now, [events])


@settings(max_examples=60, deadline=None, report_multiple_bugs=False)
@given(
    st.lists(st.sampled_from(["600", "644"]), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_a_log_without_ids_may_repeat_itself(
    wishes: list[str], times: int, in_one_second: int, chance: random.Random
) -> None:
    """A server that gives its whole list on every call, without ids and sequencers: the last wish stays the last."""
    events = [
        Event(
            EventType.CHANGE_PERMISSION, "a", permissions=wish, timestamp=f"2026-11-21T00:00:{n // in_one_second:02}Z"
        )
        for n, wish in enumerate(wishes)
    ]
    read = [events[: chance.randrange(1, len(events) + 1)] for _ in range(times)]
    source: dict[str, tuple[bytes, str | None]] = {"a": (b"one", None)}
    state = replayed(source, source, [*read, events])
    assert state["a"][1] == wishes[-1]
