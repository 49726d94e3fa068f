"""A listing is checked and never trusted: whatever it says, only what is truly gone is deleted."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sync_service.catalogue import observing
from sync_service.models.errors import SyncError
from sync_service.services import scanner
from sync_service.services.scanner import Scanner
from sync_service.sources.s3_bucket import S3BucketSource
from tests.fakes.scripted_s3 import Asked, Reply, error
from tests.faults.canned_bucket import CannedBucket, Listing, with_keys
from tests.faults.canned_wire import manager_on
from tests.faults.listing_damage import Variant
from tests.faults.route import Route
from tests.unit.services.workbench import Bench, workbench

VARIANTS = 1000
GROUPS = 10
BROKEN = "listing_broken"


# ---------------------------------------------------------------- each fault by name


@pytest.fixture
def bucket() -> CannedBucket:
    made = CannedBucket()
    for number in range(11):
        made.put(f"f{number:02}", b"one %d" % number)
    return made


@pytest.fixture
async def route(tmp_path: Path, bucket: CannedBucket) -> AsyncIterator[Route]:
    """A route in step with the bucket, from which two objects have gone since and into which two have come."""
    made = Route(tmp_path, "", make_manager=lambda: manager_on(bucket.answer), retries=0)
    async with made.service():
        await made.run("initial")
        assert made.files.contents == bucket.contents
        for key in ("f03", "f10"):
            del bucket.objects[key]
        bucket.put("f05", b"two")
        bucket.put("g", b"new")
        yield made


def second(change: Callable[[Listing], Listing]) -> Callable[[Listing], Listing]:
    """The damage of the second page alone."""
    return lambda page: change(page) if page.asked == "after f04" else page


ORDER = {
    "the same key twice": second(lambda p: replace(p, entries=[p.entries[0], *p.entries])),
    "the same key on two pages": second(lambda p: with_keys(p, "f04", "f05", "f06")),
    "out of order in a page": second(lambda p: replace(p, entries=p.entries[::-1])),
    "out of order between pages": second(lambda p: with_keys(p, "f01", "f05")),
    "the first page again": second(lambda p: with_keys(p, "f00", "f01", "f02", "f04")),
    "a token repeated": second(lambda p: replace(p, token=p.asked)),
    "truncated without a token": second(lambda p: replace(p, token=None, truncated=True)),
    "empty and truncated for ever": second(lambda p: replace(p, entries=[], token=p.asked)),
    "another number of keys than it says": second(lambda p: replace(p, count=3)),
    "a last key that is not there": lambda p: replace(p, entries=[*p.entries, *with_keys(p, "zzz").entries]),
}


@pytest.mark.parametrize("stretch", [1, 10_000])
@pytest.mark.parametrize("name", ORDER)
async def test_a_listing_that_contradicts_itself(
    route: Route, bucket: CannedBucket, name: str, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails by name and deletes nothing, however much of it was committed; the next scan begins anew and converges."""
    monkeypatch.setattr(scanner, "STRETCH", stretch)
    bucket.damage = ORDER[name]
    result = await route.run("scan")
    assert (route.kinds, int(result.exit_code)) == ({BROKEN}, 5)
    assert not any(effect.startswith("delete") for effect in route.files.effects)
    assert len(bucket.asked) < 50
    bucket.damage = lambda page: page
    await route.until(lambda: route.files.contents == bucket.contents, "scan")


LOST = {
    "a page lost": second(lambda p: replace(p, entries=[])),
    "a page skipped": second(lambda p: with_keys(p, "g")),
    "the end lost": second(lambda p: replace(p, token=None)),
    "truncation denied": second(lambda p: replace(p, truncated=False)),
    "all lost": lambda p: replace(p, entries=[], token=None),
    "other sizes and ETags": lambda p: replace(p, entries=[e._replace(size=1, etag="f" * 32) for e in p.entries]),
    "keys that are not there": lambda p: replace(p, entries=sorted([*p.entries, *with_keys(p, "f04x").entries])[:5]),
}


@pytest.mark.parametrize("name", LOST)
async def test_a_listing_that_shows_too_little(route: Route, bucket: CannedBucket, name: str) -> None:
    """What it does not show is looked at: only what is gone is deleted, and nothing that never was stays."""
    bucket.damage = LOST[name]
    await route.run("scan")
    deleted = {effect for effect in route.files.effects if effect.startswith("delete")}
    assert deleted <= {"delete f03", "delete f10"}
    bucket.damage = lambda page: page
    await route.until(lambda: route.files.contents == bucket.contents, "scan")


