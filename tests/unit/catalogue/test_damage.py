"""Damage: a catalogue works with all that was committed, or says that it cannot be used and is left as it is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_service.catalogue import observing
from sync_service.models.changes import RunRecord
from sync_service.models.config import SyncConfig
from sync_service.models.data_models import Kind, Operation
from sync_service.models.errors import CatalogueMissing, CatalogueUnusable, ExitCode, SyncError
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.rebuilder import Rebuilder
from sync_service.services.status import read_status
from tests.fakes.catalogues import (
    LATER,
    NOW,
    after,
    before,
    create_of,
    deliver,
    deliver_all,
    event_commit,
    ids,
    listed,
    observation,
    scan,
)
from tests.unit.catalogue.holding import holder

ROWS = 300


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of some pages, closed cleanly."""
    path = tmp_path_factory.mktemp("sound") / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, *(listed(f"folder/{n:04}/a name that takes some room.txt", n) for n in range(ROWS)))
    deliver_all(manager)
    known = list(ids(manager).items())
    manager.commit_events(event_commit(*(observation(f"{k}-moved", i, 5, "e5", 2) for k, i in known[:20])), NOW)
    manager.mark([Operation(Kind.UPDATE, known[30][1], 2, known[30][0], size=1, etag="e1")])
    manager.put_held(3, "many", NOW)
    manager.close()
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "sync.db"))


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A catalogue whose writer was killed: its last commits are in the -wal."""
    path = tmp_path / "crashed.db"
    with holder(path):
        pass
    assert path.with_name("crashed.db-wal").stat().st_size > 0
    return path


def use_as_reader(path: Path) -> None:
    manager = DatabaseManager(path)
    try:
        manager.get_record_count()
        manager.totals()
        manager.runs()
        manager.pending_deletes()
        manager.doubts()
        manager.list_failures()
    finally:
        manager.close()
    read_status(SyncConfig(database_path=path))


def use_as_writer(path: Path, thorough: bool = True) -> None:
    manager = DatabaseManager(path)
    try:
        manager.open_writer(LATER, thorough=thorough)
        manager.totals()
        manager.within(observing.known_between, None, None)
        manager.doubts()
        before(manager), after(manager), before(manager, full=True), after(manager, full=True)
        scan(manager, "zz/new")
        manager.commit_events(event_commit(observation("zz/newer"), cursor="9"), LATER)
        deliver(manager, create_of(manager, "zz/new"))
        manager.tidy()
    finally:
        manager.close()


def refused_untouched(path: Path, use: Callable[[Path], None]) -> CatalogueUnusable:
    """Asserts that `use` is refused with exit 13 and a hint, and that the file is as it was."""
    content = path.read_bytes()
    with pytest.raises(CatalogueUnusable) as refused:
        use(path)
    assert path.read_bytes() == content
    assert refused.value.exit_code is ExitCode.CATALOGUE_UNUSABLE
    assert refused.value.hint
    assert str(path) in str(refused.value)
    return refused.value


@pytest.mark.parametrize("use", [use_as_reader, use_as_writer])
@pytest.mark.parametrize(
    "content", [b"this is no database " * 500, b"x", bytes(8192), b"SQLite format 3\0" + bytes(100)]
)
def test_a_file_that_is_no_catalogue_is_refused(path: Path, use: Callable[[Path], None], content: bytes) -> None:
    """Garbage of any length, zeros, a header and nothing behind it."""
    path.write_bytes(content)
    refused_untouched(path, use)


@pytest.mark.parametrize("use", [use_as_reader, use_as_writer])
def test_another_programs_database_is_refused(path: Path, use: Callable[[Path], None]) -> None:
    """A sound database with tables that are not ours."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    refused_untouched(path, use)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(path: Path, part: float) -> None:
    """Cut at any place, the writer sees it before it writes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    refused_untouched(path, use_as_writer)


def test_pages_of_noise_are_refused(path: Path) -> None:
    """A page in the middle that was overwritten."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 8192 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(content))
    refused_untouched(path, use_as_writer)


def test_an_empty_file_is_no_catalogue(path: Path) -> None:
    """Zero bytes: readers find none; a first sync begins anew, as without a file."""
    path.write_bytes(b"")
    with pytest.raises(CatalogueMissing):
        DatabaseManager(path).get_record_count()
    manager = DatabaseManager(path).open_writer(NOW)
    assert manager.get_record_count() == 0
    manager.close()


