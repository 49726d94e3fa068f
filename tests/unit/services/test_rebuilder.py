"""Backups, and another catalogue in the present one's place: whole or not at all, wherever the machine stops."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from sync_service.catalogue.lock import WriterLock
from sync_service.commands.backup import back_up_catalogue
from sync_service.commands.rebuild import prepare
from sync_service.commands.restore import restore_catalogue
from sync_service.models.config import SyncConfig
from sync_service.models.errors import (
    CatalogueLocked,
    CatalogueMissing,
    CatalogueUnusable,
    ConfigurationError,
    SyncError,
)
from sync_service.services.backups import back_up, check_backup
from sync_service.services.comparison import Comparison
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.rebuilder import Rebuilder
from tests.fakes.catalogues import LATER, NOW, deliver_all, event_commit, ids, observation, scan

PATHS = {"a", "b", "c"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalogue with three delivered rows."""
    path = tmp_path / "data" / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, *PATHS)
    deliver_all(manager)
    manager.close()
    return path


@pytest.fixture
def backup(path: Path) -> Path:
    return back_up(path, path.parent / "backups", "20261121T080000.000000Z").path


def rebuilder(path: Path, stamp: str = "stamp") -> Rebuilder:
    return Rebuilder(path, "customer", LATER, stamp)


def test_a_backup_is_one_plain_file(path: Path, backup: Path) -> None:
    """Nothing lies beside it, also after it was read, and it holds every row."""
    check_backup(backup)
    with closing(DatabaseManager(backup)) as reader:
        assert reader.get_record_count() == 3
    assert [file.name for file in backup.parent.iterdir()] == [backup.name]
    assert backup.name == "sync-20261121T080000.000000Z.db"


def test_a_backup_beside_the_writer(path: Path, tmp_path: Path) -> None:
    """What is committed is in it, what is under way is not."""
    manager = DatabaseManager(path).open_writer(NOW)
    manager.commit_events(event_commit(observation("d")), NOW)
    with suppress(RuntimeError), manager._session.transaction() as conn:
        conn.exec_driver_sql("UPDATE routes SET observed_files = 99")
        made = back_up(path, tmp_path, "now")
        raise RuntimeError
    manager.close()
    with closing(DatabaseManager(made.path)) as reader:
        assert reader.get_record_count() == 4


def test_a_damaged_catalogue_gives_no_backup(path: Path, tmp_path: Path) -> None:
    """A copy of damage would be found out when it is too late."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 8192 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(content))
    with pytest.raises(CatalogueUnusable):
        back_up(path, tmp_path / "backups", "now")
    assert list((tmp_path / "backups").iterdir()) == []


def test_without_a_catalogue_there_is_no_backup(tmp_path: Path) -> None:
    """None at all, and one without tables."""
    with pytest.raises(CatalogueMissing):
        back_up(tmp_path / "none.db", tmp_path, "now")
    (tmp_path / "empty.db").write_bytes(b"")
    with pytest.raises(CatalogueMissing):
        back_up(tmp_path / "empty.db", tmp_path, "now")
    with pytest.raises(CatalogueMissing):
        check_backup(tmp_path / "empty.db")


def test_a_writer_keeps_its_catalogue(path: Path, backup: Path) -> None:
    """While another process writes, nothing is replaced; the lock is given back afterwards, also after a failure."""
    manager = DatabaseManager(path).open_writer(NOW)
    for attempt in (
        lambda: rebuilder(path).restore(backup, "id", trust_size=False),
        lambda: rebuilder(path).rebuild(trust_size=False),
    ):
        with pytest.raises(CatalogueLocked):
            attempt()
    manager.close()
    with pytest.raises(ConfigurationError):
        rebuilder(path).restore(path.with_name("none"), "id", trust_size=False)
    assert WriterLock(path).holder() is None
    DatabaseManager(path).open_writer(LATER).close()


def test_a_restore_counts_commits_anew(path: Path, backup: Path) -> None:
    """The newer catalogue has seen more commits than the backup: nobody has to delete the count beside the file."""
    manager = DatabaseManager(path).open_writer(NOW)
    for number in range(5):
        manager.commit_events(event_commit(observation(f"d{number}")), NOW)
    manager.close()
    done = rebuilder(path).restore(backup, "another id", trust_size=False)
    with closing(DatabaseManager(path).open_writer(LATER)) as restored:
        assert set(ids(restored)) == PATHS
        assert restored.catalogue_id == "another id"
        assert restored.totals().scan.finished_at is None
    assert done.kept == path.with_name("sync.db.replaced-stamp")
    with closing(DatabaseManager(done.kept)) as former:
        assert former.get_record_count() == 8


def test_every_route_is_distrusted(path: Path) -> None:
    """A backup holds all routes; each of them compares before it sends."""
    manager = DatabaseManager(path).open_writer(NOW)
    other = manager.for_route("backup")
    scan(other, "x")
    deliver_all(other)
    manager.close()
    made = back_up(path, path.parent, "now").path
    rebuilder(path).restore(made, "another id", trust_size=True)
    with closing(DatabaseManager(path).open_writer(LATER)) as restored:
        for route in ("customer", "backup"):
            standing = Comparison(restored.for_route(route)).standing()
            assert standing is not None and standing.trust_size


def images_of(path: Path, folder: Path, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The data folder as a SIGKILL would leave it, taken before each step on files, and at the end."""
    taken: list[Path] = []

    def take() -> None:
        taken.append(Path(shutil.copytree(path.parent, folder / str(len(taken)))) / path.name)

    with monkeypatch.context() as watched:
        for owner, name in ((os, "link"), (os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "unlink")):
            watched.setattr(owner, name, _taking(getattr(owner, name), take))
        act()
    take()
    return taken


