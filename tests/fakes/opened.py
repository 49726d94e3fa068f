"""An open object in memory: what destinations are given for an upload."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping

from sync_service.models.data_models import ObjectInfo


class FakeOpened:
    """Gives `data` in pieces, once; `error` is raised after the pieces, `size` may announce another length."""

    def __init__(
        self,
        key: str,
        data: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        file_type: str = "",
        size: int | None = None,
        piece: int = 64 * 1024,
        error: Exception | None = None,
    ) -> None:
        announced = len(data) if size is None else size
        etag = hashlib.md5(data).hexdigest()
        self.info = ObjectInfo(key, announced, etag, "2026-11-21T06:00:00Z", file_type, metadata=dict(metadata or {}))
        self.used = False
        self._data, self._piece, self._error = data, piece, error

    async def chunks(self) -> AsyncIterator[bytes]:
        assert not self.used, "a body is open for reading once"
        self.used = True
        for start in range(0, len(self._data), self._piece):
            yield self._data[start : start + self._piece]
        if self._error is not None:
            raise self._error
