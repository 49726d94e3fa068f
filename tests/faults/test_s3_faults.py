"""The service under S3's faults: nothing wrong is delivered, nothing is deleted that exists, the error has a name, and
runs alone bring both sides together once the fault is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.fakes.scripted_s3 import Reply, error
from tests.faults import s3_proxy as proxies
from tests.faults.canned_bucket import CannedBucket
from tests.faults.real_bucket import manager_of, world_on
from tests.faults.route import Route
from tests.faults.s3_proxy import (
    Matches,
    S3Proxy,
    Spoils,
    cut_at,
    first,
    forwarding,
    instead,
    now_and_then,
    proxy_of,
    wrong_bytes,
)
from tests.real_s3 import S3Server

LARGE = bytes(range(256)) * 1200
"""Over what is held whole: it is streamed."""


@dataclass
class Scene:
    """A bucket, what is wrong between it and the service, and the service."""

    bucket: CannedBucket
    proxy: S3Proxy
    route: Route
    versions: dict[str, set[bytes]]

    def put(self, key: str, body: bytes) -> None:
        self.bucket.put(key, body)
        self.versions.setdefault(key, set()).add(body)

    def in_step(self) -> bool:
        return self.route.files.contents == self.bucket.contents

    def require_nothing_wrong(self) -> None:
        """Every file is a version that its key has had, and none was deleted that the bucket has."""
        for path, content in self.route.files.contents.items():
            assert content in self.versions.get(path, ()), f"{path} holds bytes that its key never had"
        deleted = {
            effect.removeprefix("delete ") for effect in self.route.files.effects if effect.startswith("delete ")
        }
        assert not deleted & self.bucket.objects.keys(), f"deleted, and still in the bucket: {deleted}"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    bucket = CannedBucket()
    async with proxy_of(bucket.answer) as proxy:
        made = Scene(bucket, proxy, Route(tmp_path, proxy.endpoint), {})
        for number in range(9):
            made.put(f"f{number}.txt", b"one %d" % number)
        made.put("empty", b"")
        made.put("large.bin", LARGE)
        async with made.route.service():
            yield made


def change(scene: Scene) -> None:
    """Others change the bucket, and the log tells of it."""
    del scene.bucket.objects["f1.txt"]
    scene.route.tell("delete", "f1.txt")
    for key, body, kind in (
        ("f2.txt", b"two", "update"),
        ("new.txt", b"new", "create"),
        ("large.bin", LARGE[::-1], "update"),
    ):
        scene.put(key, body)
        scene.route.tell(kind, key)


@dataclass(frozen=True)
class Fault:
    """What strikes which requests, and by which name it must come out where it comes out at all."""

    matches: Matches
    spoils: Spoils
    kinds: frozenset[str]
    when: Callable[[], Callable[[int], bool]] = lambda: lambda _number: True


def fault(
    matches: Matches, spoils: Spoils, *kinds: str, when: Callable[[], Callable[[int], bool]] | None = None
) -> Fault:
    return Fault(matches, spoils, frozenset(kinds)) if when is None else Fault(matches, spoils, frozenset(kinds), when)


ANY, LIST, GET, HEAD = proxies.anything, proxies.listings, proxies.bodies, proxies.heads
TEMPORARY = ("temporary", "throttled", "unknown", "bad_answer")

FAULTS = {
    "503 to all": fault(ANY, proxies.SLOW_DOWN, *TEMPORARY),
    "503 to 20 %": fault(ANY, proxies.SLOW_DOWN, *TEMPORARY, when=lambda: now_and_then(0.2)),
    "503 to 1 %": fault(ANY, proxies.SLOW_DOWN, *TEMPORARY, when=lambda: now_and_then(0.01)),
    "503 burst": fault(ANY, proxies.SLOW_DOWN, *TEMPORARY, when=lambda: first(5)),
    "500 to all": fault(ANY, instead(error(500, "InternalError")), *TEMPORARY),
    "429 to GET": fault(GET, instead(error(429, "TooManyRequests")), "throttled"),
    "301 to LIST": fault(
        LIST, instead(error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")), "configuration"
    ),
    "301 to GET": fault(
        GET, instead(error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3")), "configuration"
    ),
    "403 to LIST": fault(LIST, instead(error(403, "AccessDenied")), "denied"),
    "403 to GET": fault(GET, instead(error(403, "AccessDenied")), "denied"),
    "403 to HEAD": fault(HEAD, instead(error(403, "AccessDenied")), "denied"),
    "403 mid-run": fault(ANY, instead(error(403, "AccessDenied")), "denied", when=lambda: lambda number: number > 6),
    "expired token": fault(ANY, instead(error(400, "ExpiredToken")), "denied"),
    "reset": fault(ANY, proxies.RESET, *TEMPORARY),
    "reset of GET": fault(GET, proxies.RESET, *TEMPORARY),
    "reset now and then": fault(ANY, proxies.RESET, *TEMPORARY, when=lambda: now_and_then(0.3)),
    "LIST cut at 0": fault(LIST, cut_at(0), *TEMPORARY),
    "LIST cut in the middle": fault(LIST, cut_at(0.5), *TEMPORARY),
    "LIST cut before the last": fault(LIST, cut_at(-1), *TEMPORARY),
    "GET cut at 0": fault(GET, cut_at(0), *TEMPORARY),
    "GET cut at 1": fault(GET, cut_at(1), *TEMPORARY),
    "GET cut in the middle": fault(GET, cut_at(0.5), *TEMPORARY),
    "GET cut before the last": fault(GET, cut_at(-1), *TEMPORARY),
    "wrong bytes": fault(GET, wrong_bytes(), "damaged"),
    "wrong bytes now and then": fault(GET, wrong_bytes(), "damaged", when=lambda: now_and_then(0.5)),
    "error with 200 for LIST": fault(LIST, proxies.ERROR_WITH_200, *TEMPORARY),
    "error with 200 for GET": fault(GET, proxies.ERROR_WITH_200, *TEMPORARY),
    "HTML for LIST": fault(LIST, proxies.HTML, "configuration"),
    "HTML for GET": fault(GET, proxies.HTML, *TEMPORARY),
    "no XML for LIST": fault(LIST, instead(Reply(body="<ListBucketResult><Contents>")), *TEMPORARY),
    "404 to HEAD": fault(HEAD, instead(Reply(404)), *TEMPORARY),
    "no ETag": fault(ANY, lambda true: replace(true, headers={**true.headers, "ETag": ""}), *TEMPORARY),
}


NOT_TOLD = {"unanswered"}
"""The kind of a key that the source does not answer for when it is looked at, whatever the reason, which its words tell."""

CASES = [
    (name, kind)
    for name, struck in FAULTS.items()
    for kind in ("initial", "scan", "cycle")
    if kind != "cycle" or struck.matches is not LIST
]


@pytest.mark.parametrize(("name", "kind"), CASES)
async def test_a_fault_and_its_end(scene: Scene, name: str, kind: str) -> None:
    """While it lasts nothing wrong happens and what fails is named; after it, runs alone converge."""
    if kind != "initial":
        await scene.route.run("initial")
        change(scene)
    struck = FAULTS[name]
    scene.proxy.spoil(struck.matches, struck.spoils, struck.when())
    for _ in range(2 if kind == "cycle" else 1):
        result = await scene.route.run(kind)
        scene.require_nothing_wrong()
        assert scene.route.kinds <= struck.kinds | NOT_TOLD
        assert result.exit_code != 0 or not scene.route.kinds
    scene.proxy.heal()
    await scene.route.until(scene.in_step, kind)
    scene.require_nothing_wrong()


# ---------------------------------------------------------------- the same on a real server


ON_A_REAL_ONE = (
    "503 to 20 %",
    "403 mid-run",
    "reset now and then",
    "GET cut before the last",
    "wrong bytes",
    "404 to HEAD",
)


@pytest.mark.real
@pytest.mark.parametrize("name", ON_A_REAL_ONE)
async def test_a_fault_in_front_of_a_real_server(tmp_path: Path, s3_server: S3Server, name: str) -> None:
    """Signatures, headers and answers are those of the real thing; what is damaged on the way is damaged in the same way."""
    with world_on(s3_server, tmp_path) as world:
        versions = [{f"f{number}": b"%d of %d" % (turn, number) for number in range(6)} for turn in range(2)]
        versions[1]["large"] = LARGE
        async with forwarding(s3_server.endpoint) as upstream, proxy_of(upstream) as proxy:
            server = replace(s3_server, endpoint=proxy.endpoint)
            world.route = Route(tmp_path, "", bucket=world.name, make_manager=manager_of(server, world.name))
            for key, body in versions[0].items():
                world.put(key, body)
            await world.route.run("initial")
            world.delete("f0")
            for key, body in versions[1].items():
                if key != "f0":
                    world.put(key, body)
            struck = FAULTS[name]
            proxy.spoil(struck.matches, struck.spoils, struck.when())
            await world.route.run("scan")
            assert world.route.kinds <= struck.kinds | NOT_TOLD
            for key, body in world.held.items():
                assert body in [version.get(key) for version in versions]
            proxy.heal()
            wanted = {key: body for key, body in versions[1].items() if key != "f0"}
            await world.route.until(lambda: world.held == wanted, "scan")
            assert [effect for effect in world.effects if effect.startswith("delete")] == ["delete f0"]
