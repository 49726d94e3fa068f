"""Bad input as a person meets it: the right exit code, one clear message, nothing lost, and the next run heals."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api_process import ApiProcess, free_port
from tests.e2e.conftest import world_of
from tests.e2e.product import Ended, until
from tests.e2e.world import Bucket, World, digest, event_of
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real

WRONG_KEY = "wrong-secret-key-0123456789"
POISON = json.loads((Path(__file__).parents[1] / "data" / "events" / "poison.json").read_text())["cases"]


def error_of(ended: Ended) -> str:
    """The one error that the command told; everything else are log lines."""
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) <= 1, ended.err
    return lines[0] if lines else ""


def problems_of(ended: Ended) -> list[str]:
    """What the report of a `--json` run says went wrong."""
    return [entry["message"] for entry in ended.json.get("errors", [])]


def heals(world: World) -> None:
    """With the settings right again, the first sync brings everything."""
    world.initial()
    world.require_same()


class _Saying(BaseHTTPRequestHandler):
    """Answers everything in the same words."""

    status = 200
    body = b""
    kind = "text/html"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def saying(status: int, body: bytes, kind: str) -> Iterator[str]:
    """The address of a server that knows one answer."""
    handler = type("Handler", (_Saying,), {"status": status, "body": body, "kind": kind})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


# ---------------------------------------------------------------- the source


def test_wrong_keys(world: World, s3_server: S3Server) -> None:
    """Keys that the bucket's server does not know: exit 12, and the message names bucket and server and what to check."""
    if s3_server.name == "moto":
        pytest.skip("moto takes any keys")
    world.product.secrets.append(WRONG_KEY)
    world.bucket.put("a.txt", "one")
    ended = world.run("initial-sync", "--json", expect=12, CUSTOMER_S3_SECRET_KEY=WRONG_KEY)
    told = problems_of(ended)
    assert len(told) == 1
    assert world.bucket.name in told[0]
    assert "check the secret key" in told[0]
    assert world.run("doctor", expect=12, CUSTOMER_S3_SECRET_KEY=WRONG_KEY).out.count("FAIL") == 2
    assert world.api.files() == {}
    heals(world)


def test_wrong_bucket(world: World) -> None:
    """A bucket that does not exist: exit 2, and the message names it."""
    ended = world.run("initial-sync", "--json", expect=2, CUSTOMER_S3_BUCKET="no-such-bucket-at-all")
    assert len(problems_of(ended)) == 1
    assert "no-such-bucket-at-all" in problems_of(ended)[0]
    assert "Check the bucket's name" in problems_of(ended)[0]
    world.bucket.put("a.txt", "one")
    heals(world)


def test_no_such_endpoint(world: World) -> None:
    """An endpoint where nobody listens: exit 5, and the message names the address."""
    address = f"http://127.0.0.1:{free_port()}"
    ended = world.run("initial-sync", "--json", expect=5, CUSTOMER_S3_ENDPOINT=address)
    assert len(problems_of(ended)) == 1
    assert address.removeprefix("http://") in problems_of(ended)[0]
    world.bucket.put("a.txt", "one")
    heals(world)


def test_an_endpoint_that_answers_html(world: World) -> None:
    """A web site in the place of the store: exit 2, and the message says that this is no S3."""
    world.bucket.put("a.txt", "one")
    with saying(200, b"<!doctype html><html><body>Welcome</body></html>", "text/html") as address:
        ended = world.run("initial-sync", "--json", expect=2, CUSTOMER_S3_ENDPOINT=address)
    assert len(problems_of(ended)) == 1
    assert address in problems_of(ended)[0]
    assert "HTML, not S3" in problems_of(ended)[0]
    heals(world)


