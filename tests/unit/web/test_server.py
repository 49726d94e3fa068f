"""The status server on a real loopback socket."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from sync_service.models.errors import ConfigurationError, ExitCode
from sync_service.web.server import StatusServer

Make = Callable[..., Any]


async def fetch(port: int, path: str = "/healthz", more: str = "") -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode())
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_it_serves_between_start_and_stop(make: Make) -> None:
    """After start the port answers, after stop it is free; both may be called again."""
    server = StatusServer(make(), "127.0.0.1", 0)
    await server.stop()
    await server.start()
    assert server.port > 0
    answer = await fetch(server.port)
    assert answer.startswith("HTTP/1.1 200")
    assert answer.endswith('{"healthy": true}')
    assert "server:" not in answer.lower()
    await server.stop()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await fetch(server.port)
    await server.start()
    assert (await fetch(server.port)).startswith("HTTP/1.1 200")
    await server.stop()


async def test_signals_stay_the_daemons(make: Make) -> None:
    """Starting the server installs no signal handler."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    server = StatusServer(make(), "127.0.0.1", 0)
    await server.start()
    during = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    await server.stop()
    assert during == before


async def test_a_port_in_use_is_a_wrong_setting(make: Make) -> None:
    """A port that is taken is told with its number and what to do, as exit 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"STATUS_PORT is {port}: .*in use.*STATUS_PORT") as caught:
            await StatusServer(make(), "127.0.0.1", port).start()
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("host", ["192.0.2.77", "no such host"])
async def test_an_address_of_elsewhere_is_a_wrong_setting(make: Make, host: str) -> None:
    """A STATUS_HOST that this machine does not have is named."""
    with pytest.raises(ConfigurationError, match=r"STATUS_HOST is .*no such address"):
        await StatusServer(make(), host, 0).start()


async def test_a_request_that_runs_ends_before_the_stop(make: Make) -> None:
    """A stop lets the running request finish."""
    began, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        began.set()
        await go.wait()

    server = StatusServer(make(pings={"slow": slow}), "127.0.0.1", 0)
    await server.start()
    request = asyncio.create_task(fetch(server.port, "/readyz"))
    await began.wait()
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    go.set()
    assert (await request).startswith("HTTP/1.1 200")
    await stopping


async def test_a_head_has_a_limit(make: Make) -> None:
    """A request line and headers without end are refused, and the server serves on."""
    server = StatusServer(make(), "127.0.0.1", 0)
    await server.start()
    assert (await fetch(server.port, more=f"X-Long: {'x' * 10_000}\r\n")).startswith("HTTP/1.1 200")
    for path, more in (("/healthz", f"X-Long: {'x' * 40_000}\r\n"), ("/" + "x" * 40_000, "")):
        assert (await fetch(server.port, path, more)).startswith("HTTP/1.1 431")
    assert (await fetch(server.port)).startswith("HTTP/1.1 200")
    await server.stop()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_body_without_end_is_not_read(make: Make, method: str) -> None:
    """The answer comes at once, and the connection ends long before the body that was announced."""
    server = StatusServer(make(), "127.0.0.1", 0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    announced = 10**12
    writer.write(f"{method} /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: {announced}\r\n\r\n".encode())
    sent = 0
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing() and sent < 256 * 1024 * 1024:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536
    assert sent < 64 * 1024 * 1024
    with contextlib.suppress(ConnectionError):
        assert (await reader.read(16)).startswith(b"HTTP/1.1 4")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    assert (await fetch(server.port)).startswith("HTTP/1.1 200")
    await server.stop()
