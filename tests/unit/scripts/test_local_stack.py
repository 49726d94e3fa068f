"""The local stack: processes that are surely ours, ports, and what is kept of them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from scripts import local_stack, processes
from scripts.local_stack import Stack, StackError
from scripts.processes import Process
from sync_service.models.config import SyncConfig

WAITS = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read(); import time; time.sleep(600)"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(local_stack, "FOLDER", tmp_path / "local")
    return tmp_path / "local"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Process]:
    process = processes.start(WAITS, tmp_path / "log", os.environ)
    yield process
    processes.end(process, 10)


def test_ends_what_it_started(running: Process) -> None:
    """A process that was started is alive until it is ended, and then never again."""
    assert running.alive
    assert processes.end(running, 10)
    assert not running.alive
    assert not processes.end(running, 10)


def test_another_process_of_the_same_pid_is_left_alone(running: Process) -> None:
    """A pid that was given to another process since is not ours to end."""
    assert not processes.end(Process(running.pid, "some other time"), 10)
    assert running.alive


def test_stack_is_kept(folder: Path) -> None:
    """What runs is known again, and the settings file is for this user alone."""
    stack = Stack(dict(local_stack.PORTS), {"s3": Process(1, "then")}, "a-secret")
    local_stack.save(stack)
    local_stack.save_settings(stack)
    assert local_stack.load() == stack
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_settings_file_can_be_used(folder: Path) -> None:
    """The variables in stack.env are settings that the service takes."""
    stack = Stack(dict(local_stack.PORTS), {}, "a-secret")
    local_stack.save(stack)
    local_stack.save_settings(stack)
    config = SyncConfig.from_env({}, folder / "stack.env")
    assert config.require_route().endpoint == "http://127.0.0.1:9001"
    assert config.data_dir == folder


HOSTILE = {
    "CUSTOMER_S3_PREFIX": "real/",
    "CUSTOMER_S3_ACCESS_KEY_FILE": "/run/secrets/key",
    "FILE_MANAGER_API_URL": "https://files.example.org",
    "FILE_MANAGER_API_TOKEN_FILE": "/run/secrets/token",
    "DATABASE_URL": "postgresql://u:p@db.example.org/sync",
    "TARGET_S3_ENDPOINT": "https://s3.example.org",
    "SYNC_CONFIG": "sync.yaml",
    "LIVE_RELOAD": "true",
}
"""Settings of the real service, each of which would lead a command of the stack elsewhere."""


def test_nothing_but_the_stack_has_a_say(folder: Path, tmp_path: Path) -> None:
    """Whatever .env holds, each setting is the stack's own or the default."""
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in HOSTILE.items()))
    ours = local_stack.environment(Stack(dict(local_stack.PORTS), {}, "a-secret"))
    config = SyncConfig.from_env(ours, tmp_path / ".env")
    assert {setting.origin for setting in config.sources()} == {"environment", "default"}
    assert all(getattr(config, name.lower(), None) in (None, "", False) for name in HOSTILE)
    assert config.file_manager_url == "http://127.0.0.1:8001"


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_commands_of_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A command that is run on the stack knows nothing of the real service's settings, wherever they stand."""
    monkeypatch.setattr(local_stack, "FOLDER", tmp_path / "data/local")
    stack = Stack(dict(local_stack.PORTS), {}, "a-secret")
    local_stack.save(stack)
    local_stack.save_settings(stack)
    if place == ".env":
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in HOSTILE.items()))
    env = {**os.environ, "PYTHONPATH": str(local_stack.ROOT), **(HOSTILE if place == "environment" else {})}
    command = [sys.executable, "-m", "scripts.local_stack", "run", "sync_service.main", "config", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:9001" in done.stdout
    assert not any(value in done.stdout for value in HOSTILE.values() if value != "true")


def test_damaged_stack_file(folder: Path) -> None:
    """A damaged stack.json stops everything with what to do."""
    folder.mkdir()
    (folder / "stack.json").write_text("{")
    with pytest.raises(StackError, match="damaged"):
        local_stack.load()


def test_taken_port() -> None:
    """Where the port is taken, a free one is found."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert local_stack._port("s3", port) not in {port, 0}


def test_down_and_clean_without_a_stack(folder: Path) -> None:
    """Ending what was never started is no failure."""
    assert [local_stack.main([command]) for command in ("down", "clean")] == [0, 0]
    assert not folder.exists()


def test_daemon_needs_the_stack(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon is not started without its servers; the message says what to run."""
    assert local_stack.main(["daemon"]) == 1
    assert "make up" in capsys.readouterr().err


def test_no_daemon_no_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no log the message says what would make one: the daemon its own, the stack the others."""
    assert local_stack.main(["logs", "daemon"]) == 1
    assert "run: make daemon" in capsys.readouterr().err
    assert local_stack.main(["logs"]) == 1
    assert "run: make up" in capsys.readouterr().err


@pytest.mark.parametrize(("kept", "told"), [(True, "the stack is down: make up\n"), (False, "")])
def test_a_command_beside_a_stack_that_is_down(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: bool, told: str
) -> None:
    """A command says that it does not run on the stack, where there is one; its results are what they are."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    if kept:
        local_stack.save(Stack(dict(local_stack.PORTS), {"s3": Process(1, "some other time")}, "a-secret"))
    local_stack.main(["run", "this"])
    said = capsys.readouterr()
    assert said.err == told
    assert "The Zen of Python" in said.out


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts in a folder of their own, with an interpreter link that leads nowhere."""
    scripts = tmp_path / "checkout/scripts"
    shutil.copytree(local_stack.ROOT / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "checkout/.venv/bin").mkdir(parents=True)
    (tmp_path / "checkout/.venv/bin/python").symlink_to("/no/such/python")
    return tmp_path / "checkout"


def dispatch(checkout: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    passed = {"PATH": "/usr/bin:/bin", "USE_DOCKER": "0", "PYTHON": str(bare_python(checkout)), **env}
    command = ["/bin/bash", str(checkout / "scripts/dispatch.sh"), *words]
    return subprocess.run(command, env=passed, capture_output=True, text=True, check=False)


def bare_python(checkout: Path) -> Path:
    """An interpreter without any package."""
    python = checkout / "bare-python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return python


def keep(checkout: Path, **running: Process) -> Path:
    """What a stack with these processes leaves in its folder."""
    folder = checkout / "data/local"
    folder.mkdir(parents=True)
    kept = {"ports": local_stack.PORTS, "running": {name: asdict(one) for name, one in running.items()}}
    (folder / "stack.json").write_text(json.dumps({**kept, "secret_key": "a-secret"}))
    (folder / "stack.env").touch()
    (folder / "sync.db").touch()
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(("command", "kept"), [("down", True), ("clean", False)])
def test_the_stack_is_ended_without_the_environment(checkout: Path, running: Process, command: str, kept: bool) -> None:
    """Where .venv is of no use, any Python ends the processes, and only `clean` deletes, after that."""
    folder = keep(checkout, s3=running)
    done = dispatch(checkout, command)
    assert done.returncode == 0, done.stderr
    assert not running.alive
    assert "the stack is down" in done.stderr
    assert (folder / "sync.db").exists() is kept


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize("command", ["down", "clean"])
def test_without_any_python_nothing_is_deleted(checkout: Path, running: Process, command: str) -> None:
    """What cannot be ended is said, with what to do, and everything stays."""
    folder = keep(checkout, s3=running)
    tools = checkout / "bin"
    tools.mkdir()
    (tools / "dirname").symlink_to(shutil.which("dirname") or "")
    done = dispatch(checkout, command, PATH=str(tools), PYTHON="")
    assert done.returncode == 2
    assert "PYTHON=" in done.stderr
    assert running.alive
    assert (folder / "sync.db").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_no_suitable_python(tmp_path: Path) -> None:
    """Without a suitable Python the set-up says in one line what to install."""
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts/setup_venv.sh"
    script.write_bytes((local_stack.ROOT / "scripts/setup_venv.sh").read_bytes())
    env = {**os.environ, "PYTHON": "no-such-python"}
    done = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("Python 3.11 or newer with venv is needed")
    assert done.stderr.count("\n") == 1
