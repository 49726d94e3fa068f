"""One signed request to one S3 endpoint, on pooled connections: no redirect is followed, nothing is repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from sync_service.clients.s3_answer import Answer
from sync_service.clients.s3_credentials import Credentials
from sync_service.clients.s3_endpoint import DEFAULT_REGION, Site, region_in, site_of
from sync_service.clients.s3_errors import EXPIRED, refusal
from sync_service.clients.s3_signing import EMPTY_PAYLOAD, UNSIGNED_PAYLOAD, Headers, Signer
from sync_service.clients.s3_transport import WIRE_ERRORS, transport_error
from sync_service.models.errors import BadAnswer, SyncError, Temporary

_READ_BUFFER = 256 * 1024
_ERROR_BODY = 64 * 1024
_WHOLE_ANSWER = 300.0
_QUIET = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class S3Wire:
    """Sends requests to a bucket's site. The region, where unset, is asked of the bucket before the first request."""

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        region: str,
        credentials: Credentials,
        *,
        max_connections: int,
        connect_timeout: float,
        read_timeout: float,
        keep_connections: bool,
        clock: Callable[[], datetime],
        hide: Callable[[str], str] = str,
    ) -> None:
        self._hide = hide
        self._endpoint, self._bucket = endpoint, bucket
        self._region = region or region_in(endpoint)
        self._credentials = credentials
        self._signer = Signer(clock)
        self._clock = clock
        self._connections = max_connections
        self._keep = keep_connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout)
        self._session: aiohttp.ClientSession | None = None
        self._site = site_of(endpoint, bucket, self._region) if self._region else None
        self._provisional = self._site or site_of(endpoint, bucket, DEFAULT_REGION)
        self._lock = asyncio.Lock()

    @property
    def known_site(self) -> Site:
        """The bucket's site as far as it is known; for paths and messages. Its region may still be the default."""
        return self._site or self._provisional

    async def site(self) -> Site:
        """The bucket's site with its region."""
        if self._site is None:
            async with self._lock:
                if self._site is None:
                    region = await self._find_region()
                    self._site = site_of(self._endpoint, self._bucket, region)
        return self._site

    async def send(
        self, method: str, path: str, *, query: str = "", headers: Headers | None = None, key: str | None = None
    ) -> aiohttp.ClientResponse:
        """The answer's head; the body is the caller's to read and release. `key` None: the request is the bucket's."""
        target = f"{path}?{query}" if query else path
        return await self._exchange(await self.site(), method, target, headers, key)

    async def answer(self, response: aiohttp.ClientResponse, key: str | None = None) -> Answer:
        """A refusal with as much of its body as an error can need; ends the response."""
        body = self._hide((await self.body(response, _ERROR_BODY, key)).decode("utf-8", "replace")).encode()
        headers = CIMultiDict((name, self._hide(value)) for name, value in response.headers.items())
        return Answer(response.status, headers, body, self._clock())

    async def refused(self, response: aiohttp.ClientResponse, key: str | None = None) -> SyncError:
        """The error that this answer means; ends the response."""
        return self.judged(await self.answer(response, key), key)

    def judged(self, answer: Answer, key: str | None = None) -> SyncError:
        """The error that an answer means; credentials that it calls expired are not used again."""
        if answer.code in EXPIRED:
            self._credentials.forget()
        return refusal(answer, self.known_site, key)

    async def body(self, response: aiohttp.ClientResponse, limit: int, key: str | None = None) -> bytes:
        """The whole body of a small answer; BadAnswer where it is longer than `limit`. Ends the response."""
        pieces, size = [], 0
        try:
            async with asyncio.timeout(_WHOLE_ANSWER):
                while piece := await response.content.read(_READ_BUFFER):
                    pieces.append(piece)
                    size += len(piece)
                    if size > limit:
                        raise BadAnswer(f"an answer of more than {limit} bytes", subject=self.known_site.subject(key))
        except WIRE_ERRORS as error:
            raise transport_error(error, self.known_site.subject(key)) from None
        finally:
            response.release()
        return b"".join(pieces)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(
        self, site: Site, method: str, target: str, headers: Headers | None = None, key: str | None = None
    ) -> aiohttp.ClientResponse:
        head: Headers = [("Host", site.host), ("Accept-Encoding", "identity"), *(headers or ())]
        credentials = await self._credentials.current()
        payload = UNSIGNED_PAYLOAD if site.secure else EMPTY_PAYLOAD
        signed = self._signer.sign(method, target, head, region=site.region, credentials=credentials, payload=payload)
        url = URL(f"{site.origin}{target}", encoded=True)
        try:
            return await self._opened_session().request(method, url, headers=signed, allow_redirects=False)
        except WIRE_ERRORS as error:
            raise transport_error(error, site.subject(key)) from None

    async def _find_region(self) -> str:
        """HEAD of the bucket names its region in a header; a refused LIST names it in its body; else the default."""
        site = self._provisional
        response = await self._exchange(site, "HEAD", site.bucket_path)
        response.release()
        named = response.headers.get("x-amz-bucket-region", "")
        if response.status >= 500 or response.status == 429:
            raise Temporary(f"the bucket's region is not known: status {response.status}", subject=site.subject())
        if named or response.status not in {301, 307, 400}:
            return named or DEFAULT_REGION
        refused = await self._exchange(site, "GET", f"{site.bucket_path}?list-type=2&max-keys=1")
        answer = await self.answer(refused)
        return answer.region or DEFAULT_REGION

    def _opened_session(self) -> aiohttp.ClientSession:
        """Made on first use, because it belongs to the loop that runs then."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, force_close=not self._keep)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_QUIET,
                read_bufsize=_READ_BUFFER,
                requote_redirect_url=False,
            )
            # aiohttp repeats a request whose connection breaks; here repeating is the services' decision.
            self._session._retry_connection = False
        return self._session
