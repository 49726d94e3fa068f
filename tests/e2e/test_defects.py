"""The defects of the system that this one replaces, by number (SYSTEMS.md, section A): none of them comes back."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import world_of
from tests.e2e.world import Api, Bucket, World, digest, event_of
from tests.fakes import mock_api_server
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real


@pytest.fixture
def field_world(tmp_path: Path, s3_server: S3Server, bucket: Bucket) -> Iterator[World]:
    """The product between a bucket and a server as they are in the field."""
    with mock_api_server.running(tmp_path / "field", field=True) as server:
        made = world_of(tmp_path, s3_server, bucket, Api(server.url))
        yield made
        made.product.check_files()


def synced(world: World, **objects: str) -> World:
    """A world after its first sync of these objects (names without their `.txt`)."""
    for name, content in objects.items():
        world.bucket.put(f"{name}.txt", content)
    world.initial()
    world.api.reset("counters")
    return world


def bare_event(event_type: str, file_path: str, **more: Any) -> dict[str, Any]:
    """An event without an id."""
    event = {**event_of(event_type, file_path), **more}
    del event["event_id"]
    return event


def test_defect_01_a_failed_operation_is_sent_again(world: World) -> None:
    """An update whose call failed stays pending, both snapshots stay, and the next cycle sends it."""
    synced(world, a="one")
    world.bucket.put("a.txt", "two")
    world.tell("update", "a.txt")
    world.api.add_fault("saveToDisk", operation="update", status=500, times=-1)
    world.cycle(expect=3)
    assert world.product.snapshots("before.csv") and world.product.snapshots("after.csv")
    assert world.product.status()["pending"] == 1
    world.api.remove_faults()
    assert world.cycle()["operation_counts"] == {"update": 1}
    world.require_same()


def test_defect_02_all_pages_are_read_once(world: World) -> None:
    """Two hundred and fifty events come in one cycle, and none of them comes again."""
    synced(world, a="one")
    objects = {f"page/{number:03}.txt": b"x%d" % number for number in range(250)}
    world.bucket.put_many(objects)
    world.api.publish(*(event_of("create", key) for key in objects))
    report = world.cycle()
    assert report["statistics"]["events_processed"] == 250
    world.require_same()
    again = world.cycle()["statistics"]
    assert (again["events_processed"], again["events_skipped"]) == (0, 0)


def test_defect_03_a_delete_reaches_the_api(world: World) -> None:
    """A delete event ends with a delete call and without the file."""
    synced(world, a="one", b="two")
    world.bucket.delete("a.txt")
    world.tell("delete", "a.txt")
    world.cycle()
    assert world.api.effects() == {"delete": 1}
    assert set(world.api.files()) == {"b.txt"}


def test_defect_04_updates_and_permissions_reach_the_api(world: World) -> None:
    """An update sends the bytes, a change of permissions sends the permissions."""
    synced(world, a="one", b="two")
    world.bucket.put("a.txt", "changed")
    world.tell("update", "a.txt")
    world.tell("change_permission", "b.txt", permissions="0600", owner="bob", group="staff")
    world.cycle()
    files = world.api.files()
    assert files["a.txt"]["sha256"] == digest(b"changed")
    assert (files["b.txt"]["permissions"], files["b.txt"]["owner"], files["b.txt"]["group"]) == ("0600", "bob", "staff")
    assert world.api.effects() == {"update": 1, "set_permissions": 1}


@pytest.mark.parametrize(("kind", "new"), [("rename", "b.txt"), ("move", "folder/a.txt")])
def test_defect_05_renames_and_moves_send_no_bytes(world: World, kind: str, new: str) -> None:
    """A rename is sent as a rename, a move as a move: no bytes, the same internal id."""
    synced(world, a="one")
    before = world.api.files()["a.txt"]["internal_id"]
    world.bucket.rename("a.txt", new)
    world.tell(kind, "a.txt", new)
    world.cycle()
    assert world.api.effects() == {kind: 1}
    assert world.api.counters()["bytes_received"] == 0
    assert world.api.files()[new]["internal_id"] == before


def test_defect_06_every_name_of_permissions_is_read(world: World) -> None:
    """All five spellings of the permissions in an event's metadata count."""
    names = ("new_permissions", "permissions", "permission", "perms", "access")
    synced(world, **dict.fromkeys(names, "one"))
    for number, name in enumerate(names):
        world.tell("change_permission", f"{name}.txt", **{name: f"060{number}"})
    world.cycle()
    assert {path: file["permissions"] for path, file in world.api.files().items()} == {
        f"{name}.txt": f"060{number}" for number, name in enumerate(names)
    }


def test_defect_07_both_names_of_the_type_are_read(world: World) -> None:
    """`file_type` and `mime_type` in an event are both understood; the source's own type is what is sent."""
    synced(world, a="one")
    for key, name in (("one.json", "file_type"), ("two.json", "mime_type")):
        world.bucket.client.put_object(Bucket=world.bucket.name, Key=key, Body=b"{}", ContentType="application/json")
        world.tell("create", key, **{name: "application/json"})
    world.cycle()
    files = world.api.files()
    assert [files[key]["file_type"] for key in ("one.json", "two.json")] == ["application/json"] * 2