def test_a_clock_twenty_minutes_off(world: World) -> None:
    """A store that calls our clock too far off: exit 12, and the message says to set the clock."""
    world.bucket.put("a.txt", "one")
    skewed = (
        b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between '
        b"the request time and the current time is too large.</Message><RequestTime>20261121T080000Z</RequestTime>"
        b"<ServerTime>2026-11-21T08:20:00Z</ServerTime></Error>"
    )
    with saying(403, skewed, "application/xml") as address:
        ended = world.run("initial-sync", "--json", expect=12, CUSTOMER_S3_ENDPOINT=address)
    assert len(problems_of(ended)) == 1
    assert "clock" in problems_of(ended)[0]
    heals(world)


def test_an_object_that_changes_while_it_is_sent(world: World) -> None:
    """Changed in the middle of its upload, the object ends as its last version, never a mix, and the run is good."""
    first, second = os.urandom(1 << 20) * 12, os.urandom(1 << 20) * 12
    world.bucket.put("large.bin", first)
    world.api.add_fault("saveToDisk", file_path="large.bin", delay=3, status=503)
    with world.product.started("initial-sync") as running:
        until(lambda: world.api.counters()["faults_fired"] == 1, "the upload never came", running.require)
        world.bucket.put("large.bin", second)
        assert running.end().code == 0
    assert world.api.digests() == {"large.bin": digest(second)}


# ---------------------------------------------------------------- the disk


def mount(folder: Path, *options: str) -> None:
    """Mounts a small memory disk, where this user may; else the test is skipped."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """The product's data folder on a disk of 24 megabytes; not below pytest's folder, which a killed run leaves."""
    with tempfile.TemporaryDirectory(prefix="small-disk-") as name:
        mount(Path(name), "-o", "size=24m")
        try:
            world.product.data.symlink_to(name)
            yield Path(name)
            world.product.check_files()
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def test_a_read_only_data_folder(world: World, small_disk: Path) -> None:
    """A data folder that cannot be written: exit 12, the message names it; `status` works all the same."""
    world.bucket.put("a.txt", "one")
    remount(small_disk, "ro")
    assert "data: the data folder cannot be written" in error_of(world.run("initial-sync", expect=12))
    remount(small_disk, "rw")
    heals(world)
    world.bucket.put("b.txt", "two")
    world.tell("create", "b.txt")
    remount(small_disk, "ro")
    assert "data: the data folder cannot be written" in error_of(world.run("incremental-sync", expect=12))
    assert world.product.status()["files"] == 1
    remount(small_disk, "rw")
    world.cycle()
    world.require_same()


def test_a_full_disk(world: World, small_disk: Path) -> None:
    """No space left: exit 5, the message says so; with space again, the next run goes on."""
    world.bucket.put("a.txt", "one")
    world.initial()
    world.bucket.put_many({f"{number:03}.txt": b"x%d" % number for number in range(300)})
    world.api.publish(*(event_of("create", f"{number:03}.txt", note="n" * 900) for number in range(300)))
    filler = small_disk / "filler"
    _fill(filler)
    ended = world.run("incremental-sync", expect=5)
    assert "no space left" in ended.err
    filler.unlink()
    world.cycle()
    world.require_same()


def _fill(path: Path) -> None:
    """Takes all the space that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def test_a_damaged_database(world: World) -> None:
    """A database that is none any more: exit 13, the file untouched, and the message says what to do."""
    world.bucket.put("a.txt", "one")
    world.initial()
    path = world.product.data / "sync.db"
    for name in ("sync.db-wal", "sync.db-shm"):
        (path.parent / name).unlink(missing_ok=True)
    good = path.read_bytes()
    headless, scrambled = b"\0" * 4096 + good[4096:], good[:100] + os.urandom(len(good) - 100)
    for command, damaged in (("initial-sync", headless), ("incremental-sync", scrambled), ("status", b"no database")):
        path.write_bytes(damaged)
        told = error_of(world.run(command, expect=13))
        assert "sync.db" in told
        assert "backup" in told
        assert path.read_bytes() == damaged
    path.write_bytes(good)
    world.cycle()
    world.require_same()


