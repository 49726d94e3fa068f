"""EventBridge's events of S3: keys as they are, and every detail-type unasked, so an unknown one is ignored."""

from __future__ import annotations

from collections.abc import Mapping

from sync_service.event_logs.fields import key_of, raw_of, sequencer_of, size_of, text_of, time_of
from sync_service.models.data_models import Event, EventType
from sync_service.models.errors import PoisonEvent

_MARKER = "Delete Marker Created"
_DELETION_TYPES = ("Permanently Deleted", _MARKER, None)
_TYPES = {
    "Object Created": EventType.CREATE,
    "Object Deleted": EventType.DELETE,
    "Object ACL Updated": EventType.CHANGE_PERMISSION,
    "Object Tags Added": EventType.CHANGE_PERMISSION,
    "Object Tags Deleted": EventType.CHANGE_PERMISSION,
    "Object Restore Completed": EventType.UPDATE,
}


def decode_eventbridge(value: Mapping[str, object]) -> Event:
    """The event of one EventBridge message; PoisonEvent where it cannot be told."""
    if value.get("source") != "aws.s3":
        raise PoisonEvent("EventBridge event of another source than aws.s3")
    event_type = _event_type(value.get("detail-type"))
    detail = value.get("detail")
    found = detail.get("object") if isinstance(detail, dict) else None
    if isinstance(detail, dict) and isinstance(found, dict):
        return _object_event(value, detail, found, event_type)
    if event_type is EventType.IGNORE:
        return Event(event_type, None, timestamp=time_of(value.get("time"), "time"), raw=raw_of(value))
    raise PoisonEvent("EventBridge detail or its object is missing or not an object")


def _object_event(
    value: Mapping[str, object], detail: Mapping[str, object], found: Mapping[str, object], event_type: EventType
) -> Event:
    version_id = text_of(found.get("version-id"), "version-id")
    return Event(
        event_type,
        key_of(found.get("key")),
        sequencer=sequencer_of(found.get("sequencer")),
        timestamp=time_of(value.get("time"), "time"),
        bucket=_bucket_name(detail),
        version_id=version_id,
        size=size_of(found.get("size")),
        etag=text_of(found.get("etag", found.get("eTag")), "etag"),
        check_source=event_type is EventType.DELETE and _key_may_exist(detail.get("deletion-type"), version_id),
        raw=raw_of(value),
    )


def _event_type(detail_type: object) -> EventType:
    if not isinstance(detail_type, str) or not detail_type:
        raise PoisonEvent("detail-type is missing or not text")
    return _TYPES.get(detail_type, EventType.IGNORE)


def _key_may_exist(deletion_type: object, version_id: str | None) -> bool:
    """Only the permanent end of an object without versions is certain."""
    if deletion_type not in _DELETION_TYPES:
        raise PoisonEvent("deletion-type is unknown")
    return version_id is not None or deletion_type != "Permanently Deleted"


def _bucket_name(detail: Mapping[str, object]) -> str:
    bucket = detail.get("bucket")
    name = text_of(bucket.get("name"), "bucket name") if isinstance(bucket, dict) else None
    if not name:
        raise PoisonEvent("bucket name is missing")
    return name
