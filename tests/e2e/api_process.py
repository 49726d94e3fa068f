"""The mock API as a process of its own, on a port that is known before it runs: it can be away, come and go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.e2e.product import ROOT, until
from tests.e2e.world import Api


class ApiProcess(Api):
    """A mock API that is started and killed; its files and events outlive it, its counters and faults do not."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        words = ["serve", "--port", str(self.port), "--data", str(self._data), "--no-fsync"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mock_api", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, "the mock API does not answer")

    def stop(self) -> None:
        """Gone without a word, as in an outage."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
