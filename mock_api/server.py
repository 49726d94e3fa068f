"""Runs the application on a socket and says when it really accepts."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from mock_api.app import create_app


class _Announcing(uvicorn.Server):
    """Says where it listens as the first line on stdout, once connections are accepted."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            sys.stdout.write(f"listening on {address(listening)}\n")
        sys.stdout.flush()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=512)


def address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(listening: socket.socket, data: Path, switches: dict[str, Any]) -> None:
    """Serves until SIGTERM or SIGINT. Raises DataFolderUnusable or OSError before it accepts."""
    app = create_app(data, **switches)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
    _Announcing(config).run(sockets=[listening])
