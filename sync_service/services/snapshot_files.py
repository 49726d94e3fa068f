"""The two CSV files of a cycle: written whole or not at all, with a manifest beside them, kept for a while."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from sync_service.models.crashpoints import passing, point
from sync_service.models.data_models import SNAPSHOT_COLUMNS
from sync_service.models.errors import StorageDenied, StorageFailed, StorageFull, SyncError

_RECORDS = "Nothing was sent because of it. Snapshots are records, not input; the next cycle writes new ones"

_ENDS = ("-before.csv", "-after.csv", "-manifest.json")

HEADER = ",".join(f'"{name}"' for name in SNAPSHOT_COLUMNS).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One written CSV: `rows` lines below the header, `sha256` of the whole file."""

    path: Path
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SnapshotPair:
    """The state before (delivered) and after (observed) of one cycle."""

    before: SnapshotFile
    after: SnapshotFile
    manifest: Path


class _Hashed:
    """A text sink over a binary file that hashes what goes through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, text: str) -> int:
        data = text.encode("utf-8")
        self.digest.update(data)
        return self._file.write(data)


def write_pair(
    folder: Path,
    stamp: str,
    run_id: str,
    scope: str,
    before: Iterable[tuple[Any, ...]],
    after: Iterable[tuple[Any, ...]],
) -> SnapshotPair:
    """Writes `<stamp>-<run_id>-before.csv`, `-after.csv` and `-manifest.json`. Raises StorageFull or StorageDenied.

    Rows are in the order of SNAPSHOT_COLUMNS, sorted by id. A file appears under its name only when it is whole and on disk.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{stamp}-{run_id}"
        first = _write(folder / f"{name}-before.csv", before)
        second = _write(folder / f"{name}-after.csv", after)
        manifest = folder / f"{name}-manifest.json"
        _write_manifest(manifest, run_id, scope, (first, second))
        _sync_folder(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    return SnapshotPair(first, second, manifest)


def verify(file: SnapshotFile) -> None:
    """Raises where the file is no longer what was written: someone edited or damaged it."""
    try:
        with file.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SyncError(
            f"the snapshot cannot be read ({error.strerror})", subject=str(file.path), hint=_RECORDS
        ) from error
    if digest != file.sha256:
        raise SyncError(
            "the snapshot was changed after it was written",
            subject=str(file.path),
            hint=_RECORDS,
        )


def keep_newest(folder: Path, cycles: int, current: Path) -> None:
    """Deletes the snapshots of all but the newest `cycles` runs, and what an interrupted write left behind.

    The run of the manifest `current` is under way: it is the newest even where the clock was put back. A manifest goes before
    its files, so that none is left that speaks of files which are gone.
    """
    manifests = sorted(folder.glob("*-manifest.json"))
    newest_first = dict.fromkeys(_run_of(manifest) for manifest in (current, *reversed(manifests)))
    kept = set(list(newest_first)[:cycles])
    whole = {_stem(manifest) for manifest in manifests if _run_of(manifest) in kept}
    try:
        for path in sorted(folder.iterdir(), key=lambda path: not path.name.endswith(_ENDS[-1])):
            if path.name.endswith(".tmp") or (path.name.endswith(_ENDS) and _stem(path) not in whole):
                path.unlink(missing_ok=True)
                passing("old snapshot removed")
    except OSError as error:
        raise storage_error(error, folder) from error


def _stem(path: Path) -> str:
    """The name that a pair and its manifest share: time and run."""
    return path.name.rpartition("-")[0]


def _run_of(manifest: Path) -> str:
    """The run id in a manifest's name; a run may have written several pairs."""
    return _stem(manifest).rpartition("-")[2]


def storage_error(error: OSError, path: Path) -> SyncError:
    """The SyncError that a failing file system stands for."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(
            "no space left", subject=str(path), hint="Nothing was lost: free some space, the next run goes on"
        )
    if error.errno == errno.EIO:
        return StorageFailed(
            f"the disk failed ({error.strerror})",
            subject=str(path),
            hint="Nothing was lost; look at the disk and its logs",
        )
    return StorageDenied(
        f"cannot be written ({error.strerror})", subject=str(path), hint="Make it writable for this user"
    )


def _write(path: Path, rows: Iterable[tuple[Any, ...]]) -> SnapshotFile:
    temporary = path.with_name(path.name + ".tmp")
    count = 0
    try:
        with temporary.open("wb", buffering=1024 * 1024) as file:
            sink = _Hashed(file)
            sink.write(HEADER.decode())
            writer = csv.writer(sink, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for row in rows:
                writer.writerow(row)
                count += 1
            _to_disk(file)
        with point("file renamed"):
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return SnapshotFile(path, count, sink.digest.hexdigest())


def _write_manifest(path: Path, run_id: str, scope: str, files: Iterable[SnapshotFile]) -> None:
    content = {
        "run": run_id,
        "scope": scope,
        "columns": list(SNAPSHOT_COLUMNS),
        "files": [{"name": f.path.name, "rows": f.rows, "sha256": f.sha256} for f in files],
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            _to_disk(file)
        with point("file renamed"):
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _to_disk(file: IO[Any]) -> None:
    passing("file written")
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with point("folder synced"):
            os.fsync(handle)
    finally:
        os.close(handle)
