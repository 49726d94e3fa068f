"""Looks at many objects at the source: one that it does not answer for holds up no other, and a silent source ends it."""

from __future__ import annotations

from collections.abc import Sequence

from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import SyncError, Temporary
from sync_service.ports import Source
from sync_service.services.concurrency import each
from sync_service.services.retry import RetryPolicy

Look = ObjectInfo | SyncError | None
"""What the source says of a key; None: it is not there; an error: it does not say."""


class Looking:
    """HEADs, `workers` at once."""

    def __init__(self, source: Source, retry: RetryPolicy, workers: int) -> None:
        self._source = source
        self._retry = retry
        self._workers = workers

    async def at(self, keys: Sequence[str]) -> dict[str, Look]:
        """Key -> what the source says. After a row of keys without an answer the others are not asked about any more."""
        unanswered: list[SyncError] = []

        async def look(key: str) -> Look:
            if len(unanswered) >= max(2 * self._workers, 10):
                return unanswered[-1]
            if self._retry.halt.is_set:
                return Temporary("the run was stopped", subject=key)
            try:
                info = await self._retry.call(lambda: self._source.look(key))
            except Temporary as error:
                unanswered.append(error)
                return error
            except SyncError as error:
                return error
            unanswered.clear()
            return info

        return dict(zip(keys, await each(look, keys, self._workers), strict=True))
