"""Full disks and closed folders: named, nothing lost, and it goes on by itself once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode, StorageDenied, StorageFull, SyncError
from sync_service.services.csv_processor import CsvProcessor
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.status import read_status
from tests.fakes.catalogues import LATER, NOW, after, before, deliver_all, event_commit, ids, listed, observation, scan

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sync.db"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 2 MiB, in a folder of its own, so that whatever happens nothing else stumbles over it."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    try:
        if mounted.returncode != 0:
            pytest.skip("no small file system can be mounted here (it takes root)")
        yield folder
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def many(first: int, count: int) -> list[str]:
    return [f"folder/{n:06}/{'long' * 30}" for n in range(first, first + count)]


def test_no_page_left_is_a_full_disk(path: Path) -> None:
    """Nothing of the transaction is kept, what was committed is; with room again the same call goes through."""
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, *many(0, 10))
    with manager._session.transaction() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    bulk = event_commit(*(observation(key) for key in many(10, 3000)), cursor="7")
    with pytest.raises(StorageFull) as full:
        manager.commit_events(bulk, LATER)
    assert (full.value.exit_code, str(path) in str(full.value)) == (ExitCode.TEMPORARY, True)
    assert (manager.get_record_count(), manager.cursor()) == (10, None)
    with manager._session.transaction() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=100000")
    manager.commit_events(bulk, LATER)
    assert (manager.get_record_count(), manager.cursor()) == (3010, "7")
    manager.close()


@pytest.mark.real
def test_a_full_file_system_loses_nothing(small_disk: Path) -> None:
    """A disk that is really full: commits fail with StorageFull until there is room, then go on; readers answer all along."""
    path = small_disk / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, *many(0, 200))
    ballast = small_disk / "ballast"
    fill(ballast)
    written = 200
    with pytest.raises(StorageFull):
        for start in range(200, 100_000, 500):
            manager.commit_events(event_commit(*(observation(key) for key in many(start, 500))), LATER)
            written += 500
    reader = DatabaseManager(path)
    assert reader.get_record_count() == written
    with pytest.raises(StorageFull):
        CsvProcessor(small_disk / "snapshots").snapshot(manager, "stamp", "run", full=True)
    assert not list((small_disk / "snapshots").glob("*"))
    assert manager.get_record_count() == written
    ballast.unlink()
    manager.commit_events(event_commit(observation("after all")), LATER)
    assert reader.get_record_count() == written + 1
    reader.close()
    manager.close()
    with closing(DatabaseManager(path).open_writer(LATER)) as again:
        assert again.get_record_count() == written + 1


def fill(ballast: Path, left: int = 96 * 1024) -> None:
    """Takes all the room but `left` bytes."""
    state = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - left)))


@pytest.mark.real
def test_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    """Nothing can be made, and that is said; with room it begins."""
    fill(small_disk / "ballast", left=0)
    with pytest.raises(StorageFull):
        DatabaseManager(small_disk / "sync.db").open_writer(NOW)
    (small_disk / "ballast").unlink()
    DatabaseManager(small_disk / "sync.db").open_writer(NOW).close()


def test_a_failed_snapshot_leaves_no_transaction_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the frames in which rows were being read; the next call must not find a transaction of theirs."""
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, "a", "b")
    deliver_all(manager)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        patched.setattr("sync_service.services.snapshot_files._Hashed.write", fails_at(3))
        with pytest.raises(StorageFull) as kept:
            CsvProcessor(path.parent / "snapshots").snapshot(manager, "stamp", "run", full=True)
    manager.tidy()
    assert manager.get_record_count() == 2
    assert kept.value.kind == "storage_full"
    manager.close()


def fails_at(nth: int) -> object:
    """A write that finds no room at its nth call."""
    calls = 0

    def write(_self: object, text: str) -> int:
        nonlocal calls
        calls += 1
        if calls >= nth:
            raise OSError(28, "No space left on device")
        return len(text)

    return write


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A catalogue, cleanly closed, in a folder that this process may not write while the test runs."""
    folder = Path(tempfile.mkdtemp(prefix="closed-folder-"))
    path = folder / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, listed("a", 3), "b")
    manager.close()
    path.chmod(0o444)
    folder.chmod(0o555)
    with without_rights():
        yield path
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may write everywhere, so for a while we are not root."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_closed_folder_can_be_read(closed_folder: Path) -> None:
    """The figures and the status need no right to write."""
    with closing(DatabaseManager(closed_folder)) as reader:
        assert reader.get_record_count() == 2
        assert reader.totals().size == 4
    assert read_status(SyncConfig(database_path=closed_folder))["routes"][0]["files"] == 2


def test_a_closed_folder_refuses_writers_with_words(closed_folder: Path) -> None:
    """Exit 12, and the file as it was."""
    content = closed_folder.read_bytes()
    with pytest.raises(StorageDenied) as refused:
        DatabaseManager(closed_folder).open_writer(NOW)
    assert refused.value.exit_code is ExitCode.DENIED
    assert closed_folder.read_bytes() == content


def test_a_closed_file_in_an_open_folder_refuses_writers() -> None:
    """A file of someone else's: the lock can be taken, the file cannot be written."""
    folder = Path(tempfile.mkdtemp(prefix="closed-file-"))
    folder.chmod(0o777)
    path = folder / "sync.db"
    DatabaseManager(path).open_writer(NOW).close()
    path.chmod(0o444)
    path.with_name("sync.db.lock").unlink()
    content = path.read_bytes()
    with without_rights(), pytest.raises(StorageDenied):
        DatabaseManager(path).open_writer(NOW)
    assert path.read_bytes() == content
    shutil.rmtree(folder)


def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    """DATABASE_PATH names a folder: said, for readers and writers."""
    path.mkdir()
    for attempt in (lambda: DatabaseManager(path).open_writer(NOW), DatabaseManager(path).get_record_count):
        with pytest.raises(StorageDenied):
            attempt()
    with pytest.raises(StorageDenied):
        read_status(SyncConfig(database_path=path))


def test_a_copy_is_whole_and_does_not_touch_the_original(path: Path, tmp_path: Path) -> None:
    """Beside the writer, and of a catalogue whose WAL is not yet in its file."""
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, "a", "b")
    content, wal = path.read_bytes(), path.with_name("sync.db-wal").read_bytes()
    reader = DatabaseManager(path)
    reader.copy_to(tmp_path / "copy.db")
    reader.close()
    assert (path.read_bytes(), path.with_name("sync.db-wal").read_bytes()) == (content, wal)
    with closing(DatabaseManager(tmp_path / "copy.db").open_writer(LATER)) as copy:
        assert ids(copy) == ids(manager)
        assert (before(copy), after(copy)) == (before(manager), after(manager))
        assert copy.catalogue_id == manager.catalogue_id
    with pytest.raises(StorageDenied):
        manager.copy_to(tmp_path / "no folder" / "copy.db")
    manager.close()


@pytest.mark.parametrize(
    "url", ["postgresql://me:hidden-word@127.0.0.1:1/sync", "postgresql://me@127.0.0.1:1/sync?password=hidden-word"]
)
def test_a_database_is_named_without_its_password(url: str) -> None:
    """Neither the login nor the options of an address are told: either may hold a password."""
    manager = DatabaseManager(f"{url}{'&' if '?' in url else '?'}connect_timeout=2")
    with pytest.raises(SyncError) as caught:
        manager.get_record_count()
    assert "hidden-word" not in repr(caught.value) + str(caught.value) + caught.value.subject
    assert "127.0.0.1:1/sync" in caught.value.subject
