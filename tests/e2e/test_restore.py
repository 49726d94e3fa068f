"""backup, restore and rebuild as a person runs them: the file manager ends as the bucket is, and nothing right is sent again."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.product import until
from tests.e2e.world import World

pytestmark = pytest.mark.real


def database(world: World) -> Path:
    return world.product.data / "sync.db"


def synced(world: World, *names: str) -> World:
    """A world after its first sync of these objects."""
    world.bucket.put_many({name: f"first of {name}".encode() for name in names})
    world.initial()
    world.api.reset("counters")
    return world


def back_up(world: World) -> Path:
    return world.product.folder / world.run("backup", "--json").json["backup"]


def restore(world: World, backup: Path, *more: str) -> None:
    world.run("restore", str(backup), "--yes", *more)
    world.api.reset("counters")


def lose(world: World) -> None:
    for path in world.product.data.glob("sync.db*"):
        path.unlink()


def uploads(world: World) -> int:
    effects = world.api.effects()
    return effects.get("create", 0) + effects.get("update", 0)


def many_changes(world: World) -> None:
    """One of each kind, told by events, and delivered."""
    world.bucket.put("new.txt", "new")
    world.tell("create", "new.txt")
    world.bucket.put("changed.txt", "changed")
    world.tell("update", "changed.txt")
    world.bucket.rename("old.txt", "renamed.txt")
    world.tell("rename", "old.txt", "renamed.txt")
    world.bucket.rename("one.txt", "folder/one.txt")
    world.tell("move", "one.txt", "folder/one.txt")
    world.bucket.delete("gone.txt")
    world.tell("delete", "gone.txt")
    world.tell("change_permission", "same.txt", permissions="0600")
    world.cycle()


NAMES = ("same.txt", "changed.txt", "old.txt", "one.txt", "gone.txt")


@pytest.mark.parametrize("newer", ["kept", "lost"])
def test_a_restore_then_cycles(world: World, newer: str) -> None:
    """Changes after the backup, delivered and not: cycles alone bring the file manager to the bucket, with no wrong delete."""
    synced(world, *NAMES)
    backup = back_up(world)
    many_changes(world)
    world.bucket.put("short-lived.txt", "here and gone")
    world.tell("create", "short-lived.txt")
    world.cycle()
    world.bucket.delete("short-lived.txt")
    world.bucket.put("late.txt", "after the last cycle")
    if newer == "lost":
        lose(world)
    restore(world, backup)
    told = world.product.status()
    assert (told["state"], told["last_check"]) == ("DEGRADED", None)
    assert "restored" in told["reason"]
    world.run("plan", expect=5)
    world.cycle()
    world.require_same()
    assert world.api.effects()["create"] == 1
    assert world.api.effects().get("delete") == 1
    assert world.api.effects().get("update", 0) == 0
    assert world.api.files()["same.txt"]["permissions"] == "0600"
    assert world.product.status()["state"] == "UP_TO_DATE"
    world.api.reset("counters")
    world.cycle()
    assert world.api.effects() == {}


def test_a_backup_beside_a_daemon(world: World) -> None:
    """It is made while the daemon writes, and restored only once the daemon has ended."""
    world.bucket.put("a.txt", "one")
    with world.product.started("daemon", SYNC_INTERVAL="1") as daemon:
        until(lambda: world.api.digests() == world.bucket.digests(), "the first sync is not through", daemon.require)
        backup = back_up(world)
        refused = world.run("restore", str(backup), "--yes", expect=11)
        assert str(daemon.pid) in refused.err
        assert daemon.end(signal.SIGTERM).code == 143
    restore(world, backup)
    world.run("scan")
    world.require_same()
    assert uploads(world) == 0


def test_a_daemon_goes_on_with_a_restored_catalogue(world: World) -> None:
    """It compares first of all, by itself."""
    synced(world, "a.txt", "b.txt")
    backup = back_up(world)
    world.bucket.put("b.txt", "changed")
    world.tell("update", "b.txt")
    world.cycle()
    world.bucket.put("c.txt", "new")
    restore(world, backup)
    with world.product.started("daemon", SYNC_INTERVAL="60") as daemon:
        until(lambda: world.api.digests() == world.bucket.digests(), "the daemon does not bring it", daemon.require)
        daemon.wait_for("the destination was compared")
        daemon.end(signal.SIGTERM)
    assert world.api.effects() == {"create": 1}


def test_nothing_is_overwritten_or_taken_for_a_backup(world: World) -> None:
    """An existing file, a missing one, another program's, a damaged one, one of a newer version: refused, nothing touched."""
    synced(world, "a.txt")
    before = database(world).read_bytes()
    backup = world.product.folder / "mine.db"
    world.run("backup", str(backup))
    assert "already" in world.run("backup", str(backup), expect=2).err
    assert "no such backup" in world.run("restore", "not there", "--yes", expect=2).err
    broken = world.product.folder / "broken.db"
    broken.write_bytes(backup.read_bytes()[:5000])
    assert "error:" in world.run("restore", str(broken), "--yes", expect=13).err
    broken.write_text("no database at all")
    world.run("restore", str(broken), "--yes", expect=13)
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in world.run("restore", str(backup), "--yes", expect=13).err
    assert database(world).read_bytes() == before
    assert not list(world.product.data.glob("*replaced*"))


