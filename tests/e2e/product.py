"""The product as a user runs it: commands in processes of their own, and what they said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds that any command or awaited thing may take before a test gives up."""

_KEPT = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err


class Running:
    """A command that is still running; its words go to files, so that no pipe can fill up."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self._process = process
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return _text(self._out) + _text(self._err)

    def peak_memory(self) -> int:
        """The most bytes that it has held in memory up to its end, which this waits for; 0 where that is not told."""
        peak = 0
        while self.alive:
            peak = max(peak, _high_water(self.pid))
            time.sleep(0.02)
        return peak

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, words: str, times: int = 1) -> None:
        """Waits until the command has said `words` so many times."""
        until(lambda: self.said.count(words) >= times, lambda: f"it did not say {words!r}:\n{self.said}", self.require)

    def require(self) -> None:
        assert self.alive, f"the command ended with {self._process.returncode}:\n{self.said}"

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals | None = None, timeout: float = PATIENCE) -> Ended:
        """Sends a signal, where one is given, and waits for the end."""
        if number is not None:
            self.send(number)
        self._process.wait(timeout)
        return Ended(self._process.returncode, _text(self._out), _text(self._err))

    def kill(self) -> None:
        if self.alive:
            self._process.kill()
            self._process.wait(PATIENCE)


class Product:
    """Runs `python -m sync_service.main` in `folder` with nothing but these settings.

    Nothing that any command says, and no file that it leaves, may hold one of `secrets` or a traceback.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str], secrets: Sequence[str], code: Path = ROOT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = dict(settings)
        self.secrets = list(secrets)
        self.code = code
        self._words = folder.parent / f"{folder.name}-said"
        self._words.mkdir()
        self._count = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, *arguments: str, expect: int | None = 0, **changes: str | None) -> Ended:
        """Runs a command to its end; `changes` are settings for it alone (None: unset). `expect` is the exit code."""
        process = subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        ended = Ended(process.returncode, process.stdout.decode(), process.stderr.decode())
        self.check_words(ended.said)
        assert expect is None or ended.code == expect, f"{arguments}: {ended.code} for {expect}\n{ended.said}"
        return ended

    @contextmanager
    def started(self, *arguments: str, **changes: str | None) -> Iterator[Running]:
        """A command that runs for as long as the block, at most."""
        self._count += 1
        out, err = self._words / f"{self._count}.out", self._words / f"{self._count}.err"
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                self._command(arguments),
                cwd=self.folder,
                env=self._environment(changes),
                stdin=subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
            )
        running = Running(process, out, err)
        try:
            yield running
        finally:
            running.kill()
        self.check_words(running.said)

    def status(self) -> dict[str, Any]:
        """The route's part of `status --json`."""
        route: dict[str, Any] = self.run("status", "--json").json["routes"][0]
        return route

    def snapshots(self, end: str) -> list[Path]:
        """The snapshot files with this end, oldest first."""
        return sorted((self.data / "snapshots").glob(f"*-{end}"))

    def check_words(self, text: str) -> None:
        assert "Traceback" not in text, text
        for secret in self.secrets:
            assert secret not in text, f"a secret was said:\n{text}"

    def check_files(self) -> None:
        """No secret lies in any file of the data folder."""
        for path in self.data.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(secret.encode() in content for secret in self.secrets), f"{path} holds a secret"

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "sync_service.main", *arguments]

    def _environment(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        passed = {name: os.environ[name] for name in _KEPT if name in os.environ}
        settings = {**self.settings, **changes}
        given = {name: value for name, value in settings.items() if value is not None}
        return {**passed, "PYTHONPATH": str(self.code), **given}


def until(
    holds: Callable[[], object],
    what: str | Callable[[], str],
    also: Callable[[], None] = lambda: None,
    patience: float = PATIENCE,
) -> None:
    """Waits until `holds` is true; `also` raises where waiting has become pointless."""
    deadline = time.monotonic() + patience
    while not holds():
        also()
        assert time.monotonic() < deadline, f"waited in vain: {what if isinstance(what, str) else what()}"
        time.sleep(0.05)


def _high_water(pid: int) -> int:
    """What /proc tells of the process's own peak; getrusage would count its parent's before the exec."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
