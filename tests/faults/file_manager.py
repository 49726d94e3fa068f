"""The file manager that outlives the product's deaths: one address in this process, over one folder after the other."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from mock_api.app import create_app
from mock_api.server import address, listen
from tests.e2e.world import Api

CHANGING = ("saveToDisk", "updatePermissions")
State = dict[str, dict[str, Any]]


class FileManager:
    """The mock API on one address; what it holds is put there, and taken away, between two lives of the product."""

    def __init__(self) -> None:
        self._socket = listen("127.0.0.1", 0)
        self.api = Api(address(self._socket))
        self._app: Any = None
        self._busy = 0
        config = uvicorn.Config(self._call, interface="asgi3", lifespan="off", log_level="error", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        self._busy += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._busy -= 1

    def open(self, folder: Path, **switches: Any) -> None:
        """From here on it is the server over `folder`."""
        self.shut()
        self._app = create_app(folder, sync=False, **switches)

    def shut(self) -> None:
        if self._app is not None:
            self.settle()
            self._app.state.desk.close()
            self._app = None

    def settle(self) -> None:
        """Returns when what the dead had sent is through: its bytes came before those of this question."""
        deadline = time.monotonic() + 30
        self.api.counters()
        while self._busy:
            assert time.monotonic() < deadline, "the file manager is still busy"
            self.api.counters()

    def close(self) -> None:
        try:
            self.shut()
        finally:
            self._server.should_exit = True
            self._thread.join(timeout=20)
            self._socket.close()

    # ------------------------------------------------------------ what it holds

    def state(self) -> State:
        """What each path holds, without what tells one run from another."""
        told = ("sha256", "size", "permissions", "owner", "group", "file_type", "metadata")
        return {path: {name: file[name] for name in told} for path, file in self.api.files().items()}

    def effects(self) -> dict[str, dict[str, int]]:
        """How often each operation had its effect on each path."""
        found: dict[str, dict[str, int]] = self.api.counters()["effects_per_path"]
        return found

    def idle_changes(self) -> list[dict[str, Any]]:
        """The calls of the last run, up to its report, that could have changed something."""
        calls = self.api.counters()["calls"]
        reports = [index for index, call in enumerate(calls) if call["endpoint"] == "reportResults"]
        last = calls[reports[-2] + 1 : reports[-1]]
        return [call for call in last if call["endpoint"] in CHANGING]
