"""Trouble below HTTP: what is a matter of settings, what is not there, and what may pass."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from sync_service.clients.s3_transport import transport_error
from sync_service.models.errors import BadAnswer, ConfigurationError, SyncError, Temporary, Unreachable

PLACE: Any = SimpleNamespace(host="h", port=443, ssl=True, is_ssl=True)


def certificate_error() -> ssl.SSLCertVerificationError:
    """A certificate that is not accepted, as ssl says it."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (aiohttp.ClientConnectorCertificateError(PLACE, certificate_error()), ConfigurationError, "self-signed"),
        (
            aiohttp.ClientConnectorSSLError(PLACE, ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x")),
            ConfigurationError,
            "http://",
        ),
        (aiohttp.ClientConnectorSSLError(PLACE, ssl.SSLError(1, "handshake cut")), Unreachable, "TLS failed"),
        (aiohttp.ClientConnectorError(PLACE, OSError(111, "refused")), Unreachable, "refused"),
        (aiohttp.ConnectionTimeoutError("t"), Unreachable, "no connection"),
        (aiohttp.SocketTimeoutError("t"), Temporary, "no answer"),
        (aiohttp.ServerDisconnectedError(), Temporary, "broke"),
        (aiohttp.ClientPayloadError(), Temporary, "broke"),
        (ConnectionResetError(), Temporary, "broke"),
        (aiohttp.ClientResponseError(PLACE, (), status=400), BadAnswer, "not HTTP"),
    ],
)
def test_each_trouble_is_its_own_kind(error: Exception, kind: type[SyncError], words: str) -> None:
    """The error names the subject and what to do."""
    told = transport_error(error, "http://h bucket b key k")
    assert type(told) is kind
    assert words in str(told)
    assert "bucket b key k" in str(told)
