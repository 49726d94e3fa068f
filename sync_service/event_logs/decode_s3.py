"""S3 notifications, eventVersion 2.x, as AWS, MinIO and other servers send them: one record to one event."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sync_service.event_logs.fields import (
    encoded_key_of,
    permissions_of,
    raw_of,
    sequencer_of,
    size_of,
    text_of,
    time_of,
)
from sync_service.models.data_models import Event, EventType
from sync_service.models.errors import PoisonEvent

_VERSION = re.compile(r"2\.\d{1,4}")
_META = "x-amz-meta-"

# What an event name means: the whole name first, then its family. `create` means "the key holds this object now".
_NAMES = {
    "ObjectCreated:PutTagging": EventType.CHANGE_PERMISSION,
    "ObjectCreated:DeleteTagging": EventType.CHANGE_PERMISSION,
    "ObjectCreated:PutRetention": EventType.IGNORE,
    "ObjectCreated:PutLegalHold": EventType.IGNORE,
    "ObjectRemoved:NoOP": EventType.IGNORE,
    "ObjectRestore:Completed": EventType.UPDATE,
}
_FAMILIES = {
    "ObjectCreated": EventType.CREATE,
    "ObjectRemoved": EventType.DELETE,
    "LifecycleExpiration": EventType.DELETE,
    "LifecycleDelMarkerExpiration": EventType.DELETE,
    "ObjectTagging": EventType.CHANGE_PERMISSION,
    "ObjectAcl": EventType.CHANGE_PERMISSION,
    "ObjectRestore": EventType.IGNORE,
    "ObjectAccessed": EventType.IGNORE,
    "ObjectAnnotation": EventType.IGNORE,
    "ObjectTransition": EventType.IGNORE,
    "LifecycleTransition": EventType.IGNORE,
    "IntelligentTiering": EventType.IGNORE,
    "Replication": EventType.IGNORE,
    "ReducedRedundancyLostObject": EventType.IGNORE,
    "Scanner": EventType.IGNORE,
    "BucketCreated": EventType.IGNORE,
    "BucketRemoved": EventType.IGNORE,
}


def decode_record(record: object) -> Event:
    """The event of one member of `Records`; PoisonEvent where it cannot be told."""
    if not isinstance(record, dict):
        raise PoisonEvent("record is not an object")
    _check_version(record.get("eventVersion"))
    name = _event_name(record.get("eventName"))
    event_type = _event_type(name)
    s3 = _member(record, "s3")
    if event_type is EventType.IGNORE and "object" not in s3:
        return Event(event_type, None, raw=raw_of(record))
    return _object_event(record, s3, name, event_type)


def decode_test_event(value: Mapping[str, object]) -> Event:
    """`s3:TestEvent`: sent once when a notification is configured, about no object."""
    timestamp = time_of(value.get("Time"), "Time")
    bucket = text_of(value.get("Bucket"), "Bucket")
    return Event(EventType.IGNORE, None, timestamp=timestamp, bucket=bucket, raw=raw_of(value))


def _object_event(record: Mapping[str, object], s3: Mapping[str, object], name: str, event_type: EventType) -> Event:
    found = _member(s3, "object")
    version_id = text_of(found.get("versionId"), "versionId")
    metadata = _user_metadata(found.get("userMetadata"))
    return Event(
        event_type,
        encoded_key_of(found.get("key")),
        sequencer=sequencer_of(found.get("sequencer")),
        timestamp=time_of(record.get("eventTime"), "eventTime"),
        bucket=_bucket_name(s3),
        version_id=version_id,
        size=_size(record, found, event_type),
        etag=text_of(found.get("eTag"), "eTag"),
        file_type=text_of(found.get("contentType"), "contentType"),
        permissions=permissions_of(metadata),
        owner=metadata.get("owner"),
        group=metadata.get("group"),
        check_source=event_type is EventType.DELETE and _key_may_exist(name, version_id),
        raw=raw_of(record),
    )


def _key_may_exist(name: str, version_id: str | None) -> bool:
    """After the end of one version another may be current, and MinIO calls an undelete a delete marker, too."""
    return version_id is not None or name.endswith(":DeleteMarkerCreated")


def _size(record: Mapping[str, object], found: Mapping[str, object], event_type: EventType) -> int | None:
    """MinIO leaves the size of an empty object out."""
    size = size_of(found.get("size"))
    absent = size is None and event_type is EventType.CREATE and record.get("eventSource") == "minio:s3"
    return 0 if absent else size


def _check_version(value: object) -> None:
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise PoisonEvent("eventVersion is not 2.x")


def _event_name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise PoisonEvent("eventName is missing or not text")
    return value.removeprefix("s3:")


def _event_type(name: str) -> EventType:
    family = name.partition(":")[0]
    if name not in _NAMES and family not in _FAMILIES:
        raise PoisonEvent("eventName is of no known family")
    return _NAMES.get(name) or _FAMILIES[family]


def _bucket_name(s3: Mapping[str, object]) -> str:
    name = _member(s3, "bucket").get("name")
    if not isinstance(name, str) or not name:
        raise PoisonEvent("bucket name is missing or not text")
    return text_of(name, "bucket name") or ""


def _member(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise PoisonEvent(f"{name} is missing or not an object")
    return value


def _user_metadata(value: object) -> dict[str, str]:
    """The user's own metadata in MinIO's records: names in lower case, without the prefix, and only text."""
    if not isinstance(value, dict):
        return {}
    named = ((str(name).lower(), text) for name, text in value.items())
    return {name.removeprefix(_META): text for name, text in named if name.startswith(_META) and _usable(text)}


def _usable(text: object) -> bool:
    try:
        return bool(text_of(text, "metadata"))
    except PoisonEvent:
        return False
