"""Objects that change while they are looked at and read, bodies that stall, and bytes that are not the object's."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.destinations.file_manager import FileManagerDestination
from tests.fakes.mock_api_server import running
from tests.fakes.scripted_s3 import Asked, Reply
from tests.faults.canned_bucket import CannedBucket
from tests.faults.route import Route
from tests.faults.s3_proxy import (
    SILENT,
    Matches,
    S3Proxy,
    bodies,
    first,
    heads,
    listings,
    of_key,
    proxy_of,
    stalls_at,
    wrong_bytes,
)

OLD, NEW = b"old " * 50_000, b"new " * 50_000


@pytest.fixture
async def bucket() -> CannedBucket:
    made = CannedBucket()
    for key in ("a", "b", "c"):
        made.put(key, OLD + key.encode())
    return made


@pytest.fixture
async def proxy(bucket: CannedBucket) -> AsyncIterator[S3Proxy]:
    async with proxy_of(bucket.answer) as made:
        yield made


@pytest.fixture
def route(tmp_path: Path, proxy: S3Proxy) -> Route:
    return Route(tmp_path, proxy.endpoint)


def meddle(proxy: S3Proxy, matches: Matches, change: Callable[[], object]) -> None:
    """The first request that matches finds the bucket changed."""
    waiting = [change]

    def before(asked: Asked) -> None:
        if waiting and matches(asked):
            waiting.pop()()

    proxy.before = before


# ---------------------------------------------------------------- objects that change


CHANGES: dict[str, Callable[[CannedBucket], object]] = {
    "overwritten": lambda bucket: bucket.put("b", b"more " + NEW),
    "replaced by as many bytes": lambda bucket: bucket.put("b", NEW + b"b"),
    "deleted": lambda bucket: bucket.objects.pop("b"),
    "emptied": lambda bucket: bucket.put("b", b""),
}


@pytest.mark.parametrize("pins", [True, False])
@pytest.mark.parametrize("change", CHANGES)
async def test_between_list_and_get(
    route: Route, bucket: CannedBucket, proxy: S3Proxy, change: str, pins: bool
) -> None:
    """The pin notices, on servers that know no pins as well: what is there now is taken, and counts as what it is."""
    bucket.pins = pins
    meddle(proxy, of_key("b"), lambda: CHANGES[change](bucket))
    await route.run("initial")
    assert route.files.contents == bucket.contents
    assert route.results[-1].exit_code == 0
    assert not any(operation.etag != bucket.objects[operation.file_path].etag for operation, _ in route.files.calls)


@pytest.mark.parametrize("change", CHANGES)
async def test_between_list_and_head(route: Route, bucket: CannedBucket, proxy: S3Proxy, change: str) -> None:
    """A listing showed another version than the look that follows it: the look counts."""
    await route.run("initial")
    bucket.put("b", b"between")
    meddle(proxy, lambda asked: heads(asked) and asked.target.endswith("/b"), lambda: CHANGES[change](bucket))
    await route.run("scan")
    await route.until(lambda: route.files.contents == bucket.contents, "scan")


@pytest.mark.parametrize("change", CHANGES)
async def test_between_head_and_get(route: Route, bucket: CannedBucket, proxy: S3Proxy, change: str) -> None:
    """An event's look is outdated when the bytes are read: the same cycle looks again."""
    await route.run("initial")
    bucket.put("b", b"between")
    route.tell("update", "b")
    meddle(proxy, of_key("b"), lambda: CHANGES[change](bucket))
    await route.run("cycle")
    assert route.files.contents == bucket.contents


async def test_in_the_middle_of_a_get(route: Route, bucket: CannedBucket, proxy: S3Proxy) -> None:
    """A server that goes on with another version's bytes gives a mix: it is never taken for the object."""

    def mixed(true: Reply) -> Reply:
        bucket.put("b", NEW + b"b")
        return replace(true, body=(OLD[:100_000] + NEW + b"b")[: len(true.body)])

    proxy.spoil(of_key("b"), mixed, first(1))
    await route.run("initial")
    assert route.files.contents == bucket.contents
    assert len({key for operation, key in route.files.calls if operation.file_path == "b"}) == 2


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("matches", [listings, heads, bodies])
async def test_no_answer_at_all(route: Route, bucket: CannedBucket, proxy: S3Proxy, matches: Matches) -> None:
    """A request that is never answered is given up, and nothing else waits for it."""
    await route.run("initial")
    bucket.put("b", NEW)
    route.tell("update", "b")
    proxy.spoil(matches, SILENT)
    await route.run("scan")
    assert route.kinds <= {"temporary", "unknown", "unanswered"}
    proxy.heal()
    await route.until(lambda: route.files.contents == bucket.contents, "scan")


