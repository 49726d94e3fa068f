"""What a catalogue that is to be replaced still tells, damaged or not: the paths that it says the destination holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sync_service.catalogue.doubts import decode_operation
from sync_service.catalogue.readonly import connect_readonly
from sync_service.catalogue.stored import BrokenValue
from sync_service.models.errors import SyncError

_ROWS = "SELECT r.name, d.file_path, d.doubt FROM delivered d JOIN routes r ON r.id = d.route_id"
# The index holds every path too, in pages of its own: what is lost in one may be whole in the other.
_INDEX = (
    "SELECT r.name, d.file_path, NULL FROM delivered d INDEXED BY delivered_path "
    "CROSS JOIN routes r ON r.id = d.route_id ORDER BY d.route_id, d.file_path"
)


class Salvage:
    """Reads as far as it can. `complete` says afterwards whether everything could be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.complete = True

    def held_paths(self) -> Iterator[tuple[str, str]]:
        """(route, path) of every path that may be held, some of them more than once; nothing where there is no file."""
        if not self._path.exists():
            return
        for query in (_ROWS, _INDEX):
            try:
                yield from self._read(query)
            except (sqlite3.Error, SyncError, BrokenValue, UnicodeDecodeError, OSError):
                self.complete = False

    def _read(self, query: str) -> Iterator[tuple[str, str]]:
        with closing(connect_readonly(self._path)) as connection:
            for route, path, doubt in connection.execute(query):
                if isinstance(route, str) and isinstance(path, str):
                    yield route, path
                if doubt is not None and (target := decode_operation(doubt).new_path) is not None:
                    yield route, target
