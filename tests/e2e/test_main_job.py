"""The main job as a user runs it: a first sync, then changes of every kind, each by its own command."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.real

LONG = "long/" + "n" * 120 + ".txt"
DEEP = "/".join(f"level{number}" for number in range(1, 13)) + "/deep.txt"
STATUS_FIELDS = [
    "route", "state", "reason", "last_run", "last_success", "last_check", "next_run", "files", "bytes", "pending",
    "failed", "quarantined", "oldest_pending", "events_processed", "operations_executed", "duration_seconds",
    "error_counts", "errors", "held_deletes", "lock_holder", "check",
]  # fmt: skip
REPORT_FIELDS = {
    "sync_type", "run_id", "route", "timestamp", "success", "duration_seconds", "statistics", "event_counts",
    "operation_counts", "errors", "service_info",
}  # fmt: skip
CSV_COLUMNS = [
    "id", "file_path", "permissions", "owner", "group", "size", "file_type", "etag", "last_modified", "internal_id",
]  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == CSV_COLUMNS
        return list(reader)


def varied() -> dict[str, bytes]:
    """Objects of many kinds, over a thousand of them small."""
    small = {f"many/{number % 10}/file-{number:04}.txt": f"small {number}".encode() for number in range(1_050)}
    return {
        **small,
        "empty.txt": b"",
        "big.bin": os.urandom(1 << 20) * 20,
        "unicode/ünïcødé 文件 😀.txt": "ü文😀".encode(),
        "a b+c%25&d.txt": b"symbols",
        LONG: b"a long name",
        DEEP: b"deep down",
        "NA": b"not missing",
        "001": b"not one",
    }


def put_permitted(world: World) -> None:
    world.bucket.put("secret.txt", "for few", permissions="0600", owner="alice", group="staff")


def fill_small(world: World, *keys: str) -> None:
    for key in keys:
        world.bucket.put(key, f"content of {key}")


def test_the_first_sync_brings_everything(world: World) -> None:
    """After initial-sync the file manager holds exactly the bucket; rows, snapshots, report and exit code say so."""
    objects = varied()
    world.bucket.put_many(objects)
    put_permitted(world)
    report = world.initial()
    world.require_same()
    count = len(objects) + 1
    assert report["success"] is True
    assert report["statistics"]["files_processed"] == count
    assert report["statistics"]["total_size"] == sum(map(len, objects.values())) + len("for few")
    assert world.product.status()["files"] == count
    _check_permissions(world)
    _check_final_snapshots(world, count)
    assert [r["run_id"] for r in world.api.reports()] == [report["run_id"]]
    _check_second_run(world, count)


def _check_permissions(world: World) -> None:
    told = world.api.files()["secret.txt"]
    assert (told["permissions"], told["owner"], told["group"]) == ("0600", "alice", "staff")


def _check_final_snapshots(world: World, count: int) -> None:
    before, after = (world.product.snapshots(f"{end}.csv")[-1] for end in ("before", "after"))
    assert before.read_bytes() == after.read_bytes()
    rows = rows_of(after)
    assert len(rows) == count
    assert [int(row["id"]) for row in rows] == sorted(int(row["id"]) for row in rows)
    assert {row["file_path"] for row in rows} == set(world.bucket.keys())
    assert all(row["internal_id"] for row in rows)
    manifest = json.loads(world.product.snapshots("manifest.json")[-1].read_text())
    assert manifest["scope"] == "full"
    assert [file["rows"] for file in manifest["files"]] == [count, count]


def _check_second_run(world: World, count: int) -> None:
    world.api.reset("counters")
    again = world.initial()
    assert again["statistics"]["operations_processed"] == 0
    assert (world.api.saves(), world.api.counters()["bytes_received"]) == (0, 0)
    assert world.product.status()["files"] == count


def test_one_change_of_each_kind(world: World) -> None:
    """Create, update, delete, rename, move and change_permission reach the API as what they are."""
    fill_small(world, "same.txt", "upd.txt", "del.txt", "ren.txt", "mov.txt", "perm.txt")
    world.initial()
    ids = {path: file["internal_id"] for path, file in world.api.files().items()}
    _change_one_of_each(world)
    world.api.reset("counters")
    report = world.cycle()
    world.require_same()
    assert report["operation_counts"] == dict.fromkeys(
        ("create", "update", "delete", "rename", "move", "change_permission"), 1
    )
    files = world.api.files()
    assert (files["renamed.txt"]["internal_id"], files["there/mov.txt"]["internal_id"]) == (
        ids["ren.txt"],
        ids["mov.txt"],
    )
    assert files["perm.txt"]["permissions"] == "rw-r-----"
    assert world.api.counters()["bytes_received"] == len("brand new") + len("updated")
    assert world.api.reports()[-1]["run_id"] == report["run_id"]


def _change_one_of_each(world: World) -> None:
    bucket = world.bucket
    bucket.put("new.txt", "brand new")
    bucket.put("upd.txt", "updated")
    bucket.delete("del.txt")
    bucket.rename("ren.txt", "renamed.txt")
    bucket.rename("mov.txt", "there/mov.txt")
    world.tell("create", "new.txt")
    world.tell("update", "/upd.txt")
    world.tell("delete", "del.txt")
    world.tell("rename", "ren.txt", "renamed.txt")
    world.tell("move", "mov.txt", "there/mov.txt")
    world.tell("change_permission", "perm.txt", new_permissions="rw-r-----")


def test_the_plan_is_what_the_next_cycle_does(world: World) -> None:
    """`plan` names the operations of the next incremental-sync and changes nothing itself."""
    fill_small(world, "same.txt", "upd.txt", "del.txt", "ren.txt", "mov.txt", "perm.txt")
    world.initial()
    _change_one_of_each(world)
    before = world.api.files()
    world.api.reset("counters")
    planned = world.run("plan", "--json").json
    assert world.api.effects() == {}
    assert world.api.files() == before
    assert world.run("plan").out.endswith("6 operations; nothing was changed\n")
    report = world.cycle()
    kinds = [operation["operation"] for operation in planned["operations"]]
    assert {kind: kinds.count(kind) for kind in kinds} == report["operation_counts"]
    done = {(c["operation"], c["file_path"], c["new_path"]) for c in world.api.calls()}
    wanted = {
        (o["operation"], o["file_path"], o["new_path"])
        for o in planned["operations"]
        if o["operation"] != "change_permission"
    }
    assert wanted == done
    assert world.run("plan", "--json").json["operations"] == []


STEPS = {
    "circle": [("c", "aside"), ("b", "c"), ("a", "b"), ("aside", "a")],
    "chain": [("a", "a2"), ("a2", "a3"), ("a3", "a4")],
    "swap": [("a", "aside"), ("b", "a"), ("aside", "b")],
}


def test_renames_that_touch_one_another_send_no_bytes(world: World) -> None:
    """A circle, a chain and a swap end with each file under its new name, its id kept and no byte sent."""
    fill_small(world, *(f"{name}/{letter}" for name in STEPS for letter in "abc"))
    world.initial()
    ids = {file["sha256"]: file["internal_id"] for file in world.api.files().values()}
    world.api.reset("counters")
    for name, steps in STEPS.items():
        for old, new in steps:
            world.bucket.rename(f"{name}/{old}", f"{name}/{new}")
            world.tell("rename", f"{name}/{old}", f"{name}/{new}")
    world.cycle()
    world.require_same()
    assert {file["sha256"]: file["internal_id"] for file in world.api.files().values()} == ids
    assert world.api.counters()["bytes_received"] == 0


def test_a_circle_of_three_renames_told_all_at_once_ends_right(world: World) -> None:
    """Three renames in a circle, told without the fourth name that the bucket needed, end with the right bytes."""
    fill_small(world, "a.txt", "b.txt", "c.txt")
    world.initial()
    for old, new in (("c.txt", "aside"), ("b.txt", "c.txt"), ("a.txt", "b.txt"), ("aside", "a.txt")):
        world.bucket.rename(old, new)
    for old, new in (("a.txt", "b.txt"), ("b.txt", "c.txt"), ("c.txt", "a.txt")):
        world.tell("rename", old, new)
    world.cycle()
    world.require_same()
    assert world.cycle()["statistics"]["operations_processed"] == 0


def test_duplicates_and_short_lived_objects_do_nothing_twice(world: World) -> None:
    """The same event again, its twin under another id, and a create that was deleted again make no further operation."""
    fill_small(world, "kept.txt")
    world.initial()
    world.bucket.put("kept.txt", "second version")
    event = world.tell("update", "kept.txt")
    world.api.publish(event, {**event, "event_id": "another"})
    fill_small(world, "fleeting.txt")
    world.tell("create", "fleeting.txt")
    world.bucket.delete("fleeting.txt")
    world.tell("delete", "fleeting.txt")
    report = world.cycle()
    assert report["operation_counts"] == {"update": 1}
    assert report["statistics"]["events_skipped"] >= 1
    world.require_same()
    world.api.publish(event)
    assert world.cycle()["statistics"]["operations_processed"] == 0


def test_a_lost_event_is_found_by_a_scan(world: World) -> None:
    """What no event told, a scan finds: a new object, another content, one that is gone."""
    fill_small(world, "changed.txt", "gone.txt", "same.txt")
    world.initial()
    world.bucket.put("changed.txt", "other content")
    world.bucket.put("new.txt", "unheard of")
    world.bucket.delete("gone.txt")
    assert world.cycle()["statistics"]["operations_processed"] == 0
    report = world.run("scan", "--json").json
    assert report["sync_type"] == "scan"
    assert report["operation_counts"] == {"create": 1, "update": 1, "delete": 1}
    world.require_same()


def test_status_tells_every_field(world: World) -> None:
    """`status` has each field of the contract before the first sync, after it, and after a change."""
    fresh = world.run("status", "--json").json
    assert (list(fresh), sorted(fresh["routes"][0])) == (["version", "routes"], sorted(STATUS_FIELDS))
    assert fresh["routes"][0]["state"] == "NEVER_SYNCED"
    fill_small(world, "a.txt", "b.txt")
    world.initial()
    route = world.product.status()
    assert sorted(route) == sorted(STATUS_FIELDS)
    assert (route["state"], route["files"], route["bytes"]) == ("UP_TO_DATE", 2, 2 * len("content of a.txt"))
    assert (route["pending"], route["failed"], route["quarantined"], route["held_deletes"]) == (0, 0, 0, 0)
    assert (route["oldest_pending"], route["next_run"], route["lock_holder"]) == (None, None, None)
    assert all(route[name].endswith("Z") for name in ("last_run", "last_success", "last_check"))
    assert world.run("status").out.startswith("customer: UP_TO_DATE - ")


def test_runs_tell_what_was_done(world: World) -> None:
    """`runs` lists the newest first, `runs show` prints the report that the API received and the data folder keeps."""
    fill_small(world, "a.txt")
    first = world.initial()
    second = world.cycle()
    assert [run["run_id"] for run in world.run("runs", "--json").json] == [second["run_id"], first["run_id"]]
    shown = world.run("runs", "show", first["run_id"], "--json").json
    assert shown == first == world.api.reports()[0]
    assert set(shown) >= REPORT_FIELDS
    kept = [json.loads(path.read_text()) for path in sorted((world.product.data / "reports").glob("*.json"))]
    assert kept == [first, second]
    assert first["run_id"] in world.run("runs").out
    assert first["run_id"] in world.run("runs", "show", first["run_id"][:5]).out
    assert "nothing-like-it" in world.run("runs", "show", "nothing-like-it", expect=2).err


def test_a_failed_object_is_told_and_heals(world: World) -> None:
    """One object that the API refuses: exit 3, success false, its name in report and status; the rest is there."""
    fill_small(world, "good.txt", "bad.txt")
    world.api.add_fault("saveToDisk", file_path="bad.txt", status=503, times=-1)
    report = world.initial(expect=3)
    assert report["success"] is False
    assert [(e["file_path"], e["operation"]) for e in report["errors"]] == [("bad.txt", "create")]
    assert set(world.api.files()) == {"good.txt"}
    route = world.product.status()
    assert (route["state"], route["failed"], route["pending"]) == ("DEGRADED", 1, 1)
    world.api.remove_faults()
    assert world.cycle()["operation_counts"] == {"create": 1}
    world.require_same()
    assert world.product.status()["state"] == "UP_TO_DATE"


def test_the_other_commands_answer(world: World) -> None:
    """config, doctor and test say what they are for, as text and as JSON, and no secret."""
    fill_small(world, "a.txt")
    settings = {entry["name"]: entry for entry in world.run("config", "--json").json}
    assert settings["CUSTOMER_S3_SECRET_KEY"]["value"] == "********"
    assert settings["CUSTOMER_S3_BUCKET"] == {
        "name": "CUSTOMER_S3_BUCKET",
        "value": world.bucket.name,
        "origin": "environment",
    }
    assert settings["SYNC_INTERVAL"]["origin"] == "default"
    assert "CUSTOMER_S3_BUCKET" in world.run("config").out
    assert all(check["ok"] for check in world.run("doctor", "--json").json)
    assert "FAIL" not in world.run("doctor").out
    assert all(step["ok"] for step in world.run("test", "--json").json)
    assert world.run("test").out.count("passed") == 5
    world.require_same()
    assert world.run("approve-deletes", "--json").json == {"approved": 0}


def test_wrong_usage_and_an_absent_catalogue_have_their_codes(world: World) -> None:
    """Usage errors exit 2, commands that need a first sync exit 10 and say so."""
    assert "no-such-command" in world.run("no-such-command", expect=2).err
    world.run("status", "--no-such-option", expect=2)
    assert "--route elsewhere" in world.run("status", "--route", "elsewhere", expect=2).err
    for command in ("incremental-sync", "scan", "plan", "runs"):
        ended = world.run(command, "--json", expect=10)
        assert ended.json["error"]["exit_code"] == 10
        assert "initial-sync" in ended.err
    help_text = world.run("help").out
    assert "incremental-sync" in help_text
    assert help_text == world.run("--help").out
