"""Content on disk under its own digest, so that no key ever becomes a path."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mock_api.models import Blob, Problem

_READ = 1 << 20


class Incoming:
    """One upload on its way to disk: written in pieces under a temporary name, hashed and counted as it comes."""

    def __init__(self, path: Path, max_size: int | None) -> None:
        self._path = path
        self._max_size = max_size
        self._digest = hashlib.sha256()
        self._file: BinaryIO = path.open("w+b", buffering=_READ)
        self.received = 0

    def write(self, data: bytes) -> None:
        """Raises Problem 413 where the upload is larger than the server takes."""
        self.received += len(data)
        if self._max_size is not None and self.received > self._max_size:
            raise Problem(413, f"file: larger than {self._max_size} bytes")
        self._digest.update(data)
        self._file.write(data)

    @property
    def sha256(self) -> str:
        """The digest of all that was received."""
        return self._digest.hexdigest()

    def shorten(self, size: int) -> Blob:
        """Keeps the first `size` bytes only, as a disk that lost the rest would. Blocking."""
        self._file.truncate(min(size, self.received))
        self._file.seek(0)
        digest, kept = hashlib.sha256(), 0
        while piece := self._file.read(_READ):
            digest.update(piece)
            kept += len(piece)
        return Blob(digest.hexdigest(), kept)

    def settle(self, target: Path, sync: bool) -> None:
        """Makes the temporary file the blob `target`, whole on disk before it has that name. Blocking."""
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self._file.close()
        target.parent.mkdir(exist_ok=True)
        self._path.replace(target)

    def discard(self) -> None:
        """Removes what is left of it; does nothing once it has settled."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class BlobFolder:
    """The blobs of the files. `uses` tells whether a file refers to a digest; blobs that none refers to go."""

    def __init__(self, folder: Path, uses: Callable[[str], bool], *, max_size: int | None, sync: bool) -> None:
        self._blobs = folder / "blobs"
        self._incoming = folder / "incoming"
        self._uses = uses
        self._max_size = max_size
        self._sync = sync
        self._held: Counter[str] = Counter()
        self._blobs.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        self._sweep()

    def receive(self) -> Incoming:
        return Incoming(self._incoming / uuid.uuid4().hex, self._max_size)

    @contextmanager
    def holding(self, blob: Blob | None) -> Iterator[None]:
        """Until the block ends nobody removes `blob`, whose row is not written yet; then it stays only if used."""
        if blob is None:
            yield
            return
        self._held[blob.sha256] += 1
        try:
            yield
        finally:
            self._held[blob.sha256] -= 1
            self.release(blob.sha256)

    async def settle(self, incoming: Incoming, blob: Blob) -> None:
        """Puts the upload in place as `blob`; to be called while holding it."""
        await asyncio.to_thread(incoming.settle, self.path(blob.sha256), self._sync)

    def release(self, sha256: str | None) -> None:
        """Removes the content if no file refers to it any more."""
        if sha256 is None or self._held[sha256] > 0:
            return
        self._held.pop(sha256, None)
        if not self._uses(sha256):
            self.path(sha256).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        return self._blobs / sha256[:2] / sha256

    def _sweep(self) -> None:
        # A killed server leaves half uploads, and blobs whose row was never written.
        for left in self._incoming.iterdir():
            left.unlink()
        self.release_all()

    def release_all(self) -> None:
        """Removes every blob that no file refers to."""
        for blob in self._blobs.glob("*/*"):
            self.release(blob.name)
