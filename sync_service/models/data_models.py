"""The field's words as frozen data: what moves between source, catalogue, plan and destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

# ---------------------------------------------------------------- source


class Listed(NamedTuple):
    """One key of a listing. `etag` without quotes; `last_modified` as `YYYY-MM-DDTHH:MM:SSZ` (whole seconds, UTC)."""

    key: str
    size: int
    etag: str
    last_modified: str


@dataclass(frozen=True, slots=True)
class ListingPage:
    """A page in key order (UTF-8 bytes); `next_token` is None on the last one."""

    entries: list[Listed]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the source answers about one object: a HEAD, or the headers of a GET.

    `metadata` holds the user's metadata, names in lower case without the `x-amz-meta-` prefix. `permissions`, `owner`
    and `group` are what that metadata says (None: it says nothing); `permissions` falls back to metadata `mode`.
    `archived`: its bytes cannot be had before it is restored.
    """

    key: str
    size: int
    etag: str
    last_modified: str
    file_type: str = ""
    version_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    archived: bool = False

    @property
    def permissions(self) -> str | None:
        return self.metadata.get("permissions") or self.metadata.get("mode") or None

    @property
    def owner(self) -> str | None:
        return self.metadata.get("owner") or None

    @property
    def group(self) -> str | None:
        return self.metadata.get("group") or None


# ---------------------------------------------------------------- events


class EventType(StrEnum):
    """The event types of the contract, and `ignore` for events that mean nothing to us."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RENAME = "rename"
    MOVE = "move"
    CHANGE_PERMISSION = "change_permission"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded event of any dialect: which key to look at, and what may have been meant.

    `file_path` and `new_path` are keys as the event gives them, still with the route's prefix where the dialect has the
    full key (`bucket` is set then). `event_id` is the log's own id or None. `sequencer` orders the events of one key.
    `timestamp` is ISO 8601 UTC with Z, or None. `raw` is the event's own text, for the record. `again` counts the events
    before it in the same answer of a log that are like it in all of this, and yet not the same.
    """

    event_type: EventType
    file_path: str | None
    new_path: str | None = None
    event_id: str | None = None
    sequencer: str | None = None
    timestamp: str | None = None
    bucket: str | None = None
    version_id: str | None = None
    size: int | None = None
    etag: str | None = None
    file_type: str | None = None
    permissions: str | None = None
    owner: str | None = None
    group: str | None = None
    check_source: bool = False
    raw: str = ""
    again: int = 0


@dataclass(frozen=True, slots=True)
class Poison:
    """An event that could not be decoded, with its text (cut) and the reason, for quarantine."""

    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """What one read of a log gave. `cursor` is to be committed with the effects; None: the log has no cursor."""

    events: list[Event | Poison]
    cursor: str | None
    has_more: bool


# ---------------------------------------------------------------- catalogue rows


SNAPSHOT_COLUMNS = (
    "id",
    "file_path",
    "permissions",
    "owner",
    "group",
    "size",
    "file_type",
    "etag",
    "last_modified",
    "internal_id",
)
"""The columns of the two CSVs; public (CONTRACT: Data)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `observed` or `delivered`: the contract's columns, and what identity and retry need beside them.

    In `observed`, None in permissions, owner, group means "the source says nothing": no wish.
    `revision` grows with every change of what is wanted (bytes, path, permissions).
    """

    id: int
    file_path: str
    size: int
    etag: str
    last_modified: str
    permissions: str | None = None
    owner: str | None = None
    group: str | None = None
    file_type: str | None = None
    internal_id: str | None = None
    version_id: str | None = None
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What was last seen of a row's permissions: in the object's metadata, and the order of the last event that set them."""

    permissions: str | None = None
    owner: str | None = None
    group: str | None = None
    event_sequencer: str | None = None
    event_position: int = 0


# ---------------------------------------------------------------- operations


class Kind(StrEnum):
    """The operations of the diff; also their names in the API, reports, CSV and metrics."""

    CREATE = "create"
    UPDATE = "update"
    MOVE = "move"
    RENAME = "rename"
    CHANGE_PERMISSION = "change_permission"
    DELETE = "delete"


UPLOADS = frozenset({Kind.CREATE, Kind.UPDATE})
PATH_CHANGES = frozenset({Kind.RENAME, Kind.MOVE})


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the diff, and of the plan: what the destination is to be told about one row.

    `file_path` is where the destination has (or will have) the object, `new_path` where a rename or move puts it.
    `size`, `etag`, `version_id`, attributes describe what is wanted; for a delete, what is there.
    """

    kind: Kind
    row_id: int
    revision: int
    file_path: str
    new_path: str | None = None
    size: int = 0
    etag: str = ""
    version_id: str | None = None
    permissions: str | None = None
    owner: str | None = None
    group: str | None = None
    file_type: str | None = None

    @property
    def text(self) -> str:
        """The operation as one line, the oracle of plans and tests: `rename a.txt -> b.txt`."""
        return f"{self.kind} {self.file_path}" + (f" -> {self.new_path}" if self.new_path is not None else "")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the destination confirmed. `size` and `sha256` are None where it does not report them."""

    internal_id: str | None = None
    size: int | None = None
    sha256: str | None = None
    permissions: str | None = None
    owner: str | None = None
    group: str | None = None


class Result(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    REFUSED = "refused"
    NOT_DONE = "not_done"  # certainly not applied: may be tried again as if never sent
    UNKNOWN = "unknown"  # may have been applied: stays in doubt until it is settled
    SOURCE_MOVED = "source_moved"
    MISSING = "missing"  # the destination does not have the path that the operation starts from
    STORED_WRONG = "stored_wrong"  # the destination holds other bytes than were sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one operation's attempts in this cycle.

    `certain` False: the path is held as it should be, the bytes behind it are not known. `seconds` is what the
    attempts took, with the waits between them. `at_source`: it failed because the source did not give the object.
    `absent`: it rests on the destination's word that a path is not there.
    """

    operation: Operation
    result: Result
    receipt: Receipt = field(default_factory=Receipt)
    info: ObjectInfo | None = None
    attempts: int = 1
    sent_bytes: int = 0
    certain: bool = True
    error_kind: str | None = None
    error: str | None = None
    seconds: float = 0.0
    at_source: bool = False
    absent: bool = False


# ---------------------------------------------------------------- runs

SyncType = Literal["initial", "incremental", "scan"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed operation as reports and status show it. Times are aware UTC."""

    file_path: str
    operation: str
    kind: str
    message: str
    attempts: int
    next_attempt: datetime | None = None
