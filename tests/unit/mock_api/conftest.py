"""A mock API in a folder of its own for each test, with the ways that a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mock_api.app import create_app
from tests.unit.mock_api.caller import Caller

Start = Callable[..., Caller]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server over the test's folder; starting it again ends the one before."""
    running: list[Any] = []

    def begin(*, token: str | None = None, **switches: Any) -> Caller:
        while running:
            running.pop().state.desk.close()
        running.append(create_app(tmp_path / "data", sync=False, token=token, **switches))
        return Caller(running[0], token)

    yield begin
    for app in running:
        app.state.desk.close()


@pytest.fixture
def api(start: Start) -> Caller:
    """The strict server."""
    return start()
