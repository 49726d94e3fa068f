"""The two CSVs of a cycle: exact, whole or not there, and no more than are to be kept."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sync_service.models import crashpoints
from sync_service.models.data_models import SNAPSHOT_COLUMNS
from sync_service.models.errors import StorageDenied, StorageFull, SyncError
from sync_service.services.snapshot_files import SnapshotPair, keep_newest, verify, write_pair, write_text

AWKWARD = [
    "NA",
    "null",
    "001",
    "1e5",
    "0644",
    "",
    " a ",
    'q"uote',
    "com,ma",
    "line\nend",
    "\r",
    "ümläut",
    "\x1b[31m",
    "=1+1",
]


def row(row_id: int, path: str = "a", **more: Any) -> tuple[Any, ...]:
    values = {"id": row_id, "file_path": path, "size": 1, "etag": "e", "last_modified": "t", **more}
    return tuple(values.get(name) for name in SNAPSHOT_COLUMNS)


def write(folder: Path, stamp: str = "t1", run: str = "r1", rows: int = 1) -> SnapshotPair:
    return write_pair(folder, stamp, run, "touched", [row(n + 1) for n in range(rows)], [])


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    """Text that spreadsheets and parsers like to change is quoted and unchanged; absent is empty."""
    rows = [row(n, value, owner=value, permissions=None) for n, value in enumerate(AWKWARD, 1)]
    pair = write_pair(tmp_path, "t", "r", "full", rows, [])
    with pair.before.path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert head == list(SNAPSHOT_COLUMNS)
    assert [line[1] for line in lines] == [line[3] for line in lines] == AWKWARD
    assert {line[2] for line in lines} == {""}
    content = pair.before.path.read_bytes()
    assert content.startswith(b'"id","file_path"')
    assert pair.after.path.read_bytes().count(b"\n") == 1
    assert b'"1","NA","","NA"' in content


def test_the_manifest_says_what_was_written(tmp_path: Path) -> None:
    """Rows, digests, scope and run, beside the pair."""
    pair = write(tmp_path, rows=3)
    manifest = json.loads(pair.manifest.read_text())
    assert (manifest["run"], manifest["scope"], manifest["columns"]) == ("r1", "touched", list(SNAPSHOT_COLUMNS))
    assert [(f["name"], f["rows"]) for f in manifest["files"]] == [("t1-r1-before.csv", 3), ("t1-r1-after.csv", 0)]
    for file, told in zip((pair.before, pair.after), manifest["files"], strict=True):
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256 == told["sha256"]
        verify(file)


def test_an_edited_snapshot_is_noticed(tmp_path: Path) -> None:
    """Someone opened it in an editor, or deleted it: nothing is made of it."""
    pair = write(tmp_path)
    pair.before.path.write_bytes(pair.before.path.read_bytes().replace(b'"a"', b'"b"'))
    with pytest.raises(SyncError, match="changed after it was written"):
        verify(pair.before)
    pair.after.path.unlink()
    with pytest.raises(SyncError, match="cannot be read"):
        verify(pair.after)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EACCES, StorageDenied)]
)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[SyncError]
) -> None:
    """Neither a short file under the final name nor a temporary one."""

    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(kind):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError):
        write_text(tmp_path / "small.json", "{}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the folder's place."""
    (tmp_path / "snapshots").write_text("in the way")
    with pytest.raises(StorageDenied, match="snapshots"):
        write(tmp_path / "snapshots")


def test_only_the_newest_runs_are_kept(tmp_path: Path) -> None:
    """A run's several pairs count once; halves of interrupted writes go; other people's files stay."""
    for stamp, run in (("t1", "r1"), ("t2", "r2"), ("t3", "r2"), ("t4", "r3")):
        last = write(tmp_path, stamp, run)
    (tmp_path / "t0-r0-before.csv").write_text("no manifest")
    (tmp_path / "t9-r9-after.csv.tmp").write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    keep_newest(tmp_path, 2, last.manifest)
    ends = ("after.csv", "before.csv", "manifest.json")
    expected = [f"{stem}-{end}" for stem in ("t2-r2", "t3-r2", "t4-r3") for end in ends]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", *expected]


def test_what_cannot_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention that fails says where."""
    old, new = write(tmp_path, "t1", "r1"), write(tmp_path, "t2", "r2")
    assert old.manifest.exists()

    def fails(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fails)
    with pytest.raises(StorageDenied):
        keep_newest(tmp_path, 1, new.manifest)


def test_a_clock_that_was_put_back_deletes_nothing_in_use(tmp_path: Path) -> None:
    """The pair that is being worked on stays, though older ones seem newer."""
    newer = write(tmp_path, "t9", "r1")
    current = write(tmp_path, "t1", "r2")
    keep_newest(tmp_path, 1, current.manifest)
    assert current.before.path.exists()
    assert not newer.manifest.exists()


@pytest.mark.parametrize("deletes", range(1, 7))
def test_a_death_among_the_deletes_leaves_no_manifest_without_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deletes: int
) -> None:
    """Wherever the process ends, a manifest that is there speaks of files that are there; the next run takes the rest."""
    last = [write(tmp_path, f"t{number}", f"r{number}") for number in range(3)][-1]
    left = iter(range(deletes - 1))

    def die(name: str) -> None:
        if name == "old snapshot removed" and next(left, None) is None:
            raise KeyboardInterrupt

    # A folder lists its files in any order; here the manifests come last.
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(sorted(folder.glob("*"))))
    monkeypatch.setattr(crashpoints, "_watcher", die)
    with pytest.raises(KeyboardInterrupt):
        keep_newest(tmp_path, 1, last.manifest)
    monkeypatch.setattr(crashpoints, "_watcher", None)
    for manifest in tmp_path.glob("*-manifest.json"):
        names = [file["name"] for file in json.loads(manifest.read_text())["files"]]
        assert all((tmp_path / name).exists() for name in names)
    keep_newest(tmp_path, 1, last.manifest)
    assert sorted(tmp_path.iterdir()) == sorted([last.manifest, last.before.path, last.after.path])
