"""Snapshots of the two states and the pandas diff between them, in aligned windows so that memory does not grow with rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sync_service.models.data_models import Kind
from sync_service.models.errors import SyncError
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.snapshot_files import HEADER, SnapshotFile, SnapshotPair, keep_newest, verify, write_pair

if TYPE_CHECKING:
    import pandas as pd

WINDOW = 5_000
"""Lines of one aligned window; what pandas holds at once."""

_CONTENT = ("size", "etag", "file_type")
_PERMISSIONS = ("permissions", "owner", "group")


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs, and the operations that make it equal, in the order in which they are to be carried out."""

    row_id: int
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class CsvProcessor:
    """Writes and compares one route's snapshots in `folder`; `full` writes every row, else those that may differ."""

    folder: Path
    retention: int = 48
    full: bool = False

    def snapshot(self, catalogue: DatabaseManager, stamp: str, run_id: str, full: bool | None = None) -> SnapshotPair:
        """Writes the pair of now. `stamp` is the time as it stands in the file names."""
        everything = self.full if full is None else full
        scope = "full" if everything else "touched"
        # A write that fails half-way must not leave its reading transaction open until someone collects the error.
        with (
            closing(catalogue.delivered_rows(everything)) as before,
            closing(catalogue.observed_rows(everything)) as after,
        ):
            pair = write_pair(self.folder, stamp, run_id, scope, before, after)
        keep_newest(self.folder, self.retention, pair.manifest)
        return pair

    def diff(self, pair: SnapshotPair) -> Iterator[list[Change]]:
        """The changes from before to after, in order of id, a window at a time. Raises where a file was tampered with."""
        verify(pair.before)
        verify(pair.after)
        for before, after in aligned_windows(pair.before, pair.after):
            yield compare(_frame(before), _frame(after))


def aligned_windows(
    before: SnapshotFile, after: SnapshotFile, size: int = WINDOW
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """The lines that are not equal in both files, by windows in which each id stands with its counterpart."""
    left, right = _records(before.path), _records(after.path)
    one, other = next(left, None), next(right, None)
    befores: list[bytes] = []
    afters: list[bytes] = []
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            befores.append(one[1])
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            afters.append(other[1])
            other = next(right, None)
        else:
            if one[1] != other[1]:
                befores.append(one[1])
                afters.append(other[1])
            one, other = next(left, None), next(right, None)
        if len(befores) + len(afters) >= size:
            yield befores, afters
            befores, afters = [], []
    if befores or afters:
        yield befores, afters


def compare(before: pd.DataFrame, after: pd.DataFrame) -> list[Change]:
    """The changes between two frames of snapshot lines, both with `id` as text."""
    merged = before.merge(after, on="id", how="outer", suffixes=("_before", "_after"), indicator=True)
    gone, new = (merged["_merge"] == "left_only"), (merged["_merge"] == "right_only")
    both = ~(gone | new)
    changed_path = both & (merged["file_path_before"] != merged["file_path_after"])
    same_folder = _folder(merged["file_path_before"]) == _folder(merged["file_path_after"])
    flags = {
        Kind.CREATE: new,
        Kind.DELETE: gone,
        Kind.RENAME: changed_path & same_folder,
        Kind.MOVE: changed_path & ~same_folder,
        Kind.CHANGE_PERMISSION: both & _wish_unmet(merged, _PERMISSIONS),
        Kind.UPDATE: both & _differs(merged, _CONTENT),
    }
    return _changes(merged, flags)


def _changes(merged: pd.DataFrame, flags: dict[Kind, pd.Series[bool]]) -> list[Change]:
    kinds: dict[int, list[Kind]] = {}
    for kind, flag in flags.items():
        for row_id in merged.loc[flag, "id"]:
            kinds.setdefault(int(row_id), []).append(kind)
    return [Change(row_id, tuple(kinds[row_id])) for row_id in sorted(kinds)]


def _differs(merged: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series[bool]:
    unequal = merged["id"] != merged["id"]
    for name in columns:
        unequal |= merged[f"{name}_before"] != merged[f"{name}_after"]
    return unequal


def _wish_unmet(merged: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series[bool]:
    """An empty cell after means that the source says nothing: that wish is always met."""
    unmet = merged["id"] != merged["id"]
    for name in columns:
        unmet |= (merged[f"{name}_after"] != "") & (merged[f"{name}_before"] != merged[f"{name}_after"])
    return unmet


def _folder(paths: pd.Series[str]) -> pd.Series[str]:
    """What stands before the last `/` of each path that is no trailing one."""
    return paths.str.extract(r"(?s)^(.*/)[^/]+/*$", expand=False).fillna("")


def _frame(lines: list[bytes]) -> pd.DataFrame:
    """Snapshot lines as a frame of text: nothing is guessed, nothing becomes a number or a missing value."""
    import pandas as pd

    return pd.read_csv(
        io.BytesIO(HEADER + b"".join(lines)), dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8"
    )


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """(id, raw record) of a snapshot; a record ends at the line end outside quotes. Order is checked, not trusted."""
    last = 0
    with path.open("rb", buffering=1024 * 1024) as file:
        next(file, None)
        for line in file:
            record = line
            while record.count(b'"') % 2:
                more = file.readline()
                if not more:
                    break
                record += more
            row_id = _id_of(record, path)
            if row_id <= last:
                raise SyncError(f"the snapshot is not sorted by id (id {row_id} after {last})", subject=str(path))
            last = row_id
            yield row_id, record


def _id_of(record: bytes, path: Path) -> int:
    try:
        return int(record[1 : record.index(b'"', 1)])
    except ValueError:
        raise SyncError("the snapshot has a line without an id", subject=str(path)) from None
