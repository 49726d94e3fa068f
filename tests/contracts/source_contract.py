"""What every Source promises, as tests that each adapter's own file inherits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pytest

from sync_service.models.data_models import Listed
from sync_service.models.errors import SourceMoved
from sync_service.ports import Opened, Source


class Bench(Protocol):
    """A source on an empty place, and the hands of its other users. Pages have two keys."""

    source: Source

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None, file_type: str = "") -> None: ...

    def delete(self, key: str) -> None: ...


async def listed(source: Source, token: str | None = None) -> list[Listed]:
    """Every entry after `token`, page by page."""
    page = await source.list_page(token)
    entries = list(page.entries)
    while page.next_token is not None:
        page = await source.list_page(page.next_token)
        entries += page.entries
    return entries


async def body_of(opened: Opened) -> bytes:
    """The whole body."""
    return b"".join([chunk async for chunk in opened.chunks()])


class SourceContract:
    """Inherit it, and give a `bench` fixture."""

    async def test_an_empty_source_lists_nothing(self, bench: Bench) -> None:
        """An empty source has one empty page, and can be used."""
        page = await bench.source.list_page()
        assert (page.entries, page.next_token) == ([], None)
        await bench.source.ping()

    async def test_lists_all_keys_in_byte_order_over_pages(self, bench: Bench) -> None:
        """Keys come in the order of their UTF-8 bytes, however many pages they take."""
        keys = ["b/2", "b-1", "a", "Z", "é.txt", "b/10", "zz", "\U0001f5c2.txt", "\uffee.txt", "sp ace+plus.txt"]
        for key in keys:
            bench.put(key, key.encode())
        found = await listed(bench.source)
        assert [entry.key for entry in found] == sorted(keys, key=str.encode)
        assert [entry.size for entry in found] == [len(entry.key.encode()) for entry in found]

    async def test_a_page_token_is_text_that_can_be_used_again(self, bench: Bench) -> None:
        """A stored token gives the same page to a later asker, which is how a scan resumes."""
        for number in range(5):
            bench.put(f"k{number}", b"x")
        first = await bench.source.list_page()
        again = [await bench.source.list_page(first.next_token) for _ in range(2)]
        assert again[0].entries == again[1].entries
        assert again[0].entries[0].key == f"k{len(first.entries)}"

    async def test_a_key_that_vanishes_between_pages_breaks_nothing(self, bench: Bench) -> None:
        """The key that the token stands on may be gone when the next page is asked for."""
        for number in range(4):
            bench.put(f"k{number}", b"x")
        first = await bench.source.list_page()
        bench.delete(first.entries[-1].key)
        seen = [entry.key for entry in first.entries + await listed(bench.source, first.next_token)]
        assert seen == ["k0", "k1", "k2", "k3"]

    async def test_look_agrees_with_the_listing(self, bench: Bench) -> None:
        """Listing and HEAD say the same size, ETag and time, in the same form."""
        bench.put("dir/a.txt", b"hello")
        info = await bench.source.look("dir/a.txt")
        assert info is not None
        assert await listed(bench.source) == [Listed(info.key, info.size, info.etag, info.last_modified)]
        assert '"' not in info.etag
        assert len(info.last_modified) == len("2026-01-01T00:00:00Z")
        assert info.last_modified.endswith("Z")

    async def test_look_at_nothing_is_none(self, bench: Bench) -> None:
        """A key that does not exist, or cannot, is None and no error."""
        bench.put("a.txt", b"x")
        for key in ["b.txt", "a.tx", "", "k" * 1025, "lone\ud800surrogate"]:
            assert await bench.source.look(key) is None

    async def test_metadata_is_told(self, bench: Bench) -> None:
        """User metadata comes with lower-case names, and permissions, owner, group are read from it."""
        bench.put(
            "a.txt", b"x", {"Permissions": "0644", "owner": "bob", "group": "staff", "note": "a b"}, "text/x-test"
        )
        info = await bench.source.look("a.txt")
        assert info is not None
        assert (info.permissions, info.owner, info.group, info.file_type) == ("0644", "bob", "staff", "text/x-test")
        assert info.metadata["note"] == "a b"

    async def test_opens_the_whole_object(self, bench: Bench) -> None:
        """The headers that come with a body are that body's, and the body is the object's bytes."""
        body = bytes(range(256)) * 1200
        bench.put("a.bin", body, {"owner": "bob"})
        async with bench.source.open("a.bin") as opened:
            assert opened.info == await bench.source.look("a.bin")
            assert await body_of(opened) == body

    async def test_opens_an_empty_object(self, bench: Bench) -> None:
        """An empty object has a body of no bytes."""
        bench.put("empty", b"")
        async with bench.source.open("empty") as opened:
            assert opened.info.size == 0
            assert await body_of(opened) == b""

    async def test_chunks_are_bounded(self, bench: Bench) -> None:
        """No piece is larger than 1 MiB, however large the object."""
        bench.put("large", b"x" * 3_500_000)
        async with bench.source.open("large") as opened:
            sizes = [len(chunk) async for chunk in opened.chunks()]
        assert sum(sizes) == 3_500_000
        assert max(sizes) <= 1024 * 1024

    async def test_a_body_is_read_once(self, bench: Bench) -> None:
        """A second reading is an error, never an empty body."""
        bench.put("a.txt", b"hello")
        async with bench.source.open("a.txt") as opened:
            await body_of(opened)
            with pytest.raises(RuntimeError):
                await body_of(opened)

    async def test_an_object_may_be_left_half_read(self, bench: Bench) -> None:
        """Leaving the block early costs nothing: the next call works."""
        bench.put("large", b"x" * 3_000_000)
        async with bench.source.open("large") as opened:
            async for _chunk in opened.chunks():
                break
        assert await bench.source.look("large") is not None

    async def test_the_pinned_version_opens(self, bench: Bench) -> None:
        """A pin on what is there opens it."""
        bench.put("a.txt", b"one")
        info = await bench.source.look("a.txt")
        assert info is not None
        async with bench.source.open("a.txt", etag=info.etag, version_id=info.version_id) as opened:
            assert await body_of(opened) == b"one"

    async def test_an_object_that_changed_has_moved(self, bench: Bench) -> None:
        """A pin on what was there is SourceMoved."""
        bench.put("a.txt", b"one")
        info = await bench.source.look("a.txt")
        bench.put("a.txt", b"two")
        assert info is not None
        with pytest.raises(SourceMoved):
            async with bench.source.open("a.txt", etag=info.etag):
                pass

    async def test_an_object_that_is_gone_has_moved(self, bench: Bench) -> None:
        """Opening a key that no longer exists, or never could, is SourceMoved."""
        bench.put("a.txt", b"one")
        bench.delete("a.txt")
        for key in ["a.txt", "never", "", "lone\ud800surrogate"]:
            with pytest.raises(SourceMoved):
                async with bench.source.open(key):
                    pass

    async def test_identity_stays(self, bench: Bench) -> None:
        """A source says the same of itself, whatever it holds."""
        before = await bench.source.identity()
        bench.put("a.txt", b"x")
        assert before
        assert await bench.source.identity() == before
