"""One pooled HTTP session for the infrastructure API: sends a request once and gives its JSON object or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from sync_service.clients import api_answers, api_errors
from sync_service.clients.api_answers import Json
from sync_service.clients.api_token import Token
from sync_service.clients.api_upload import FormStream
from sync_service.models.crashpoints import passing
from sync_service.models.errors import BadAnswer, Renewed, SyncError

_MIB = 1024 * 1024
_UNAUTHORISED = 401
_LONG_TOKEN = 8
ANSWER_LIMIT = _MIB
_PARSE_IN_THREAD = _MIB // 4


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for a connection, for a silence, and for a call: `total`, and what its size takes at the floor rate.

    `report` is all that a run report gets: the next run would have to wait for a server that never answers one.
    """

    connect: float = 10.0
    idle: float = 120.0
    total: float = 300.0
    report: float = 30.0
    floor_rate: float = 64 * 1024.0

    def of(self, request: Request) -> aiohttp.ClientTimeout:
        total = self.report if request.report else self.total + request.size / self.floor_rate
        return aiohttp.ClientTimeout(total=total, sock_connect=self.connect, sock_read=self.idle)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a part of the API is served, and the token it takes."""

    url: str
    token: Token = field(default_factory=Token, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `label` names it in messages, `subject` is what it is about, `size` the bytes that it carries."""

    method: str
    endpoint: str
    label: str
    subject: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FormStream | None = None
    content_type: str | None = None
    key: str | None = None
    size: int = 0
    limit: int = ANSWER_LIMIT
    lenient: bool = False
    report: bool = False

    @property
    def headers(self) -> dict[str, str]:
        content_type = {"Content-Type": self.content_type} if self.content_type else {}
        return content_type | ({"Idempotency-Key": self.key} if self.key else {})


class Transport:
    """Sends requests. Nothing is repeated, no redirect followed, no cookie kept."""

    def __init__(
        self,
        *,
        max_connections: int,
        keep_alive: bool,
        timeouts: Timeouts,
        clock: Callable[[], float],
        hide: api_errors.Hide = str,
    ) -> None:
        self._hide = hide
        self._max_connections = max_connections
        self._keep_alive = keep_alive
        self.timeouts = timeouts
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def call(self, server: Server, request: Request) -> Json:
        """The JSON object of a 2xx. Raises the errors of the taxonomy, or what the source of the body raised."""
        stream = request.body if isinstance(request.body, FormStream) else None
        try:
            return await self._answered(server, request)
        except (aiohttp.ClientError, OSError) as error:
            if stream is not None and stream.failure is not None:
                raise stream.failure from None
            hide = self._hider(server.token.value)
            raise api_errors.for_failure(error, request.label, request.subject, hide) from error
        finally:
            if stream is not None:
                await stream.stop()

    async def close(self) -> None:
        """Gives back the connections; the next call would open new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _answered(self, server: Server, request: Request) -> Json:
        query = f"?{urlencode(request.query)}" if request.query else ""
        token = server.token.value
        passing("call begun")
        async with self._opened_session().request(
            request.method,
            URL(server.url + request.endpoint + query, encoded=True),
            data=request.body,
            headers=server.token.headers | request.headers,
            timeout=self.timeouts.of(request),
            allow_redirects=False,
        ) as response:
            passing("answer's headers received")
            if not 200 <= response.status < 300:
                raise await self._refusal(server, request, response, token)
            answer = await self._object(response, request)
            passing("answer's body received")
            return answer

    async def _refusal(
        self, server: Server, request: Request, response: aiohttp.ClientResponse, token: str | None
    ) -> SyncError:
        hide = self._hider(token)
        words = await _words(response, hide)
        if response.status == _UNAUTHORISED and server.token.renewed(token):
            return Renewed(f"{request.label}: the token was refused, there is a newer one", subject=request.subject)
        return api_errors.for_status(
            response.status,
            response.headers,
            words=words,
            label=request.label,
            subject=request.subject,
            now=self._clock(),
            hide=hide,
        )

    def _hider(self, token: str | None) -> api_errors.Hide:
        """A server may put our own headers into its words. A short token is left to `hide`: it may be a part of any path."""
        if token is None or len(token) < _LONG_TOKEN:
            return self._hide
        return lambda text: self._hide(text).replace(token, "***")

    async def _object(self, response: aiohttp.ClientResponse, request: Request) -> Json:
        body = await api_answers.read_limited(response.content, request.limit)
        if body is None:
            response.close()
            raise BadAnswer(f"{request.label}: the answer is over {request.limit} bytes", subject=request.subject)
        parse = api_answers.lenient_object if request.lenient else api_answers.json_object
        try:
            if len(body) < _PARSE_IN_THREAD:
                return parse(body, request.label)
            return await asyncio.to_thread(parse, body, request.label)
        except BadAnswer as problem:
            raise BadAnswer(problem.what, subject=request.subject) from None

    def _opened_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_connections, force_close=not self._keep_alive),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "User-Agent": "s3-sync-service"},
            )
        return self._session


async def _words(response: aiohttp.ClientResponse, hide: api_errors.Hide) -> str:
    """What the server says about its error; a body that breaks off or is endless takes nothing from the status."""
    try:
        body = await api_answers.read_limited(response.content, ANSWER_LIMIT)
    except (aiohttp.ClientError, OSError):
        body = b""
    if body is None:
        response.close()
    return api_answers.words_of(body or b"", hide)
