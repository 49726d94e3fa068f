"""A bucket in memory that answers LIST, HEAD and GET as S3 does, and whose listing can be damaged on its way out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes.scripted_s3 import Asked, Reply, error

NAME = "bkt"
_MODIFIED = "Sat, 21 Nov 2026 07:02:31 GMT"


class Held(NamedTuple):
    """One object as the bucket has it."""

    body: bytes
    etag: str
    headers: Mapping[str, str] = {}


class Entry(NamedTuple):
    """One line of a listing."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page before it is written as XML; `asked` is the token that came with the request."""

    entries: list[Entry]
    token: str | None
    asked: str | None = None
    truncated: bool | None = None
    count: int | None = None

    def reply(self) -> Reply:
        truncated = self.token is not None if self.truncated is None else self.truncated
        token = "" if self.token is None else f"<NextContinuationToken>{escape(self.token)}</NextContinuationToken>"
        count = len(self.entries) if self.count is None else self.count
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{NAME}</Name><Prefix></Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>{token}"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(truncated).lower()}</IsTruncated>"
            f"{''.join(map(_contents, self.entries))}</ListBucketResult>"
        )
        return Reply(body=body, headers={"Content-Type": "application/xml"})


def _contents(entry: Entry) -> str:
    return (
        f"<Contents><Key>{quote(entry.key)}</Key><LastModified>2026-11-21T07:02:31.000Z</LastModified>"
        f"<ETag>&quot;{entry.etag}&quot;</ETag><Size>{entry.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


@dataclass
class CannedBucket:
    """`objects` is the truth. `damage` changes each page of the listing; `refused_tokens` are no longer taken; without
    `pins` it knows no If-Match."""

    page_size: int = 4
    objects: dict[str, Held] = field(default_factory=dict)
    damage: Callable[[Listing], Listing] = lambda page: page
    refused_tokens: bool = False
    pins: bool = True
    asked: list[Asked] = field(default_factory=list)

    def put(self, key: str, body: bytes, etag: str | None = None, **headers: str) -> None:
        """Stores an object, with the ETag that S3 would give it where none is given."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.objects[key] = Held(body, etag or hashlib.md5(body, usedforsecurity=False).hexdigest(), named)

    @property
    def contents(self) -> dict[str, bytes]:
        return {key: held.body for key, held in self.objects.items()}

    async def answer(self, asked: Asked) -> Reply:
        """What S3 answers."""
        self.asked.append(asked)
        parts = urlsplit(asked.target)
        bucket, _, key = parts.path.removeprefix("/").partition("/")
        if not bucket:
            return Reply(body=f"<R><Name>{NAME}</Name><CreationDate>2026-01-01T00:00:00Z</CreationDate></R>")
        if not key:
            return Reply() if asked.method == "HEAD" else self._listed(parse_qs(parts.query))
        return self._object(asked, unquote(key))

    def _listed(self, query: Mapping[str, list[str]]) -> Reply:
        asked = query.get("continuation-token", [None])[0]
        if asked is not None and self.refused_tokens:
            return error(400, "InvalidArgument", "The continuation token provided is incorrect")
        after = asked.removeprefix("after ") if asked is not None else query.get("start-after", [""])[0]
        keys = sorted((key for key in self.objects if key > after), key=str.encode)
        entries = [Entry(key, len(self.objects[key].body), self.objects[key].etag) for key in keys[: self.page_size]]
        token = f"after {entries[-1].key}" if len(keys) > self.page_size else None
        return self.damage(Listing(entries, token, asked)).reply()

    def _object(self, asked: Asked, key: str) -> Reply:
        held = self.objects.get(key)
        if held is None:
            return error(404, "NoSuchKey")
        if self.pins and asked.headers.get("if-match", f'"{held.etag}"') != f'"{held.etag}"':
            return error(412, "PreconditionFailed")
        headers = {"ETag": f'"{held.etag}"', "Last-Modified": _MODIFIED, "Content-Type": "text/plain", **held.headers}
        return Reply(body=held.body, headers=headers)


def with_keys(page: Listing, *keys: str) -> Listing:
    """The page with one-byte entries of these keys in place of its own."""
    return replace(page, entries=[Entry(key, 1, "e") for key in keys])
