"""Cutting a connection for real: the client sees a reset, not an answer."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class CutImpossible(RuntimeError):
    """The app runs on a server whose connections cannot be reached."""


async def cut(request: Request) -> Response:
    """Resets the connection of `request`; the response that comes back goes nowhere."""
    transport = _transport(request.receive)
    with contextlib.suppress(OSError, AttributeError):
        # Zero linger makes the kernel send RST, also when nothing is left unread.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(request.receive)
    return Response()


class CutOff(Response):
    """An answer whose headers promise all of it, and whose connection closes after `kept` bytes of the body."""

    def __init__(self, whole: Response, kept: int) -> None:
        super().__init__(bytes(whole.body), whole.status_code, media_type=whole.media_type)
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        piece = bytes(self.body)[: self._kept]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        _transport(receive).close()
        await _gone(receive)


def _transport(receive: Receive) -> Any:
    # uvicorn gives `receive` as a method of the request's cycle, which holds the transport; ASGI itself has no way.
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise CutImpossible("this server does not let its connections be cut; run the app with uvicorn")
    return transport


async def _gone(receive: Receive) -> None:
    # uvicorn calls an unfinished answer a defect of the app, unless it has seen that the client is gone.
    while (await receive())["type"] != "http.disconnect":
        pass
