"""check as a user runs it: a destination that was damaged behind the service's back, found, repaired and found well."""

from __future__ import annotations

import json
import signal
import urllib.parse
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.product import until
from tests.e2e.world import Api, World
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real

KEYS = [entry["key"] for entry in json.loads((Path(__file__).parents[1] / "data" / "keys.json").read_text())["keys"]]


def save(api: Api, operation: str, path: str, content: bytes | None = None) -> None:
    """A saveToDisk call by somebody else than the service."""
    boundary = uuid.uuid4().hex
    fields = {"operation": operation, "file_path": path}
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    body = "".join(parts).encode()
    if content is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    send(api, "/saveToDisk", body, f"multipart/form-data; boundary={boundary}")


def permit(api: Api, path: str, permissions: str) -> None:
    body = urllib.parse.urlencode({"file_path": path, "permissions": permissions}).encode()
    send(api, "/updatePermissions", body, "application/x-www-form-urlencoded")


def send(api: Api, path: str, body: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Idempotency-Key": uuid.uuid4().hex}
    with urllib.request.urlopen(urllib.request.Request(api.url + path, body, headers), timeout=30) as answer:
        answer.read()


def check(world: World, *arguments: str, expect: int) -> dict[str, Any]:
    told: dict[str, Any] = world.run("check", "--json", *arguments, expect=expect).json
    return told


def by_kind(told: dict[str, Any]) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for finding in told["findings"]:
        kinds.setdefault(finding["kind"], set()).add(finding["file_path"])
    return kinds


def synced(world: World) -> None:
    for name in ("well.txt", "lost.txt", "short.txt", "same size.txt", "gone.txt"):
        world.bucket.put(name, f"content of {name}")
    world.bucket.put("secret.txt", "for few", permissions="0600", owner="alice")
    world.initial()
    world.bucket.delete("gone.txt")
    world.tell("delete", "gone.txt")
    world.cycle()


def damaged(world: World) -> None:
    """One of each kind of damage at the destination, and one object that no event tells of."""
    synced(world)
    save(world.api, "delete", "lost.txt")
    save(world.api, "update", "short.txt", b"cut")
    save(world.api, "update", "same size.txt", b"CONTENT OF same size.txt")
    permit(world.api, "secret.txt", "0777")
    save(world.api, "create", "gone.txt", b"back again")
    world.bucket.put("untold.txt", "no event")


def test_a_synced_route_has_no_difference(world: World) -> None:
    """Exit 0, in words too, and `status` tells of it."""
    synced(world)
    ended = world.run("check", "--read-data")
    assert ended.out.startswith("no difference: the destination holds all 5 objects")
    route = world.product.status()
    assert (route["check"]["clean"], route["check"]["counts"]["bodies_compared"]) == (True, 5)
    assert route["last_check"] == route["check"]["time"]
    assert "no difference (5 objects compared by sizes, permissions and bytes)" in world.run("status").out


def test_damage_is_found_exactly_and_repaired(world: World) -> None:
    """Each damage under its own name; --repair and one cycle later there is none."""
    damaged(world)
    effects = world.api.effects()
    found = by_kind(check(world, "--read-data", "--repair", expect=4))
    assert found == {
        "missing": {"lost.txt"},
        "different": {"short.txt", "same size.txt", "secret.txt"},
        "extra": {"gone.txt"},
        "catalogue": {"untold.txt"},
    }
    again = check(world, expect=0)
    assert again["counts"]["pending_by_state"] == {"waiting for the next run": 6}
    assert world.api.effects() == effects
    world.cycle()
    assert check(world, "--read-data", expect=0)["counts"]["pending"] == 0
    world.require_same()
    file = world.api.file("secret.txt")
    assert file is not None and (file["permissions"], file["owner"]) == ("0600", "alice")
    assert world.api.counters()["key_conflicts"] == 0


def test_without_reading_bytes_it_says_so(world: World) -> None:
    """Bytes of the same length are not seen without --read-data, and nobody claims that they were compared."""
    damaged(world)
    ended = world.run("check", expect=4)
    assert "different    short.txt: size 3 instead of 20" in ended.out
    assert "same size.txt" not in ended.out
    assert "not compared: bytes" in ended.out
    assert world.product.status()["check"]["clean"] is False


def test_beside_a_daemon_it_reads_and_leaves_the_repair(world: World) -> None:
    """The check needs no lock; what it found and what it wants repaired is taken up by the daemon's next cycle."""
    synced(world)
    with world.product.started("daemon", SYNC_INTERVAL="1") as daemon:
        daemon.wait_for("run done")
        save(world.api, "delete", "lost.txt")
        told = check(world, "--repair", expect=4)
        assert by_kind(told) == {"missing": {"lost.txt"}}
        assert "left for the writer" in told["repair"]
        until(lambda: world.api.file("lost.txt"), "the daemon did not send the lost file again", daemon.require)
        until(lambda: world.product.status()["check"] is not None, "the result was not kept", daemon.require)
    assert check(world, expect=0)["clean"] is True


def test_a_destination_that_is_down_is_no_finding(world: World) -> None:
    """Exit 5: nothing was compared."""
    synced(world)
    ended = world.run("check", expect=5, MOCK_API_URL="http://127.0.0.1:9", MAX_RETRIES="0")
    assert "127.0.0.1:9" in ended.err


def test_wrong_credentials_are_named(world: World, s3_server: S3Server) -> None:
    """Exit 12."""
    if s3_server.name == "moto":
        pytest.skip("moto takes any keys")
    synced(world)
    world.run("check", expect=12, CUSTOMER_S3_SECRET_KEY="wrong-secret-key")


def test_before_the_first_sync_there_is_nothing_to_check(world: World) -> None:
    """Exit 10."""
    world.run("check", expect=10)


@pytest.mark.parametrize("sample", ["0%", "101%", "1", "", "x%", "-1%", "٣%"])
def test_a_wrong_sample_is_a_usage_error(world: World, sample: str) -> None:
    """Exit 2, and what is expected."""
    assert "expected a share such as 1%" in world.run("check", f"--sample={sample}", expect=2).err


def test_awkward_keys_are_compared_as_they_are(world: World) -> None:
    """Every key of keys.json that the bucket takes; each one that is lost is named byte for byte, and safe to read."""
    for key in KEYS:
        with suppress(ClientError):
            world.bucket.put(key, key.encode())
    world.initial()
    told = check(world, "--read-data", expect=0)
    assert told["counts"]["compared"] == len(world.api.files()) > 80
    lost = set(world.api.files())
    world.api.reset("files")
    assert by_kind(check(world, expect=4)) == {"missing": lost}
    shown = world.run("check", expect=4).out
    assert not any(character in shown for character in "\x1b\r\u202e\u2066")
    assert len(shown.splitlines()) == 3 + min(len(lost), 100) - (len(lost) <= 100)


def test_a_signal_ends_a_check(world: World) -> None:
    """SIGTERM: exit 143, no result, and nothing is kept."""
    synced(world)
    world.api.add_fault("saveToDisk", operation="get", delay=0.2, times=99)
    with world.product.started("check", MAX_WORKERS="1", LOG_FORMAT="json") as running:
        running.wait_for("check begins")
        ended = running.end(signal.SIGTERM)
    assert ended.code == 143
    assert world.product.status()["check"] is None


def test_a_sample_asks_for_a_share_only(world: World) -> None:
    """The same seed draws the same objects; the report tells the share."""
    world.bucket.put_many({f"many/{number}": b"x" for number in range(200)})
    world.initial()
    first = check(world, "--sample", "20%", "--seed", "a", expect=0)
    assert 0 < first["counts"]["compared"] < 100
    assert first["counts"]["compared"] + first["counts"]["skipped"] == 200
    assert first["counts"] == check(world, "--sample", "20%", "--seed", "a", expect=0)["counts"]
    assert (first["share"], first["seed"], first["full"]) == (0.2, "a", False)
    assert "a sample of 20 %" in world.run("status").out
