"""A WAL cut anywhere, pages lost, a migration killed: all that was committed is there, or exit 13 and an untouched file."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sync_service.catalogue import migrate, schema
from sync_service.catalogue.engine import location, writer_engine
from sync_service.models.errors import CatalogueUnusable, ExitCode, Temporary
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.rebuilder import Rebuilder
from tests.fakes.catalogues import LATER, NOW, deliver_all, event_commit, ids, listed, observation, scan

FRAME_HEADER = 24
WAL_HEADER = 32


@dataclass(frozen=True)
class Image:
    """The files of a catalogue as a dead machine leaves them; `states` are the cursors that were ever committed, in order."""

    folder: Path
    states: list[str | None]

    @property
    def wal(self) -> bytes:
        return (self.folder / "sync.db-wal").read_bytes()

    @property
    def page_size(self) -> int:
        return int.from_bytes(self.wal[8:12], "big")

    def boundaries(self) -> list[int]:
        """Where each frame of the WAL begins, and its end."""
        return list(range(WAL_HEADER, len(self.wal) + 1, FRAME_HEADER + self.page_size))

    def laid(self, folder: Path, wal: bytes, *, counted: bool = True) -> Path:
        """A copy with this WAL; `counted` False: the count beside the file was lost with the machine, too."""
        folder.mkdir()
        path = Path(shutil.copy(self.folder / "sync.db", folder / "sync.db"))
        path.with_name("sync.db-wal").write_bytes(wal)
        if counted:
            shutil.copy(self.folder / "sync.db.commits", folder)
        return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Some commits in the file, nine more in the WAL, of one frame and of many."""
    path = tmp_path_factory.mktemp("living") / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, *(f"first/{n:03}/{'long' * 15}" for n in range(50)))
    manager.close()
    manager = DatabaseManager(path).open_writer(NOW)
    states: list[str | None] = [manager.cursor()]
    for number in range(1, 10):
        seen = [observation(f"{number}/{n}/{'long' * 15}") for n in range(number * 7)]
        manager.commit_events(event_commit(*seen, cursor=str(number)), NOW)
        states.append(str(number))
    folder = tmp_path_factory.mktemp("image")
    for file in path.parent.glob("sync.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, folder)
    manager.close()
    return Image(folder, states)


def cursor_of(path: Path) -> str | None:
    """The state that a writer finds; every row of it can be read."""
    with closing(DatabaseManager(path).open_writer(LATER)) as manager:
        cursor = manager.cursor()
        rows = len(ids(manager))
        assert rows == 50 + sum(number * 7 for number in range(1, int(cursor or 0) + 1))
        assert manager.get_record_count() == rows
        return cursor


def refused(path: Path) -> CatalogueUnusable:
    """Exit 13, with what to do, and both files as they were."""
    before = [(file, file.read_bytes()) for file in (path, path.with_name("sync.db-wal")) if file.exists()]
    with pytest.raises(CatalogueUnusable) as problem:
        DatabaseManager(path).open_writer(LATER)
    assert problem.value.exit_code is ExitCode.CATALOGUE_UNUSABLE
    assert "restore" in problem.value.hint
    assert [(file, file.read_bytes()) for file, _ in before] == before
    return problem.value


def test_the_image_is_whole(image: Image, tmp_path: Path) -> None:
    """Without damage, everything that was committed is there: the other tests are about something."""
    assert len(image.boundaries()) > 20
    assert cursor_of(image.laid(tmp_path / "whole", image.wal)) == "9"


def test_a_wal_cut_at_any_frame(image: Image, tmp_path: Path) -> None:
    """Each cut loses a commit, and none of them goes unnoticed."""
    for number, place in enumerate(image.boundaries()[:-1]):
        refused(image.laid(tmp_path / str(number), image.wal[:place]))


def test_a_wal_cut_at_any_frame_of_a_dead_machine(image: Image, tmp_path: Path) -> None:
    """Where the count beside the file has gone too, what is found is a state that was once committed, never between two."""
    found = [
        cursor_of(image.laid(tmp_path / str(number), image.wal[:place], counted=False))
        for number, place in enumerate(image.boundaries())
    ]
    assert found == sorted(found, key=lambda cursor: int(cursor or 0))
    assert set(found) == set(image.states)


@pytest.mark.parametrize("seed", range(3))
def test_a_wal_cut_or_changed_at_any_byte(image: Image, tmp_path: Path, seed: int) -> None:
    """Twenty random places: cut there, or one bit flipped."""
    chance = random.Random(seed)
    for number in range(20):
        content = bytearray(image.wal)
        place = chance.randrange(len(content))
        if chance.random() < 0.5:
            del content[place:]
        else:
            content[place] ^= 1 << chance.randrange(8)
        path = image.laid(tmp_path / str(number), bytes(content))
        try:
            assert cursor_of(path) == "9"
        except CatalogueUnusable:
            shutil.rmtree(path.parent)
            refused(image.laid(tmp_path / str(number), bytes(content)))


def test_no_wal_stays_beside_another_catalogue(image: Image, tmp_path: Path) -> None:
    """SQLite takes any sound WAL for that of the file beside it: a restore over a crashed one puts it away with its file."""
    other = tmp_path / "other" / "sync.db"
    manager = DatabaseManager(other).open_writer(NOW)
    scan(manager, "other")
    manager.close()
    path = image.laid(tmp_path / "crashed", image.wal)
    done = Rebuilder(path, "customer", LATER, "stamp").restore(other, "another id", trust_size=False)
    with closing(DatabaseManager(path).open_writer(LATER)) as restored:
        assert list(ids(restored)) == ["other"]
    assert done.kept is not None
    assert cursor_of(done.kept) == "9"
    assert done.read_whole


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound" / "sync.db"
    manager = DatabaseManager(path).open_writer(NOW)
    scan(manager, *(listed(f"folder/{n:04}/{'long' * 15}", n) for n in range(200)))
    deliver_all(manager)
    manager.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")  # no page is without use
    return path


@pytest.mark.parametrize("noise", [0x00, 0xA5, 0xFF])
def test_any_page_lost(sound: Path, noise: int) -> None:
    """Each page in turn, zeroed or of noise: refused, and the file as it was."""
    content = sound.read_bytes()
    for start in range(0, len(content), 4096):
        sound.write_bytes(content[:start] + bytes([noise]) * 4096 + content[start + 4096 :])
        if start == 0 and noise == 0:
            with pytest.raises(CatalogueUnusable):
                DatabaseManager(sound).open_writer(LATER)
        else:
            refused(sound)


# ---------------------------------------------------------------- readers that stay, and locks of others


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits for nobody: what it would do after its minute of patience."""
    from sync_service.catalogue import engine

    pragmas = tuple(p.replace("busy_timeout=60000", "busy_timeout=0") for p in engine._WRITER_PRAGMAS)
    assert pragmas != engine._WRITER_PRAGMAS
    monkeypatch.setattr(engine, "_WRITER_PRAGMAS", pragmas)


@pytest.mark.usefixtures("impatient")
def test_a_reader_that_stays_holds_up_nobody(sound: Path) -> None:
    """It keeps its state, the writer goes on; the WAL is emptied once the reader has gone."""
    manager = DatabaseManager(sound).open_writer(NOW)
    with closing(sqlite3.connect(f"file:{sound}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM observed").fetchone() == (200,)
        for number in range(300):
            manager.commit_events(event_commit(observation(f"more/{number}"), cursor=str(number)), LATER)
        assert checkpoint(manager)[0] == 1
        assert reader.execute("SELECT count(*) FROM observed").fetchone() == (200,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM observed").fetchone() == (500,)
    assert checkpoint(manager)[0] == 0
    assert sound.with_name("sync.db-wal").stat().st_size == 0
    assert (manager.get_record_count(), manager.cursor()) == (500, "299")
    manager.close()


def checkpoint(manager: DatabaseManager) -> Any:
    """(whether somebody was in the way, pages in the WAL, pages written)."""
    engine = manager._session._engine
    assert engine is not None
    with engine.connect() as conn:
        driver = conn.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


@pytest.mark.usefixtures("impatient")
def test_a_lock_of_someone_else_is_temporary(sound: Path) -> None:
    """Another program writes to the file: exit 5, nothing is half done, and the same call goes through afterwards."""
    manager = DatabaseManager(sound).open_writer(NOW)
    commit = event_commit(observation("more"), cursor="7")
    with closing(sqlite3.connect(sound, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Temporary) as busy:
            manager.commit_events(commit, LATER)
        assert busy.value.exit_code is ExitCode.TEMPORARY
        other.execute("ROLLBACK")
    manager.commit_events(commit, LATER)
    assert (manager.get_record_count(), manager.cursor()) == (201, "7")
    manager.close()


# ---------------------------------------------------------------- migrations

NEWER = "9998"

SECOND = f'''
"""A second revision, for tests: a table, rows, a column, an index, and a table that goes."""
from alembic import op
import sqlalchemy as sa
revision = "{NEWER}"
down_revision = "{schema.HEAD}"

def upgrade():
    op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text))
    op.execute("INSERT INTO extra (id, note) SELECT id, file_path FROM observed")
    op.add_column("runs", sa.Column("comment", sa.Text))
    op.create_index("extra_note", "extra", ["note"])
    op.drop_table("relooks")
'''


@pytest.fixture
def one_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Calling it makes this program one revision further."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "later.py").write_text(SECOND)

    def step() -> None:
        monkeypatch.setattr(migrate, "SCRIPTS", folder)
        monkeypatch.setattr(migrate, "HEAD", NEWER)
        monkeypatch.setattr(schema, "KNOWN", (*schema.KNOWN, NEWER))

    return step


def images_of_a_migration(path: Path, folder: Path) -> list[Path]:
    """The files as a SIGKILL would leave them, taken before each statement of the upgrade."""
    engine = writer_engine(location(path))
    taken: list[Path] = []

    def take(*_: Any) -> None:
        image = folder / str(len(taken))
        image.mkdir(parents=True)
        for file in path.parent.glob("sync.db*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, image)
        taken.append(image / "sync.db")

    event.listen(engine, "before_cursor_execute", take)
    try:
        migrate.migrate(engine, location(path))
    finally:
        engine.dispose()
    return taken


def schema_of(path: Path) -> tuple[str, set[str]]:
    with closing(sqlite3.connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]), names


def test_a_migration_killed_at_any_statement(sound: Path, tmp_path: Path, one_further: Callable[[], None]) -> None:
    """The machine stops dead at each of them: the schema is the old one, whole; the next open brings it up, with all rows."""
    before = schema_of(sound)
    one_further()
    images = images_of_a_migration(sound, tmp_path / "images")
    assert len(images) > 8
    for image in images:
        assert schema_of(image) == before
        with closing(DatabaseManager(image).open_writer(LATER)) as manager:
            assert manager.get_record_count() == 200
        version, names = schema_of(image)
        assert (version, "extra" in names, "relooks" in names) == (NEWER, True, False)
        assert schema_of(image.with_name(f"sync.db.before-{NEWER}")) == before


def test_the_backup_before_a_migration_can_be_restored(
    sound: Path, one_further: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back to the older program: its backup is a sound catalogue of the old schema, and the newer file is refused."""
    with monkeypatch.context() as inner:
        inner.setattr(migrate, "HEAD", migrate.HEAD)
        one_further()
        DatabaseManager(sound).open_writer(NOW).close()
    monkeypatch.undo()
    with pytest.raises(CatalogueUnusable, match="newer"):
        DatabaseManager(sound).open_writer(NOW)
    done = Rebuilder(sound, "customer", LATER, "stamp").restore(
        sound.with_name(f"sync.db.before-{NEWER}"), "another id", trust_size=False
    )
    assert done.kept is not None and schema_of(done.kept)[0] == NEWER
    with closing(DatabaseManager(sound).open_writer(LATER)) as manager:
        assert manager.get_record_count() == 200
        assert manager.totals().unverified == "restored"