def _taking(real: Callable[..., Any], take: Callable[[], None]) -> Callable[..., Any]:
    def step(*args: Any, **kwargs: Any) -> Any:
        take()
        return real(*args, **kwargs)

    return step


@pytest.mark.parametrize("what", ["restore", "rebuild"])
def test_stopped_dead_at_any_step(
    path: Path, backup: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is always a catalogue, the former one or the other, or exit 13; done again, it goes through; nothing is lost."""
    manager = DatabaseManager(path).open_writer(NOW)
    manager.commit_events(event_commit(observation("late")), NOW)
    crashed = Path(shutil.copytree(path.parent, tmp_path / "crashed")) / path.name
    manager.close()

    def act(at: Path) -> Any:
        if what == "restore":
            return rebuilder(at, "again").restore(backup, "another id", trust_size=False)
        return rebuilder(at, "again").rebuild(trust_size=False)

    images = images_of(crashed, tmp_path / "images", lambda: act(crashed), monkeypatch)
    assert len(images) > 5
    expected = PATHS if what == "restore" else set()
    for image in images:
        assert image.exists()
        found = []
        for file in [image, *image.parent.glob("sync.db.replaced-again")]:
            with suppress(SyncError), closing(DatabaseManager(file)) as reader:
                found.append(set(ids(reader)))
        assert PATHS | {"late"} in found
        (image.parent / "sync.db.replaced-again").unlink(missing_ok=True)
        act(image)
        with closing(DatabaseManager(image).open_writer(LATER)) as there:
            assert set(ids(there)) == expected
            assert there.totals().unverified in ("restored", "rebuilt")
        assert not list(image.parent.glob("*.new"))


def test_a_file_system_without_second_names(path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former catalogue is copied then."""

    def none(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    before = path.read_bytes()
    done = rebuilder(path).restore(backup, "another id", trust_size=False)
    assert done.kept is not None and done.kept.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"garbage", b"SQLite format 3\0" + bytes(5000)])
def test_nothing_can_be_read_of_the_former_one(path: Path, content: bytes) -> None:
    """It is put aside as it is, and that its knowledge is lost is said."""
    path.write_bytes(content)
    done = rebuilder(path).rebuild(trust_size=False)
    assert (done.candidates, done.read_whole) == (0, False)
    assert done.kept is not None and done.kept.read_bytes() == content


def test_what_can_be_read_of_the_former_one(path: Path) -> None:
    """Where the rows' own pages are lost, the index still has the paths."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'delivered'").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = bytes(4096)
    path.write_bytes(bytes(content))
    done = rebuilder(path).rebuild(trust_size=False)
    assert not done.read_whole
    assert done.candidates == 3


# ---------------------------------------------------------------- commands


@pytest.fixture
def config(path: Path) -> SyncConfig:
    return SyncConfig.from_env({"DATABASE_PATH": str(path), "CUSTOMER_S3_BUCKET": "bucket"}, None)


def test_a_catalogue_on_a_server_is_not_copied(tmp_path: Path) -> None:
    """Its own tools do that, and it is said so."""
    settings = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/db", "CUSTOMER_S3_BUCKET": "bucket"}
    config = SyncConfig.from_env(settings, None)
    for attempt in (
        lambda: back_up_catalogue(config, None, as_json=False),
        lambda: restore_catalogue(config, tmp_path, yes=True, trust_size=False, as_json=False),
        lambda: prepare(config, yes=True, trust_size=False),
    ):
        with pytest.raises(SyncError, match="pg_dump"):
            attempt()


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), (" YES ", 0), ("y", 6), ("", 6)])
def test_a_person_is_asked(
    config: SyncConfig,
    backup: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    code: int,
) -> None:
    """At a terminal only a whole yes counts."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin.readline", lambda: f"{answer}\n")
    assert restore_catalogue(config, backup, yes=False, trust_size=False, as_json=True) == code
    assert capsys.readouterr().err.count("Type yes: ") == 1
    assert prepare(config, yes=False, trust_size=False) is (code == 0)


def test_nobody_is_asked_where_nothing_is_replaced(config: SyncConfig, backup: Path) -> None:
    """The catalogue is lost altogether."""
    config.database_path.unlink()
    assert restore_catalogue(config, backup, yes=False, trust_size=False, as_json=False) == 0
    config.database_path.unlink()
    assert prepare(config, yes=False, trust_size=False)
    assert prepare(config, yes=False, trust_size=False)
