"""A disk that fills up at any write of a cycle: a named error, nothing lost or sent twice, and it goes on when there is room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service.models.errors import ExitCode, StorageDenied, StorageFailed, StorageFull, SyncError
from sync_service.services.backups import back_up
from sync_service.services.rebuilder import Rebuilder
from sync_service.services.status import read_status
from tests.faults.small_disk import Ballast, small_disk
from tests.unit.services.rig import Rig

NOW = "2026-11-21T09:00:00Z"


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk("16m") as folder:
        yield folder


@pytest.fixture
def rig(disk: Path) -> Iterator[Rig]:
    """A route whose data folder is the small disk, synced once, with changes waiting in the log."""
    made = Rig(disk / "data", settings={"snapshot_retention": 3})
    yield made
    made.close()


async def sync_first(rig: Rig) -> None:
    for number in range(30):
        rig.source.put(f"folder/{number:02}/{'long' * 20}", b"one")
    assert (await rig.service.run_initial()).exit_code is ExitCode.DONE


def change(rig: Rig, round_: int) -> None:
    """Some of everything, told by events."""
    for number in range(12):
        path = f"round-{round_}/{number}/{'long' * 20}"
        rig.source.put(path, b"new")
        rig.tell("create", path)
    for number in range(0, 30, 7):
        path = f"folder/{number:02}/{'long' * 20}"
        rig.source.put(path, b"round %d" % round_)
        rig.tell("update", path)


async def outcome_of(rig: Rig) -> SyncError | ExitCode:
    """What a cycle came to, as a command sees it."""
    try:
        return (await rig.service.run_cycle()).exit_code
    except SyncError as error:
        return error


@pytest.mark.real
async def test_no_room_at_any_write_of_a_cycle(rig: Rig, disk: Path) -> None:
    """With 0, 1, 2 ... free pages, until the cycle goes through: exit 5 each time, and with room again both sides are equal."""
    await sync_first(rig)
    ballast = Ballast(disk)
    failures = 0
    for pages in range(200):
        change(rig, pages)
        ballast.leave(pages)
        ended = await outcome_of(rig)
        if ended is ExitCode.DONE:
            break
        failures += 1
        assert isinstance(ended, StorageFull) or ended is ExitCode.TEMPORARY, (pages, ended, rig.observer.problems)
        assert [word for word in rig.files("snapshots") if word.endswith(".tmp")] == []
        ballast.drop()
        assert await outcome_of(rig) is ExitCode.DONE
        assert rig.in_step()
        assert len(set(rig.destination.effects)) >= 1
    assert failures > 5
    assert rig.in_step()
    assert rig.open_catalogue.totals().pending == 0


@pytest.mark.real
async def test_a_process_that_ends_on_a_full_disk(rig: Rig, disk: Path) -> None:
    """The disk fills up in a cycle and the process ends there: the next one opens the catalogue and brings everything."""
    await sync_first(rig)
    ballast = Ballast(disk)
    for pages in range(0, 40, 3):
        change(rig, pages)
        ballast.leave(pages)
        await outcome_of(rig)
        rig.close()
        ballast.drop()
        rig.open()
        assert await outcome_of(rig) is ExitCode.DONE
        assert rig.in_step()


@pytest.mark.real
async def test_status_tells_of_a_full_disk(rig: Rig, disk: Path) -> None:
    """Nothing can be written to the catalogue, and yet status says DEGRADED and why, for as long as it is so."""
    await sync_first(rig)
    ballast = Ballast(disk)
    change(rig, 1)
    ballast.leave(0)
    assert isinstance(await outcome_of(rig), StorageFull)
    told = read_status(rig.config)["routes"][0]
    assert told["state"] == "DEGRADED"
    assert "no space left" in told["reason"]
    ballast.drop()
    assert await outcome_of(rig) is ExitCode.DONE
    told = read_status(rig.config)["routes"][0]
    assert (told["state"], "no space" in told["reason"]) == ("UP_TO_DATE", False)


@pytest.mark.real
async def test_no_room_for_a_backup_a_restore_or_a_rebuild(rig: Rig, disk: Path) -> None:
    """What was begun is taken away, the catalogue is as it was, and with room it goes through."""
    await sync_first(rig)
    ballast = Ballast(disk)
    database = rig.config.database_path
    good = back_up(database, disk / "backups", "good").path
    rig.close()
    before = database.read_bytes()
    files = sorted(path.name for path in database.parent.iterdir())
    for pages in (0, 1, 2, 5, 10, 20, 30):
        ballast.leave(pages)
        rebuilder = Rebuilder(database, "customer", NOW, f"stamp-{pages}")
        with pytest.raises(StorageFull):
            back_up(database, disk / "backups", f"bad-{pages}")
        with pytest.raises(StorageFull):
            rebuilder.restore(good, "another id", trust_size=False)
        with pytest.raises(StorageFull):
            rebuilder.rebuild(trust_size=False)
    assert database.read_bytes() == before
    assert sorted(path.name for path in database.parent.iterdir() if path.name[-4:] not in ("-shm", "-wal")) == files
    assert [path.name for path in (disk / "backups").iterdir()] == [good.name]
    ballast.drop()
    Rebuilder(database, "customer", NOW, "stamp").restore(good, "another id", trust_size=False)
    rig.open()
    assert await outcome_of(rig) is ExitCode.DONE
    assert rig.in_step()


class FailingSync:
    """os.fsync, whose nth call finds a broken disk."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, _handle: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.EIO, "Input/output error")


