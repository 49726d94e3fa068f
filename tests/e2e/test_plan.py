"""Plan files as a person uses them: kept, looked at, applied; and what happened in between is told."""

from __future__ import annotations

import json

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.real

PLAN = "the.plan"


def changed(world: World) -> None:
    """A first sync, and then one change of each kind that its events tell."""
    for key in ("upd.txt", "del.txt", "ren.txt", "perm.txt", "same.txt"):
        world.bucket.put(key, f"content of {key}")
    world.initial()
    world.bucket.put("new.txt", "brand new")
    world.bucket.put("upd.txt", "updated")
    world.bucket.delete("del.txt")
    world.bucket.rename("ren.txt", "there/ren.txt")
    world.tell("create", "new.txt")
    world.tell("update", "upd.txt")
    world.tell("delete", "del.txt")
    world.tell("move", "ren.txt", "there/ren.txt")
    world.tell("change_permission", "perm.txt", new_permissions="rw-r-----")
    world.api.reset("counters")


def test_a_kept_plan_is_carried_out(world: World) -> None:
    """plan FILE changes nothing; incremental-sync --plan FILE does exactly what it says, with a circle of renames too."""
    changed(world)
    said = world.run("plan", PLAN).out
    assert said.endswith("5 operations; nothing was changed\n")
    assert world.api.effects() == {}
    content = json.loads((world.product.folder / PLAN).read_text())
    assert (content["kind"], content["format"], len(content["operations"])) == ("s3-sync-plan", 1, 5)
    report = world.run("incremental-sync", "--plan", PLAN, "--json").json
    assert report["operation_counts"] == {"create": 1, "update": 1, "move": 1, "change_permission": 1, "delete": 1}
    assert (report["plan"]["operations"], report["plan"]["only_now"]) == (5, [])
    world.require_same()
    again = world.run("incremental-sync", "--plan", PLAN, expect=6).said
    assert "5 operations only in the plan, 0 only now; nothing was sent" in again
    assert "only in the plan:  move ren.txt -> there/ren.txt" in again


def test_what_has_changed_since_is_told_and_nothing_sent(world: World) -> None:
    """Another version, another object: named on both sides, exit 6; the next cycle brings all of it."""
    changed(world)
    world.run("plan", PLAN)
    world.bucket.put("upd.txt", "updated once more")
    world.bucket.put("late.txt", "late")
    world.tell("update", "upd.txt")
    world.tell("create", "late.txt")
    ended = world.run("incremental-sync", "--plan", PLAN, expect=6)
    assert world.api.effects() == {}
    for line in (
        "only in the plan:  update upd.txt (7 bytes",
        "only now:          update upd.txt (17 bytes",
        "create late.txt",
    ):
        assert line in ended.out
    assert world.product.status()["pending"] == 6
    world.cycle()
    world.require_same()


def test_an_object_that_changed_untold_is_not_sent_in_its_new_version(world: World) -> None:
    """Its event is long read, so the plan holds; its bytes are pinned, and what is new waits for the next cycle."""
    changed(world)
    for endpoint in ("saveToDisk", "updatePermissions"):
        world.api.add_fault(endpoint, status=429, times=-1)
    world.cycle(expect=None)
    world.api.remove_faults()
    world.run("plan", PLAN)
    world.bucket.put("upd.txt", "changed behind the log's back")
    report = world.run("incremental-sync", "--plan", PLAN, "--json", expect=6).json
    assert report["operation_counts"] == {"create": 1, "move": 1, "change_permission": 1, "delete": 1}
    assert [line.partition(" (")[0] for line in report["plan"]["only_now"]] == ["update upd.txt"]
    assert world.api.content("upd.txt") == b"content of upd.txt"
    world.cycle()
    world.require_same()


def test_a_plan_with_an_attempt_in_doubt_and_a_circle(world: World) -> None:
    """What is in doubt, and names that change places, are the same operations in the plan and in the run."""
    for key in ("a", "b", "c"):
        world.bucket.put(key, f"content of {key}")
    world.initial()
    world.bucket.put("doubt.txt", "half known")
    world.tell("create", "doubt.txt")
    world.api.add_fault("saveToDisk", operation="create", file_path="doubt.txt", status=500, apply=True, times=-1)
    world.cycle(expect=None)
    world.api.remove_faults()
    for old, new in (("c", "aside"), ("b", "c"), ("a", "b"), ("aside", "a")):
        world.bucket.rename(old, new)
        world.tell("rename", old, new)
    world.run("plan", PLAN)
    world.run("incremental-sync", "--plan", PLAN)
    world.require_same()


def test_plans_that_cannot_be_used_are_refused(world: World) -> None:
    """Missing, damaged, of another catalogue: exit 2 and one clear line, and no run is begun."""
    changed(world)
    world.run("plan", PLAN)
    runs = world.run("runs", "--json").json
    file = world.product.folder / PLAN
    whole = file.read_text()
    assert "cannot be read" in world.run("incremental-sync", "--plan", "absent", expect=2).err
    file.write_text(whole[:-10])
    assert "damaged" in world.run("incremental-sync", "--plan", PLAN, expect=2).err
    file.write_text(whole.replace('"format": 1', '"format": 7'))
    assert "plan format 7" in world.run("incremental-sync", "--plan", PLAN, expect=2).err
    file.write_text(whole)
    world.run("initial-sync", DATABASE_PATH="other/sync.db")
    refused = world.run("incremental-sync", "--plan", PLAN, DATABASE_PATH="other/sync.db", expect=2)
    assert "another catalogue" in refused.err
    assert world.run("runs", "--json").json == runs
    assert "cannot be written" in world.run("plan", "no/folder/plan", expect=2).err


def test_a_plan_that_is_not_complete_is_not_written(world: World) -> None:
    """Without the event log there is no telling what the next cycle would do."""
    changed(world)
    world.api.add_fault("pubSubFullList", status=503, times=-1)
    assert "was not written" in world.run("plan", PLAN, expect=5).err
    assert not (world.product.folder / PLAN).exists()


def test_held_deletes_are_named_in_the_plan(world: World) -> None:
    """What the guard holds is in the plan as held; an approval in between is a change."""
    changed(world)
    world.run("plan", PLAN, expect=6, MAX_DELETE="0", MAX_DELETE_PERCENT="0")
    assert json.loads((world.product.folder / PLAN).read_text())["held_deletes"] == ["del.txt"]
    ended = world.run("incremental-sync", "--plan", PLAN, expect=6)
    assert "only now:          delete del.txt" in ended.out
    assert world.api.effects() == {}
