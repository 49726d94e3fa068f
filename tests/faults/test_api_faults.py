"""The service under the file manager's faults: unknown outcomes are settled and never assumed, every effect goes out under
one key, nothing wrong is confirmed, and cycles alone bring both sides together once the fault is over."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sync_service import bootstrap
from sync_service.clients.api_transport import Timeouts
from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.destinations.file_manager import FileManagerDestination
from sync_service.models.config import SyncConfig
from sync_service.services.retry import LONGEST_WAIT, Halt
from tests.e2e.world import Api
from tests.fakes import mock_api_server
from tests.fakes.raw_server import raw_server
from tests.faults.canned_bucket import CannedBucket
from tests.faults.canned_wire import manager_on
from tests.faults.route import Route

LARGE = b"0123456789" * 30_000
QUICK = Timeouts(connect=0.5, idle=0.5, total=3)
EFFECT = {"create", "update", "rename", "move", "delete"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with mock_api_server.running(tmp_path_factory.mktemp("api")) as running:
        yield Api(running.url)


@pytest.fixture
def api(server: Api) -> Iterator[Api]:
    yield server
    server.remove_faults()
    server.reset()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which take no time here."""
    asked: list[float] = []

    async def sleep(_halt: Halt, seconds: float) -> None:
        asked.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(Halt, "sleep", sleep)
    return asked


@dataclass
class Scene:
    bucket: CannedBucket
    route: Route
    api: Api

    def put(self, key: str, body: bytes, kind: str = "update") -> None:
        self.bucket.put(key, body)
        self.route.tell(kind, key)

    def in_step(self) -> bool:
        held = {path: file["sha256"] for path, file in self.api.files().items()}
        return held == {key: hashlib.sha256(body).hexdigest() for key, body in self.bucket.contents.items()}

    def delivered(self) -> dict[str, str]:
        """Path -> ETag of what counts as confirmed."""
        with sqlite3.connect(self.route.config.database_path) as connection:
            rows = connection.execute("SELECT file_path, etag FROM delivered WHERE doubt IS NULL AND etag != '?'")
            found = dict(rows.fetchall())
        connection.close()
        return found

    def require_nothing_wrong_confirmed(self) -> None:
        """What counts as delivered is what the file manager holds, byte for byte."""
        for path, etag in self.delivered().items():
            content = self.api.content(path)
            assert content is not None, f"{path} counts as delivered, and is not there"
            assert hashlib.md5(content, usedforsecurity=False).hexdigest() == etag, path

    def keys(self) -> dict[tuple[str, str], set[str]]:
        """(operation, path) -> the idempotency keys that its calls carried."""
        found: dict[tuple[str, str], set[str]] = {}
        for call in self.api.calls():
            if call["operation"] in EFFECT:
                found.setdefault((call["operation"], call["file_path"]), set()).add(call["key"])
        return found


@pytest.fixture
async def scene(tmp_path: Path, api: Api) -> AsyncIterator[Scene]:
    """A route in step, whose bucket has changed since: an update small and large, a create, a rename, a delete."""
    bucket = CannedBucket(page_size=100)
    for key in ("a", "b", "c", "large"):
        bucket.put(key, b"one " + key.encode())
    made = Scene(bucket, Route(tmp_path, "", make_manager=lambda: manager_on(bucket.answer), retries=1), api)
    made.route.destination = lambda: destination_at(api.url)
    async with made.route.service():
        await made.route.run("initial")
        made.put("a", b"two")
        made.put("large", LARGE)
        made.put("new", b"new", "create")
        del bucket.objects["b"]
        made.route.tell("delete", "b")
        bucket.objects["moved"] = bucket.objects.pop("c")
        made.route.log.publish({"event_id": "r", "event_type": "rename", "file_path": "c", "new_path": "moved"})
        api.reset("counters")
        yield made


def destination_at(url: str, **settings: Any) -> FileManagerDestination:
    return FileManagerDestination(InfrastructureAPI(url, url, timeouts=QUICK, **settings))


