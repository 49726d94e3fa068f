"""The server as a process: resets on a real connection, restart, kill, and the lock on its folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest


@contextmanager
def _running(data: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "mock_api", "--port", "0", "--data", str(data), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), process.stderr.read()
            yield line.removeprefix("listening on ").strip(), process
        finally:
            process.terminate()
            process.wait(timeout=20)


def _form(**fields: Any) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value, **({"filename": "x"} if isinstance(value, bytes) else {}))
    return form


async def _save(session: aiohttp.ClientSession, url: str, key: str | None = None, **fields: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    async with session.post(f"{url}/saveToDisk", data=_form(**fields), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _get(session: aiohttp.ClientSession, url: str, path: str) -> Any:
    async with session.get(url + path) as answer:
        return await answer.json()


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
async def test_reset_cuts_the_connection(tmp_path: Path, when: str, kept: int) -> None:
    """The client sees its connection reset; the server is quiet about it and serves on."""
    with _running(tmp_path) as (url, process):
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/_mock/faults", json={"endpoint": "saveToDisk", "reset": when}) as answer:
                assert answer.status == 200
            with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
                await _save(session, url, operation="create", file_path="a", file=b"1" * 300_000)
            assert len(await _get(session, url, "/_mock/files")) == kept
        process.terminate()
        assert process.stderr is not None
        assert process.stderr.read() == ""


async def test_truncated_answer_is_seen_as_one(tmp_path: Path) -> None:
    """The client gets headers and part of the body, then the end."""
    with _running(tmp_path) as (url, _):
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/_mock/faults", json={"endpoint": "/", "truncate": 4}):
                pass
            async with session.get(url) as answer:
                assert answer.status == 200
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()


async def test_killed_server_keeps_what_it_answered(tmp_path: Path) -> None:
    """After SIGKILL everything that was answered is there, keys are known, and half uploads are gone."""
    async with aiohttp.ClientSession() as session:
        with _running(tmp_path) as (url, process):
            first = await _save(session, url, "k", operation="create", file_path="/a\nb", file=b"12345")
            async with session.post(f"{url}/_mock/events", json=[{"n": 1}]):
                pass
            page = await _get(session, url, "/pubSubFullList")
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
        (tmp_path / "incoming" / "half").write_bytes(b"1")
        stray = tmp_path / "blobs" / "ab" / ("ab" * 32)
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"1")
        with _running(tmp_path) as (url, _):
            files = await _get(session, url, "/_mock/files")
            assert [(file["file_path"], file["internal_id"]) for file in files] == [("/a\nb", first["internal_id"])]
            again = await _save(session, url, "k", operation="create", file_path="/a\nb", file=b"12345")
            assert again == first
            assert (await _get(session, url, f"/pubSubFullList?after={page['next_cursor']}"))["events"] == []
            async with session.get(f"{url}/_mock/content", params={"file_path": "/a\nb"}) as answer:
                assert await answer.read() == b"12345"
        assert not stray.exists() and not list((tmp_path / "incoming").iterdir())


def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    """The second server on a folder says so in one line and exits with 1."""
    with _running(tmp_path):
        command = [sys.executable, "-m", "mock_api", "--port", "0", "--data", str(tmp_path)]
        second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (second.returncode, second.stdout) == (1, "")
    assert "another mock API runs on it" in second.stderr
    assert "Traceback" not in second.stderr


def test_port_in_use(tmp_path: Path) -> None:
    """A port that is taken is said in one line, with exit code 1."""
    with _running(tmp_path / "one") as (url, _):
        port = url.rpartition(":")[2]
        environment = {**os.environ, "MOCK_API_PORT": port, "MOCK_API_DATA": str(tmp_path / "two")}
        command = [sys.executable, "-m", "mock_api", "serve"]
        second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
    assert second.returncode == 1
    assert (port in second.stderr, "Traceback" in second.stderr) == (True, False)
