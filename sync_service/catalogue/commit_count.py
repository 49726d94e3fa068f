"""How many commits a SQLite catalogue has seen, also beside the file: a lost or cut WAL loses commits without a word."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sync_service.catalogue.stored import stored
from sync_service.models.errors import CatalogueUnusable

if TYPE_CHECKING:
    from sqlalchemy import Connection

_WIDTH = 80


class CommitCount:
    """The count in the file's `meta` table, and its copy in `<database>.commits`, written after each commit.

    The copy is not synced, so that it can only be behind (a lost machine). Ahead of the file it proves that commits are gone.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self.path = database.with_name(database.name + ".commits")
        self._before = ("", 0)
        self._catalogue = ""
        self._count = 0
        self._handle: int | None = None

    def read(self) -> None:
        """Takes the copy as it is now, for `check`: beside a writer it has to be read before the file is."""
        self._before = self._copy()

    def check(self, meta: Mapping[str, str]) -> None:
        """Raises CatalogueUnusable where the file, of which `meta` is told, has fewer commits than it had when `read`."""
        catalogue, before = self._before
        count = stored(int, meta.get("commits", 0))
        if catalogue == meta.get("catalogue_id") and before > count:
            raise CatalogueUnusable(
                f"the last {before - count} changes to the catalogue are gone: its -wal was removed or cut, or an older copy "
                "was put in its place",
                subject=str(self._database),
                hint="The file was left as it is. Bring its -wal back; or go on with this older state by: restore "
                f"{self._database}, after which the next run finds out what it does not know",
            )

    def any_before(self) -> bool:
        """Whether a catalogue in this file has seen commits."""
        return self._copy()[1] > 0

    def begin(self, conn: Connection) -> None:
        """From here on commits count: of the catalogue that `conn` has open."""
        found: dict[str, str] = dict(conn.exec_driver_sql("SELECT name, value FROM meta").all())
        self._catalogue = stored(lambda: found["catalogue_id"])
        self._count = stored(int, found.get("commits", 0))

    def add(self, conn: Connection) -> None:
        """Counts the transaction that `conn` is about to commit."""
        self._count += 1
        conn.exec_driver_sql(
            "INSERT INTO meta (name, value) VALUES ('commits', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (str(self._count),),
        )

    def committed(self) -> None:
        """Copies the count; a copy that cannot be written is only a check less."""
        with suppress(OSError):
            if self._handle is None:
                self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            text = f"{self._catalogue} {self._count}".ljust(_WIDTH - 1) + "\n"
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, text.encode())

    def rolled_back(self) -> None:
        """The transaction that was counted has not been committed."""
        self._count -= 1

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _copy(self) -> tuple[str, int]:
        """A damaged copy says nothing."""
        try:
            catalogue, count = self.path.read_text("ascii").split()
            return catalogue, int(count)
        except (OSError, ValueError):
            return "", 0
