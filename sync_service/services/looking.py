"""Looks at many objects at the source: one that it does not answer for holds up no other, and a silent source ends it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import Interrupted, SyncError, Temporary
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
        self._bound = max(2 * workers, 10)
        self.begin()

    def begin(self) -> None:
        """From now on the source is asked again, however silent it was before."""
        self._unanswered: list[SyncError] = []
        self._there: bool | None = None

    async def at(self, keys: Sequence[str], once: AbstractSet[str] = frozenset()) -> dict[str, Look]:
        """Key -> what the source says. After a row of keys without an answer it is asked whether it is there: where it is,
        the others are asked about without repetition, as those in `once` are; where it is not, not at all until `begin`.
        """
        looks = await each(lambda key: self._look(key, key in once), keys, self._workers)
        return dict(zip(keys, looks, strict=True))

    async def answered(self, keys: Sequence[str], once: AbstractSet[str] = frozenset()) -> dict[str, Look]:
        """As `at`; raises the error of a source that is not there, or that we are to stop."""
        looks = await self.at(keys, once)
        unknown = [look for look in looks.values() if isinstance(look, SyncError)]
        if unknown and self._retry.halt.is_set:
            raise unknown[-1]
        if unknown and (self._there is False or len(unknown) == len(looks)):
            await self._retry.call(self._source.ping)
        return looks

    async def _look(self, key: str, once: bool) -> Look:
        silent = len(self._unanswered) >= self._bound
        if silent and not await self._is_there():
            return self._unanswered[-1]
        if self._retry.halt.is_set:
            return Interrupted("the run was stopped", subject=key)
        try:
            info = await (
                self._source.look(key) if once or silent else self._retry.call(lambda: self._source.look(key))
            )
        except Temporary as error:
            self._unanswered.append(error)
            return error
        except SyncError as error:
            return error
        self._unanswered.clear()
        return info

    async def _is_there(self) -> bool:
        if self._there is None:
            try:
                await self._source.ping()
                self._there = True
            except SyncError:
                self._there = False
        return self._there