@pytest.mark.parametrize("content", [b"", None])
def test_a_catalogue_that_was_emptied_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """Zero bytes, or no tables, where commits were counted: a first sync would forget what the destination holds."""
    path = tmp_path / "emptied.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, "a")
    manager.close()
    path.write_bytes(b"")
    if content is None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE t (x)")
            connection.execute("DROP TABLE t")
    for use in (use_as_reader, use_as_writer):
        assert "emptied" in str(refused_untouched(path, use))
    if content is not None:
        refused_untouched(path, lambda _: read_status(SyncConfig(database_path=path)))


@pytest.mark.parametrize("use", [use_as_reader, use_as_writer])
def test_a_death_while_the_file_was_made_stops_no_later_start(tmp_path: Path, use: Callable[[Path], None]) -> None:
    """Before it has its WAL, SQLite leaves a journal: what was begun is taken back, and there is no catalogue yet."""
    begun, path = tmp_path / "begun.db", tmp_path / "left" / "sync.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(begun, isolation_level=None)) as connection:
        connection.executescript("CREATE TABLE t (x); DROP TABLE t; PRAGMA cache_size=1; BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE half (x)")
        connection.executemany("INSERT INTO half VALUES (?)", [("x" * 2000,)] * 50)
        for suffix in ("", "-journal"):
            shutil.copy(f"{begun}{suffix}", f"{path}{suffix}")
    assert path.stat().st_size > 0
    if use is use_as_reader:
        with pytest.raises(CatalogueMissing):
            use(path)
    else:
        use(path)
        assert DatabaseManager(path).get_record_count() == 2


def test_an_empty_file_with_a_wal_is_refused(crashed: Path) -> None:
    """SQLite would throw the WAL away with all that was committed in it."""
    wal = crashed.with_name("crashed.db-wal")
    crashed.write_bytes(b"")
    kept = wal.read_bytes()
    for use in (use_as_reader, use_as_writer):
        refused_untouched(crashed, use)
    assert wal.read_bytes() == kept


def test_a_crash_loses_nothing(crashed: Path) -> None:
    """With its WAL as the kill left it, everything committed is there, for readers and the next writer."""
    reader = DatabaseManager(crashed)
    assert reader.get_record_count() == 1
    reader.close()
    use_as_writer(crashed)


def test_a_lost_wal_is_noticed(crashed: Path) -> None:
    """Commits that were only there are gone: the next writer says so instead of going on with an older state."""
    crashed.with_name("crashed.db-wal").unlink()
    crashed.with_name("crashed.db-shm").unlink()
    with suppress(CatalogueUnusable):
        with closing(sqlite3.connect(f"file:{crashed}?mode=ro", uri=True)) as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables:
            refused_untouched(crashed, use_as_writer)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.98])
@pytest.mark.parametrize("how", ["cut", "flip"])
def test_a_damaged_wal_loses_nothing_unnoticed(tmp_path: Path, part: float, how: str) -> None:
    """Cut or with a flipped byte: SQLite goes back to the last sound commit without a word; the count of commits tells."""
    path = checkpointed_then_crashed(tmp_path)
    wal = path.with_name("sync.db-wal")
    content = bytearray(wal.read_bytes())
    place = int(len(content) * part)
    if how == "cut":
        wal.write_bytes(bytes(content[:place]))
    else:
        content[place] ^= 0xFF
        wal.write_bytes(bytes(content))
    refused_untouched(path, use_as_writer)


def test_a_removed_wal_loses_nothing_unnoticed(tmp_path: Path) -> None:
    """The file alone is sound, and older than it was; what the message says to do about it works."""
    path = checkpointed_then_crashed(tmp_path)
    path.with_name("sync.db-wal").unlink()
    path.with_name("sync.db-shm").unlink()
    refused = refused_untouched(path, use_as_writer)
    assert f"restore {path}" in refused.hint
    assert "changes to the catalogue are gone" in refused_untouched(path, status_of).what
    Rebuilder(path, "customer", LATER, "stamp").restore(path, "another id", trust_size=False)
    use_as_writer(path)


