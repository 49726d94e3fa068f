"""Lives of the product: each is a child of the nursery that runs commands and tells, or is told from, how far it came."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sync_service.models.errors import ExitCode
from tests.e2e.product import ROOT
from tests.faults.nursery import KILLED


@dataclass(frozen=True, slots=True)
class Life:
    """How a child ended: its exit status, the exit codes of its commands, the moments that it passed, what it said."""

    status: int
    codes: list[int]
    passed: list[str]
    said: str

    @property
    def died(self) -> bool:
        return self.status == KILLED

    @property
    def stopped(self) -> bool:
        """By a signal: as the product obeys it, or as the system does before the product listens and after it has ended."""
        return self.status in (int(ExitCode.TERMINATED), -signal.SIGTERM)


class Nursery:
    """Runs commands in children of a process that has imported everything and has one thread."""

    def __init__(self) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=ROOT,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        folder: Path,
        environment: dict[str, str],
        *runs: Sequence[str],
        die_at: int | None = None,
        stop_at: int | None = None,
        each: int | None = None,
        only: str | None = None,
    ) -> Life:
        """A child that runs these commands in `folder`, one after the other, and may die at the N-th moment of them."""
        assert self._process.stdin is not None and self._process.stdout is not None
        for name in ("said", "told"):
            (folder / name).unlink(missing_ok=True)
        fate = {"die_at": die_at, "stop_at": stop_at, "each": each, "only": only}
        order = {"folder": str(folder), "environment": environment, "runs": runs, "fate": fate}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the nursery has ended"
        said = (folder / "said").read_text("utf-8", "replace")
        assert (folder / "told").exists(), f"the child ended with {answer}:\n{said}"
        told = json.loads((folder / "told").read_text())
        return Life(json.loads(answer)["status"], told["codes"], told["passed"], said)

    def close(self) -> None:
        self._process.communicate(timeout=30)
