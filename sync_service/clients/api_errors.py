"""What went wrong in a call to the infrastructure API, in the taxonomy: by status, or by how the connection ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp

from sync_service.models.errors import (
    BadAnswer,
    Denied,
    NotAtDestination,
    OutcomeUnknown,
    PathTaken,
    Refused,
    SyncError,
    Throttled,
    Unreachable,
)
from sync_service.models.text import shown

Hide = Callable[[str], str]
"""Takes secrets out of a text."""

_THROTTLED = (425, 429)
_UNAUTHORISED = (401, 403)
_REQUEST_TIMEOUT = 408


def for_status(
    status: int, headers: Mapping[str, str], *, words: str, label: str, subject: str, now: float, hide: Hide = str
) -> SyncError:
    """The error of an answer that is not 2xx. `words` are the server's own, already cut and escaped, without secrets."""
    what = f"{label} answered {status}" + (f": {words}" if words else "")
    if 300 <= status < 400:
        return BadAnswer(f"{label} answered {status}, a redirect to {_target(headers, hide)}", subject=subject)
    if status in _THROTTLED:
        return Throttled(what, subject=subject, retry_after=retry_after(headers.get("Retry-After"), now))
    if status == _REQUEST_TIMEOUT or not 400 <= status < 500:
        return OutcomeUnknown(what, subject=subject, retry_after=retry_after(headers.get("Retry-After"), now))
    return _refusal(status, what, subject)


def _refusal(status: int, what: str, subject: str) -> SyncError:
    if status in _UNAUTHORISED:
        return Denied(what, subject=subject, hint="Check the token of this API")
    if status == 404:
        return NotAtDestination(what, status=status, subject=subject)
    if status == 409:
        return PathTaken(what, status=status, subject=subject)
    return Refused(what, status=status, subject=subject)


def _target(headers: Mapping[str, str], hide: Hide) -> str:
    """Where a redirect points, without its query: that may hold secrets."""
    location = hide(headers.get("Location", ""))
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
    except ValueError:
        return "an unreadable address"
    return shown(f"{parts.scheme}://{host}{parts.path}" if host else parts.path or "nowhere", 200)


def for_failure(error: Exception, label: str, subject: str, hide: Hide = str) -> SyncError:
    """The error of a call that brought no answer. What is no HTTP is quoted in the library's words, so `hide` sees them."""
    reason = shown(hide(f"{type(error).__name__}: {error}"), 200)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return Unreachable(f"{label}: no connection ({reason})", subject=subject)
    if isinstance(error, TimeoutError):
        return OutcomeUnknown(f"{label}: no answer in time", subject=subject)
    return OutcomeUnknown(f"{label}: the connection ended before the answer ({reason})", subject=subject)


def retry_after(value: str | None, now: float) -> float | None:
    """The header `Retry-After` (seconds, or an HTTP date) as seconds from `now` (epoch); None where it makes no sense.

    There is no upper limit here: how long is too long is for whoever waits to say.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(value: str, now: float) -> float:
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return math.nan
