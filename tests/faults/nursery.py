"""A process that has imported the product and starts nothing: each order forks a child that runs commands and may die of it."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

SMALL = {
    "sync_service.services.scanner.STRETCH": 3,
    "sync_service.services.delivery.WINDOW": 3,
    "sync_service.services.delivery.OUTSTANDING": 6,
    "sync_service.services.csv_processor.WINDOW": 8,
    "sync_service.services.event_processor.BATCH": 6,
    "sync_service.event_logs.http_replay.PAGE": 3,
}
"""Bounds of the product, made small, so that a handful of objects makes several pages, batches and windows."""

LIBRARIES = (
    "alembic.command",
    "encodings.idna",
    "pandas",
    "pydantic_settings",
    "rich.traceback",
    "structlog",
    "uvloop",
)
PAGE_OF_KEYS = 3
KILLED = 137
PATIENCE = 60
"""Seconds after which a child that hangs is ended."""


class Fate:
    """Counts the moments that pass: all, those of one name, or each name `each` times. At the N-th it strikes."""

    def __init__(
        self, told: Path, *, die_at: int | None, stop_at: int | None, each: int | None, only: str | None
    ) -> None:
        self._die_at, self._stop_at, self._each, self._only = die_at, stop_at, each, only
        self.passed: list[str] = []
        self._counted = 0
        self._told = told
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        with self._lock:
            self.passed.append(name)
            if self._only in (None, name) and (self._each is None or self.passed.count(name) <= self._each):
                self._counted += 1
                self._strike()

    def _strike(self) -> None:
        """The process is told to stop, or is gone."""
        if self._counted == self._stop_at:
            self.tell([])
            os.kill(os.getpid(), signal.SIGTERM)
        if self._counted == self._die_at:
            self.tell([])
            os._exit(KILLED)

    def tell(self, codes: list[int]) -> None:
        self._told.write_text(json.dumps({"passed": self.passed, "codes": codes}))


def main() -> None:
    """Carries out orders, one JSON object a line, until there are no more."""
    _import_everything()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        _require_one_thread()
        child = os.fork()
        if child == 0:
            _live(order)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps({"status": status}) + "\n")
        sys.stdout.flush()


def _import_everything() -> None:
    """What a command would import on its way; imports start no thread where numpy is told to have none."""
    import sync_service

    for name in LIBRARIES:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(sync_service.__path__, "sync_service."):
        if "migrations" not in module.name:
            importlib.import_module(module.name)
    for name, value in SMALL.items():
        patch(name, value).start()
    source = importlib.import_module("sync_service.sources.s3_bucket")
    source.S3BucketSource.__init__.__defaults__ = ("", PAGE_OF_KEYS)


def _require_one_thread() -> None:
    """A fork takes one thread along and the locks of all: here nobody else may hold any."""
    threads = Path("/proc/self/task")
    count = len(list(threads.iterdir())) if threads.is_dir() else threading.active_count()
    assert count == 1, f"{count} threads run before the fork"


def _live(order: dict[str, Any]) -> None:
    """The child's whole life; it never returns."""
    code = 70
    try:
        signal.alarm(PATIENCE)
        code = _obey(order, Path(order["folder"]))
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _obey(order: dict[str, Any], folder: Path) -> int:
    from sync_service.main import main as command
    from sync_service.models import crashpoints

    os.chdir(folder)
    said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(old, new)
    os.environ.update(order["environment"])
    fate = Fate(folder / "told", **order["fate"])
    crashpoints.arm(fate)
    codes = [command(arguments) for arguments in order["runs"]]
    fate.tell(codes)
    return codes[-1]


if __name__ == "__main__":
    main()
