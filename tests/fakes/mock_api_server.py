"""The mock API on a real socket of this process, with hands and eyes for tests."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from mock_api.app import create_app
from mock_api.server import address, listen


class MockApi:
    """What a test does to the server beside the client under test: `/_mock/`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self, *parts: str) -> None:
        """Forgets the parts that are named, else everything."""
        self._ask("POST", "/_mock/reset", {"parts": list(parts)} if parts else None)

    def publish(self, *values: object) -> None:
        self._ask("POST", "/_mock/events", list(values))

    def add_fault(self, endpoint: str, **fault: Any) -> None:
        self._ask("POST", "/_mock/faults", {"endpoint": endpoint, **fault})

    def counters(self) -> dict[str, Any]:
        return json.loads(self._ask("GET", "/_mock/counters?calls=1000"))

    def reports(self) -> list[Any]:
        return json.loads(self._ask("GET", "/_mock/reports"))

    def file(self, path: str) -> dict[str, Any] | None:
        found = [file for file in json.loads(self._ask("GET", "/_mock/files")) if file["file_path"] == path]
        return found[0] if found else None

    def content(self, path: str) -> bytes | None:
        try:
            return self._ask("GET", "/_mock/content?" + urllib.parse.urlencode({"file_path": path}))
        except urllib.error.HTTPError as problem:
            with problem:
                return None

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, method=method), timeout=10) as answer:
            return answer.read()


@contextmanager
def running(data: Path, **switches: Any) -> Iterator[MockApi]:
    """The server over the folder `data`, ended with the block."""
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(create_app(data, sync=False, **switches), log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield MockApi(address(listening))
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()
