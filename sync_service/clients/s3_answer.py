"""A refusal of S3 as it came: status, headers, the start of the body, and what can be read from them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from sync_service.models.text import shown

_HTML = re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` ignore case; `at` is the instant of the answer by our clock (aware)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    def field(self, name: str) -> str:
        """An element of S3's error document, or an empty text."""
        found = re.search(rf"<{name}>([^<]*)</{name}>", self.body.decode("utf-8", "replace"))
        return html.unescape(found[1]).strip() if found else ""

    @property
    def code(self) -> str:
        """S3's word for the error. MinIO gives it in a header where the answer has no body."""
        return self.field("Code") or self.headers.get("x-minio-error-code", "")

    @property
    def region(self) -> str:
        """The region that the bucket is in, where the answer says it."""
        return self.headers.get("x-amz-bucket-region", "") or self.field("Region")

    @property
    def is_html(self) -> bool:
        return _HTML.match(self.body) is not None or self.headers.get("content-type", "").startswith("text/html")

    @property
    def is_console(self) -> bool:
        """MinIO's console has its own port, and says so to requests that are signed."""
        return "made to API port" in self.field("Message")

    @property
    def words(self) -> str:
        """Status, S3's code, message and request id, for people."""
        message = self.field("Message") or self.headers.get("x-minio-error-desc", "").strip('"')
        said = [str(self.status), self.code, f"({message})" if message else ""]
        request = self.headers.get("x-amz-request-id", "") or self.field("RequestId")
        return shown(" ".join(word for word in said if word) + (f", request {request}" if request else ""))

    @property
    def skew(self) -> float | None:
        """Seconds that our clock is ahead of the server's, or None where the answer has no date."""
        try:
            return (self.at - http_date(self.headers["date"])).total_seconds()
        except (KeyError, ValueError, TypeError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait (a number, or a date); None where it says nothing usable."""
        value = self.headers.get("retry-after", "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        try:
            return max(0.0, (http_date(value) - self.at).total_seconds())
        except (ValueError, TypeError):
            return None


def http_date(value: str) -> datetime:
    """Any form of an HTTP date as aware UTC. Raises ValueError for what is none."""
    parsed = parsedate_to_datetime(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
