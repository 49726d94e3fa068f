"""Every awkward key through scan, event, CSV, diff, API, report and status, byte for byte."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from sync_service.models.text import shown
from tests import real_s3
from tests.e2e.world import Bucket, World, digest, event_of

pytestmark = pytest.mark.real

KEYS: list[str] = [
    entry["key"] for entry in json.loads((Path(__file__).parents[1] / "data" / "keys.json").read_text())["keys"]
]
KEY_LIMIT = 1024
"""Bytes of an S3 key; moto copies to longer ones, and then does not give them."""

UNSHOWN = set(map(chr, (*range(10), *range(11, 32), *range(127, 160), 0x202E)))
"""Characters that act on a terminal: none of them may reach it."""


def put_all(bucket: Bucket, keys: Iterable[str], content: str) -> list[str]:
    """Stores what the server takes; the keys that it took."""
    taken = []
    for number, key in enumerate(keys):
        try:
            bucket.put(key, f"{content} {number}")
            taken.append(key)
        except (ClientError, ParamValidationError):
            continue
    return taken


def readable(bucket: Bucket, keys: Iterable[str]) -> dict[str, str]:
    """The digests of the keys that the server gives, listed or not."""
    found = {}
    for key in keys:
        try:
            found[key] = digest(bucket.read(key))
        except (ClientError, ParamValidationError):
            continue
    return found


def event_keys(keys: Iterable[str]) -> list[str]:
    """Without those that begin with `/`: an event's path with one names the key without it."""
    return [key for key in keys if not key.startswith("/")]


def names(keys: Iterable[str]) -> str:
    return ", ".join(shown(key, 40) for key in sorted(keys)) or "none"


def paths_of(snapshot: Path) -> set[str]:
    with snapshot.open(encoding="utf-8", newline="") as file:
        return {row["file_path"] for row in csv.DictReader(file)}


def test_every_key_comes_through_the_first_sync(world: World) -> None:
    """Scan, CSV, API and status hold every key that the server lists; then each fails and is named, and heals."""
    taken = put_all(world.bucket, KEYS, "first")
    listed = world.bucket.keys()
    real_s3.note(f"end to end, refused by the server: {names(set(KEYS) - set(taken))}")
    real_s3.note(f"end to end, taken and not listed as they are: {names(set(taken) - set(listed))}")
    assert len(listed) > len(KEYS) / 2
    world.initial()
    world.require_same()
    assert world.product.status()["files"] == len(listed)
    assert paths_of(world.product.snapshots("after.csv")[-1]) == set(listed)
    _refuse_all(world, listed)
    _heal_all(world, listed)


def _refuse_all(world: World, listed: list[str]) -> None:
    """Every key is in the report, and each output of a person's commands can be printed."""
    put_all(world.bucket, listed, "refused")
    world.api.publish(*(event_of("update", key) for key in listed))
    world.api.add_fault("saveToDisk", operation="update", status=422, times=-1)
    report = world.cycle(expect=3)
    told = {error["file_path"] for error in report["errors"]}
    assert told <= set(listed)
    assert len(told) == min(100, len(listed))
    assert report["statistics"]["operations_failed"] == len(listed)
    assert world.product.status()["quarantined"] == len(listed)
    assert world.api.reports()[-1] == report
    for arguments in (("status",), ("runs",), ("runs", "show", report["run_id"])):
        assert not UNSHOWN & set(world.run(*arguments).out)


def _heal_all(world: World, listed: list[str]) -> None:
    world.api.remove_faults()
    put_all(world.bucket, listed, "healed")
    world.api.publish(*(event_of("update", key) for key in listed))
    report = world.cycle()
    assert report["operation_counts"] == {"update": len(listed)}
    world.require_same()


def test_every_key_comes_through_events(world: World) -> None:
    """Each key is created, moved and deleted by events, and the file manager holds what the bucket gives."""
    world.bucket.put("anchor.txt", "stays")
    world.initial()
    keys = put_all(world.bucket, event_keys(KEYS), "made")
    world.api.publish(*(event_of("create", key) for key in keys))
    world.cycle()
    assert world.api.digests() == {**readable(world.bucket, keys), "anchor.txt": digest(b"stays")}
    moved = _move_all(world, keys)
    world.api.publish(*(event_of("delete", key) for key in moved))
    for key in moved:
        world.bucket.delete(key)
    report = world.cycle(MAX_DELETE="1000")
    assert report["operation_counts"] == {"delete": len(moved)}
    world.require_same()


def _move_all(world: World, keys: list[str]) -> list[str]:
    """Moves every key that the server moves; returns where all the keys are then."""
    ids = {file["sha256"]: file["internal_id"] for file in world.api.files().values()}
    moves = {}
    for key in keys:
        if len(f"moved {key}".encode()) > KEY_LIMIT:
            continue
        try:
            world.bucket.rename(key, f"moved {key}")
            moves[key] = f"moved {key}"
        except (ClientError, ParamValidationError):
            continue
    assert len(moves) > len(KEYS) / 2
    world.api.publish(*(event_of("rename", old, new) for old, new in moves.items()))
    world.api.reset("counters")
    world.cycle()
    places = [moves.get(key, key) for key in keys]
    assert world.api.digests() == {**readable(world.bucket, places), "anchor.txt": digest(b"stays")}
    assert world.api.counters()["bytes_received"] == 0
    assert {file["sha256"]: file["internal_id"] for file in world.api.files().values()} == ids
    return places
