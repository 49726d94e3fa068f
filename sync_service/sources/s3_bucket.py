"""The bucket as a Source: a route's prefix is a folder, and a listing is checked rather than trusted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sync_service.clients.s3_errors import TokenRefused
from sync_service.clients.s3_listing import RawPage
from sync_service.clients.s3_manager import PAGE_SIZE, S3Manager
from sync_service.models.data_models import Listed, ListingPage, ObjectInfo
from sync_service.models.errors import ListingBroken
from sync_service.models.text import shown
from sync_service.ports import Opened

_EMPTY_PAGES = 1000


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a listing is: the last whole key, the server's token, and how many pages in a row were empty.

    It is the port's token as JSON, so it outlives this process, and the server's own token.
    """

    after: str | None
    token: str | None
    empty: int = 0

    def text(self) -> str:
        return json.dumps({"after": self.after, "token": self.token, "empty": self.empty})

    @classmethod
    def of(cls, token: str | None) -> _Place:
        if token is None:
            return cls(None, None)
        try:
            held = json.loads(token)
            return cls(held["after"], held["token"], int(held["empty"]))
        except (ValueError, KeyError, TypeError):
            raise ListingBroken(f"the stored place of the scan cannot be read: {shown(token)}") from None


class _Whole:
    """An opened object under its key without the prefix."""

    def __init__(self, opened: Opened, key: str) -> None:
        self._opened = opened
        self._key = key

    @property
    def info(self) -> ObjectInfo:
        return replace(self._opened.info, key=self._key)

    def chunks(self) -> AsyncIterator[bytes]:
        return self._opened.chunks()


class S3BucketSource:
    """Source port on a bucket, or on a folder of it: `path1` means `path1/` and has nothing of `path10/`."""

    def __init__(self, manager: S3Manager, prefix: str = "", page_size: int = PAGE_SIZE) -> None:
        self._manager = manager
        self._prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
        self._page_size = page_size

    async def identity(self) -> str:
        return f"{await self._manager.identity()} prefix {json.dumps(self._prefix)}"

    async def list_page(self, token: str | None = None) -> ListingPage:
        place = _Place.of(token)
        raw = await self._raw_page(place)
        following = self._following(place, raw)
        return ListingPage(self._relative(raw.entries), following.text() if following else None)

    async def look(self, key: str) -> ObjectInfo | None:
        info = await self._manager.head(self._prefix + key) if key else None
        return replace(info, key=key) if info is not None and self._prefix else info

    @asynccontextmanager
    async def open(self, key: str, *, etag: str | None = None, version_id: str | None = None) -> AsyncIterator[Opened]:
        whole_key = self._prefix + key if key else ""
        async with self._manager.open(whole_key, etag=etag, version_id=version_id) as opened:
            yield _Whole(opened, key) if self._prefix else opened

    async def ping(self) -> None:
        await self._manager.list_page(prefix=self._prefix, max_keys=1)

    async def close(self) -> None:
        await self._manager.close()

    async def _raw_page(self, place: _Place) -> RawPage:
        """Servers forget tokens (a restart, a day's pause); the last key says the same."""
        size = self._page_size
        if place.token is not None:
            try:
                return await self._manager.list_page(prefix=self._prefix, token=place.token, max_keys=size)
            except TokenRefused:
                pass
        return await self._manager.list_page(prefix=self._prefix, start_after=place.after, max_keys=size)

    def _following(self, place: _Place, raw: RawPage) -> _Place | None:
        last = self._last_key(place.after, raw.entries)
        if raw.next_token is None:
            return None
        empty = 0 if raw.entries else place.empty + 1
        if raw.next_token == place.token or empty > _EMPTY_PAGES:
            raise ListingBroken("the listing does not advance: the server gives the same page again and again")
        return _Place(last, raw.next_token, empty)

    def _last_key(self, last: str | None, entries: list[Listed]) -> str | None:
        """Code points order as UTF-8 bytes do, so texts are compared as they are."""
        for entry in entries:
            key = entry.key
            if last is not None and key <= last:
                what = "the same key twice" if key == last else "a key out of order"
                raise ListingBroken(f"the listing has {what}, after {shown(last)}", subject=key)
            last = key
        if entries and not (entries[0].key.startswith(self._prefix) and entries[-1].key.startswith(self._prefix)):
            raise ListingBroken(f"the listing has keys outside the prefix {shown(self._prefix)}")
        return last

    def _relative(self, entries: list[Listed]) -> list[Listed]:
        """The object that is the prefix itself (a folder's marker) has no key of its own and is left out."""
        if not self._prefix:
            return entries
        cut = len(self._prefix)
        relative = [Listed(key[cut:], size, etag, modified) for key, size, etag, modified in entries]
        return [entry for entry in relative if entry.key]