def http_date(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")


UNKNOWN = {"unknown"}
LASTING: dict[str, tuple[dict[str, Any], set[str]]] = {
    "429": ({"status": 429}, {"throttled"}),
    "500": ({"status": 500}, UNKNOWN),
    "502": ({"status": 502, "html": True}, UNKNOWN),
    "503": ({"status": 503, "headers": {"Retry-After": "30"}}, UNKNOWN),
    "504": ({"status": 504}, UNKNOWN),
    "408": ({"status": 408}, UNKNOWN),
    "401": ({"status": 401}, {"denied"}),
    "403": ({"status": 403}, {"denied"}),
    "reset before it is applied": ({"reset": "before"}, UNKNOWN),
    "reset after it is applied": ({"reset": "after"}, UNKNOWN),
    "applied, then silence": ({"apply": True, "delay": 1.2}, UNKNOWN),
    "applied, then 500": ({"apply": True, "status": 500}, UNKNOWN),
    "answer cut at 0": ({"truncate": 0}, UNKNOWN),
    "answer cut at 9": ({"truncate": 9}, UNKNOWN),
    "200 with HTML": ({"html": True, "status": 200}, {"bad_answer"}),
    "200 with HTML, applied": ({"html": True, "status": 200, "apply": True}, {"bad_answer"}),
    "200 with nothing": ({"status": 200, "body": ""}, {"bad_answer"}),
    "200 with no word of success": ({"status": 200, "body": {}}, {"bad_answer"}),
    "redirect": ({"status": 307, "headers": {"Location": "http://127.0.0.1:9/saveToDisk"}}, {"bad_answer"}),
}


@pytest.mark.parametrize("name", LASTING)
async def test_a_fault_that_lasts_and_ends(scene: Scene, name: str, waits: list[float]) -> None:
    """Two cycles under it confirm nothing wrong and still take events in; afterwards each effect has had one key."""
    fault, kinds = LASTING[name]
    scene.api.add_fault("saveToDisk", times=-1, **fault)
    for number in range(2):
        result = await scene.route.run("cycle")
        assert result.report["statistics"]["events_processed"] > 0
        assert scene.route.kinds <= kinds and (scene.route.kinds or result.exit_code == 0)
        scene.require_nothing_wrong_confirmed()
        scene.put(f"late{number}", b"late", "create")
    assert all(wait <= LONGEST_WAIT for wait in waits)
    scene.api.remove_faults()
    await scene.route.until(scene.in_step, "cycle")
    assert all(len(keys) == 1 for keys in scene.keys().values()), scene.keys()
    assert scene.api.counters()["key_conflicts"] == 0


ONCE: dict[str, dict[str, Any]] = {
    "reset after it is applied": {"reset": "after"},
    "applied, then silence": {"apply": True, "delay": 1.2},
    "applied, then 500": {"apply": True, "status": 500},
    "applied, then HTML": {"apply": True, "html": True, "status": 200},
    "answer cut": {"truncate": 9},
    "429": {"status": 429},
}


@pytest.mark.parametrize("operation", sorted(EFFECT - {"move"}))
@pytest.mark.parametrize("name", ONCE)
async def test_a_fault_of_one_call(scene: Scene, name: str, operation: str) -> None:
    """The next attempt, under the same key, settles it in the same cycle: one effect, however often it was sent."""
    scene.api.add_fault("saveToDisk", operation=operation, **ONCE[name])
    await scene.route.run("cycle")
    assert scene.in_step()
    assert scene.api.effects() == {"update": 2, "create": 1, "rename": 1, "delete": 1}
    assert all(len(keys) == 1 for keys in scene.keys().values())


@contextmanager
def forgetful_api(folder: Path) -> Iterator[Api]:
    with mock_api_server.running(folder, no_idempotency=True) as running:
        yield Api(running.url)


@pytest.mark.parametrize("operation", ["rename", "delete", "create", "update"])
async def test_a_server_without_a_memory(tmp_path: Path, operation: str) -> None:
    """An answer is lost, and the repeat says 404 or 409: `get` tells what became of it."""
    with forgetful_api(tmp_path / "api") as api:
        bucket = CannedBucket(page_size=100)
        for key in ("a", "b", "c"):
            bucket.put(key, b"one " + key.encode())
        route = Route(tmp_path, "", make_manager=lambda: manager_on(bucket.answer))
        route.destination = lambda: destination_at(api.url)
        made = Scene(bucket, route, api)
        await route.run("initial")
        made.put("a", b"two")
        made.put("new", b"new", "create")
        del bucket.objects["b"]
        route.tell("delete", "b")
        bucket.objects["moved"] = bucket.objects.pop("c")
        route.log.publish({"event_id": "r", "event_type": "rename", "file_path": "c", "new_path": "moved"})
        api.add_fault("saveToDisk", operation=operation, reset="after")
        await route.until(made.in_step, "cycle")
        made.require_nothing_wrong_confirmed()


# ---------------------------------------------------------------- how long to wait


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("3", 3, 3),
        (http_date(3600), LONGEST_WAIT, LONGEST_WAIT),
        (http_date(-3600), 0, 0),
        ("999999999999", LONGEST_WAIT, LONGEST_WAIT),
        ("-5", 0, 0),
        ("soon", 0, 0),
        ("inf", 0, 0),
    ],
    ids=["seconds", "a date", "a date that has passed", "absurd", "negative", "no number", "infinite"],
)
async def test_retry_after(scene: Scene, waits: list[float], header: str, least: float, most: float) -> None:
    """Seconds and dates are obeyed, nonsense is not, and nobody waits for longer than a minute."""
    scene.api.add_fault("saveToDisk", operation="create", status=429, headers={"Retry-After": header})
    await scene.route.run("cycle")
    assert least <= max(waits) <= most
    assert scene.in_step()


