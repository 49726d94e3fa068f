"""A file system of a few hundred KiB, and how to leave exactly so many free pages on it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """The folder where it is mounted; the test is skipped where it cannot be (it takes root)."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        if not mounted:
            pytest.skip("no small file system can be mounted here (it takes root)")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


class Ballast:
    """Takes room away and gives it back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    def leave(self, pages: int) -> None:
        """From now on so many pages are free."""
        self.drop()
        state = os.statvfs(self._path.parent)
        self._path.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - pages * PAGE)))

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)