def test_two_daemons(world: World) -> None:
    """The second process on one catalogue: exit 11, and the message names the first one's pid."""
    world.bucket.put("a.txt", "one")
    with world.product.started("daemon") as running:
        until(lambda: "a.txt" in world.api.files(), lambda: running.said, running.require)
        assert str(running.pid) in error_of(world.run("daemon", expect=11))
        running.require()
    world.cycle()
    world.require_same()


def test_a_snapshot_edited_by_hand(world: World) -> None:
    """Snapshots are records, not input: edited or deleted ones change nothing in the next cycle."""
    world.bucket.put("a.txt", "one")
    world.initial()
    for path in world.product.snapshots(".csv"):
        path.write_bytes(path.read_bytes().replace(b"a.txt", b"zzz.txt") + b'"99","ghost.txt"\n')
    for path in world.product.snapshots("manifest.json"):
        path.write_text("{ not JSON")
    world.bucket.put("b.txt", "two")
    world.tell("create", "b.txt")
    assert world.cycle()["operation_counts"] == {"create": 1}
    world.require_same()
    for path in world.product.snapshots(".csv"):
        path.unlink()
    assert world.cycle()["statistics"]["operations_processed"] == 0


# ---------------------------------------------------------------- the event list


def damaged_list(good: list[dict[str, Any]], size: int) -> bytes:
    """An event list of `size` bytes and more: every kind of damage that one list can hold, good events between."""
    damage = [json.dumps(text) for text in _poison_texts()]
    damage += ["null", "[]", "17", "1e999", "true", '""', "{}", "NaN", '{"event_type":5,"file_path":{}}']
    damage += ['{"event_type":"explode","file_path":"a.txt"}', '{"event_type":"create"}', "[" * 90 + "]" * 90]
    damage.append(json.dumps({"event_type": "update", "file_path": "x" * 100_000}))
    damage.append(json.dumps({"event_type": "update", "file_path": "lone \ud800 surrogate"}))
    damage.append(json.dumps({"event_type": "rename", "file_path": "a.txt", "new_path": ["b.txt"]}))
    damage = list(dict.fromkeys(damage))
    texts = [*damage, json.dumps({"event_type": "create", "file_path": ["x" * max(0, size - sum(map(len, damage)))]})]
    step = len(texts) // len(good)
    for number, event in enumerate(good):
        texts.insert(number * (step + 1), json.dumps(event))
    return b'{"events":[' + ",".join(texts).encode() + b'],"total_count":1,"generated_at":"2026-11-21T08:00:00Z"}'


def _poison_texts() -> list[str]:
    """The payloads of poison.json as texts; those over a megabyte are left to the tests of the decoders."""
    texts = []
    for case in POISON:
        if "payload" in case:
            texts.append(case["payload"])
        elif "payload_b64" in case:
            texts.append(base64.b64decode(case["payload_b64"]).decode("latin-1"))
        else:
            texts.append("".join(text * times for text, times in case["payload_repeat"]))
    return [text for text in texts if len(text) < 1 << 20]


def test_an_event_list_of_ten_megabytes_with_every_kind_of_damage(world: World) -> None:
    """The good events are applied, exit 0, and each poison one is in quarantine once, however often it comes."""
    world.bucket.put("a.txt", "one")
    world.initial()
    good = []
    for number in range(20):
        world.bucket.put(f"good-{number}.txt", f"good {number}")
        good.append(event_of("create", f"good-{number}.txt"))
    body = damaged_list(good, 10 * 1024 * 1024)
    assert len(body) > 10 * 1024 * 1024
    world.api.publish_raw(body, times=1)
    report = world.cycle()
    assert report["event_counts"]["create"] == len(good)
    world.require_same()
    quarantined = world.product.status()["quarantined"]
    assert 50 < quarantined == report["event_counts"]["errors"]
    world.api.publish_raw(body, times=1)
    again = world.cycle()
    assert (again["event_counts"]["errors"], again["statistics"]["operations_processed"]) == (0, 0)
    assert world.product.status()["quarantined"] == quarantined


