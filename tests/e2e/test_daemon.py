"""The daemon's life: first sync, cycles, pages, signals, outages, and what is left after each end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api_process import ApiProcess, free_port
from tests.e2e.conftest import world_of
from tests.e2e.product import ROOT, Running, until
from tests.e2e.world import Bucket, World
from tests.real_s3 import S3Server

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")]

LARGE = os.urandom(1 << 20) * 20
FOR_EVER = 600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiProcess]:
    """A mock API that can go away; it runs."""
    process = ApiProcess(tmp_path / "api")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def world(tmp_path: Path, s3_server: S3Server, bucket: Bucket, server: ApiProcess) -> Iterator[World]:
    """The product with its status port known and a cycle each second."""
    made = world_of(tmp_path, s3_server, bucket, server)
    made.product.settings |= {"SYNC_INTERVAL": "1", "STATUS_PORT": str(free_port())}
    yield made
    made.product.check_files()


def page(world: World, path: str) -> tuple[int, str]:
    """The status and the text of one of the daemon's pages; 0 where nothing answers."""
    url = f"http://127.0.0.1:{world.product.settings['STATUS_PORT']}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            found = refusal.code, refusal.read().decode()
    except (urllib.error.URLError, OSError):
        return 0, ""
    world.product.check_words(found[1])
    return found


def route(world: World) -> dict[str, Any]:
    """The route's status as the daemon's page tells it; empty where it does not answer."""
    code, text = page(world, "/status")
    found: dict[str, Any] = json.loads(text)["routes"][0] if code == 200 else {}
    return found


def up_to_date(world: World, files: int) -> bool:
    told = route(world)
    return told.get("state") == "UP_TO_DATE" and told["files"] == files


@contextmanager
def daemon(world: World, *arguments: str, **changes: str | None) -> Iterator[Running]:
    """A daemon that serves its pages."""
    with world.product.started(*arguments, **changes) as running:
        until(lambda: page(world, "/healthz")[0] == 200, "no page", running.require)
        yield running


def put_and_tell(world: World, key: str, content: str) -> None:
    world.bucket.put(key, content)
    world.tell("create", key)


def test_a_daemon_syncs_cycles_and_tells(world: World) -> None:
    """First sync, then cycles; its pages answer; a second writer exits 11 naming it; SIGTERM ends it with 143."""
    world.bucket.put("a.txt", "one")
    with daemon(world) as running:
        until(lambda: up_to_date(world, 1), "never up to date", running.require)
        put_and_tell(world, "b.txt", "two")
        until(lambda: "b.txt" in world.api.files(), "the change never came", running.require)
        world.require_same()
        _check_pages(world)
        _check_second_writer(world, running.pid)
        assert world.product.status()["lock_holder"]["pid"] == running.pid
        ended = running.end(signal.SIGTERM)
    assert ended.code == 143
    assert world.product.status()["lock_holder"] is None


def _check_pages(world: World) -> None:
    assert page(world, "/readyz")[0] == 200
    assert json.loads(page(world, "/status")[1])["version"]
    code, text = page(world, "/metrics")
    assert code == 200
    assert "# TYPE" in text
    assert "customer" in page(world, "/")[1]


def _check_second_writer(world: World, pid: int) -> None:
    for command in ("daemon", "incremental-sync", "initial-sync"):
        ended = world.run(command, expect=11, STATUS_PORT="0")
        assert str(pid) in ended.err
        assert "another process" in ended.err or "writer" in ended.err or "holds" in ended.err


def test_sigterm_in_an_upload_ends_in_time_and_the_next_run_heals(world: World) -> None:
    """A daemon in an upload that never ends leaves within 30 s with 143; afterwards each file is sent once."""
    world.bucket.put("small.txt", "small")
    world.bucket.put("large.bin", LARGE)
    world.api.add_fault("saveToDisk", file_path="large.bin", delay=FOR_EVER, times=-1)
    with daemon(world, "daemon") as running:
        until(lambda: _received(world) >= len(LARGE), "the upload never came", running.require)
        ended = running.end(signal.SIGTERM, timeout=30)
    assert ended.code == 143
    assert "stopping" in ended.err
    world.api.remove_faults()
    world.initial()
    world.require_same()
    assert world.api.effects()["create"] == 2


def _received(world: World) -> int:
    received: int = world.api.counters()["bytes_received"]
    return received


def test_a_second_sigterm_leaves_at_once(world: World) -> None:
    """The second signal ends a process that still waits for an upload."""
    world.bucket.put("large.bin", LARGE)
    world.api.add_fault("saveToDisk", delay=FOR_EVER, times=-1)
    with world.product.started("initial-sync") as running:
        until(lambda: _received(world) >= len(LARGE), "the upload never came", running.require)
        running.send(signal.SIGTERM)
        running.wait_for("stopping")
        ended = running.end(signal.SIGTERM, timeout=10)
    assert ended.code == 143
    world.api.remove_faults()
    world.initial()
    world.require_same()


