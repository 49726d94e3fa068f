"""A Source in memory: versions of objects, pages of any size, hooks between calls, and faults on demand."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync_service.models.data_models import Listed, ListingPage, ObjectInfo
from sync_service.models.errors import OutcomeUnknown, SourceMoved, SyncError, Unreadable

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object."""

    info: ObjectInfo
    body: bytes


@dataclass(slots=True)
class Fault:
    """Raises `error` at the next `times` calls named `call` (a method of the port), of `key` alone where it is set."""

    call: str
    error: SyncError
    key: str | None = None
    times: int = 1


class FakeOpened:
    """One version, open for reading once."""

    def __init__(self, version: Version, cut_at: int | None, chunk: int) -> None:
        self._version = version
        self._cut_at = cut_at
        self._chunk = chunk
        self._begun = False

    @property
    def info(self) -> ObjectInfo:
        return self._version.info

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._begun:
            raise RuntimeError("a body is read once: open the object anew")
        self._begun = True
        body = self._version.body[: self._cut_at]
        for start in range(0, len(body), self._chunk):
            yield body[start : start + self._chunk]
        if len(body) != self.info.size:
            raise OutcomeUnknown(f"the body ended after {len(body)} of {self.info.size} bytes", subject=self.info.key)


@dataclass
class FakeSource:
    """Source port in memory. `put`, `delete`, `copy` and `rename` are what other people do to the bucket.

    `before` is called with the call's name and key (or token) before each call is answered, so a test can change the
    objects in between. `calls` holds every call. A time passes with each change: one second.
    """

    page_size: int = 1000
    name: str = "fake"
    versioned: bool = False
    before: Callable[[str, str | None], None] | None = None
    chunk: int = CHUNK
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    closed: bool = False
    _versions: dict[str, list[Version]] = field(default_factory=dict)
    _history: dict[str, list[Version]] = field(default_factory=dict)
    _cuts: dict[str, list[int]] = field(default_factory=dict)
    _archived: set[str] = field(default_factory=set)
    _changes: int = 0

    # ---------------------------------------------------------------- the bucket's other users

    def put(
        self, key: str, body: bytes, metadata: Mapping[str, str] | None = None, file_type: str = "text/plain"
    ) -> ObjectInfo:
        """Stores a new version of `key`."""
        self._changes += 1
        info = ObjectInfo(
            key=key,
            size=len(body),
            etag=hashlib.md5(body, usedforsecurity=False).hexdigest(),
            last_modified=self._now(),
            file_type=file_type,
            version_id=f"v{self._changes}" if self.versioned else None,
            metadata=dict(metadata or {}),
        )
        self._versions.setdefault(key, []).append(Version(info, body))
        return info

    def delete(self, key: str) -> None:
        """Deletes `key`; where versions are kept, they can still be opened by their id."""
        self._changes += 1
        gone = self._versions.pop(key, [])
        self._history.setdefault(key, []).extend(gone)
        self._archived.discard(key)

    def copy(self, key: str, new_key: str) -> ObjectInfo:
        """Stores the newest version of `key` under `new_key` too."""
        newest = self._versions[key][-1]
        return self.put(new_key, newest.body, newest.info.metadata, newest.info.file_type)

    def rename(self, key: str, new_key: str) -> ObjectInfo:
        """Copy and delete, which is all that a rename is in a bucket."""
        info = self.copy(key, new_key)
        if key != new_key:
            self.delete(key)
        return info

    def replace_info(self, key: str, **values: Any) -> None:
        """The newest version's headers say this from now on."""
        newest = self._versions[key][-1]
        self._versions[key][-1] = replace(newest, info=replace(newest.info, **values))

    def archive(self, key: str) -> None:
        """The object stays, and can no longer be opened."""
        self._archived.add(key)

    # ---------------------------------------------------------------- for tests

    @property
    def objects(self) -> dict[str, bytes]:
        """Every key with its newest bytes."""
        return {key: versions[-1].body for key, versions in self._versions.items()}

    def info(self, key: str) -> ObjectInfo:
        """The newest version's headers."""
        return self._versions[key][-1].info

    def fail(self, call: str, error: SyncError, *, key: str | None = None, times: int = 1) -> None:
        """Adds a fault (see Fault)."""
        self.faults.append(Fault(call, error, key, times))

    def cut(self, key: str, at: int) -> None:
        """The next body of `key` ends after `at` bytes."""
        self._cuts.setdefault(key, []).append(at)

    # ---------------------------------------------------------------- the port

    async def identity(self) -> str:
        return f"fake:{self.name}"

    async def list_page(self, token: str | None = None) -> ListingPage:
        self._called("list_page", token)
        after = token.removeprefix("after:") if token is not None else None
        keys = sorted(key for key in self._versions if after is None or key > after)
        page = [self._listed(key) for key in keys[: self.page_size]]
        return ListingPage(page, f"after:{page[-1].key}" if len(keys) > self.page_size else None)

    async def look(self, key: str) -> ObjectInfo | None:
        self._called("look", key)
        if key not in self._versions:
            return None
        info = self._versions[key][-1].info
        return replace(info, archived=info.archived or key in self._archived)

    @asynccontextmanager
    async def open(
        self, key: str, *, etag: str | None = None, version_id: str | None = None
    ) -> AsyncIterator[FakeOpened]:
        self._called("open", key)
        version = self._pinned(key, etag, version_id)
        if key in self._archived:
            raise Unreadable("the object is archived", subject=key)
        cuts = self._cuts.get(key, [])
        yield FakeOpened(version, cuts.pop(0) if cuts else None, self.chunk)

    async def ping(self) -> None:
        self._called("ping", None)

    async def close(self) -> None:
        self.closed = True

    # ---------------------------------------------------------------- inside

    def _pinned(self, key: str, etag: str | None, version_id: str | None) -> Version:
        kept = [*self._history.get(key, []), *self._versions.get(key, [])]
        found = kept if version_id is not None else self._versions.get(key, [])[-1:]
        for version in found:
            same_id = version_id is None or version.info.version_id == version_id
            if same_id and (etag is None or version.info.etag == etag):
                return version
        raise SourceMoved("the object is gone or is another version now", subject=key)

    def _called(self, call: str, subject: str | None) -> None:
        self.calls.append((call, subject))
        if self.before is not None:
            self.before(call, subject)
        for fault in self.faults:
            if fault.call == call and fault.times > 0 and fault.key in {None, subject}:
                fault.times -= 1
                raise fault.error

    def _listed(self, key: str) -> Listed:
        info = self.info(key)
        return Listed(key, info.size, info.etag, info.last_modified)

    def _now(self) -> str:
        return (EPOCH + timedelta(seconds=self._changes)).strftime("%Y-%m-%dT%H:%M:%SZ")