def test_without_a_terminal_a_restore_needs_a_yes(world: World) -> None:
    """Exit 6, and nothing is touched; the same for a rebuild over a catalogue that is there."""
    synced(world, "a.txt")
    backup = back_up(world)
    before = database(world).read_bytes()
    assert "--yes" in world.run("restore", str(backup), expect=6).err
    assert "--yes" in world.run("rebuild", expect=6).err
    assert database(world).read_bytes() == before
    world.run("restore", str(backup), CONFIRM_DESTRUCTIVE="false")


def test_the_newest_backups_without_a_name_are_kept(world: World) -> None:
    """Ten of them; what a person has named stays."""
    synced(world, "a.txt")
    mine = world.product.data / "backups" / "mine.db"
    world.run("backup", str(mine))
    folder = world.product.data / "backups"
    for number in range(12):
        (folder / f"sync-20260101T0000{number:02}.000000Z.db").write_bytes(b"old")
    made = back_up(world)
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 11
    assert made.exists() and mine.exists()
    assert "sync-20260101T000002.000000Z.db" not in left


def test_a_lost_catalogue_is_rebuilt_without_sending(world: World) -> None:
    """Twenty files, one of them missing there, one with other bytes of the same size: two uploads."""
    synced(world, *(f"folder/{number:02}.txt" for number in range(20)))
    lose(world)
    world.bucket.put("folder/07.txt", "other of folder/07.txt"[: len("first of folder/07.txt")])
    world.bucket.put("new.txt", "new")
    report = world.run("rebuild", "--json").json
    assert report["sync_type"] == "initial"
    world.require_same()
    assert world.api.effects() == {"create": 1, "update": 1}
    world.api.reset("counters")
    world.cycle()
    assert world.api.effects() == {}


def test_a_damaged_catalogue_says_what_to_do_and_that_works(world: World) -> None:
    """Exit 13 names the commands; rebuild keeps the damaged file and ends with both sides equal."""
    synced(world, *(f"{number:03}-{'long' * 20}.txt" for number in range(60)))
    content = bytearray(database(world).read_bytes())
    content[8192:12288] = b"\xa5" * 4096
    database(world).write_bytes(bytes(content))
    refused = world.run("incremental-sync", expect=13)
    assert "rebuild" in refused.err and "restore" in refused.err
    told = world.run("rebuild", "--yes")
    [kept] = world.product.data.glob("sync.db.replaced-*")
    assert kept.read_bytes() == bytes(content)
    assert kept.name in told.err
    world.require_same()
    assert uploads(world) == 0


@pytest.mark.parametrize("command", ["restore", "rebuild"])
def test_a_comparison_that_is_killed_goes_on(world: World, command: str) -> None:
    """SIGKILL in the middle of the comparison: the next run goes on, and nothing right is sent again."""
    synced(world, *(f"{number:03}.txt" for number in range(40)))
    steps: dict[str, Callable[[], tuple[str, ...]]] = {
        "restore": lambda: (restore(world, back_up(world)), ("incremental-sync",))[1],
        "rebuild": lambda: (lose(world), ("rebuild",))[1],
    }
    arguments = steps[command]()
    world.api.reset("counters")
    world.api.add_fault("saveToDisk", operation="get", nth=11, delay=30, times=-1)
    with world.product.started(*arguments) as running:
        until(lambda: len(world.api.calls("get")) >= 10, "nothing is asked", running.require)
        running.kill()
    world.api.remove_faults()
    world.run(*arguments)
    world.require_same()
    assert uploads(world) == 0
    assert world.product.status()["state"] == "UP_TO_DATE"