def test_sigint_lets_an_upload_end_that_ends_soon(world: World) -> None:
    """Control-C in an upload that takes seconds: it is finished and confirmed, the code is 130, nothing goes again."""
    world.bucket.put("large.bin", LARGE)
    world.api.add_fault("saveToDisk", delay=3, apply=True)
    with daemon(world, "daemon") as running:
        until(lambda: "large.bin" in world.api.files(), "the upload never came", running.require)
        assert running.end(signal.SIGINT).code == 130
    left = world.product.status()
    assert (left["pending"], left["failed"]) == (0, 0)
    world.api.reset("counters")
    world.initial()
    assert world.api.saves() == 0
    world.require_same()


@pytest.mark.parametrize("applied", [False, True], ids=["before the effect", "after the effect"])
def test_sigkill_in_an_upload_heals(world: World, applied: bool) -> None:
    """Killed in an upload, and started again, the daemon ends with each file there and created once."""
    world.bucket.put("small.txt", "small")
    world.bucket.put("large.bin", LARGE)
    world.api.add_fault("saveToDisk", file_path="large.bin", delay=FOR_EVER, apply=applied)
    with daemon(world, "daemon") as running:
        until(lambda: world.api.counters()["faults_fired"] == 1, "the upload never came", running.require)
        until(lambda: ("large.bin" in world.api.files()) == applied, "no effect")
        assert running.end(signal.SIGKILL).code == -signal.SIGKILL
    assert world.product.status()["state"] == "NEVER_SYNCED"
    with daemon(world, "daemon") as running:
        until(lambda: up_to_date(world, 2), lambda: running.said, running.require)
        running.end(signal.SIGTERM)
    world.require_same()
    assert world.api.effects()["create"] == 2


def test_sighup_takes_right_settings_and_refuses_wrong_ones(world: World) -> None:
    """Wrong settings are told and the old ones stay; right ones hold from then on."""
    del world.product.settings["SYNC_INTERVAL"]
    dotenv = world.product.folder / ".env"
    dotenv.write_text("SYNC_INTERVAL=3600\n")
    world.bucket.put("a.txt", "one")
    with daemon(world, "daemon") as running:
        until(lambda: up_to_date(world, 1), "never up to date", running.require)
        dotenv.write_text("SYNC_INTERVAL=often\nMAX_WORKERS=0\n")
        running.send(signal.SIGHUP)
        running.wait_for("the old ones stay")
        assert "SYNC_INTERVAL" in running.said
        assert "MAX_WORKERS" in running.said
        put_and_tell(world, "b.txt", "two")
        dotenv.write_text("SYNC_INTERVAL=1\n")
        running.send(signal.SIGHUP)
        until(lambda: "b.txt" in world.api.files(), lambda: running.said, running.require)
        assert running.end(signal.SIGTERM).code == 143
    world.require_same()


def test_an_outage_of_the_api_passes(world: World, server: ApiProcess) -> None:
    """While the API is down the daemon lives, says so and is not ready; when it is back, the work is done."""
    world.bucket.put("a.txt", "one")
    with daemon(world, "daemon") as running:
        until(lambda: up_to_date(world, 1), "never up to date", running.require)
        server.stop()
        until(lambda: route(world)["state"] == "DEGRADED", "the outage was not told", running.require)
        assert page(world, "/healthz")[0] == 200
        assert page(world, "/readyz")[0] == 503
        world.bucket.put("b.txt", "two")
        server.start()
        world.tell("create", "b.txt")
        until(lambda: up_to_date(world, 2), lambda: running.said, running.require)
        assert running.end(signal.SIGTERM).code == 143
    world.require_same()


def test_live_reload_restarts_on_a_change_of_the_code(world: World, tmp_path: Path) -> None:
    """With LIVE_RELOAD=true a changed module brings a new process that goes on; SIGTERM ends both."""
    code = tmp_path / "code"
    shutil.copytree(ROOT / "sync_service", code / "sync_service", ignore=shutil.ignore_patterns("__pycache__"))
    world.product.code = code
    world.bucket.put("a.txt", "one")
    with daemon(world, "daemon", LIVE_RELOAD="true") as running:
        until(lambda: up_to_date(world, 1), lambda: running.said, running.require)
        first = route(world)["lock_holder"]["pid"]
        (code / "sync_service" / "__init__.py").write_text('"""Changed."""\n\n__version__ = "0.0.1+changed"\n')
        until(lambda: _changed(world), lambda: running.said, running.require)
        assert route(world)["lock_holder"]["pid"] != first
        ended = running.end(signal.SIGTERM)
    assert ended.code == 143
    assert world.product.status()["lock_holder"] is None


def _changed(world: World) -> bool:
    code, text = page(world, "/status")
    return code == 200 and bool(json.loads(text)["version"] == "0.0.1+changed" and json.loads(text)["routes"])


def test_the_port_that_was_chosen_is_told(world: World) -> None:
    """With STATUS_PORT=0 the log has the address that the pages are really at."""
    with world.product.started("daemon", STATUS_PORT="0", LOG_FORMAT="json") as running:
        running.wait_for("the daemon runs")
        line = next(line for line in running.said.splitlines() if '"the daemon runs"' in line)
        address = json.loads(line)["status"]
        assert not address.endswith(":0/")
        with urllib.request.urlopen(f"{address}healthz", timeout=10) as answer:
            assert answer.status == 200
