"""One writer: a lock of the operating system that ends with its holder, and never stands in a reader's way."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from sync_service.catalogue import lock as lock_module
from sync_service.catalogue.lock import Holder, WriterLock
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ExitCode, StorageDenied, StorageFull
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.status import read_status
from tests.fakes.catalogues import LATER, NOW, scan
from tests.unit.catalogue.holding import holder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sync.db"


def test_a_second_process_is_told_who_holds_the_lock(path: Path) -> None:
    """Exit 11, with the holder's pid, host, start and command."""
    with holder(path) as other:
        with pytest.raises(CatalogueLocked) as refused:
            DatabaseManager(path).open_writer(LATER)
        assert refused.value.exit_code is ExitCode.LOCKED
        for fact in (f"process {other.pid} ", socket.gethostname(), NOW, "(daemon)"):
            assert fact in str(refused.value)
        assert DatabaseManager(path).holder() == Holder(other.pid, socket.gethostname(), NOW, "daemon")


def test_a_holder_that_is_killed_frees_the_lock_and_loses_nothing(path: Path) -> None:
    """SIGKILL in the middle of a transaction: the next writer starts at once, with what was committed."""
    with holder(path, in_transaction=True) as other:
        other.kill()
        other.wait()
        assert DatabaseManager(path).holder() is None
        manager = DatabaseManager(path).open_writer(LATER, "next")
        assert manager.get_record_count() == 1
        assert manager.source_identity() is None
        assert manager.holder() == Holder(os.getpid(), socket.gethostname(), LATER, "next")
        manager.close()


def test_readers_do_not_wait_for_an_open_transaction(path: Path) -> None:
    """While the writer has uncommitted changes, readers and `status` answer with what is committed."""
    with holder(path, in_transaction=True) as other:
        reader = DatabaseManager(path)
        assert reader.get_record_count() == 1
        assert reader.totals().files == 1
        reader.close()
        (route,) = read_status(SyncConfig(database_path=path))["routes"]
        assert (route["files"], route["lock_holder"]["pid"]) == (1, other.pid)


def test_a_file_left_by_a_dead_process_is_no_lock(path: Path) -> None:
    """The file with a pid that is gone, or that another process has now, holds nobody up."""
    path.parent.mkdir()
    stale = {"pid": os.getppid(), "host": "elsewhere", "started": NOW, "command": "daemon"}
    path.with_name("sync.db.lock").write_text(json.dumps(stale))
    assert WriterLock(path).holder() is None
    manager = DatabaseManager(path).open_writer(LATER)
    found = manager.holder()
    assert found is not None
    assert found.pid == os.getpid()
    manager.close()
    assert WriterLock(path).holder() is None


@pytest.mark.parametrize("content", ["", "no json", "[1]", '{"pid": 1, "unknown": 2}'])
def test_a_holder_that_did_not_sign_is_still_one(path: Path, content: str) -> None:
    """The lock counts, not what the file says."""
    path.parent.mkdir()
    held = WriterLock(path)
    held.acquire(NOW)
    held.path.write_text(content)
    assert held.holder() is None
    with pytest.raises(CatalogueLocked, match="another process is the writer"):
        WriterLock(path).acquire(LATER)
    held.release()
    held.release()


def test_a_writer_waits_for_a_reader_that_asks_who_holds_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks has the lock for an instant: the writer tries again before it gives up."""
    path.parent.mkdir()
    asking = WriterLock(path)
    asking.acquire(NOW)

    def ended() -> bool:
        asking.release()
        return False

    monkeypatch.setattr(lock_module, "pause", ended)
    writer = WriterLock(path)
    writer.acquire(LATER)
    writer.release()


@pytest.mark.parametrize(
    ("number", "kind"), [(28, StorageFull), (122, StorageFull), (13, StorageDenied), (30, StorageDenied)]
)
def test_a_folder_that_takes_no_lock_says_why(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    """No space and no permission are told apart, also where the lock is taken and cannot be signed."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(WriterLock, "_sign", fails)
        with pytest.raises(kind):
            DatabaseManager(path).open_writer(NOW)
    assert WriterLock(path).holder() is None
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        with pytest.raises(kind):
            DatabaseManager(path).open_writer(NOW)


def test_closing_twice_is_harmless(path: Path) -> None:
    """A manager that was never opened, or is closed already, closes."""
    manager = DatabaseManager(path)
    manager.close()
    manager.open_writer(NOW)
    scan(manager, "a")
    manager.close()
    manager.close()
    assert DatabaseManager(path).holder() is None