async def test_a_failing_fsync_of_a_file_beside_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each call in turn: no snapshot that may not be on disk is used, and a report costs no sync. Then all is well again."""
    rig = Rig(tmp_path / "data")
    await sync_first(rig)
    codes = []
    for nth in range(1, 50):
        change(rig, nth)
        with monkeypatch.context() as broken:
            failing = FailingSync(nth)
            broken.setattr(os, "fsync", failing)
            codes.append(await outcome_of(rig))
        problems = [message for message, _ in rig.observer.problems]
        rig.observer.problems.clear()
        if failing.left > 0:
            break
        assert codes[-1] in (ExitCode.TEMPORARY, ExitCode.DONE)
        assert any("Input/output error" in message for message in problems), problems
        assert not [name for name in rig.files("snapshots") + rig.files("reports") if name.endswith(".tmp")]
        assert await outcome_of(rig) is ExitCode.DONE
        assert rig.in_step()
    assert codes.count(ExitCode.TEMPORARY) >= 4
    assert codes[-1] is ExitCode.DONE
    rig.close()


def test_a_failing_fsync_leaves_no_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that may not be on disk is none; neither is a catalogue put in place."""
    rig = Rig(tmp_path / "data")
    rig.close()
    database = rig.config.database_path
    good = back_up(database, tmp_path, "good").path
    before = database.read_bytes()
    monkeypatch.setattr(os, "fsync", FailingSync(1))
    with pytest.raises(StorageFailed):
        back_up(database, tmp_path, "bad")
    monkeypatch.setattr(os, "fsync", FailingSync(2))
    with pytest.raises(StorageFailed):
        Rebuilder(database, "customer", NOW, "stamp").restore(good, "another id", trust_size=False)
    assert [path.name for path in tmp_path.glob("*.db*")] == [good.name]
    assert database.read_bytes() == before


async def test_a_folder_of_someone_else(tmp_path: Path) -> None:
    """The snapshots' folder cannot be made: exit 12 that names it, nothing is sent, and it heals when it can."""
    rig = Rig(tmp_path / "data")
    await sync_first(rig)
    change(rig, 1)
    effects = len(rig.destination.effects)
    snapshots = rig.config.snapshots_dir
    snapshots.rename(tmp_path / "aside")
    snapshots.write_text("a file in its place")
    assert await outcome_of(rig) is ExitCode.DENIED
    assert any(str(snapshots) in message for message, _ in rig.observer.problems)
    assert len(rig.destination.effects) == effects
    snapshots.unlink()
    assert await outcome_of(rig) is ExitCode.DONE
    assert rig.in_step()
    rig.close()


def test_storage_errors_have_their_exit_codes() -> None:
    """Full and failing disks may heal; a folder that is closed to us does not by itself."""
    codes = {kind: kind("x").exit_code for kind in (StorageFull, StorageFailed, StorageDenied)}
    assert codes == {
        StorageFull: ExitCode.TEMPORARY,
        StorageFailed: ExitCode.TEMPORARY,
        StorageDenied: ExitCode.DENIED,
    }
