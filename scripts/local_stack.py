"""The local stack without containers: an embedded S3 server (moto's) and the mock API under `data/local/`.

    python -m scripts.local_stack up | down | status | daemon | pause | logs [NAME] [--follow] | clean
    python -m scripts.local_stack run MODULE [ARGUMENT...]      as python -m MODULE, with the stack's settings alone

moto keeps its buckets in memory: whenever it is started anew, the test data is loaded anew. The mock API keeps its files on
disk. `up` can be repeated: what runs is kept, what is missing is started. `down` ends exactly the processes that were started
here. The development requirements bring moto: `make setup` installs them. `down` and `clean` need the standard library alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import runpy
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts import processes
from scripts.processes import Process

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("LOCAL_STACK_DIR", "data/local"))
BUCKETS = {"CUSTOMER_S3_BUCKET": "customer-data"}
PORTS = {"s3": 9001, "mock-api": 8001, "status": 8090}
_READY_WITHIN = 60.0
_PATIENCE = {"daemon": 35.0}


class StackError(Exception):
    """The stack cannot do what was asked; the text says why and what to do."""


@dataclass(slots=True)
class Stack:
    """What runs, on which ports. Kept in stack.json."""

    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def alive(self, name: str) -> bool:
        return name in self.running and self.running[name].alive

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


def load() -> Stack:
    """The stack as it was left; an empty one where there is none."""
    try:
        kept: dict[str, Any] = json.loads((FOLDER / "stack.json").read_text())
        running = {name: Process(**process) for name, process in kept["running"].items()}
        return Stack(kept["ports"], running, kept["secret_key"])
    except FileNotFoundError:
        return Stack()
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(
            f"{FOLDER / 'stack.json'} is damaged ({error}); end its processes by hand and delete it"
        ) from None


def save(stack: Stack) -> None:
    """Keeps stack.json, readable by this user alone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = {"ports": stack.ports, "running": {n: asdict(p) for n, p in stack.running.items()}}
    _write("stack.json", json.dumps({**kept, "secret_key": stack.secret_key}, indent=2) + "\n")


def save_settings(stack: Stack) -> None:
    """Keeps stack.env for the commands, readable by this user alone."""
    _write("stack.env", "".join(f"{name}='{value}'\n" for name, value in environment(stack).items()))


def _write(name: str, text: str) -> None:
    path = FOLDER / f"{name}.new"
    path.touch(mode=0o600)
    path.write_text(text)
    path.replace(FOLDER / name)


def environment(stack: Stack) -> dict[str, str]:
    """The variables that point every command at this stack, and at nothing that `.env` or the environment names."""
    from scripts.shield import alone  # noqa: PLC0415

    own = {
        "CUSTOMER_S3_ENDPOINT": stack.url("s3"),
        "CUSTOMER_S3_ACCESS_KEY": "local",
        "CUSTOMER_S3_SECRET_KEY": stack.secret_key,
        **BUCKETS,
        "MOCK_API_URL": stack.url("mock-api"),
        "MOCK_API_DATA": str(FOLDER / "mock-api"),
        "DATABASE_PATH": str(FOLDER / "sync.db"),
        "STATUS_PORT": str(stack.ports["status"]),
    }
    return alone(own)


def up() -> None:
    """Starts what is missing and loads the test data where the S3 server is new."""
    stack = load()
    for name in PORTS:
        if not stack.alive({"status": "daemon"}.get(name, name)):
            stack.ports[name] = _port(name, stack.ports.get(name))
    save(stack)
    save_settings(stack)
    _ensure(stack, "s3", ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(stack.ports["s3"])], "/moto-api/")
    data = str(FOLDER / "mock-api")
    _ensure(stack, "mock-api", ["-m", "mock_api", "serve", "--port", str(stack.ports["mock-api"]), "--data", data], "/")
    _run_for(stack, "scripts.init_buckets")
    _first_look(stack)
    say(f"the stack is up; its settings are in {FOLDER / 'stack.env'}")


def _ensure(stack: Stack, name: str, arguments: list[str], path: str) -> None:
    if stack.alive(name):
        say(f"{name}: runs already at {stack.url(name)} (pid {stack.running[name].pid})")
        return
    stack.running[name] = processes.start([sys.executable, *arguments], _log(name), _child_env({}))
    save(stack)
    _wait_until_ready(stack, name, path)
    say(f"{name}: started at {stack.url(name)} (pid {stack.running[name].pid})")


