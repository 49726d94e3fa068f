"""The temporary folder of a plan: locked for as long as its process lives, so that the next plan knows what is left over."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sync_service.catalogue.lock import WriterLock
from sync_service.models.errors import SyncError

PREFIX = "s3-sync-plan-"


@contextmanager
def plan_folder(now: str) -> Iterator[Path]:
    """A new folder for a copy of the catalogue, gone at the end; those of processes that were killed go as well."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        lock = _lock_of(folder)
        lock.acquire(now, "plan")
        try:
            _remove_left_over(folder, now)
            yield folder
        finally:
            lock.release()


def _remove_left_over(own: Path, now: str) -> None:
    for folder in own.parent.glob(f"{PREFIX}*"):
        with suppress(OSError, SyncError):
            if folder != own and _is_ours(folder, own):
                lock = _lock_of(folder)
                lock.acquire(now, "plan")
                lock.release()
                shutil.rmtree(folder)


def _is_ours(folder: Path, own: Path) -> bool:
    """Everybody writes to the temporary folder: what another user, or a link, has put there is left alone."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == own.lstat().st_uid and _lock_of(folder).path.exists()


def _lock_of(folder: Path) -> WriterLock:
    return WriterLock(folder / "plan")
