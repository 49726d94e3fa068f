"""Backups of the catalogue: made beside any writer, whole or not there, checked, and the unnamed ones kept for a while."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sync_service.catalogue.migrate import backup, require_sound
from sync_service.catalogue.problems import translated
from sync_service.catalogue.readonly import connect_readonly, schema_of
from sync_service.models.errors import CatalogueMissing, CatalogueUnusable, ConfigurationError
from sync_service.services.snapshot_files import storage_error

KEPT = 10
"""Backups without a name of a person's choice that are kept; the newest ones."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup; `size` in bytes, `removed` the older ones that made room."""

    path: Path
    size: int
    removed: tuple[Path, ...] = ()


def back_up(database: Path, folder: Path, stamp: str, target: Path | None = None) -> Backup:
    """Copies the catalogue as it is now to `target`, or under a name with the time in `folder`, where the oldest ones go.

    Raises ConfigurationError where `target` exists, CatalogueMissing, CatalogueUnusable, StorageFull and StorageDenied.
    """
    path = target or folder / f"{database.stem}-{stamp}{database.suffix}"
    if path.exists():
        raise ConfigurationError(f"{path}: there is such a file already", hint="Name another one; none is overwritten")
    with translated(str(database)), closing(connect_readonly(database)) as connection:
        if schema_of(connection, str(database)) is None:
            raise CatalogueMissing("the catalogue has no tables yet", subject=str(database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path.parent) from error
    with translated(str(path)):
        backup(database, path)
        removed = () if target is not None else tuple(_forget_oldest(database, folder))
        return Backup(path, path.stat().st_size, removed)


def check_backup(path: Path) -> None:
    """Raises where the file is no sound catalogue of this version or an older one; it is only read."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such backup")
    try:
        with translated(str(path)), closing(connect_readonly(path)) as connection:
            if schema_of(connection, str(path)) is None:
                raise CatalogueMissing("it has no tables: this is no backup of a catalogue", subject=str(path))
            require_sound(connection, str(path))
    except CatalogueUnusable as error:
        raise CatalogueUnusable(
            error.what, subject=str(path), hint="Nothing was restored; name another backup"
        ) from error


def _forget_oldest(database: Path, folder: Path) -> list[Path]:
    """The names hold the time, so they sort like it."""
    found = sorted(folder.glob(f"{database.stem}-????????T??????.*Z{database.suffix}"))
    oldest = found[:-KEPT]
    for path in oldest:
        path.unlink(missing_ok=True)
    return oldest
