"""S3Manager: what the service asks of a bucket, one request a call, in the words of `models/`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import ClientResponse

from sync_service.clients.s3_answer import Answer
from sync_service.clients.s3_credentials import Credentials, credentials_of
from sync_service.clients.s3_digest import Md5Etags
from sync_service.clients.s3_endpoint import can_exist, is_aws
from sync_service.clients.s3_errors import IMPOSSIBLE_KEY, WRONG_KEYS, TokenRefused, html_answer
from sync_service.clients.s3_listing import RawPage, read_page
from sync_service.clients.s3_objects import OpenedObject, object_info
from sync_service.clients.s3_signing import Headers
from sync_service.clients.s3_wire import S3Wire
from sync_service.models.crashpoints import point
from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import BadAnswer, ClockSkewed, SourceMoved, SyncError

PAGE_SIZE = 1000
_PAGE_BYTES = 16 * 1024 * 1024
_NO_BUCKETS_TOLD = frozenset({400, 403, 404, 405, 501})
"""Statuses of servers that do not list their buckets, or not to everybody: then nothing is known of a bucket's creation."""
_NO_TOKEN = frozenset({"InvalidArgument", "InvalidToken", "InvalidContinuationToken"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class S3Manager:
    """LIST, HEAD and GET of one bucket. Keys are whole keys, with any prefix. Raises the errors of `models/errors.py`.

    Empty `endpoint`: AWS. Empty keys: the AWS credential chain. Empty `region`: asked of the bucket. Times in seconds.
    """

    def __init__(
        self,
        *,
        bucket: str,
        endpoint: str = "",
        access_key: str = "",
        secret_key: str = "",
        session_token: str = "",
        region: str = "",
        max_connections: int = 20,
        keep_connections: bool = True,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        credentials: Credentials | None = None,
        clock: Callable[[], datetime] = _utc_now,
        hide: Callable[[str], str] = str,
    ) -> None:
        """`hide` takes secrets out of what the server says of its errors."""
        self._wire = S3Wire(
            endpoint,
            bucket,
            region,
            credentials or credentials_of(access_key, secret_key, session_token),
            max_connections=max_connections,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            keep_connections=keep_connections,
            clock=clock,
            hide=hide,
        )
        self._md5_etags = Md5Etags(certain=is_aws(endpoint))

    async def list_page(
        self, *, prefix: str = "", token: str | None = None, start_after: str | None = None, max_keys: int = PAGE_SIZE
    ) -> RawPage:
        """One ListObjectsV2 page. TokenRefused where the server no longer takes `token`."""
        query = _listing_query(prefix, token, start_after, max_keys)
        response = await self._wire.send("GET", self._wire.known_site.bucket_path, query=query)
        if response.status != 200:
            raise await self._listing_refused(response, token)
        body = await self._wire.body(response, _PAGE_BYTES)
        self._check_listing(response, body)
        return read_page(body, self._wire.known_site)

    async def head(self, key: str) -> ObjectInfo | None:
        """What the bucket says of `key` now; None where it has no such key, certainly."""
        if not can_exist(key):
            return None
        response = await self._wire.send("HEAD", self._wire.known_site.object_path(key), key=key)
        if response.status == 200:
            response.release()
            return object_info(key, response.headers, self._wire.known_site.subject(key))
        return await self._not_headed(key, await self._wire.answer(response, key))

    @asynccontextmanager
    async def open(
        self, key: str, *, etag: str | None = None, version_id: str | None = None
    ) -> AsyncIterator[OpenedObject]:
        """The object's bytes, of the pinned version or SourceMoved; the connection ends with the block."""
        with point("object opened"):
            opened = await self._get(key, etag, version_id)
        try:
            yield opened
        finally:
            opened.finish()

    async def identity(self) -> str:
        """Endpoint and bucket; for other servers than AWS also the bucket's creation, where the keys may see it.

        AWS's bucket names are unique, and its creation times move with a bucket's policy, so they are left out.
        """
        site = await self._wire.site()
        name = f"{site.origin}{site.root} region {site.region}"
        created = "" if site.is_aws else await self._created()
        return f"{name} created {created}" if created else name

    async def close(self) -> None:
        """Gives the connections back."""
        await self._wire.close()

    # ---------------------------------------------------------------- LIST

    async def _listing_refused(self, response: ClientResponse, token: str | None) -> SyncError:
        answer = await self._wire.answer(response)
        if token is not None and answer.code in _NO_TOKEN and not answer.is_console:
            subject = self._wire.known_site.subject()
            return TokenRefused(f"the listing's token is no longer taken: {answer.words}", status=400, subject=subject)
        return self._wire.judged(answer)

    def _check_listing(self, response: ClientResponse, body: bytes) -> None:
        """A 200 is believed only where it is S3's: no HTML, and no error document."""
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise html_answer(self._wire.known_site)
        if b"<Error>" in body[:1000]:
            raise self._wire.judged(Answer(200, response.headers, body[:65536], datetime.now(UTC)))

    # ---------------------------------------------------------------- HEAD

    async def _not_headed(self, key: str, answer: Answer) -> ObjectInfo | None:
        """HEAD's answers have no body, so a 404 may be anybody's and a 403 may be anything: both are looked into.

        A row is deleted on the word of this answer. Something between us and S3 that says 404 for a while must not be believed.
        """
        if _no_such_key(answer):
            return None
        if answer.status in {400, 403, 404} and not answer.code:
            answer = await self._explained(key, answer)
            if _no_such_key(answer):
                return None
            if answer.status == 404 and not answer.code and not answer.body:
                await self._confirm_not_listed(key)
                return None
        error = self._wire.judged(answer, key)
        if isinstance(error, SourceMoved):
            raise BadAnswer(
                f"an unexpected answer to a look: {answer.words}", subject=self._wire.known_site.subject(key)
            )
        raise error

    async def _explained(self, key: str, answer: Answer) -> Answer:
        """The same question as a GET of one byte, whose refusal has a body that names the reason."""
        headers = [("Range", "bytes=0-0")]
        path = self._wire.known_site.object_path(key)
        asked = await self._wire.send("GET", path, headers=headers, key=key)
        if asked.status not in {200, 206, 416}:
            told = await self._wire.answer(asked, key)
            return told if told.code or answer.status == 404 else answer
        asked.close()
        if answer.status == 404:
            raise BadAnswer("HEAD says 404, and GET has it", subject=self._wire.known_site.subject(key))
        return answer

    async def _confirm_not_listed(self, key: str) -> None:
        """A server that gives its 404 no reason is believed only where its listing does not show the key either."""
        page = await self.list_page(prefix=key, max_keys=1)
        if any(entry.key == key for entry in page.entries):
            subject = self._wire.known_site.subject(key)
            raise BadAnswer("HEAD and GET say 404, and the listing shows it", subject=subject)

    # ---------------------------------------------------------------- GET

    async def _get(self, key: str, etag: str | None, version_id: str | None) -> OpenedObject:
        site = self._wire.known_site
        subject = site.subject(key)
        if not can_exist(key):
            raise SourceMoved("no bucket can have this key", subject=subject)
        headers: Headers = [("If-Match", f'"{etag}"')] if etag else []
        query = f"versionId={quote(version_id, safe='')}" if version_id else ""
        response = await self._wire.send("GET", site.object_path(key), query=query, headers=headers, key=key)
        if response.status >= 300:
            raise await self._wire.refused(response, key)
        try:
            info = self._pinned(response, key, etag, version_id)
            return OpenedObject(response, info, subject, self._md5_etags.check_of(info, response.headers, subject))
        except BaseException:
            response.close()
            raise

    def _pinned(self, response: ClientResponse, key: str, etag: str | None, version_id: str | None) -> ObjectInfo:
        """A server may ignore If-Match, so the answer's own version is compared with the pin."""
        subject = self._wire.known_site.subject(key)
        if response.status != 200:
            raise BadAnswer(f"status {response.status} for a whole object", subject=subject)
        info = object_info(key, response.headers, subject)
        moved = etag is not None and info.etag != etag
        if moved or (version_id is not None and info.version_id not in {None, version_id}):
            raise SourceMoved("the object is another version now", subject=subject)
        return info

    # ---------------------------------------------------------------- identity

    async def _created(self) -> str:
        site = self._wire.known_site
        response = await self._wire.send("GET", site.service_root or "/")
        if response.status != 200:
            return self._unknown_creation(await self._wire.answer(response))
        text = (await self._wire.body(response, _PAGE_BYTES)).decode("utf-8", "replace")
        name = re.escape(site.bucket)
        found = re.search(rf"<Name>{name}</Name>\s*<CreationDate>([^<]*)</CreationDate>", text)
        return found[1] if found else ""

    def _unknown_creation(self, answer: Answer) -> str:
        """Nothing, where the server does not tell these keys of its buckets; raises where the keys themselves are wrong."""
        error = self._wire.judged(answer)
        wrong_keys = isinstance(error, ClockSkewed) or answer.code in WRONG_KEYS
        if answer.status in _NO_BUCKETS_TOLD and not wrong_keys and not answer.is_html:
            return ""
        raise error


def _no_such_key(answer: Answer) -> bool:
    """S3's own word that the key is not there, or cannot be."""
    marker = "x-amz-delete-marker" in answer.headers and answer.status == 404
    return marker or answer.code == "NoSuchKey" or answer.code in IMPOSSIBLE_KEY


def _listing_query(prefix: str, token: str | None, start_after: str | None, max_keys: int) -> str:
    query = f"list-type=2&encoding-type=url&max-keys={max_keys}"
    if prefix:
        query += f"&prefix={quote(prefix, safe='')}"
    if token is not None:
        return f"{query}&continuation-token={quote(token, safe='')}"
    return query if start_after is None else f"{query}&start-after={quote(start_after, safe='')}"