@pytest.mark.parametrize("place", [0, 1, 0.5, -1])
async def test_a_body_that_stalls(route: Route, bucket: CannedBucket, proxy: S3Proxy, place: float) -> None:
    """Bytes that stop coming are a body that ended too early; the other objects go through."""
    proxy.spoil(of_key("b"), stalls_at(place))
    await route.run("initial")
    assert (set(route.files.contents), route.kinds) == ({"a", "c"}, {"unknown"})
    proxy.heal()
    await route.until(lambda: route.files.contents == bucket.contents, "cycle")


# ---------------------------------------------------------------- bytes that are not the object's


async def test_wrong_bytes_never_make_a_whole_upload(tmp_path: Path, route: Route, proxy: S3Proxy) -> None:
    """The last piece is held back: the file manager sees a body that breaks off, and keeps nothing of it."""
    proxy.spoil(of_key("b"), wrong_bytes())
    with running(tmp_path / "api") as api:
        route.destination = lambda: FileManagerDestination(InfrastructureAPI(api.url, api.url))
        await route.run("initial")
        assert (api.file("b"), route.kinds) == (None, {"damaged"})
        assert "MD5" in route.results[-1].report["errors"][0]["message"]
        proxy.heal()
        await route.run("cycle")
        assert api.content("b") == OLD + b"b"
        assert api.counters()["key_conflicts"] == 0


async def test_a_damaged_object_ends_in_quarantine(tmp_path: Path, bucket: CannedBucket, proxy: S3Proxy) -> None:
    """An object that is damaged for good stops no other, is named, and is taken up when it is written anew."""
    route = Route(tmp_path, proxy.endpoint, retries=0, settings={"max_attempts": 2})
    proxy.spoil(of_key("b"), wrong_bytes())
    await route.run("initial")
    for number in range(3):
        bucket.put("a", b"%d" % number)
        route.tell("update", "a")
        await route.run("cycle")
    assert (route.status()["error_counts"], route.status()["quarantined"]) == ({"damaged": 1}, 1)
    assert set(route.files.contents) == {"a", "c"}
    proxy.heal()
    bucket.put("b", NEW)
    route.tell("update", "b")
    await route.until(lambda: route.files.contents == bucket.contents, "cycle")


@pytest.mark.parametrize(
    "sealed",
    [{"x_amz_server_side_encryption": "aws:kms"}, {"x_amz_server_side_encryption_customer_algorithm": "AES256"}],
)
async def test_etags_that_are_no_md5_by_what_the_server_says(
    route: Route, bucket: CannedBucket, sealed: dict[str, str]
) -> None:
    """With KMS or a customer's key an ETag says nothing of the bytes; with parts neither."""
    bucket.put("b", NEW, "0" * 32, **sealed)
    bucket.put("parts", NEW, f"{'1' * 32}-2")
    await route.run("initial")
    assert route.files.contents == bucket.contents


async def test_etags_that_only_look_like_md5s(route: Route, bucket: CannedBucket) -> None:
    """A store whose ETags are hashes of something else is found out, since its bodies differ always and in the same way."""
    for key, held in bucket.objects.items():
        bucket.put(key, held.body, hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()[:32])
    await route.run("initial")
    await route.until(lambda: route.files.contents == bucket.contents, "cycle")


async def test_a_store_that_has_shown_md5s_is_held_to_them(route: Route, bucket: CannedBucket, proxy: S3Proxy) -> None:
    """After one match even damage that is always the same is damage."""
    bucket.put("d", OLD)
    bucket.put("e", OLD)

    def always_the_same(true: Reply) -> Reply:
        return replace(true, body=b"!" + bytes(true.body[1:]) if isinstance(true.body, bytes) else b"")

    async with route.service():
        await route.run("initial")
        for key in ("b", "c", "d", "e"):
            bucket.put(key, NEW + key.encode())
            route.tell("update", key)
        proxy.spoil(bodies, always_the_same)
        for _ in range(3):
            await route.run("cycle")
        assert {route.files.contents[key] for key in "bc"} == {OLD + b"b", OLD + b"c"}
        proxy.heal()
        await route.until(lambda: route.files.contents == bucket.contents, "cycle")