def test_defect_08_a_leading_slash_names_the_same_key(world: World) -> None:
    """An event for `/a.txt` is one for the key `a.txt`."""
    synced(world, a="one")
    world.bucket.put("a.txt", "changed")
    world.tell("update", "/a.txt")
    assert world.cycle()["operation_counts"] == {"update": 1}
    world.require_same()


def test_defect_09_a_rename_onto_a_path_ends_the_row_that_held_it(world: World) -> None:
    """Of two rows, the one whose path another takes is deleted, and the other keeps its id under the new path."""
    synced(world, a="one", b="two")
    before = world.api.files()["a.txt"]["internal_id"]
    world.bucket.rename("a.txt", "b.txt")
    world.tell("rename", "a.txt", "b.txt")
    report = world.cycle()
    assert report["operation_counts"] == {"delete": 1, "rename": 1}
    assert world.api.files()["b.txt"]["internal_id"] == before
    assert world.product.status()["files"] == 1
    world.require_same()


def test_defect_10_skipped_events_are_counted_as_skipped(world: World) -> None:
    """An event for an object that is nowhere is no processed event, and the reason is told."""
    synced(world, a="one")
    world.tell("create", "nowhere.txt")
    world.tell("delete", "never-there.txt")
    report = world.cycle()
    assert (report["statistics"]["events_processed"], report["statistics"]["events_skipped"]) == (0, 2)
    assert sum(report["events_skipped"].values()) == 2
    assert all(report["events_skipped"])


def test_defect_11_a_create_without_metadata_asks_the_source(world: World) -> None:
    """A create event that tells nothing but the path brings the whole file with its type and permissions."""
    synced(world, a="one")
    world.bucket.put("b.txt", "two", permissions="0640")
    world.api.publish(bare_event("create", "b.txt"))
    world.cycle()
    file = world.api.files()["b.txt"]
    assert (file["sha256"], file["permissions"]) == (digest(b"two"), "0640")


def test_defect_12_naive_and_zoned_times_come_in_one_batch(world: World) -> None:
    """Times with and without a zone, and none at all, stand side by side."""
    synced(world, a="one", b="two", c="three")
    times = {"a": "2026-11-21T08:00:00", "b": "2026-11-21T10:00:00+02:00", "c": None}
    for name, time in times.items():
        world.bucket.put(f"{name}.txt", "changed")
        world.api.publish({**event_of("update", f"{name}.txt"), "timestamp": time})
    assert world.cycle()["operation_counts"] == {"update": 3}
    world.require_same()


