"""The status server: uvicorn inside the running loop, without its signal handlers and log set-up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn

from sync_service.models.errors import ConfigurationError
from sync_service.web.guard import LONGEST_HEAD

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_GRACE = 2
_MOST_CONNECTIONS = 100


class StatusServer:
    """Serves `app` on `host` and `port` (0: a free one, told by `.port`) between `start()` and `stop()`."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is served; before `start()` the one that was asked for."""
        return self._port

    async def start(self) -> None:
        """Returns when connections are accepted. Raises ConfigurationError where host or port cannot be had."""
        listener = _listener(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = _Server(_settings(self._app))
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="status server")
        await self._server.up.wait()

    async def stop(self) -> None:
        """Lets running requests end (for at most two seconds) and gives the port back; may be called again."""
        server, task = self._server, self._task
        self._server = self._task = None
        if server is not None and task is not None:
            server.should_exit = True
            await task


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the daemon's: it ends this server among the rest.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http="h11",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_graceful_shutdown=_GRACE,
    )


def _listener(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigurationError(f"STATUS_HOST is {host!r}: no such address on this machine") from error
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        # Else a restart would have to wait until the last run's connections are forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(_why(error, host, port)) from error
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"STATUS_PORT is {port}: the port is in use on {host}. Stop what uses it, or set STATUS_PORT to a free one"
        )
    if error.errno == errno.EACCES:
        return f"STATUS_PORT is {port}: the port needs privileges. Set STATUS_PORT to one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"STATUS_HOST is {host!r}: no such address on this machine"
    return f"STATUS_HOST {host!r}, STATUS_PORT {port}: cannot be served ({error.strerror})"
