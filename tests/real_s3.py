"""The S3 server that tests run on: one that is named, else a MinIO that can be had, else moto's; and which it was."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT.parent / "shared" / "tools" / "minio-server"
USER = PASSWORD = "minioadmin"
_told: list[str] = []


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server and the keys that it takes."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server for the whole run; it ends with it where it was started here."""
    with running_server() as server:
        _told.append(f"S3 server used: {server.name} at {server.endpoint}")
        yield server


@contextmanager
def running_server() -> Iterator[S3Server]:
    """The first server that can be had, in the order of this module's sentence."""
    if os.environ.get("S3_TEST_ENDPOINT"):
        yield _named_server()
    elif binary := _minio_binary():
        with _minio(binary) as server:
            yield server
    elif exports := _tool_exports():
        try:
            yield S3Server("MinIO", exports["S3_ENDPOINT"], exports["S3_ACCESS_KEY"], exports["S3_SECRET_KEY"])
        finally:
            _tool("stop", _tool_name(), "--purge")
    else:
        with _moto() as server:
            yield server


def plan() -> str:
    """Which server a run would use, said before any is started."""
    if os.environ.get("S3_TEST_ENDPOINT"):
        return f"{os.environ['S3_TEST_ENDPOINT']} (S3_TEST_ENDPOINT)"
    if binary := _minio_binary():
        return f"MinIO ({binary})"
    return f"MinIO ({TOOL.name}), where one is installed; else moto" if TOOL.exists() else "moto"


def note(line: str) -> None:
    """A fact about the server that the end of the run says."""
    _told.append(line)


def told() -> list[str]:
    """Which server this process did use, where a test asked for one, and what tests have noted about it."""
    return list(_told)


# ---------------------------------------------------------------- the kinds


def _named_server() -> S3Server:
    access_key = os.environ.get("S3_TEST_ACCESS_KEY", USER)
    secret_key = os.environ.get("S3_TEST_SECRET_KEY", PASSWORD)
    return S3Server("S3_TEST_ENDPOINT", os.environ["S3_TEST_ENDPOINT"], access_key, secret_key)


def _minio_binary() -> str | None:
    return os.environ.get("MINIO_BIN") or shutil.which("minio")


@contextmanager
def _minio(binary: str) -> Iterator[S3Server]:
    port, console = _free_port(), _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    keys = {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_UPDATE": "off"}
    with tempfile.TemporaryDirectory(prefix="minio-") as folder:
        addresses = ["--address", f"127.0.0.1:{port}", "--console-address", f"127.0.0.1:{console}"]
        process = subprocess.Popen(
            [binary, "server", "--quiet", *addresses, folder],
            env={**os.environ, **keys},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_ready(f"{endpoint}/minio/health/ready", process)
            yield S3Server("MinIO", endpoint, USER, PASSWORD)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("the MinIO binary did not start")


def _tool_exports() -> dict[str, str]:
    """The environment of a MinIO started by the sibling tool; empty where it has none. Building one takes minutes."""
    if not TOOL.exists():
        return {}
    text = _tool("start", _tool_name())
    if text is None and (os.environ.get("CI") or os.environ.get("MINIO_INSTALL") == "1"):
        _tool("--install")
        text = _tool("start", _tool_name())
    return dict(re.findall(r"export (\w+)=(\S+)", text or ""))


def _tool_name() -> str:
    return f"tests-{os.getpid()}"


def _tool(*arguments: str) -> str | None:
    done = subprocess.run([str(TOOL), *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


@contextmanager
def _moto() -> Iterator[S3Server]:
    from moto.server import ThreadedMotoServer

    # It serves in this process: its line for each request would stand among what a command under test prints.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _host, port = server.get_host_and_port()
        yield S3Server("moto", f"http://127.0.0.1:{port}", USER, PASSWORD)
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