def test_defect_13_a_large_object_is_not_held_in_memory(world: World) -> None:
    """An object of 300 MB goes through a process that holds less than 250 MB."""
    upload = world.bucket.client.create_multipart_upload(Bucket=world.bucket.name, Key="large.bin")
    part = os.urandom(1 << 20) * 100
    parts = [
        {
            "PartNumber": number,
            "ETag": world.bucket.client.upload_part(
                Bucket=world.bucket.name, Key="large.bin", UploadId=upload["UploadId"], PartNumber=number, Body=part
            )["ETag"],
        }
        for number in (1, 2, 3)
    ]
    world.bucket.client.complete_multipart_upload(
        Bucket=world.bucket.name, Key="large.bin", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    with world.product.started("initial-sync") as running:
        peak = running.peak_memory()
        assert running.end().code == 0
    assert peak < 250 * 1024 * 1024
    assert peak > 0 or not Path("/proc/self").exists()
    assert world.api.files()["large.bin"]["sha256"] == digest(part * 3)


def test_defect_14_repeating_goes_by_the_kind_of_error(world: World) -> None:
    """A refusal is sent once; a server's error is repeated; a listing's error is too."""
    synced(world, a="one", b="two")
    for name in ("a", "b"):
        world.bucket.put(f"{name}.txt", "changed")
        world.tell("update", f"{name}.txt")
    world.api.add_fault("saveToDisk", file_path="a.txt", status=403, times=-1)
    world.api.add_fault("saveToDisk", file_path="b.txt", status=503, times=2)
    world.api.add_fault("pubSubFullList", status=500, times=2)
    assert world.run("incremental-sync", expect=None).code == 3
    assert len(world.api.calls("update", "a.txt")) == 1
    assert [call["status"] for call in world.api.calls("update", "b.txt")] == [503, 503, 200]


def test_defect_15_failed_files_of_the_first_sync_are_tried_again(world: World) -> None:
    """What failed in initial-sync goes out with the next cycle, and what succeeded does not go again."""
    world.bucket.put("good.txt", "one")
    world.bucket.put("bad.txt", "two")
    world.api.add_fault("saveToDisk", file_path="bad.txt", status=500, times=-1)
    world.initial(expect=3)
    world.api.remove_faults()
    world.api.reset("counters")
    world.cycle()
    assert world.api.effects() == {"create": 1}
    world.require_same()


def test_defect_15_an_interrupted_first_sync_goes_on(world: World) -> None:
    """A first sync that found the API gone in the middle sends, when run again, only what is missing."""
    world.bucket.put_many({f"{number:03}.txt": b"x%d" % number for number in range(80)})
    world.api.add_fault("saveToDisk", nth=31, times=-1, reset="before")
    world.initial(expect=5, MAX_WORKERS="2", MAX_RETRIES="0")
    there = len(world.api.files())
    assert 0 < there < 80
    assert world.product.status()["state"] == "NEVER_SYNCED"
    world.run("incremental-sync", expect=10)
    world.api.remove_faults()
    world.api.reset("counters")
    world.initial()
    world.require_same()
    assert world.api.effects()["create"] == 80 - there


def test_defect_16_a_scan_finds_what_events_lost(world: World) -> None:
    """A new object that no event told reaches the file manager with the next scan."""
    synced(world, a="one")
    world.bucket.put("b.txt", "unheard of")
    world.cycle()
    world.run("scan")
    world.require_same()


def test_defect_17_the_final_csv_is_written(world: World) -> None:
    """After the first sync both final snapshots hold every row."""
    synced(world, a="one", b="two")
    for end in ("before.csv", "after.csv"):
        with world.product.snapshots(end)[-1].open(encoding="utf-8", newline="") as file:
            assert [row["file_path"] for row in csv.DictReader(file)] == ["a.txt", "b.txt"]


def test_defect_18_a_failed_operation_is_no_success(world: World) -> None:
    """With one failed operation the report says `success: false` and the exit code is 3."""
    synced(world, a="one")
    world.bucket.put("a.txt", "two")
    world.tell("update", "a.txt")
    world.api.add_fault("saveToDisk", operation="update", status=422, times=-1)
    report = world.cycle(expect=3)
    assert (report["success"], report["statistics"]["operations_failed"]) == (False, 1)
    assert world.api.reports()[-1]["success"] is False


def test_defect_19_a_repeated_call_carries_its_key(world: World) -> None:
    """An answer lost after the effect is repeated under the same Idempotency-Key and has no second effect."""
    synced(world, a="one")
    world.bucket.put("a.txt", "two")
    world.tell("update", "a.txt")
    world.api.add_fault("saveToDisk", operation="update", reset="after")
    world.cycle()
    calls = world.api.calls("update", "a.txt")
    assert len(calls) == 2
    assert calls[0]["key"] and calls[0]["key"] == calls[1]["key"]
    assert world.api.effects() == {"update": 1}
    world.require_same()


def test_defect_20_texts_pass_the_csv_as_they_are(world: World) -> None:
    """`NA`, `001`, `1e5`, `null` as names and `0644` as permissions arrive as they were written."""
    names = ("NA", "001", "1e5", "null", "True", "-0")
    for name in names:
        world.bucket.put(name, f"content of {name}", permissions="0644", owner="007", group="NaN")
    world.initial()
    world.require_same()
    told = {(f["permissions"], f["owner"], f["group"]) for f in world.api.files().values()}
    assert told == {("0644", "007", "NaN")}
    with world.product.snapshots("after.csv")[-1].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file_path"] for row in rows} == set(names)
    assert {row["permissions"] for row in rows} == {"0644"}


def test_defect_20_texts_that_would_be_one_number_differ(world: World) -> None:
    """`0644` and `644`, `001` and `1` are not equal in the diff, as numbers would be."""
    for name in ("001", "2"):
        world.bucket.put(name, f"content of {name}", permissions="0644")
    world.initial()
    world.tell("change_permission", "2", permissions="644")
    assert world.cycle()["operation_counts"] == {"change_permission": 1}
    assert world.api.files()["2"]["permissions"] == "644"
    world.bucket.rename("001", "1")
    world.tell("rename", "001", "1")
    assert world.cycle()["operation_counts"] == {"rename": 1}
    world.require_same()


def test_a_run_against_a_server_in_the_field_settles(field_world: World) -> None:
    """Cycle after cycle ends well, and neither calls nor rows nor recorded events grow."""
    world = field_world
    for key in ("inbox/letter.txt", "plans/second.txt", "other.txt"):
        world.bucket.put(key, f"content of {key}")
    assert world.run("initial-sync", expect=None).code in (0, 3)
    for _ in range(2):
        assert world.run("incremental-sync", expect=None).code in (0, 3)
    settled = _sizes(world)
    world.api.reset("counters")
    for _ in range(3):
        assert world.run("incremental-sync", expect=None).code in (0, 3)
    assert world.api.saves() == 0
    assert _sizes(world) == settled
    assert world.product.status()["files"] == 3


def _sizes(world: World) -> dict[str, int]:
    """How many rows the catalogue's tables hold."""
    connection = sqlite3.connect(f"file:{world.product.data / 'sync.db'}?mode=ro", uri=True)
    try:
        names = ("observed", "delivered", "events", "quarantine", "failures", "touched")
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    finally:
        connection.close()
