"""Background processes of the local stack: started apart from the terminal, known again by pid and start time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started here. `started` tells it from a later one with the same pid."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        return bool(self.started) and start_time(self.pid) == self.started


def start_time(pid: int) -> str:
    """When the process began, in the system's own words; empty where there is none (or only its remains)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def start(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Process:
    """Starts `command` in a session of its own; what it prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(env), start_new_session=True
        )
    _children[child.pid] = child
    return Process(child.pid, start_time(child.pid))


def end(process: Process, patience: float) -> bool:
    """Asks the process to end, and ends it after `patience` seconds. False: it was gone already."""
    if not process.alive:
        _reap(process.pid)
        return False
    os.kill(process.pid, signal.SIGTERM)
    until = time.monotonic() + patience
    while process.alive and time.monotonic() < until:
        _reap(process.pid)
        time.sleep(0.05)
    if process.alive:
        os.kill(process.pid, signal.SIGKILL)
    _reap(process.pid)
    return True


def _reap(pid: int) -> None:
    """Takes the remains of a child of ours away, so that it does not look alive."""
    if pid in _children and _children[pid].poll() is not None:
        del _children[pid]
