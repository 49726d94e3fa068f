"""The bucket source: a prefix is a folder, and a listing is checked rather than trusted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from sync_service.clients.s3_manager import S3Manager
from sync_service.models.errors import ListingBroken
from sync_service.sources.s3_bucket import S3BucketSource
from tests.fakes.scripted_s3 import OBJECT, Reply, ScriptedS3, error, manager_of, page, scripted_s3

FORGOTTEN = error(400, "InvalidArgument", "The continuation token provided is incorrect")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedS3]:
    async with scripted_s3() as script:
        yield script


@pytest.fixture
async def manager(server: ScriptedS3) -> AsyncIterator[S3Manager]:
    async with manager_of(server.endpoint) as made:
        yield made


@pytest.fixture
def source(manager: S3Manager) -> S3BucketSource:
    return S3BucketSource(manager)


def asked(server: ScriptedS3, name: str) -> list[str | None]:
    """A query parameter, request by request."""
    queries = [parse_qs(urlsplit(request.target).query) for request in server.requests]
    return [query.get(name, [None])[0] for query in queries]


@pytest.mark.parametrize("prefix", ["path1", "path1/"])
async def test_a_prefix_is_a_folder(server: ScriptedS3, manager: S3Manager, prefix: str) -> None:
    """`path1` means `path1/`; its marker has no key of its own; keys come without it and go out with it."""
    source = S3BucketSource(manager, prefix)
    server.says(page("path1/", "path1/a", "path1/b/c"), Reply(200, b"", OBJECT), Reply(200, b"hi", OBJECT))
    assert [entry.key for entry in (await source.list_page()).entries] == ["a", "b/c"]
    looked = await source.look("a")
    assert looked is not None
    assert looked.key == "a"
    async with source.open("b/c") as opened:
        assert (opened.info.key, b"".join([chunk async for chunk in opened.chunks()])) == ("b/c", b"hi")
    assert asked(server, "prefix")[0] == "path1/"
    assert [request.target for request in server.requests[1:]] == ["/bkt/path1/a", "/bkt/path1/b/c"]


async def test_a_server_that_ignores_the_prefix_is_noticed(server: ScriptedS3, manager: S3Manager) -> None:
    """Keys of `path10/` must never come out cut as if they were ours."""
    server.says(page("path10/a"))
    with pytest.raises(ListingBroken, match="outside the prefix"):
        await S3BucketSource(manager, "path1").list_page()


@pytest.mark.parametrize(("keys", "words"), [(("b", "a"), "out of order"), (("a", "a"), "twice")])
async def test_order_within_a_page(
    server: ScriptedS3, source: S3BucketSource, keys: tuple[str, ...], words: str
) -> None:
    """Keys out of order, or twice, are no listing to act on."""
    server.says(page(*keys))
    with pytest.raises(ListingBroken, match=words):
        await source.list_page()


@pytest.mark.parametrize("second", ["a", "b"])
async def test_order_between_pages(server: ScriptedS3, source: S3BucketSource, second: str) -> None:
    """A page that does not go on after the last one is broken, in another process too: the token knows the last key."""
    server.says(page("a", "b", token="T1"), page(second))
    first = await source.list_page()
    with pytest.raises(ListingBroken):
        await source.list_page(first.next_token)


async def test_order_is_that_of_utf8_bytes(server: ScriptedS3, source: S3BucketSource) -> None:
    """A four-byte character comes after U+FFEE, which UTF-16 would have the other way round."""
    server.says(page("%EF%BF%AE", "%F0%9F%97%82"))
    assert [entry.key for entry in (await source.list_page()).entries] == ["\uffee", "\U0001f5c2"]


async def test_a_token_that_does_not_advance(server: ScriptedS3, source: S3BucketSource) -> None:
    """The same token again would list for ever."""
    server.says(page("a", token="T1"), page("b", token="T1"))
    first = await source.list_page()
    with pytest.raises(ListingBroken, match="does not advance"):
        await source.list_page(first.next_token)


async def test_empty_pages_in_between_are_legal(server: ScriptedS3, source: S3BucketSource) -> None:
    """A page of nothing that is not the last only leads on; order is kept across it."""
    server.says(page("a", token="T1"), page(token="T2"), page("b"))
    first = await source.list_page()
    second = await source.list_page(first.next_token)
    third = await source.list_page(second.next_token)
    assert [len(read.entries) for read in (first, second, third)] == [1, 0, 1]
    assert third.next_token is None


async def test_empty_pages_without_end_are_not(server: ScriptedS3, source: S3BucketSource) -> None:
    """Two tokens that lead to each other are given up in the end."""
    server.says(lambda request: page(token="T1" if "T2" in request.target else "T2"))
    token = None
    with pytest.raises(ListingBroken, match="does not advance"):
        for _ in range(1100):
            token = (await source.list_page(token)).next_token


async def test_a_forgotten_token_goes_on_after_the_last_key(server: ScriptedS3, manager: S3Manager) -> None:
    """A token older than the server's memory costs nothing: the last key says the same."""
    source = S3BucketSource(manager, "p")
    server.says(page("p/a", "p/b%20%2B", token="T1"), FORGOTTEN, page("p/c"))
    first = await source.list_page()
    second = await source.list_page(first.next_token)
    assert [entry.key for entry in second.entries] == ["c"]
    assert asked(server, "continuation-token") == [None, "T1", None]
    assert asked(server, "start-after") == [None, None, "p/b +"]


@pytest.mark.parametrize("token", ["", "T1", "[]", '{"after": 1}'])
async def test_a_stored_token_that_is_damaged_is_said(source: S3BucketSource, token: str) -> None:
    """A place that cannot be read is no place: nothing is listed from the start in silence."""
    with pytest.raises(ListingBroken, match="cannot be read"):
        await source.list_page(token)


async def test_ping_lists_one_key(server: ScriptedS3, manager: S3Manager) -> None:
    """A ping asks for what a listing would ask for, and little of it."""
    server.says(page("p/a", token="T1"))
    await S3BucketSource(manager, "p").ping()
    assert (asked(server, "max-keys"), asked(server, "prefix")) == (["1"], ["p/"])


async def test_two_folders_of_a_bucket_are_two_sources(server: ScriptedS3, manager: S3Manager) -> None:
    """Identity tells prefixes apart."""
    server.says(error(403, "AccessDenied"))
    names = {await S3BucketSource(manager, prefix).identity() for prefix in ("", "a", "b")}
    assert len(names) == 3