def test_a_catalogue_that_is_gone_is_not_called_a_new_one(tmp_path: Path) -> None:
    """Its count of commits is still there: a first sync would send everything again, and forget what was to be deleted."""
    path = checkpointed_then_crashed(tmp_path)
    for end in ("", "-wal", "-shm"):
        path.with_name(f"sync.db{end}").unlink()
    found = read_status(SyncConfig(database_path=path))["routes"][0]
    assert (found["state"], "the catalogue that was here is gone; restore FILE, or rebuild" in found["reason"]) == (
        "NEVER_SYNCED",
        True,
    )
    with pytest.raises(CatalogueMissing, match="that was here is gone"):
        DatabaseManager(path).get_record_count()
    path.with_name("sync.db.commits").unlink()
    assert "no initial sync" in read_status(SyncConfig(database_path=path))["routes"][0]["reason"]


def status_of(path: Path) -> object:
    return read_status(SyncConfig(database_path=path))


def checkpointed_then_crashed(folder: Path) -> Path:
    """A catalogue with tables and rows in its file, and the last commits of a killed writer in its WAL."""
    path = folder / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, "first")
    manager.close()
    assert not path.with_name("sync.db-wal").exists()
    with holder(path):
        pass
    return path


def test_a_copy_made_for_another_place_is_not_counted_against(tmp_path: Path) -> None:
    """The count belongs to one catalogue: a new one in the old one's place starts from nothing."""
    path = checkpointed_then_crashed(tmp_path)
    for file in (path, path.with_name("sync.db-wal"), path.with_name("sync.db-shm")):
        file.unlink()
    use_as_writer(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"x y z"])
def test_a_damaged_count_stands_in_nobodys_way(path: Path, content: bytes) -> None:
    """It is a check more, not a part of the state."""
    use_as_writer(path)
    path.with_name("sync.db.commits").write_bytes(content)
    manager = DatabaseManager(path).open_writer(LATER)
    manager.close()


def test_a_count_that_cannot_be_written_stands_in_nobodys_way(path: Path) -> None:
    """A folder in its place: commits go on."""
    path.with_name("sync.db.commits").mkdir()
    use_as_writer(path)


def test_a_large_file_is_checked_only_when_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands do not read a whole large file before they start; the daemon and a first sync do."""
    monkeypatch.setattr("sync_service.catalogue.session.CHECKED_ALWAYS", 0)
    content = bytearray(path.read_bytes())
    middle = len(content) // 8192 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(content))
    opened = DatabaseManager(path).open_writer(NOW, thorough=False)
    opened.close()
    refused_untouched(path, use_as_writer)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scans SET state = 'compl3te'",
        "UPDATE delivered SET doubt = '{broken' WHERE doubt IS NOT NULL",
        "UPDATE delivered SET doubt = '[\"explode\"]' WHERE doubt IS NOT NULL",
        "UPDATE held SET deletes = 'few'",
        "DELETE FROM alembic_version",
        "DROP TABLE touched",
        "ALTER TABLE routes RENAME COLUMN observed_bytes TO x",
    ],
)
def test_values_that_cannot_be_what_they_are_end_in_words(path: Path, statement: str) -> None:
    """A wrong type, a broken text, a missing table: an error of ours, for readers and writers."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    for use in (use_as_reader, use_as_writer):
        with pytest.raises(SyncError) as refused:
            use(path)
        assert refused.value.exit_code in (ExitCode.CATALOGUE_UNUSABLE, ExitCode.NO_CATALOGUE)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_ends_in_a_traceback(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever bytes are changed: readers and writers work, or raise an error of ours."""
    path = tmp_path_factory.mktemp("flipped") / "sync.db"
    content = bytearray(sound.read_bytes())
    places = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8))
    # Headers, the schema and the first cells of each page are where damage hurts most.
    places += [p // 4096 * 4096 + p % 120 for p in places]
    for place in places:
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with suppress(SyncError):
        use_as_reader(path)
    with suppress(SyncError):
        use_as_writer(path)
    path.with_name("sync.db.commits").unlink(missing_ok=True)
    path.write_bytes(bytes(content))
    with patch("sync_service.catalogue.session.CHECKED_ALWAYS", 0), suppress(SyncError):
        use_as_writer(path, thorough=False)
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_ends_the_next_run(tmp_path: Path, replaced: bool) -> None:
    """A daemon would go on writing to what nobody can read, and status would speak of another file."""
    path = tmp_path / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    manager.begin_run(RunRecord("r1", "customer", "scan", NOW))
    path.rename(tmp_path / "elsewhere.db")
    if replaced:
        path.write_bytes(b"")
    with pytest.raises(CatalogueUnusable, match="removed or replaced"):
        manager.begin_run(RunRecord("r2", "customer", "scan", LATER))
    manager.close()
