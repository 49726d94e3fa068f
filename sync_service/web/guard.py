"""What every request passes first: method, Host, Origin, size, token; and the headers that every answer carries."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

LONGEST_HEAD = 16 * 1024
"""Bytes of a request's address and headers."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_Refusal = tuple[int, str, Mapping[str, str]]
"""Status, reason, and headers of an answer that says no."""

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def hosts_for(bound_to: str) -> tuple[str, ...]:
    """The Host names to accept when bound to `bound_to`: on loopback its names only, elsewhere any (a token guards it).

    Without this check a page from anywhere could read the status through a name of its own that resolves to 127.0.0.1.
    """
    return (*LOOPBACK_NAMES, bound_to) if is_loopback(bound_to) else ("*",)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Lets through to `app`: GET without a body, for a known host, from no other page, with the token where one is set
    (not for `public`)."""

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: Sequence[str], public: Iterable[str]) -> None:
        self._app = app
        self._token = _digest(token.encode()) if token else None
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        # A websocket gets no answer: the server closes it.

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            # Further out, Starlette would answer without our headers, and raise once more for uvicorn to log.
            _log.exception("the status server failed at %s", scope["path"])
            await _refuse(send, 500, f"unexpected {type(error).__name__}; the log says more", {})

    def _refusal(self, scope: Scope) -> _Refusal | None:
        return _wrong_kind(scope) or self._stranger(scope)

    def _stranger(self, scope: Scope) -> _Refusal | None:
        if not self._host_is_known(_values(scope, b"host")):
            return 421, "this server does not answer to that host name", {}
        if not _origin_is_ours(_values(scope, b"origin"), _values(scope, b"host")):
            return 403, "only this server's own pages may ask it", {}
        if scope["path"] not in self._public and not self._token_is_right(_values(scope, b"authorization")):
            return 401, "a token is needed (STATUS_TOKEN)", {"www-authenticate": 'Bearer, Basic realm="status"'}
        return None

    def _host_is_known(self, hosts: list[bytes]) -> bool:
        if "*" in self._hosts:
            return True
        return len(hosts) == 1 and _name(hosts[0].decode("latin-1")) in self._hosts

    def _token_is_right(self, given: list[bytes]) -> bool:
        if self._token is None:
            return True
        offered = _offered(given[0]) if len(given) == 1 else b""
        return hmac.compare_digest(_digest(offered), self._token)


def _wrong_kind(scope: Scope) -> _Refusal | None:
    """Why nobody may ask this. What follows is left unread, and the connection with it: nobody knows how long it is."""
    if scope["method"] != "GET":
        return 405, "only GET is served here", {"allow": "GET", "connection": "close"}
    if _length(scope) > LONGEST_HEAD:
        return 431, "the request's head is too long", {"connection": "close"}
    if _has_body(scope):
        return 413, "no request here has a body", {"connection": "close"}
    return None


def _origin_is_ours(origins: list[bytes], hosts: list[bytes]) -> bool:
    """A browser names the page that asks: where it does, it must be one of ours."""
    if not origins:
        return True
    _, _, name = origins[0].partition(b"://")
    return len(origins) == 1 and len(hosts) == 1 and name.lower() == hosts[0].lower()


def _length(scope: Scope) -> int:
    """Bytes of address and headers. The server's own limit only counts while a head is not whole yet."""
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    return fields + len(scope["path"]) + len(scope["query_string"])


def _has_body(scope: Scope) -> bool:
    lengths = _values(scope, b"content-length")
    return bool(_values(scope, b"transfer-encoding")) or any(length.strip() != b"0" for length in lengths)


def _digest(token: bytes) -> bytes:
    # Digests are of one length, so that a comparison does not tell the token's.
    return hashlib.sha256(token).digest()


def _offered(header: bytes) -> bytes:
    """The token of an Authorization header: after `Bearer`, or as the password of `Basic`, which browsers ask for."""
    scheme, _, value = header.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]


def _with_headers(send: Send) -> Send:
    added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, why: str, headers: Mapping[str, str]) -> None:
    body = json.dumps({"error": why}).encode()
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