# ---------------------------------------------------------------- final answers


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refusal_is_final_until_the_object_changes(scene: Scene, status: int) -> None:
    """It stops nothing else, is not sent again, is seen, and leaves by itself when the object is another one."""
    scene.api.add_fault("saveToDisk", file_path="large", status=status, times=-1)
    for _ in range(2):
        await scene.route.run("cycle")
    assert scene.route.kinds == {"refused"}
    assert len(scene.api.calls("update", "large")) == 1
    assert scene.route.status()["quarantined"] == 1
    scene.api.remove_faults()
    scene.put("large", b"smaller")
    await scene.route.until(scene.in_step, "cycle")


# ---------------------------------------------------------------- stored otherwise


@pytest.mark.parametrize(
    "fault",
    [
        {"short_store": 2},
        {"short_store": 0},
        {"wrong_size": True},
        {"wrong_sha256": True},
        {"status": 200, "body": {"status": "success", "size": 0, "internal_id": "i"}},
    ],
)
@pytest.mark.parametrize("path", ["a", "large"])
async def test_a_server_that_stores_other_bytes(scene: Scene, fault: dict[str, Any], path: str) -> None:
    """Half an upload, none of it, or another digest: never confirmed, and sent again as a new effect until it is right."""
    scene.api.add_fault("saveToDisk", file_path=path, operation="update", times=4, **fault)
    result = await scene.route.run("cycle")
    scene.require_nothing_wrong_confirmed()
    assert result.exit_code != 0 or scene.in_step()
    assert len(scene.api.calls("update", path)) > 1
    await scene.route.until(scene.in_step, "cycle")
    scene.require_nothing_wrong_confirmed()


# ---------------------------------------------------------------- connections


async def test_no_connection_in_time(tmp_path: Path, api: Api) -> None:
    """A server that takes no connection has certainly done nothing: no row is left in doubt."""
    bucket, urls = CannedBucket(), [api.url]
    bucket.put("a", b"one")
    route = Route(tmp_path, "", make_manager=lambda: manager_on(bucket.answer))
    route.destination = lambda: destination_at(urls[-1])
    scene = Scene(bucket, route, api)
    await route.run("initial")
    scene.put("a", b"two")
    with full_socket() as url:
        urls.append(url)
        await route.run("cycle")
    assert (route.kinds, scene.delivered().keys()) == ({"unreachable"}, {"a"})
    urls.append(api.url)
    await route.until(scene.in_step, "cycle")


@contextmanager
def full_socket() -> Iterator[str]:
    """The address of a server whose queue of connections is full: no further one is ever made."""
    with socket.socket() as listening, socket.socket() as one, socket.socket() as two:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for client in (one, two):
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_a_redirect_to_another_host_is_not_followed(tmp_path: Path, scene: Scene) -> None:
    """Neither request nor token reaches the other host; the attempt counts as unknown."""
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as stranger:
        scene.api.add_fault("*", status=302, headers={"Location": f"{stranger.url}/saveToDisk"}, times=-1)
        await scene.route.run("cycle")
        assert scene.route.kinds == {"bad_answer"}
        assert stranger.seen == []
    scene.api.remove_faults()
    await scene.route.until(scene.in_step, "cycle")


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("renewed", [True, False])
async def test_a_token_that_is_renewed_in_its_file(tmp_path: Path, renewed: bool) -> None:
    """A refused token is read again from its file: the run goes on with the new one. Without one, it is Denied by name."""
    secret = tmp_path / "token"
    secret.write_text("old-token\n")
    with mock_api_server.running(tmp_path / "api", token="new-token") as running:
        env = {
            "CUSTOMER_S3_BUCKET": "bkt",
            "CUSTOMER_S3_ENDPOINT": "http://127.0.0.1:9",
            "CUSTOMER_S3_ACCESS_KEY": "a",
            "CUSTOMER_S3_SECRET_KEY": "b",
            "MOCK_API_URL": running.url,
            "MOCK_API_TOKEN_FILE": str(secret),
        }
        adapters = bootstrap.customer_adapters(SyncConfig.from_env(env, None))
        bucket = CannedBucket()
        for key in ("a", "b", "c", "d"):
            bucket.put(key, LARGE + key.encode())
        route = Route(tmp_path, "", make_manager=lambda: manager_on(bucket.answer))
        route.destination = lambda: adapters.destination
        if renewed:
            secret.write_text("new-token\n")
        result = await route.run("initial")
        await adapters.source.close()
    assert (int(result.exit_code), route.kinds) == ((0, set()) if renewed else (12, {"denied"}))
