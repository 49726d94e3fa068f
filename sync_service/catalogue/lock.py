"""One writer per catalogue: a lock of the operating system, held for life, with the holder's name beside it."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from sync_service.models.errors import CatalogueLocked, StorageDenied, StorageFull

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


# A reader that asks who holds the lock has it for an instant; a writer that starts just then asks again.
TRIES = 5
_PAUSE_SECONDS = 0.05

_WIDTH = 3000
_TROUBLE = 400


def pause() -> bool:
    """A moment between two tries."""
    time.sleep(_PAUSE_SECONDS)
    return False


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock; `started` is ISO 8601 UTC. `trouble` is what ended its last run, where not even the
    catalogue could be told.
    """

    pid: int
    host: str
    started: str
    command: str = ""
    trouble: str = ""


class WriterLock:
    """The lock file beside the database. The lock is the operating system's: a holder that dies gives it up by dying."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None
        self._holder: Holder | None = None

    def acquire(self, now: str, command: str = "") -> None:
        """Takes the lock or raises CatalogueLocked with the holder's pid, host and start."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
            file = self.path.open("r+", encoding="utf-8")
        except OSError as error:
            raise _not_writable(self.path, error) from error
        if not any(_try_lock(file) or pause() for _ in range(TRIES)):
            file.close()
            raise CatalogueLocked(
                taken_by(self.holder()), subject=str(self.path), hint="Stop that process, or let it do the work"
            )
        self._file = file
        try:
            self._sign(Holder(os.getpid(), socket.gethostname(), now, command))
        except OSError as error:
            self.release()
            raise _not_writable(self.path, error) from error

    def tell(self, trouble: str) -> None:
        """Notes what ended the last run (empty: it went through), in room that the file has: also on a full disk."""
        if self._holder is not None and trouble != self._holder.trouble:
            with suppress(OSError):
                self._sign(replace(self._holder, trouble=trouble[:_TROUBLE]))

    def release(self) -> None:
        if self._file is not None:
            # Closing writes what could not be written for want of space, and fails again; the lock is given up all the same.
            with suppress(OSError):
                self._file.close()
            self._file = None

    def holder(self) -> Holder | None:
        """Who holds the lock now; None where nobody does."""
        try:
            with self.path.open(encoding="utf-8") as file:
                if _try_lock(file):
                    return None
                file.seek(0)
                return Holder(**json.loads(file.read() or "{}"))
        except (OSError, ValueError, TypeError):
            return None

    def _sign(self, holder: Holder) -> None:
        assert self._file is not None
        text = json.dumps({name: getattr(holder, name) for name in Holder.__dataclass_fields__})
        self._file.seek(0)
        self._file.write(text.ljust(_WIDTH))
        self._file.flush()
        self._holder = holder


def _try_lock(file: IO[str]) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            file.seek(4096)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def taken_by(holder: Holder | None) -> str:
    """Who keeps another process from writing, in people's words."""
    if holder is None:
        return "another process is the writer of this catalogue"
    command = f" ({holder.command})" if holder.command else ""
    return f"process {holder.pid} on {holder.host}{command} is the writer of this catalogue since {holder.started}"


def _not_writable(path: Path, error: OSError) -> StorageDenied | StorageFull:
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return StorageFull(
            "no space left for the catalogue's lock", subject=str(path), hint="Free some space and run again"
        )
    return StorageDenied(
        f"the data folder cannot be written ({error.strerror})",
        subject=str(path.parent),
        hint="Make it writable for this user, or point DATABASE_PATH elsewhere",
    )
