"""How an attempt that is in doubt is settled: an upload by repeating it as it was, everything else by asking for its paths."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from sync_service.models.changes import Doubt
from sync_service.models.data_models import PATH_CHANGES, UPLOADS, Kind, Operation, Outcome, Result
from sync_service.models.errors import SourceMoved, SyncError
from sync_service.services.courier import Courier


class Settler:
    """Settles one doubt at a time. Never raises SyncError: the outcome says it, and UNKNOWN leaves the doubt as it is."""

    def __init__(self, courier: Courier) -> None:
        self._courier = courier

    async def settle(self, doubt: Doubt, taken: AbstractSet[str]) -> Outcome:
        """How it stands; paths in `taken` belong to other rows by now and are left alone."""
        operation = doubt.operation
        try:
            if operation.kind in UPLOADS:
                return await self._upload(operation, taken)
            if operation.kind in PATH_CHANGES:
                return await self._path_change(operation, taken)
            return await self._in_place(operation, taken)
        except SyncError as error:
            return Outcome(operation, Result.UNKNOWN, error_kind=error.kind, error=str(error))

    async def _upload(self, operation: Operation, taken: AbstractSet[str]) -> Outcome:
        """An upload is repeated as it was, under its own key, while the source has that version; else `get` tells."""
        if operation.file_path not in taken:
            outcome = await self._courier.carry(operation)
            if outcome.result not in (Result.SOURCE_MOVED, Result.REFUSED, Result.MISSING, Result.NOT_DONE):
                if outcome.error_kind != SourceMoved.kind:
                    return outcome
            elif outcome.result is Result.NOT_DONE:
                return replace(outcome, result=Result.UNKNOWN)
            if (found := await self._courier.get(operation.file_path)) is not None:
                return Outcome(operation, Result.DONE, found, certain=False)
        return Outcome(operation, Result.MISSING, absent=operation.file_path not in taken)

    async def _path_change(self, operation: Operation, taken: AbstractSet[str]) -> Outcome:
        assert operation.new_path is not None
        if operation.new_path not in taken:
            return await self._courier.locate(operation)
        found = None if operation.file_path in taken else await self._courier.get(operation.file_path)
        gone = found is None
        return Outcome(operation, Result.MISSING if gone else Result.NOT_DONE, absent=gone)

    async def _in_place(self, operation: Operation, taken: AbstractSet[str]) -> Outcome:
        """A delete is not done where the path is still there. Which permissions hold after a change in doubt nobody says."""
        found = None if operation.file_path in taken else await self._courier.get(operation.file_path)
        if operation.kind is Kind.DELETE:
            return Outcome(operation, Result.NOT_DONE if found is not None else Result.DONE, absent=found is None)
        return Outcome(
            operation, Result.DONE if found is not None else Result.MISSING, certain=False, absent=found is None
        )
