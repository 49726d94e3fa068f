"""What S3 answers when it does not do what was asked, translated into the taxonomy of `models/errors.py`."""

from __future__ import annotations

from collections.abc import Callable

from sync_service.clients.s3_answer import Answer
from sync_service.clients.s3_endpoint import Site
from sync_service.models.errors import (
    Archived,
    BadAnswer,
    ClockSkewed,
    ConfigurationError,
    Denied,
    Refused,
    SourceMoved,
    SyncError,
    Temporary,
    Throttled,
    Unreadable,
)
from sync_service.models.text import shown

Translator = Callable[[Answer, Site, str | None], SyncError]

IMPOSSIBLE_KEY = frozenset(
    {"KeyTooLongError", "InvalidURI", "InvalidObjectName", "XMinioInvalidObjectName", "XMinioInvalidResourceName"}
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidTokenId"})
WRONG_KEYS = EXPIRED | {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
_SKEW_LIMIT = 900.0
_DENIED_HINTS = {
    "InvalidAccessKeyId": "The server does not know this access key: check the access key and the endpoint",
    "SignatureDoesNotMatch": "The secret key does not belong to the access key: check the secret key",
    "AccessDenied": "These keys may not do this: allow them s3:ListBucket and s3:GetObject",
    **dict.fromkeys(EXPIRED, "The session token has expired or is wrong: give a new one, or let a role refresh it"),
}


class TokenRefused(Refused):
    """The server no longer takes this continuation token: go on after the last key instead."""

    kind = "token_refused"


def refusal(answer: Answer, site: Site, key: str | None = None) -> SyncError:
    """The error that an answer without success means. `key` None: the request was about the bucket."""
    translate = _translator(answer, key)
    return translate(answer, site, key)


def html_answer(site: Site) -> ConfigurationError:
    """What an HTML page in place of S3's XML means."""
    what = "the endpoint answers HTML, not S3: is this the console's port? Set it to the address of the S3 API"
    return ConfigurationError(f"{shown(site.subject())}: {what}")


def no_bucket(site: Site) -> ConfigurationError:
    """The bucket that the settings name is not at the endpoint that they name."""
    what = f"there is no bucket {shown(site.bucket)!r} at {site.origin}"
    return ConfigurationError(what, hint="Check the bucket's name and the endpoint")


def _translator(answer: Answer, key: str | None) -> Translator:
    """S3's own word decides where there is one; a HEAD's answer has none, so status and headers have to do."""
    if answer.is_console or (answer.is_html and not answer.code and not _passing(answer.status)):
        return _html
    if _clock_is_off(answer):
        return _skewed
    by_code = _TRANSLATORS.get(answer.code) or (_unreadable if answer.code.startswith("KMS.") else None)
    return by_code or _by_status(answer, key)


def _passing(status: int) -> bool:
    """Statuses of servers and proxies in trouble, which may send a page of HTML with them."""
    return status >= 500 or status in {407, 408, 429}


def _clock_is_off(answer: Answer) -> bool:
    """A HEAD's 403 says no reason: a clock that is far off explains it well enough."""
    skew = answer.skew
    guessed = answer.status == 403 and not answer.code and skew is not None and abs(skew) > _SKEW_LIMIT
    return guessed or answer.code == "RequestTimeTooSkewed"


def _by_status(answer: Answer, key: str | None) -> Translator:
    status = answer.status
    if status in _STATUSES:
        return _STATUSES[status]
    if 300 <= status < 400:
        return _unexpected if status == 304 else _elsewhere
    if _passing(status):
        silent = status == 503 and not answer.body  # A HEAD's 503 has no body to say SlowDown.
        return _throttled if silent or status == 429 else _temporary
    if status in {404, 412}:
        return _missing_bucket if status == 404 and key is None else _moved
    return _final if 400 <= status < 500 else _unexpected


def _html(_answer: Answer, site: Site, _key: str | None) -> SyncError:
    return html_answer(site)


def _missing_bucket(_answer: Answer, site: Site, _key: str | None) -> SyncError:
    return no_bucket(site)


def _skewed(answer: Answer, site: Site, key: str | None) -> SyncError:
    skew = answer.skew
    difference = "" if skew is None else f" by {abs(skew):.0f} s (ours is {'ahead' if skew > 0 else 'behind'})"
    what = f"our clock differs from the server's{difference}, so it refuses our signatures: {answer.words}"
    return ClockSkewed(what, subject=site.subject(key))


def _denied(answer: Answer, site: Site, key: str | None) -> SyncError:
    hint = _DENIED_HINTS.get(answer.code, "Check the keys, and that they may list and read this bucket")
    return Denied(f"access was refused: {answer.words}", subject=site.subject(key), hint=hint)


def _throttled(answer: Answer, site: Site, key: str | None) -> SyncError:
    what = f"the server asks for fewer requests: {answer.words}"
    return Throttled(what, subject=site.subject(key), retry_after=answer.retry_after)


def _temporary(answer: Answer, site: Site, key: str | None) -> SyncError:
    what = f"the server failed: {answer.words}"
    return Temporary(what, subject=site.subject(key), retry_after=answer.retry_after)


def _moved(answer: Answer, site: Site, key: str | None) -> SyncError:
    return SourceMoved(f"the object is gone or is another version now: {answer.words}", subject=site.subject(key))


def _impossible(answer: Answer, site: Site, key: str | None) -> SyncError:
    return SourceMoved(f"the server can have no such key: {answer.words}", subject=site.subject(key))


def _unreadable(answer: Answer, site: Site, key: str | None) -> SyncError:
    if answer.code == "InvalidObjectState":
        return Archived(f"the object is archived: {answer.words}", subject=site.subject(key))
    hint = "It may be encrypted with a key that these credentials cannot use"
    return Unreadable(f"the object cannot be read: {answer.words}", subject=site.subject(key), hint=hint)


def _unexpected(answer: Answer, site: Site, key: str | None) -> SyncError:
    return BadAnswer(f"an unexpected answer: {answer.words}", subject=site.subject(key))


def _elsewhere(answer: Answer, site: Site, key: str | None) -> SyncError:
    """Names the region or address that the server names. A signature is for one host, so no redirect is followed."""
    region = answer.region
    if region and region != site.region:
        what = f"the bucket {shown(site.bucket)!r} is in region {shown(region)}, not {shown(site.region)}"
        return ConfigurationError(f"{what} ({answer.words})", hint=f"Set the region to {shown(region)}")
    place = answer.field("Endpoint") or answer.headers.get("location", "")
    if answer.status < 400 or place:
        what = f"{shown(site.subject())}: the server sends us to {shown(place) or 'another address'} ({answer.words})"
        return ConfigurationError(what, hint="Set the endpoint to that address; redirects are not followed")
    return _denied(answer, site, key)


def _final(answer: Answer, site: Site, key: str | None) -> SyncError:
    """Other refusals: of an object, about it alone; of the bucket, about the request or the settings."""
    if b"HTTPS server" in answer.body:
        what = f"{shown(site.subject())}: the server speaks TLS on this port"
        return ConfigurationError(what, hint="Write the endpoint with https://")
    if answer.region and answer.region != site.region:
        return _elsewhere(answer, site, key)
    if key is not None:
        return _unreadable(answer, site, key)
    return Refused(f"the bucket refused the request: {answer.words}", status=answer.status, subject=site.subject())


_STATUSES: dict[int, Translator] = {401: _denied, 403: _denied, 405: _moved}

_TRANSLATORS: dict[str, Translator] = {
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName"), _missing_bucket),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"), _elsewhere
    ),
    **dict.fromkeys(_DENIED_HINTS, _denied),
    **dict.fromkeys(("AllAccessDisabled", "AccountProblem", "InvalidSecurity", "NotSignedUp"), _denied),
    **dict.fromkeys(("SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException"), _throttled),
    **dict.fromkeys(("RequestLimitExceeded", "TooManyRequests", "KMS.ThrottlingException"), _throttled),
    **dict.fromkeys(("NoSuchKey", "NoSuchVersion", "PreconditionFailed"), _moved),
    **dict.fromkeys(IMPOSSIBLE_KEY, _impossible),
    **dict.fromkeys(("InvalidObjectState", "XMinioObjectTampered"), _unreadable),
    **dict.fromkeys(("InternalError", "ServiceUnavailable", "RequestTimeout", "ServerBusy"), _temporary),
    **dict.fromkeys(("TemporaryRedirect", "XMinioServerNotInitialized", "OperationAborted"), _temporary),
}
