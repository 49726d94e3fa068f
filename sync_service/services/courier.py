"""Carries one operation to its end: reads the source anew for each attempt, calls the destination, says how it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from sync_service.models.data_models import (
    PATH_CHANGES,
    UPLOADS,
    Kind,
    ObjectInfo,
    Operation,
    Outcome,
    Receipt,
    Result,
)
from sync_service.models.errors import (
    Denied,
    NotAtDestination,
    OutcomeUnknown,
    PathTaken,
    Refused,
    Renewed,
    SourceMoved,
    StoredWrong,
    SyncError,
    Temporary,
    Throttled,
    Unreachable,
    Unreadable,
)
from sync_service.ports import Destination, Opened, Source
from sync_service.services.retry import RetryPolicy


def idempotency_key(catalogue_id: str, route: str, operation: Operation) -> str:
    """The id of one effect: the same for all its attempts, another for every other effect. 64 hexadecimal digits.

    The attributes count, since an upload takes them from the object's headers, which change while its ETag stays.
    """
    parts = [
        catalogue_id,
        route,
        operation.row_id,
        operation.revision,
        operation.kind,
        operation.file_path,
        operation.new_path,
        operation.permissions,
        operation.owner,
        operation.group,
        operation.file_type,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(slots=True)
class _Attempts:
    """What the attempts of one operation have shown so far."""

    began: float = 0.0
    count: int = 0
    may_have_applied: bool = False
    at_source: bool = False
    info: ObjectInfo | None = None
    operation: Operation | None = None


class _Counted:
    """An open object that remembers whether its bytes have begun to leave, and whether it was the source that failed."""

    def __init__(self, opened: Opened, attempts: _Attempts) -> None:
        self._opened = opened
        self._attempts = attempts
        self.begun = False

    @property
    def info(self) -> ObjectInfo:
        return self._opened.info

    async def chunks(self) -> AsyncIterator[bytes]:
        self.begun = True
        self._attempts.at_source = True
        async for chunk in self._opened.chunks():
            self._attempts.at_source = False
            yield chunk
            self._attempts.at_source = True
        self._attempts.at_source = False


class Courier:
    """Carries operations for one route. Never raises SyncError: the outcome says it."""

    def __init__(
        self,
        source: Source,
        destination: Destination,
        retry: RetryPolicy,
        key_of: Callable[[Operation], str],
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._monotonic = monotonic
        self._source = source
        self._destination = destination
        self._retry = retry
        self._key_of = key_of

    async def carry(self, operation: Operation) -> Outcome:
        """All attempts of this cycle at one operation."""
        if self._retry.halt.is_set:
            return Outcome(operation, Result.NOT_DONE, attempts=0, error_kind="halted", error=self._retry.halt.reason)
        attempts = _Attempts(self._monotonic())
        try:
            receipt = await self._retry.call(lambda: self._attempt(operation, attempts))
        except SyncError as error:
            ended = await self._ended(operation, attempts, error)
            return replace(ended, seconds=self._monotonic() - attempts.began)
        return self._done(operation, attempts, receipt)

    async def _attempt(self, operation: Operation, attempts: _Attempts) -> Receipt:
        attempts.count += 1
        try:
            if operation.kind in UPLOADS:
                return await self._upload(operation, attempts)
            return await self._tell(operation)
        except (Unreachable, Throttled):
            raise
        except (OutcomeUnknown, StoredWrong):
            attempts.may_have_applied = True
            raise

    async def _upload(self, operation: Operation, attempts: _Attempts) -> Receipt:
        attempts.at_source = True
        async with self._source.open(operation.file_path, etag=operation.etag or None) as opened:
            attempts.at_source = False
            content = _Counted(opened, attempts)
            attempts.info = opened.info
            attempts.operation = filled(operation, opened.info)
            try:
                return await self._destination.apply(attempts.operation, self._key_of(attempts.operation), content)
            except (Unreachable, Throttled, Renewed, Refused, Denied, StoredWrong):
                raise
            except SyncError:
                attempts.may_have_applied = attempts.may_have_applied or content.begun
                raise

    async def _ended(self, operation: Operation, attempts: _Attempts, error: SyncError) -> Outcome:
        """How it ended, where it did not simply succeed."""
        if isinstance(error, NotAtDestination | PathTaken) and operation.kind in (*PATH_CHANGES, Kind.DELETE):
            return await self._settled_by_get(operation, attempts, error)
        if isinstance(error, NotAtDestination) and operation.kind is not Kind.CREATE:
            return self._failed(operation, attempts, Result.MISSING, error)
        if isinstance(error, StoredWrong):
            return self._failed(operation, attempts, Result.STORED_WRONG, error)
        if attempts.may_have_applied:
            return self._failed(operation, attempts, Result.UNKNOWN, error)
        if isinstance(error, SourceMoved):
            return self._failed(operation, attempts, Result.SOURCE_MOVED, error)
        refused = isinstance(error, Refused | Unreadable)
        return self._failed(operation, attempts, Result.REFUSED if refused else Result.NOT_DONE, error)

    async def _tell(self, operation: Operation) -> Receipt:
        """One call without bytes. What stands at the path of a rename and is no row of ours gives way, as it does to a create."""
        key = self._key_of(operation)
        try:
            return await self._destination.apply(operation, key, None)
        except PathTaken:
            if operation.new_path is None or await self._destination.get(operation.file_path) is None:
                raise
            stranger = Operation(Kind.DELETE, operation.row_id, operation.revision, operation.new_path)
            with suppress(NotAtDestination):
                await self._destination.apply(stranger, hashlib.sha256(f"{key} give way".encode()).hexdigest(), None)
            return await self._destination.apply(operation, key, None)

    async def _settled_by_get(self, operation: Operation, attempts: _Attempts, error: SyncError) -> Outcome:
        """A server without a memory for keys says 404 or 409 to what it has done already: its paths tell."""
        if operation.kind is Kind.DELETE:
            return replace(self._done(operation, attempts, Receipt()), absent=True)
        try:
            settled = await self.locate(operation, certain=attempts.count > 1)
        except Temporary as unknown:
            return self._failed(operation, attempts, Result.UNKNOWN, unknown)
        if settled.result is Result.NOT_DONE:
            return self._failed(operation, attempts, Result.REFUSED, error)
        return replace(settled, attempts=attempts.count)

    async def locate(self, operation: Operation, certain: bool = True) -> Outcome:
        """Where a rename or move stands, by `get` on both its paths: done, not done, or on neither (missing).

        `certain` says that an attempt of ours may have put it there; otherwise the bytes found are not known.
        """
        assert operation.new_path is not None
        # The old path first: an attempt of a process that has died may arrive between the two, and would be on neither.
        before, unclear = await self._asked(operation.file_path)
        if before is not None:
            return Outcome(operation, Result.NOT_DONE)
        found, unsure = await self._asked(operation.new_path)
        same = found is not None and (found.size is None or found.size == operation.size)
        if found is not None and (unclear is None or same):
            return Outcome(operation, Result.DONE, found, certain=certain and same and unclear is None)
        if (problem := unsure or unclear) is not None:
            raise problem
        return Outcome(operation, Result.MISSING, absent=True)

    async def _asked(self, path: str) -> tuple[Receipt | None, Temporary | None]:
        """(what is at `path`, why that is not known): some servers answer 500 for what they do not have."""
        try:
            return await self.get(path), None
        except Temporary as problem:
            return None, problem

    async def ping(self) -> None:
        """Raises where the destination is unhealthy; asked once."""
        await self._destination.ping()

    async def get(self, path: str) -> Receipt | None:
        """What the destination holds at `path`; repeated like everything else."""
        return await self._retry.call(lambda: self._destination.get(path))

    def _done(self, operation: Operation, attempts: _Attempts, receipt: Receipt) -> Outcome:
        done = attempts.operation or operation
        sent = done.size if done.kind in UPLOADS else 0
        seconds = self._monotonic() - attempts.began
        return Outcome(done, Result.DONE, receipt, attempts.info, max(1, attempts.count), sent, seconds=seconds)

    @staticmethod
    def _failed(operation: Operation, attempts: _Attempts, result: Result, error: SyncError) -> Outcome:
        return Outcome(
            operation,
            result,
            info=attempts.info,
            attempts=attempts.count,
            error_kind=error.kind,
            error=str(error),
            at_source=attempts.at_source,
            absent=isinstance(error, NotAtDestination),
        )


def filled(operation: Operation, info: ObjectInfo) -> Operation:
    """A create with what only the object's own headers tell: its type, and permissions where nothing newer is known."""
    file_type = operation.file_type or info.file_type or None
    if operation.kind is not Kind.CREATE:
        return operation if file_type == operation.file_type else replace(operation, file_type=file_type)
    metadata = info.metadata
    return replace(
        operation,
        file_type=file_type,
        permissions=operation.permissions or (info.permissions if metadata else None),
        owner=operation.owner or (info.owner if metadata else None),
        group=operation.group or (info.group if metadata else None),
    )
