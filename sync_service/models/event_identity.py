"""Which events are the same, and which of two of one key is later."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from sync_service.models.data_models import Event, Poison

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ][0-9:.,]+(?:Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def identity(entry: Event | Poison) -> str:
    """What one delivery of an event is known by: its own id, else a hash of all of it, with its time and `again`."""
    if isinstance(entry, Poison):
        return _digest("poison", entry.reason, entry.raw)
    if entry.event_id is not None:
        return _digest("id", entry.event_id)
    return _digest("event", *_content(entry), entry.timestamp, entry.raw, *([entry.again] if entry.again else []))


def told_apart(answered: Iterable[Event | Poison]) -> list[Event | Poison]:
    """The entries of one answer of a log, with `again` set in events that are equal and happened one after the other.

    Times in whole seconds, and no ids: 600, 644 and 600 within a second are three changes, of which the last equals the first.
    One that follows its equal, or a later event, is a repetition of what was told. Each answer is counted anew, so a list
    that comes again on every call is the same events.
    """
    told: list[Event | Poison] = []
    times: Counter[Event] = Counter()
    before: Event | None = None
    for entry in answered:
        if not isinstance(entry, Event) or entry.event_id is not None or entry.sequencer is not None:
            told.append(entry)
            continue
        if entry not in times or (entry != before and not _later(before, entry)):
            times[entry] += 1
        told.append(entry if times[entry] == 1 else replace(entry, again=times[entry] - 1))
        before = entry
    return told


def _later(before: Event | None, entry: Event) -> bool:
    return before is not None and (before.timestamp or "") > (entry.timestamp or "")


def content_hash(entry: Event | Poison) -> str:
    """What an event says, without timestamp and id: servers in the field repeat the same events with fresh times."""
    if isinstance(entry, Poison):
        return _digest("poison", entry.reason, _MOMENT.sub("", entry.raw))
    return _digest("content", *_content(entry))


def sequencer_order(text: str) -> str:
    """A value that compares as the sequencers of one key do: case folded, the shorter padded with zeros on the right.

    Trailing zeros are cut instead, which gives the same order among texts of letters and digits of any length.
    """
    return text.upper().rstrip("0")


def _content(event: Event) -> tuple[object, ...]:
    what = (str(event.event_type), event.file_path, event.new_path, event.bucket, event.version_id, event.sequencer)
    return (*what, event.size, event.etag, event.file_type, event.permissions, event.owner, event.group)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode("ascii")).hexdigest()
