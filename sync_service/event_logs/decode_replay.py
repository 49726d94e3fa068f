"""Our own event vocabulary: strict in what an event is about, lenient in what only helps, for events are hints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sync_service.event_logs.fields import canonical_time, hint, key_of, permissions_of, raw_of, size_of
from sync_service.models.data_models import Event, EventType
from sync_service.models.errors import PoisonEvent

_VOCABULARY = {str(kind): kind for kind in EventType if kind is not EventType.IGNORE}
_RENAMES = (EventType.RENAME, EventType.MOVE)
_SEQUENCER = re.compile(r"[0-9A-Za-z]{1,128}")
_MILLISECONDS_FROM = 10**11


def decode_replay(value: Mapping[str, object]) -> Event:
    """One event of `pubSubFullList`. PoisonEvent for an unknown type and for paths that cannot be keys; no more."""
    event_type = _event_type(value.get("event_type"))
    found = _with_metadata(value)
    return Event(
        event_type,
        _path_of(value.get("file_path"), "file_path"),
        new_path=_path_of(value.get("new_path"), "new_path") if event_type in _RENAMES else None,
        event_id=hint(value.get("event_id")),
        sequencer=_sequencer(value.get("sequencer")),
        timestamp=_timestamp(value.get("timestamp")),
        size=_size(found.get("size")),
        etag=hint(found.get("etag")),
        file_type=hint(found.get("file_type")) or hint(found.get("mime_type")),
        permissions=permissions_of(found),
        owner=hint(found.get("owner")),
        group=hint(found.get("group")),
        raw=raw_of(value),
    )


def _event_type(value: object) -> EventType:
    known = _VOCABULARY.get(value.strip().lower()) if isinstance(value, str) else None
    if known is None:
        raise PoisonEvent("event_type is none of " + ", ".join(_VOCABULARY))
    return known


def _path_of(value: object, name: str) -> str:
    """A path is a key; one slash before it is a habit of some servers, and not counted."""
    if isinstance(value, str) and value.startswith("/") and value != "/":
        key_of(value[1:], name)
        return value
    return key_of(value, name)


def _with_metadata(value: Mapping[str, object]) -> dict[str, object]:
    """The metadata over the event's own members: servers put owner and permissions in either place."""
    metadata = value.get("metadata")
    return {**value, **metadata} if isinstance(metadata, dict) else dict(value)


def _size(value: object) -> int | None:
    try:
        return size_of(value)
    except PoisonEvent:
        return None


def _sequencer(value: object) -> str | None:
    """Letters and digits, which compare as text; anything else orders nothing, and the place in the log counts."""
    return value if isinstance(value, str) and _SEQUENCER.fullmatch(value) else None


def _timestamp(value: object) -> str | None:
    """An unreadable time costs the time only: losing the event would cost a change."""
    try:
        if isinstance(value, str):
            return canonical_time(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return canonical_time(datetime.fromtimestamp(seconds, UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        pass
    return None
