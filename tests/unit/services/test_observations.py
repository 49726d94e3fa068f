"""What one look, one move or one event does to an observed row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync_service.models.changes import Observation
from sync_service.models.data_models import Event, EventType, ObjectInfo, Row, Seen
from sync_service.services.observations import first_seen, moved, permitted, seen_again

INFO = ObjectInfo("a", 3, "e1", "2026-01-01T00:00:01Z", "text/plain", "v1", {"permissions": "600", "owner": "me"})
KNOWN = Observation(
    Row(7, "a", 3, "e1", "2026-01-01T00:00:01Z", "600", "me", None, "text/plain", "i", "v1", 4), Seen("600", "me", None)
)


def told(permissions: str | None = None, sequencer: str | None = None, **values: str) -> Event:
    return Event(EventType.CHANGE_PERMISSION, "a", permissions=permissions, sequencer=sequencer, **values)  # type: ignore[arg-type]


def test_a_first_look_takes_all_that_the_source_says() -> None:
    """A new row has no id yet, revision 1, and remembers what the metadata said."""
    observation = first_seen(INFO)
    assert observation.row == replace(KNOWN.row, id=0, internal_id=None, revision=1)
    assert observation.seen == Seen("600", "me", None)


def test_a_look_at_the_same_object_changes_nothing() -> None:
    """The row is equal, so nothing is written."""
    assert seen_again(KNOWN, INFO) == KNOWN


@pytest.mark.parametrize(
    ("change", "revision"),
    [
        ({"etag": "e2"}, 5),
        ({"size": 4}, 5),
        ({"file_type": "image/png"}, 5),
        ({"metadata": {"permissions": "644", "owner": "me"}}, 5),
        ({"metadata": {"permissions": "600", "owner": "you"}}, 5),
        ({"metadata": {"permissions": "600", "owner": "me", "group": "us"}}, 5),
        ({"last_modified": "2026-01-01T00:00:02Z"}, 4),
        ({"version_id": "v2"}, 4),
        ({"file_type": ""}, 4),
    ],
)
def test_the_revision_grows_with_what_is_wanted(change: dict[str, object], revision: int) -> None:
    """Bytes, type and permissions make a new effect; a time or a version id alone does not."""
    assert seen_again(KNOWN, replace(INFO, **change)).row.revision == revision  # type: ignore[arg-type]


def test_metadata_that_falls_silent_takes_no_wish_back() -> None:
    """What the metadata no longer says stays as it was asked for, and counts as new when it is said again."""
    silent = seen_again(KNOWN, replace(INFO, metadata={}))
    assert (silent.row.permissions, silent.seen.permissions) == ("600", None)
    assert seen_again(silent, INFO).row.permissions == "600"


def test_an_old_word_of_the_metadata_does_not_undo_an_event() -> None:
    """The event's 640 stays while the metadata still says what it said before; a new word there wins over it."""
    after = permitted(KNOWN, told("640"), 9)
    assert seen_again(after, INFO).row.permissions == "640"
    assert seen_again(after, replace(INFO, metadata={"permissions": "755"})).row.permissions == "755"


def test_a_moved_row_keeps_its_id() -> None:
    """A rename is another path for the same row, and a new effect."""
    after = moved(KNOWN, "b")
    assert (after.row.id, after.row.file_path, after.row.revision) == (7, "b", 5)
    assert moved(KNOWN, "a") == KNOWN


@pytest.mark.parametrize(
    ("before", "event", "position", "wins"),
    [
        pytest.param((None, 0), told("644"), 1, True, id="the first event"),
        pytest.param((None, 5), told("644"), 6, True, id="later in the log"),
        pytest.param((None, 5), told("644"), 5, False, id="the same place in the log"),
        pytest.param((None, 5), told("644"), 4, False, id="earlier in the log"),
        pytest.param(("0A", 5), told("644", "0B"), 1, True, id="newer sequencer, earlier in the log"),
        pytest.param(("0B", 5), told("644", "0A"), 9, False, id="older sequencer, later in the log"),
        pytest.param(("0a", 5), told("644", "0A"), 9, True, id="equal but for the case: the log's order"),
        pytest.param(("0A", 5), told("644", "0A00"), 3, False, id="equal but for the padding: the log's order"),
        pytest.param(("0A", 5), told("644", "0A01"), 3, True, id="longer and newer"),
        pytest.param(("0B", 5), told("644", "0A99"), 9, False, id="longer and older"),
        pytest.param(("0B", 5), told("644"), 9, True, id="no sequencer: the log's order"),
    ],
)
def test_the_newest_event_sets_permissions(
    before: tuple[str | None, int], event: Event, position: int, wins: bool
) -> None:
    """Sequencers decide where both events have one, else the position in the log."""
    known = replace(KNOWN, seen=replace(KNOWN.seen, event_sequencer=before[0], event_position=before[1]))
    after = permitted(known, event, position)
    assert (after.row.permissions == "644") == wins
    assert wins or after == known


def test_an_event_sets_only_what_it_names() -> None:
    """Permissions stay where the event speaks of the owner; its order is kept for the next one."""
    after = permitted(KNOWN, told(owner="you", sequencer="0A"), 9)
    assert (after.row.permissions, after.row.owner, after.row.revision) == ("600", "you", 5)
    assert (after.seen.event_sequencer, after.seen.event_position) == ("0A", 9)


def test_an_event_that_wishes_nothing_changes_nothing() -> None:
    """A change of permissions without a value leaves the row as it is."""
    assert permitted(KNOWN, told(), 9) == KNOWN


def test_asking_for_what_is_there_is_no_new_effect() -> None:
    """The order of the event is kept, the revision stays."""
    after = permitted(KNOWN, told("600"), 9)
    assert (after.row, after.seen.event_position) == (KNOWN.row, 9)