def test_an_event_list_that_cannot_be_read(world: World) -> None:
    """An answer that is no event list at all: exit 5, one message that names the endpoint, and the next run goes on."""
    world.bucket.put("a.txt", "one")
    world.initial()
    world.bucket.put("b.txt", "two")
    world.tell("create", "b.txt")
    for body in (b"<html>502</html>", b'{"events": 5}', b'{"events": [{"event'):
        world.api.publish_raw(body)
        told = problems_of(world.run("incremental-sync", "--json", expect=5, MAX_RETRIES="0"))
        assert len(told) == 1, body
        assert "pubSubFullList" in told[0]
    assert world.cycle()["operation_counts"] == {"create": 1}
    world.require_same()


# ---------------------------------------------------------------- the API


def test_an_api_that_is_down_for_the_whole_run(tmp_path: Path, s3_server: S3Server, bucket: Bucket) -> None:
    """Nothing at the API's address: exit 5, one message that names it, nothing lost; the next run delivers."""
    server = ApiProcess(tmp_path / "api")
    world = world_of(tmp_path, s3_server, bucket, server)
    try:
        world.bucket.put_many({f"{number:02}.txt": b"x%d" % number for number in range(30)})
        _runs_in_vain(world, "initial-sync")
        server.start()
        heals(world)
        world.bucket.put("late.txt", "told before the outage")
        world.tell("create", "late.txt")
        server.stop()
        _runs_in_vain(world, "incremental-sync")
        assert world.product.status()["state"] == "DEGRADED"
        server.start()
        world.cycle()
        world.require_same()
    finally:
        server.stop()
    world.product.check_files()


def _runs_in_vain(world: World, command: str) -> None:
    told = problems_of(world.run(command, "--json", expect=5))
    assert any(world.api.url.removeprefix("http://") in message for message in told)


def test_an_api_that_wants_another_token(world: World) -> None:
    """A 401 from the API: exit 12, and the message says to look at the token, without saying it."""
    world.bucket.put("a.txt", "one")
    world.api.add_fault("*", status=401, times=-1)
    ended = world.run("initial-sync", "--json", expect=12)
    assert any("token" in message.lower() for message in problems_of(ended))
    world.api.remove_faults()
    heals(world)


# ---------------------------------------------------------------- the settings


def test_wrong_settings_are_told_all_at_once(world: World) -> None:
    """Every wrong value has its line: the variable, the value (never a secret's), what is expected; exit 2."""
    wrong = {
        "CUSTOMER_S3_ENDPOINT": "ftp://elsewhere",
        "CUSTOMER_S3_BUCKET": "no good name!",
        "SYNC_INTERVAL": "often",
        "MAX_WORKERS": "0",
        "RETRY_DELAY": "-1",
        "STATUS_PORT": "70000",
        "LOG_LEVEL": "shouting",
        "CUSTOMER_S3_SECRET_KEY": " padded-secret-value ",
        "SYNC_INTERVALL": "5",
    }
    world.product.secrets.append("padded-secret-value")
    ended = world.run("initial-sync", expect=2, **wrong)
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(wrong)
    for name, value in wrong.items():
        about = [line for line in lines if line.startswith(f"error: {name}:") or f" {name}" in line]
        assert about, f"{name} is not told:\n{ended.err}"
        assert name in ("CUSTOMER_S3_SECRET_KEY", "SYNC_INTERVALL") or value in about[0]
        assert "expected" in about[0] or "did you mean" in about[0]
    assert not world.product.data.exists()
    assert "CUSTOMER_S3_BUCKET" in error_of(world.run("initial-sync", expect=2, CUSTOMER_S3_BUCKET=None))
    world.bucket.put("a.txt", "one")
    heals(world)
