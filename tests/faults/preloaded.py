"""The product as real processes without a cold start each: a parent that has imported it forks, a test kills.

The parent is `python -m tests.faults.preloaded`; it has one thread and no event loop, and so has each child when it begins.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.product import PATIENCE, ROOT

LOADED = (
    "sync_service.cli",
    "sync_service.bootstrap",
    "sync_service.runner",
    "sync_service.commands.daemon",
    "sync_service.web.app",
    "sync_service.web.server",
    "sync_service.clients.infrastructure_api",
    "sync_service.clients.s3_manager",
    "sync_service.destinations.file_manager",
    "sync_service.event_logs.http_replay",
    "sync_service.sources.s3_bucket",
    "sync_service.engines.in_process",
    "sync_service.services.event_processor",
    "sync_service.services.sync_service",
    "sync_service.reporting.logs",
    "structlog",
    "uvloop",
    "uvicorn",
    "pandas",
)


# ---------------------------------------------------------------- in the test


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended (a negative code is the signal that killed it) and what it said."""

    code: int
    said: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Life:
    """One process of the product. Its pid is nobody else's until `end`."""

    def __init__(self, parent: Preloaded, pid: int, words: Path) -> None:
        self.pid = pid
        self._parent = parent
        self._words = words
        self._handle = os.pidfd_open(pid)

    def wait(self, seconds: float) -> bool:
        """Waits that long, or until it is dead; whether it is."""
        return bool(select.select([self._handle], [], [], max(0.0, seconds))[0])

    def kill(self) -> None:
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def terminate(self) -> None:
        signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def end(self, patience: float = PATIENCE) -> Ended:
        """How it ended; kills what has not ended within `patience` seconds, and complains."""
        on_time = self.wait(patience)
        if not on_time:
            self.kill()
        code = self._parent.reap(self.pid)
        os.close(self._handle)
        said = self._words.read_bytes().decode("utf-8", "replace")
        assert on_time, f"the process did not end within {patience:.0f} s:\n{said}"
        return Ended(code, said)


class Preloaded:
    """The parent, as a test speaks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, words: Path) -> Life:
        """`sync_service.main` with these arguments in a process of its own, with nothing but `env` as its environment."""
        words.touch()  # A child may die before it has opened them.
        order = {"arguments": list(arguments), "env": dict(env), "folder": str(folder), "words": str(words)}
        return Life(self, int(self._ask(order)), words)

    def reap(self, pid: int) -> int:
        return int(self._ask({"reap": pid}))

    def _ask(self, order: dict[str, Any]) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the parent of the processes is gone"
        return answer


@contextmanager
def preloaded() -> Iterator[Preloaded]:
    """The parent, for as long as the block runs; with it end all that it has started."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.preloaded"],
        cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Preloaded(process)
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


# ---------------------------------------------------------------- in the parent


def serve() -> None:
    """Forks and reaps as told, until nobody speaks any more."""
    import importlib

    for name in LOADED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork would leave threads behind"
    gc.freeze()
    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            children.discard(order["reap"])
            answer = os.waitstatus_to_exitcode(os.waitpid(order["reap"], 0)[1])
        else:
            answer = _forked(order)
            children.add(answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _forked(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(order)
    return pid


def _become(order: dict[str, Any]) -> None:
    """The child: what `python -m sync_service.main` would be from here on."""
    from sync_service.main import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    words = os.open(order["words"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(words, 1)
    os.dup2(words, 2)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    code = main(order["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
