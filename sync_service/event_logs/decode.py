"""Payloads of every dialect to events: poison is an entry of the answer, never an exception, and harms no other."""

from __future__ import annotations

from sync_service.event_logs import envelope
from sync_service.event_logs.decode_eventbridge import decode_eventbridge
from sync_service.event_logs.decode_replay import decode_replay
from sync_service.event_logs.decode_s3 import decode_record, decode_test_event
from sync_service.event_logs.fields import raw_of, storable
from sync_service.models.data_models import Event, EventType, Poison
from sync_service.models.errors import PoisonEvent

MAX_RECORDS = 10_000

Entries = list[Event | Poison]


def decode_text(payload: str | bytes) -> Entries:
    """The events of one message of a queue or a webhook, in their order; none for an empty list of records."""
    try:
        value = envelope.load(payload)
    except PoisonEvent as problem:
        text = (
            payload
            if isinstance(payload, str)
            else payload[: envelope.MAX_CHARACTERS].decode("utf-8", "backslashreplace")
        )
        return [Poison(problem.what, storable(text))]
    return decode_item(value)


def decode_item(value: object) -> Entries:
    """The events of an already parsed JSON value of any dialect, our own among them."""
    try:
        envelope.check_depth(value)
        return _decoded(value, 0)
    except PoisonEvent as problem:
        return [Poison(problem.what, raw_of(value))]


def _decoded(value: object, wraps: int) -> Entries:
    if not isinstance(value, dict):
        raise PoisonEvent("message is not a JSON object")
    if "event_type" in value:
        return [decode_replay(value)]
    if "detail-type" in value:
        return [decode_eventbridge(value)]
    if "Records" in value:
        return _records(value["Records"])
    if "eventName" in value:
        return [decode_record(value)]
    if value.get("Event") == "s3:TestEvent":
        return [decode_test_event(value)]
    return _unwrapped(value, wraps)


def _unwrapped(value: dict[str, object], wraps: int) -> Entries:
    if envelope.is_sns(value):
        inner = envelope.sns_message(value)
        return [Event(EventType.IGNORE, None, raw=raw_of(value))] if inner is None else _inner(inner, wraps)
    if envelope.is_sqs(value):
        return _inner(envelope.sqs_body(value), wraps)
    raise PoisonEvent("message is of no known dialect")


def _inner(text: str, wraps: int) -> Entries:
    if wraps >= envelope.MAX_WRAPS:
        raise PoisonEvent("message is wrapped too often")
    value = envelope.load(text)
    envelope.check_depth(value)
    return _decoded(value, wraps + 1)


def _records(records: object) -> Entries:
    if not isinstance(records, list):
        raise PoisonEvent("Records is not a list of records")
    if len(records) > MAX_RECORDS:
        raise PoisonEvent(f"Records holds {len(records)} records, over {MAX_RECORDS}")
    return [_record(record) for record in records]


def _record(record: object) -> Event | Poison:
    try:
        return decode_record(record)
    except PoisonEvent as problem:
        return Poison(problem.what, raw_of(record))
