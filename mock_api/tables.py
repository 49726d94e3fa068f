"""The tables of the server's memory: files, events, reports, and answers remembered under idempotency keys."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mock_api.database import Database
from mock_api.models import Answer, Problem, StoredFile

_COLUMNS = tuple(field.name for field in dataclasses.fields(StoredFile))
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_MARKS = ", ".join("?" for _ in _COLUMNS)
_CURSOR = re.compile(r"([0-9a-z]+)-([0-9]{1,18})", re.ASCII)
_REPORTS_KEPT = 1000


class FileTable:
    """The files, by path, byte for byte."""

    def __init__(self, database: Database) -> None:
        self._db = database.connection

    def find(self, file_path: str) -> StoredFile | None:
        row = self._db.execute(f"SELECT {_NAMES} FROM files WHERE file_path = ?", (file_path,)).fetchone()  # noqa: S608
        return StoredFile(*row) if row else None

    def put(self, file: StoredFile) -> None:
        values = [getattr(file, name) for name in _COLUMNS]
        self._db.execute(f"INSERT OR REPLACE INTO files ({_NAMES}) VALUES ({_MARKS})", values)  # noqa: S608

    def drop(self, file_path: str) -> None:
        self._db.execute("DELETE FROM files WHERE file_path = ?", (file_path,))

    def uses(self, sha256: str) -> bool:
        return self._db.execute("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", (sha256,)).fetchone() is not None

    def listing(self) -> Iterator[StoredFile]:
        """All files in order of the paths' UTF-8 bytes."""
        for row in self._db.execute(f"SELECT {_NAMES} FROM files ORDER BY file_path"):  # noqa: S608
            yield StoredFile(*row)

    def clear(self) -> None:
        self._db.execute("DELETE FROM files")


@dataclass(frozen=True, slots=True)
class Page:
    """Events as JSON texts, and where the next page begins."""

    texts: list[str]
    cursor: str
    has_more: bool


class EventTable:
    """The event log: JSON texts as they were put in, and cursors that only this log understands."""

    def __init__(self, database: Database, new_id: Callable[[], str]) -> None:
        self._database = database
        self._db = database.connection
        self._new_id = new_id
        row = self._db.execute("SELECT value FROM names WHERE name = 'log'").fetchone()
        self._log = row[0] if row else self._rename()

    def add(self, texts: Iterable[str]) -> int:
        rows = [(text,) for text in texts]
        with self._database.transaction():
            self._db.executemany("INSERT INTO events (text) VALUES (?)", rows)
        return len(rows)

    def page(self, after: str | None, count: int) -> Page:
        """The `count` events behind the cursor `after` (None: from the start). Raises Problem for a foreign cursor."""
        position = 0 if after is None else self._position(after)
        query = "SELECT position, text FROM events WHERE position > ? ORDER BY position LIMIT ?"
        rows = self._db.execute(query, (position, count + 1)).fetchall()
        taken = rows[:count]
        last = taken[-1][0] if taken else position
        return Page([text for _, text in taken], f"{self._log}-{last}", len(rows) > count)

    def newest(self, count: int) -> list[str]:
        """The last `count` events in order: all that a server without cursors tells."""
        rows = self._db.execute("SELECT text FROM events ORDER BY position DESC LIMIT ?", (count,)).fetchall()
        return [text for (text,) in reversed(rows)]

    def texts(self) -> list[str]:
        return [text for (text,) in self._db.execute("SELECT text FROM events ORDER BY position")]

    def total(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def clear(self) -> None:
        """Forgets all events; cursors into the old log are refused from now on."""
        with self._database.transaction():
            self._db.execute("DELETE FROM events")
            self._log = self._rename()

    def _position(self, cursor: str) -> int:
        parts = _CURSOR.fullmatch(cursor)
        last = self._db.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()[0]
        if parts is None or parts[1] != self._log or int(parts[2]) > last:
            raise Problem(400, "after: this log does not know the cursor")
        return int(parts[2])

    def _rename(self) -> str:
        name = self._new_id().replace("-", "").lower()
        self._db.execute("INSERT OR REPLACE INTO names (name, value) VALUES ('log', ?)", (name,))
        return name


class ReportTable:
    """The newest reports, as they came."""

    def __init__(self, database: Database) -> None:
        self._db = database.connection

    def add(self, text: str) -> None:
        cursor = self._db.execute("INSERT INTO reports (text) VALUES (?)", (text,))
        self._db.execute("DELETE FROM reports WHERE position <= ?", ((cursor.lastrowid or 0) - _REPORTS_KEPT,))

    def texts(self) -> list[str]:
        return [text for (text,) in self._db.execute("SELECT text FROM reports ORDER BY position")]

    def clear(self) -> None:
        self._db.execute("DELETE FROM reports")


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was asked and answered under a key."""

    request: list[str | None]
    answer: Answer


class KeyTable:
    """Answers under their idempotency keys; the oldest go when there are more than `kept`."""

    def __init__(self, database: Database, kept: int) -> None:
        self._db = database.connection
        self._kept = kept

    def find(self, key: str) -> Remembered | None:
        row = self._db.execute("SELECT request, answer FROM keys WHERE key = ?", (key,)).fetchone()
        return Remembered(json.loads(row[0]), json.loads(row[1])) if row else None

    def remember(self, key: str, request: list[str | None], answer: Answer) -> None:
        values = (key, json.dumps(request), json.dumps(answer))
        cursor = self._db.execute("INSERT INTO keys (key, request, answer) VALUES (?, ?, ?)", values)
        self._db.execute("DELETE FROM keys WHERE position <= ?", ((cursor.lastrowid or 0) - self._kept,))

    def clear(self) -> None:
        self._db.execute("DELETE FROM keys")