def _child_env(extra: Mapping[str, str]) -> dict[str, str]:
    from scripts.shield import shielded  # noqa: PLC0415

    own = {
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    return {**shielded(os.environ), **own, **extra}


def _log(name: str) -> Path:
    return FOLDER / "logs" / f"{name}.log"


def _port(name: str, last: int | None) -> int:
    """The port that the stack had last, else the contract's, else any free one."""
    for wanted in (last, PORTS[name], 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            if wanted is not None:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", wanted))
                return int(probe.getsockname()[1])
    raise StackError("no free port on this machine")


def _wait_until_ready(stack: Stack, name: str, path: str) -> None:
    until = time.monotonic() + _READY_WITHIN
    while stack.alive(name) and time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(stack.url(name) + path, timeout=2):
            return
        time.sleep(0.1)
    tail = "\n".join(_log(name).read_text(errors="replace").splitlines()[-5:])
    raise StackError(f"{name} did not start; the end of {_log(name)}:\n{tail}")


def _first_look(stack: Stack) -> None:
    """What the bucket holds before anyone changes it, so that what changes afterwards becomes events."""
    if not any((FOLDER / "mock-api").glob("events-*.json")):
        _run_for(stack, "mock_api", "events", "--once")


def _run_for(stack: Stack, module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=_child_env(environment(stack)), stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise StackError(f"{module} failed (exit {done.returncode})")


def daemon() -> None:
    """Starts the daemon in the background."""
    stack = load()
    if not stack.alive("s3"):
        raise StackError("the stack is not up; run: make up")
    if stack.alive("daemon"):
        say(f"daemon: runs already (pid {stack.running['daemon'].pid})")
        return
    command = [sys.executable, "-m", "sync_service.main", "daemon"]
    stack.running["daemon"] = processes.start(command, _log("daemon"), _child_env(environment(stack)))
    save(stack)
    say(
        f"daemon: started (pid {stack.running['daemon'].pid}), status at {stack.url('status')}/status, log {_log('daemon')}"
    )


def pause() -> int:
    """Ends the daemon where it runs: 0; 1 where it did not run."""
    stack = load()
    return 0 if _end(stack, "daemon") else 1


def down() -> None:
    """Ends every process that was started here, and no other."""
    stack = load()
    for name in ("daemon", "mock-api", "s3"):
        _end(stack, name)
    if stack.ports:
        save(stack)
        (FOLDER / "stack.env").unlink(missing_ok=True)
    say("the stack is down")


def _end(stack: Stack, name: str) -> bool:
    process = stack.running.pop(name, None)
    ended = process is not None and processes.end(process, _PATIENCE.get(name, 10.0))
    if ended:
        say(f"{name}: ended")
        save(stack)
    return ended


def status() -> int:
    """What runs: 0 where the whole stack does, 1 otherwise."""
    stack = load()
    for name in ("s3", "mock-api", "daemon"):
        state = f"runs (pid {stack.running[name].pid})" if stack.alive(name) else "does not run"
        print(
            f"{name:9} {state}" + (f" {stack.url('status' if name == 'daemon' else name)}" if stack.alive(name) else "")
        )
    return 0 if stack.alive("s3") and stack.alive("mock-api") else 1


def logs(name: str | None, follow: bool) -> int:
    """Shows the last lines of the logs, and with `follow` what comes."""
    paths = [str(p) for p in ([_log(name)] if name else sorted((FOLDER / "logs").glob("*.log"))) if p.exists()]
    if not paths:
        raise StackError(f"there are no logs yet; run: make {'daemon' if name == 'daemon' else 'up'}")
    with contextlib.suppress(KeyboardInterrupt):
        return subprocess.run(["tail", "-n", "100", *(["-f"] if follow else []), *paths], check=False).returncode
    return 0


def run(module: str, *arguments: str) -> int:
    """Does what `python -m module` does: with the stack's settings alone, or where it is down, with those there are."""
    stack = load()
    if FOLDER.is_dir() and not stack.alive("s3"):
        say("the stack is down: make up")
    if (FOLDER / "stack.env").exists():
        env = _child_env(environment(stack))
        os.environ.clear()
        os.environ.update(env)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def clean() -> None:
    """Ends the stack and deletes what it kept."""
    down()
    shutil.rmtree(FOLDER, ignore_errors=True)
    say(f"{FOLDER} is deleted")


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return run(*words[1:]) if words[:1] == ["run"] and len(words) > 1 else _manage(words)
    except StackError as error:
        say(str(error))
        return 1


def _manage(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="The local stack without containers.")
    commands = {"up": up, "down": down, "status": status, "daemon": daemon, "pause": pause, "clean": clean}
    parser.add_argument("command", choices=[*commands, "logs"])
    parser.add_argument("name", nargs="?", help="of the process whose log is wanted")
    parser.add_argument("--follow", action="store_true")
    options = parser.parse_args(words)
    if options.command == "logs":
        return logs(options.name, options.follow)
    return commands[options.command]() or 0


if __name__ == "__main__":
    sys.exit(main())
