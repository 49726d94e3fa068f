"""Where the demo plays: a temporary folder, an S3 server and a mock API on free ports, and the commands run against them."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts import processes
from scripts.demo_screen import StepFailed
from scripts.demo_signals import held_back
from scripts.processes import Process
from sync_service.models.text import shown

ROOT = Path(__file__).resolve().parent.parent
BUCKET = "customer-data"
_READY_WITHIN = 60.0
_COMMAND_WITHIN = 300.0
_PATIENCE = 5.0


@dataclass(slots=True)
class Stage:
    """The parts of one demo. `env` is what its processes inherit; `s3` and `api` are the addresses of servers that run."""

    folder: Path
    env: Mapping[str, str]
    s3: str = ""
    api: str = ""
    access_key: str = "demo"
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    _running: list[Process] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def start(self) -> list[str]:
        """Starts both servers, together, and waits for both."""
        # Port 0 lets each server choose; a port that we found free could be taken by the time it is used.
        s3 = self._server("s3", "moto.server", "-H", "127.0.0.1", "-p", "0")
        data = str(self.folder / "file-manager")
        api = self._server("file-manager", "mock_api", "serve", "--host", "127.0.0.1", "--port", "0", "--data", data)
        self.s3 = self._address("s3", s3, r"Running on (http://127\.0\.0\.1:\d+)")
        self.api = self._address("file-manager", api, r"listening on (http://127\.0\.0\.1:\d+)")
        return [f"S3 server     {self.s3}  (moto)", f"file manager  {self.api}  (mock_api)"]

    def _server(self, name: str, *arguments: str) -> Process:
        command = [sys.executable, "-m", *arguments]
        with held_back():
            process = processes.start(command, self.logs / f"{name}.log", self._environment())
            self._running.append(process)
        return process

    def _address(self, name: str, process: Process, pattern: str) -> str:
        log = self.logs / f"{name}.log"
        until = time.monotonic() + _READY_WITHIN
        while time.monotonic() < until:
            alive = process.alive
            if found := re.search(pattern, log.read_text("utf-8", "replace")):
                return found[1]
            if not alive:
                break
            time.sleep(0.05)
        raise StepFailed(f"the server {name} did not start", _tail(log))

    def settings(self) -> dict[str, str]:
        """The variables that point the service's commands at this stage."""
        return {
            "CUSTOMER_S3_ENDPOINT": self.s3,
            "CUSTOMER_S3_ACCESS_KEY": self.access_key,
            "CUSTOMER_S3_SECRET_KEY": self.secret_key,
            "CUSTOMER_S3_BUCKET": BUCKET,
            "MOCK_API_URL": self.api,
            "DATABASE_PATH": str(self.folder / "data" / "sync.db"),
            "LOG_FORMAT": "console",
        }

    def _environment(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), self.env.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "NO_COLOR": "1",
            "TMPDIR": str(self.folder),
        }
        return {**self.env, **own}

    def command(self, module: str, *arguments: str, messages: bool = False) -> list[str]:
        """Runs `python -m module ...` as a user would: the command line and its results, with `messages` those too.

        Raises StepFailed with the end of its messages where it fails.
        """
        line = f"$ python -m {module} {' '.join(arguments)}".rstrip()
        done = self._run([sys.executable, "-m", module, *arguments])
        self._log(line, done.stderr)
        lines = [line, *done.stdout.splitlines(), *(done.stderr.splitlines() if messages else ())]
        if done.returncode != 0:
            raise StepFailed(
                f"{line.removeprefix('$ ')} ended with exit code {done.returncode}", [*lines, *_last(done.stderr)]
            )
        return lines

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        # The folder is where commands run, so that a .env of the checkout has no say.
        env = {**self._environment(), **self.settings()}
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="backslashreplace",
                timeout=_COMMAND_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{' '.join(command[1:])} did not end within {_COMMAND_WITHIN:.0f} s") from None

    def _log(self, line: str, messages: str) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "commands.log").open("a", encoding="utf-8") as log:
            log.write(f"{line}\n{messages}")

    def ask(self, path: str, body: object = None, **query: str) -> bytes:
        """What the mock API answers to a GET, or where there is a `body`, to a POST. Raises StepFailed."""
        target = f"{self.api}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode("ascii")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(urllib.request.Request(target, data), timeout=60) as answer:
                content: bytes = answer.read()
        except OSError as error:
            raise StepFailed(f"the file manager failed on {path} {shown(query)}: {error}") from None
        return content

    def ask_json(self, path: str) -> Any:
        """The same, read as JSON."""
        return json.loads(self.ask(path))

    def end(self, keep: bool) -> None:
        """Ends the servers, and deletes the folder unless it is to be kept."""
        for process in reversed(self._running):
            processes.end(process, _PATIENCE)
        self._running.clear()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def _tail(log: Path) -> list[str]:
    return _last(log.read_text("utf-8", "replace"))


def _last(text: str, lines: int = 8) -> list[str]:
    return text.splitlines()[-lines:]
