"""What a call to the file manager is made of, as frozen data, and the one way to refuse it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Answer = dict[str, Any]
"""The JSON object of a 200."""

SAVE_OPERATIONS = ("create", "update", "rename", "move", "delete", "get")
UPLOAD_OPERATIONS = ("create", "update")
PATH_OPERATIONS = ("rename", "move")


class Problem(Exception):
    """A request that is answered with `status` and the reason."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Switches:
    """The ways of the server; the defaults are the strict contract.

    `field` is a server as found in the field, and implies the ways below that such servers have. `max_size` is in bytes
    (None: no limit). `sync` false leaves out the fsync of each blob. `keys_kept` and `calls_kept` bound the memory for
    idempotency keys and for the journal of calls.
    """

    field: bool = False
    no_cursor: bool = False
    no_idempotency: bool = False
    bad_request_500: bool = False
    null_internal_id: bool = False
    no_sha256: bool = False
    max_size: int | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    sync: bool = True
    keys_kept: int = 100_000
    calls_kept: int = 10_000

    @property
    def answers_500(self) -> bool:
        return self.field or self.bad_request_500

    @property
    def remembers_keys(self) -> bool:
        return not (self.field or self.no_idempotency)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as faults and counters see it: before anything about it is known to be right."""

    endpoint: str
    operation: str | None = None
    file_path: str | None = None
    new_path: str | None = None
    key: str | None = None
    changes: bool = False

    @property
    def fingerprint(self) -> list[str | None]:
        """What must be equal where two requests carry the same idempotency key."""
        return [self.endpoint, self.operation, self.file_path, self.new_path]


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that is in place under its own digest."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """A checked saveToDisk call; `content` is there for create and update."""

    operation: str
    file_path: str
    new_path: str | None
    file_type: str | None
    metadata: str | None
    content: Blob | None


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """A checked updatePermissions call; without any value it is a question."""

    file_path: str
    permissions: str | None
    owner: str | None
    group: str | None

    @property
    def reads(self) -> bool:
        return self.permissions is None and self.owner is None and self.group is None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file that the server keeps. `metadata` is JSON text; times are ISO 8601 UTC."""

    file_path: str
    internal_id: str
    size: int
    sha256: str
    permissions: str | None
    owner: str | None
    group: str | None
    file_type: str | None
    metadata: str | None
    saved_at: str
    permissions_at: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What carrying out a call did: the answer, whether anything changed, and content that may now be unused."""

    answer: Answer
    applied: bool = True
    freed: str | None = None


def iso(moment: datetime) -> str:
    """`moment` (aware) as ISO 8601 UTC with Z and microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
