"""Puts another catalogue in the place of the present one: an older backup, or a new one to be filled from both sides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sync_service.catalogue.lock import WriterLock
from sync_service.catalogue.migrate import backup, sync_file, sync_folder
from sync_service.catalogue.problems import translated
from sync_service.catalogue.readonly import route_views
from sync_service.catalogue.salvage import Salvage
from sync_service.models.errors import StorageFull, SyncError
from sync_service.services.backups import check_backup
from sync_service.services.comparison import Comparison
from sync_service.services.database_manager import DatabaseManager


@dataclass(frozen=True, slots=True)
class Replaced:
    """What was done: where the former catalogue lies now (None: there was none), how many of the paths that it alone knew
    are asked about, and whether all of it could be read.
    """

    kept: Path | None
    candidates: int
    read_whole: bool


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """Works on the catalogue `database` of `route`, whose writer it is meanwhile. `now` and `stamp` are the time."""

    database: Path
    route: str
    now: str
    stamp: str

    def restore(self, source: Path, catalogue_id: str, *, trust_size: bool) -> Replaced:
        """Puts a copy of the backup `source` in place. The backup is checked before anything is touched.

        Raises CatalogueLocked, CatalogueUnusable, ConfigurationError and the Storage* errors.
        """

        def copied(made: Path) -> DatabaseManager:
            backup(source, made)
            catalogue = DatabaseManager(made, self.route).open_writer(self.now, "restore")
            Comparison(catalogue).distrust(catalogue_id, trust_size)
            return catalogue

        with self._locked("restore"):
            check_backup(source)
            return self._replace(copied)

    def rebuild(self, *, trust_size: bool) -> Replaced:
        """Puts a new, empty catalogue in place; its first sync asks the destination before it sends."""

        def begun(made: Path) -> DatabaseManager:
            catalogue = DatabaseManager(made, self.route).open_writer(self.now, "rebuild")
            Comparison(catalogue).begin(trust_size)
            return catalogue

        with self._locked("rebuild"):
            return self._replace(begun)

    def is_under_way(self) -> bool:
        """Whether the present catalogue is one whose rebuild was begun and is not through."""
        try:
            with route_views(self.database) as views:
                found = [view.totals() for view in views if view.route == self.route]
        except SyncError:
            return False
        return any(totals.unverified == "rebuilt" and not totals.initial_done for totals in found)

    @contextmanager
    def _locked(self, command: str) -> Iterator[None]:
        lock = WriterLock(self.database)
        lock.acquire(self.now, command)
        try:
            with translated(str(self.database)):
                yield
        finally:
            lock.release()

    def _replace(self, make: Callable[[Path], DatabaseManager]) -> Replaced:
        """Makes the other catalogue in a folder beside the present one, with what that still tells, and lets them change."""
        workshop = self.database.with_name(f"{self.database.name}.new")
        shutil.rmtree(workshop, ignore_errors=True)
        workshop.mkdir()
        try:
            made = workshop / self.database.name
            salvage = Salvage(self.database)
            with closing(make(made)) as catalogue:
                candidates = Comparison(catalogue).add_candidates(salvage.held_paths())
            kept = self._put_in_place(made)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
        return Replaced(kept, candidates, salvage.complete)

    def _put_in_place(self, made: Path) -> Path | None:
        """The former file gets its new name first and loses the old one in the very step that puts the other in place.

        Its -wal goes just before: an old WAL beside another database would be taken for that one's.
        """
        if made.with_name(f"{made.name}-wal").exists():
            raise StorageFull(
                "the new catalogue cannot be finished", subject=str(made), hint="Free some space, and try again"
            )
        sync_file(made)
        kept = self.database.with_name(f"{self.database.name}.replaced-{self.stamp}")
        there = self.database.exists()
        if there:
            _name_also(self.database, kept)
        self._side("-shm").unlink(missing_ok=True)
        wal = self._side("-wal")
        if wal.exists() and wal.stat().st_size:
            wal.rename(kept.with_name(f"{kept.name}-wal"))
        wal.unlink(missing_ok=True)
        made.replace(self.database)
        sync_folder(self.database.parent)
        return kept if there else None

    def _side(self, end: str) -> Path:
        return self.database.with_name(self.database.name + end)


def _name_also(path: Path, other: Path) -> None:
    """A second name for the same file; a copy where the file system has no such thing."""
    with suppress(OSError, NotImplementedError):
        os.link(path, other)
        return
    shutil.copy2(path, other)
    sync_file(other)