async def test_an_empty_listing_of_a_full_bucket(route: Route, bucket: CannedBucket) -> None:
    """Every row is looked at; those that are gone are held, because a listing of nothing is suspicious."""
    bucket.damage = LOST["all lost"]
    result = await route.run("scan")
    assert (int(result.exit_code), result.report["statistics"]["deletes_held"]) == (6, 2)
    assert "empty" in route.status()["reason"]


async def test_keys_that_may_no_longer_list_the_buckets(route: Route, bucket: CannedBucket) -> None:
    """The bucket's making can no longer be asked for: that makes it no other bucket, and holds no deletes."""

    async def less(asked: Asked) -> Reply:
        return error(403, "AccessDenied") if asked.target == "/" else await bucket.answer(asked)

    source_of(route)._manager = manager_on(less)
    result = await route.run("scan")
    assert (int(result.exit_code), route.files.contents) == (0, bucket.contents)


def source_of(route: Route) -> S3BucketSource:
    """The source of a service that runs."""
    assert route._open is not None and route._open.parts is not None
    assert isinstance(route._open.parts.source, S3BucketSource)
    return route._open.parts.source


async def test_a_token_that_expired(route: Route, bucket: CannedBucket) -> None:
    """The listing goes on after the last key."""
    bucket.refused_tokens = True
    await route.run("scan")
    assert route.files.contents == bucket.contents
    assert sum("start-after" in asked.target for asked in bucket.asked) == 2


async def test_a_proxy_without_its_server(route: Route, bucket: CannedBucket) -> None:
    """A 404 that is not S3's, right after a listing that was, deletes nothing."""

    async def in_trouble(asked: Asked) -> Reply:
        if asked.method == "HEAD" or "list-type" not in asked.target:
            return Reply(404, "default backend - 404", {"Content-Type": "text/plain"})
        return await bucket.answer(asked)

    bucket.damage = LOST["a page lost"]
    source_of(route)._manager = manager_on(in_trouble)
    await route.run("scan")
    assert not any(effect.startswith("delete") for effect in route.files.effects)


# ---------------------------------------------------------------- a thousand of them


def disturb(draw: random.Random, bucket: CannedBucket) -> None:
    """Others delete, write and overwrite."""
    for key in draw.sample(sorted(bucket.objects), min(len(bucket.objects), draw.randrange(3))):
        del bucket.objects[key]
    while len(bucket.objects) < 20 or draw.random() < 0.4:
        bucket.put(f"f{draw.randrange(60):02}", b"%d" % draw.randrange(10**6))


async def scan(bench: Bench, answer: Callable[[Asked], object]) -> str | None:
    """One scan; how it failed."""
    source = S3BucketSource(manager_on(answer), page_size=4)  # type: ignore[arg-type]
    try:
        await Scanner(bench.tools, source).scan()
    except SyncError as error:
        return error.kind
    return None


def paths(bench: Bench) -> set[str]:
    return {known.file_path for known in bench.catalogue.within(observing.known_between, None, None)}


@pytest.mark.parametrize("group", range(GROUPS))
async def test_a_thousand_damaged_listings(tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan after scan over a bucket that changes: no row is lost whose object is there, and two sound scans set all right
    (the first may only go on with one that was interrupted)."""
    monkeypatch.setattr(scanner, "STRETCH", 1 if group % 2 else 10_000)
    bucket, outcomes = CannedBucket(), set()
    with workbench(tmp_path) as bench:
        for seed in range(group * VARIANTS // GROUPS, (group + 1) * VARIANTS // GROUPS):
            disturb(random.Random(-1 - seed), bucket)
            before = paths(bench)
            variant = Variant(seed, bucket)
            outcomes.add(await scan(bench, variant.answer))
            lost = (before - paths(bench)) & bucket.objects.keys()
            assert not lost, f"variant {seed} ({variant!r}) lost {lost}"
            if seed % 5 == 4:
                bucket.damage = lambda page: page
                for _the_rest_of_an_old_one_and_a_whole_one in range(2):
                    assert await scan(bench, bucket.answer) is None, f"after variant {seed} ({variant!r})"
                assert paths(bench) == bucket.objects.keys(), f"after variant {seed} ({variant!r})"
    assert {None, BROKEN} <= outcomes
