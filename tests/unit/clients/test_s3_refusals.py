"""Servers that refuse, redirect, break off or are not there: the right error, said well, and no repeated request."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from sync_service.clients.s3_errors import TokenRefused
from sync_service.clients.s3_manager import S3Manager
from sync_service.models.errors import (
    BadAnswer,
    ClockSkewed,
    ConfigurationError,
    Denied,
    Refused,
    SyncError,
    Temporary,
    Throttled,
    Unreachable,
)
from tests.fakes.scripted_s3 import Reply, ScriptedS3, error, manager_of, page, scripted_s3


@pytest.fixture
async def server() -> AsyncIterator[ScriptedS3]:
    async with scripted_s3() as script:
        yield script


@pytest.fixture
async def manager(server: ScriptedS3) -> AsyncIterator[S3Manager]:
    async with manager_of(server.endpoint, read_timeout=0.2) as made:
        yield made


async def listing_error(manager: S3Manager) -> SyncError:
    """The error that a listing gives."""
    with pytest.raises(SyncError) as caught:
        await manager.list_page()
    return caught.value


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(403, "InvalidAccessKeyId"), Denied, "access key"),
        (error(403, "SignatureDoesNotMatch"), Denied, "secret key"),
        (error(403, "AccessDenied"), Denied, "s3:ListBucket"),
        (error(400, "ExpiredToken"), Denied, "session token"),
        (error(404, "NoSuchBucket"), ConfigurationError, "no bucket 'bkt' at http://127.0.0.1"),
        (Reply(404), ConfigurationError, "no bucket 'bkt'"),
        (error(503, "SlowDown", Retry_After="7"), Throttled, "SlowDown"),
        (error(429, "TooManyRequests"), Throttled, "429"),
        (error(500, "InternalError"), Temporary, "REQ1"),
        (Reply(502, "<html>Bad gateway</html>", {"Content-Type": "text/html"}), Temporary, "502"),
        (Reply(403, "<html>Forbidden</html>", {"Content-Type": "text/html"}), ConfigurationError, "HTML"),
        (error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3"), ConfigurationError, "eu-west-3"),
        (error(400, "AuthorizationHeaderMalformed", extra="<Region>eu-1</Region>"), ConfigurationError, "eu-1"),
        (error(400, "AuthorizationHeaderMalformed"), Denied, "Malformed"),
        (Reply(307, headers={"Location": "https://else.example/"}), ConfigurationError, "https://else.example/"),
        (error(307, "TemporaryRedirect"), Temporary, "TemporaryRedirect"),
        (Reply(400, "Client sent an HTTP request to an HTTPS server."), ConfigurationError, "https://"),
        (error(400, "InvalidRequest"), Refused, "InvalidRequest"),
        (Reply(304), BadAnswer, "304"),
    ],
)
async def test_a_refused_listing(
    server: ScriptedS3, manager: S3Manager, reply: Reply, kind: type[SyncError], words: str
) -> None:
    """Each refusal is its own kind of error, names what S3 said, and was asked once."""
    server.says(reply)
    told = await listing_error(manager)
    assert type(told) is kind
    assert words in str(told)
    assert len(server.requests) == 1


async def test_throttling_says_how_long(server: ScriptedS3, manager: S3Manager) -> None:
    """Retry-After comes through, as seconds or as a date."""
    moment = datetime.now(UTC) + timedelta(seconds=90)
    server.says(error(503, "SlowDown", Retry_After="7"))
    assert (await listing_error(manager)).retry_after == 7
    server.says(error(503, "SlowDown", Retry_After=moment.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    assert 60 < ((await listing_error(manager)).retry_after or 0) <= 90
    server.says(error(503, "SlowDown", Retry_After="soon"))
    assert (await listing_error(manager)).retry_after is None


async def test_an_error_tells_no_secret(server: ScriptedS3, manager: S3Manager) -> None:
    """Errors name endpoint, bucket and request; never a key, and no signature that the server repeats."""
    server.says(
        lambda asked: error(403, "SignatureDoesNotMatch", extra=f"<Given>{asked.headers['authorization']}</Given>")
    )
    told = str(await listing_error(manager))
    assert server.endpoint in told
    assert "bkt" in told
    assert "very-secret-key" not in told
    assert "Signature=" not in told


async def test_a_refused_token_can_be_told_apart(server: ScriptedS3, manager: S3Manager) -> None:
    """A token that the server forgot is no fault of the request."""
    server.says(error(400, "InvalidArgument", "The continuation token provided is incorrect"))
    with pytest.raises(TokenRefused):
        await manager.list_page(token="old")
    assert type(await listing_error(manager)) is Refused


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(403, "RequestTimeTooSkewed", Date="Sat, 21 Nov 2026 07:00:00 GMT"), ClockSkewed),
        (Reply(403, headers={"Date": "Sat, 21 Nov 2026 07:00:00 GMT"}), ClockSkewed),
        (Reply(403, headers={"Date": "Sat, 21 Nov 2026 07:19:30 GMT"}), Denied),
    ],
)
async def test_a_wrong_clock_is_named(server: ScriptedS3, reply: Reply, kind: type[SyncError]) -> None:
    """A clock 20 minutes off is said with its difference, even where a HEAD's answer gives no reason."""
    server.says(reply)
    async with manager_of(server.endpoint, clock=lambda: datetime(2026, 11, 21, 7, 20, tzinfo=UTC)) as manager:
        with pytest.raises(kind) as caught:
            await manager.head("k")
    if kind is ClockSkewed:
        assert "1200 s" in str(caught.value)


# ---------------------------------------------------------------- below HTTP


async def test_a_reset_is_temporary_and_not_repeated(server: ScriptedS3, manager: S3Manager) -> None:
    """Repeating is the services' decision: the client asks once, on a kept connection too."""
    server.says(page("a"), Reply(reset=True))
    await manager.list_page()
    assert isinstance(await listing_error(manager), Temporary)
    assert len(server.requests) == 2


async def test_silence_is_temporary(server: ScriptedS3, manager: S3Manager) -> None:
    """A server that never answers is given up after the time allowed."""
    server.says(Reply(silent=True))
    assert "time allowed" in str(await listing_error(manager))


async def test_nobody_there_is_unreachable() -> None:
    """A port without a server is Unreachable, and says what to check."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        async with manager_of(f"http://127.0.0.1:{probe.getsockname()[1]}") as manager:
            told = await listing_error(manager)
    assert type(told) is Unreachable
    assert "endpoint" in told.hint


async def test_a_name_that_is_not_known_is_unreachable() -> None:
    """A host that DNS does not know is Unreachable, and named."""
    async with manager_of("http://no-such-host.invalid:9000") as manager:
        told = await listing_error(manager)
    assert type(told) is Unreachable
    assert "no-such-host.invalid" in str(told)


async def test_tls_on_a_plain_port_is_a_setting(server: ScriptedS3) -> None:
    """https:// to a plain port is said as such."""
    async with manager_of(server.endpoint.replace("http:", "https:")) as manager:
        told = await listing_error(manager)
    assert isinstance(told, ConfigurationError)
    assert "does not speak TLS" in str(told)
