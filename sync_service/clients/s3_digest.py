"""Whether a body is the one that its ETag names: an object stored in one part has the MD5 of its bytes for an ETag."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping

from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import DamagedBody

_MD5 = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_HASH_IN_THREAD = 256 * 1024
_STRANGE_KEYS = 3
"""Objects that must give the same other bytes twice, and none the right ones, before no ETag is taken for an MD5."""

_STRANGE_TIMES = 3
"""How often an object must do so before it is let through by itself."""


class Md5Etags:
    """What the ETags of one bucket are worth. `certain`: the server is known to use MD5s (AWS).

    Others have ETags that look like MD5s and are not. Their bodies differ from them always and in the same way; damage does
    not. So while nothing has ever matched, an object that gives the same bytes again and again is let through by itself.
    """

    def __init__(self, certain: bool) -> None:
        self._believed = True
        self._certain = certain
        self._same: dict[str, tuple[str, int]] = {}

    def check_of(self, info: ObjectInfo, headers: Mapping[str, str], subject: str) -> BodyCheck | None:
        """The check for this answer's body; None where its ETag says nothing of the bytes (parts, KMS, a customer's key)."""
        sealed = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
        if sealed or own_key or not self._believed or not _MD5.fullmatch(info.etag):
            return None
        if not self._certain and self._times(info.key) >= _STRANGE_TIMES:
            return None
        return BodyCheck(self, info, subject)

    def matched(self) -> None:
        """No chance does this: the bucket's ETags are MD5s."""
        self._certain = True
        self._same.clear()

    def differed(self, key: str, found: str) -> None:
        """Another digest than the ETag; counted while no body has ever matched."""
        if self._certain:
            return
        last, times = self._same.get(key, ("", 0))
        self._same[key] = (found, times + 1 if found == last else 1)
        self._believed = sum(times > 1 for _, times in self._same.values()) < _STRANGE_KEYS

    def _times(self, key: str) -> int:
        return self._same.get(key, ("", 0))[1]


class BodyCheck:
    """Hashes one body as it is read. Long pieces are hashed in a thread while the piece is on its way to the destination."""

    def __init__(self, etags: Md5Etags, info: ObjectInfo, subject: str) -> None:
        self._etags = etags
        self._info = info
        self._subject = subject
        self._digest = hashlib.md5(usedforsecurity=False)
        self._hashing: asyncio.Future[None] | None = None

    def add(self, piece: bytes) -> None:
        """Begins to hash `piece`; `settled` ends it."""
        if len(piece) < _HASH_IN_THREAD:
            self._digest.update(piece)
        else:
            self._hashing = asyncio.get_running_loop().run_in_executor(None, self._digest.update, piece)

    async def settled(self) -> None:
        """The piece that was added is hashed."""
        if self._hashing is not None:
            hashing, self._hashing = self._hashing, None
            await hashing

    async def verify(self) -> None:
        """Raises DamagedBody where all that was added is not what the ETag names."""
        await self.settled()
        found = self._digest.hexdigest()
        if found == self._info.etag.lower():
            self._etags.matched()
            return
        self._etags.differed(self._info.key, found)
        what = f"{self._info.size} bytes came with MD5 {found}, the ETag is {self._info.etag}"
        raise DamagedBody(what, subject=self._subject)
