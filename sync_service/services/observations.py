"""What a look at the source does to an observed row: pure rules, shared by scan, replay and delivery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sync_service.models.changes import Observation, Wish
from sync_service.models.data_models import Event, ObjectInfo, Row, Seen

_ATTRIBUTES = ("permissions", "owner", "group")


def first_seen(info: ObjectInfo) -> Observation:
    """The row for a key that was not known; its id is given when it is recorded."""
    row = Row(
        id=0,
        file_path=info.key,
        size=info.size,
        etag=info.etag,
        last_modified=info.last_modified,
        permissions=info.permissions,
        owner=info.owner,
        group=info.group,
        file_type=info.file_type or None,
        version_id=info.version_id,
    )
    return Observation(row, Seen(info.permissions, info.owner, info.group))


def seen_again(known: Observation, info: ObjectInfo) -> Observation:
    """The row after another look; equal to `known` where nothing changed.

    A value in the metadata counts when it differs from the one last seen there, so that an event's newer value stays.
    """
    before, seen = known.row, known.seen
    row = Row(
        id=before.id,
        file_path=before.file_path,
        size=info.size,
        etag=info.etag,
        last_modified=info.last_modified,
        permissions=_newest(info.permissions, seen.permissions, before.permissions),
        owner=_newest(info.owner, seen.owner, before.owner),
        group=_newest(info.group, seen.group, before.group),
        file_type=info.file_type or before.file_type,
        internal_id=before.internal_id,
        version_id=info.version_id,
        revision=before.revision,
    )
    seen = Seen(info.permissions, info.owner, info.group, seen.event_sequencer, seen.event_position)
    return revised(known, Observation(row, seen))


def _newest(told: str | None, told_before: str | None, wanted: str | None) -> str | None:
    """The metadata's word where it is a new one, else what was wanted already."""
    return told if told is not None and told != told_before else wanted


def moved(known: Observation, new_path: str) -> Observation:
    """The same row under another path."""
    return revised(known, replace(known, row=replace(known.row, file_path=new_path)))


def without_said(known: Observation) -> Observation:
    """The row without the wishes that only the metadata of its last object had: another object stands in for it now."""
    row, seen = known.row, known.seen
    kept: dict[str, Any] = {n: None if getattr(row, n) == getattr(seen, n) else getattr(row, n) for n in _ATTRIBUTES}
    silent = replace(seen, permissions=None, owner=None, group=None)
    return revised(known, Observation(replace(row, **kept), silent))


def asked_by_events(known: Observation) -> Wish | None:
    """What is wanted of the row beyond the word of its object's metadata; None where that is nothing."""
    row, seen = known.row, known.seen
    asked = [None if getattr(row, n) == getattr(seen, n) else getattr(row, n) for n in _ATTRIBUTES]
    return Wish(seen.event_position, seen.event_sequencer, *asked) if any(asked) else None


def permitted(known: Observation, event: Event, position: int) -> Observation:
    """The row after an event that sets permissions, owner or group; unchanged where a newer event has set them."""
    wishes = {name: value for name in _ATTRIBUTES if (value := getattr(event, name)) is not None}
    if not wishes or not _newer(event.sequencer, position, known.seen):
        return known
    seen = replace(known.seen, event_sequencer=event.sequencer or known.seen.event_sequencer, event_position=position)
    return revised(known, Observation(replace(known.row, **wishes), seen))


def unordered(known: Observation) -> Observation:
    """The row without the sequencer that ordered its attributes: it is of another key. The log's order goes on counting."""
    return replace(known, seen=replace(known.seen, event_sequencer=None))


def revised(before: Observation, after: Observation) -> Observation:
    """`after` with the revision one up where something is wanted that was not wanted before."""
    if _wanted(before.row) == _wanted(after.row):
        return after
    return replace(after, row=replace(after.row, revision=before.row.revision + 1))


def _wanted(row: Row) -> tuple[object, ...]:
    return (row.file_path, row.size, row.etag, row.file_type, row.permissions, row.owner, row.group)


def _newer(sequencer: str | None, position: int, seen: Seen) -> bool:
    """Sequencers of one key compare as text, the shorter one padded with zeros on the right; else the log's order counts."""
    if sequencer and seen.event_sequencer:
        width = max(len(sequencer), len(seen.event_sequencer))
        ours, theirs = (text.upper().ljust(width, "0") for text in (sequencer, seen.event_sequencer))
        if ours != theirs:
            return ours > theirs
    return position > seen.event_position
