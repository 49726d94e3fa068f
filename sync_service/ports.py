"""The ports: what the services may ask of the outside, and what every adapter promises. Read this file first.

Adapters raise the errors of `models/errors.py` and nothing else. None of them repeats a request on its own: repeating is
the services' decision, in one place (`services/retry.py`). All of them run on the one event loop, except the catalogue,
which is called from its own thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sync_service.models.data_models import (
    EventPage,
    ListingPage,
    ObjectInfo,
    Operation,
    Outcome,
    Receipt,
    Row,
)


class Opened(Protocol):
    """One version of an object, open for reading, once."""

    @property
    def info(self) -> ObjectInfo:
        """The headers of the very answer whose body follows."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in bounded pieces. Raises OutcomeUnknown where the body ends before `info.size` bytes, DamagedBody in
        place of the last piece where the body is known to be another one than `info` names."""
        ...


class Source(Protocol):
    """Lists objects in key order and opens them. Keys are without the route's prefix, byte for byte as the source has them."""

    async def identity(self) -> str:
        """What this source is, in a form that tells another bucket of the same name apart as far as the source allows."""
        ...

    async def list_page(self, token: str | None = None) -> ListingPage:
        """The page after `token` (None: the first), in order of the keys' UTF-8 bytes. Attributes are not listed."""
        ...

    async def look(self, key: str) -> ObjectInfo | None:
        """What the source says of `key` now (HEAD); None where it does not exist."""
        ...

    def open(
        self, key: str, *, etag: str | None = None, version_id: str | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """The object for reading, pinned: SourceMoved where it is gone or is no longer that version.

        Raises Unreadable where it exists and cannot be read (Archived: not before it is restored), Denied without the permission.
        """
        ...

    async def ping(self) -> None:
        """Raises what a listing would raise now; returns where the source can be used."""
        ...

    async def close(self) -> None:
        """Gives back connections."""
        ...


class EventLog(Protocol):
    """Replayable changes with a cursor. The service commits a page's cursor with its effects, then acknowledges."""

    async def position(self) -> str | None:
        """The cursor behind the newest event of now; None where the log has no cursor (everything is replayed then)."""
        ...

    async def read(self, cursor: str | None) -> EventPage:
        """The page of events after `cursor` (None: from the start), in the log's order, poison among them as `Poison`.

        A log without a cursor gives what it has and `has_more=False`: the service tells known events by their content.
        Raises CursorRefused where the log does not know `cursor`, or no longer.
        """
        ...

    async def acknowledge(self, cursor: str | None) -> None:
        """The events up to `cursor` are committed: the log may forget them. Called only after the commit."""
        ...

    async def ping(self) -> None:
        """Raises what `read` would raise now."""
        ...

    async def close(self) -> None:
        """Gives back connections."""
        ...


class Destination(Protocol):
    """Applies operations. Each call is one attempt: it is repeated by the service, with the same key, or not at all."""

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        """Carries out `operation` once, under the idempotency key `key`. `content` is given for uploads, opened anew each time.

        Returns what the destination confirmed, after checking size and digest where it reports them. Raises Refused (and its
        kinds NotAtDestination, PathTaken) for a final no, Unreachable, Throttled or Renewed where nothing was applied,
        StoredWrong where it holds other bytes than were sent, OutcomeUnknown for everything that may have been applied.
        """
        ...

    async def get(self, file_path: str) -> Receipt | None:
        """What the destination holds at `file_path`; None where it says that there is nothing."""
        ...

    async def attributes(self, file_path: str) -> Receipt | None:
        """What it says of permissions, owner and group at `file_path`; None where it says that there is nothing."""
        ...

    async def report(self, report: dict[str, Any]) -> None:
        """Hands over a run report; failing never fails a sync."""
        ...

    async def ping(self) -> None:
        """Raises where the destination is unhealthy."""
        ...

    async def close(self) -> None:
        """Gives back connections."""
        ...


Carry = Callable[[Operation], Awaitable[Outcome]]
"""Carries one operation to its end (all attempts of this cycle). Never raises SyncError: the outcome says it."""


class Engine(Protocol):
    """Where the attempts of a window are carried out: this process, or a cluster. Stateless."""

    def deliver(self, window: Sequence[Operation]) -> AsyncIterator[Outcome]:
        """One outcome for each operation of `window`, as they end, in any order. Operations of one row keep their order."""
        ...

    async def close(self) -> None:
        """Ends what the engine started."""
        ...


class Observer(Protocol):
    """Is told what happens, for logs, progress and metrics. Never raises, never waits."""

    def phase(self, name: str, total: int | None = None, total_bytes: int | None = None) -> None:
        """A step of the cycle begins (`scan`, `events`, `compare`, `snapshot`, `diff`, `deliver`, `report`)."""
        ...

    def advance(self, items: int = 1, size: int = 0) -> None:
        """So many more items (keys, events, operations) and bytes of the current phase are through."""
        ...

    def outcome(self, outcome: Outcome) -> None:
        """An operation has ended."""
        ...

    def note(self, message: str, **facts: Any) -> None:
        """Something that a person may want to know. Facts are data: keys, counts; shown escaped."""
        ...

    def problem(self, message: str, **facts: Any) -> None:
        """Something that a person has to know."""
        ...

    def finished(self, report: dict[str, Any]) -> None:
        """A run has ended with this report."""
        ...


class SnapshotRows(Protocol):
    """The two states of one cycle, in order of row id, for the snapshots; part of the Catalogue."""

    def delivered(self) -> Iterator[Row]: ...

    def observed(self) -> Iterator[Row]: ...


Rows = Iterable[Row]
