"""What goes wrong below HTTP (connection, TLS, time-outs), translated into the taxonomy of `models/errors.py`."""

from __future__ import annotations

import ssl

import aiohttp

from sync_service.models.errors import BadAnswer, ConfigurationError, SyncError, Temporary, Unreachable
from sync_service.models.text import shown

WIRE_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
"""Everything that aiohttp raises for trouble on the way."""
_REACH_HINT = "Check that the server runs and that the endpoint is right"


def transport_error(error: BaseException, subject: str) -> SyncError:
    """The error for a request that got no whole answer. Reads have no effect, so it is never in doubt what they did."""
    if isinstance(error, aiohttp.ClientSSLError):
        return _tls(error, subject)
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
        return Unreachable(_unreached(error), subject=subject, hint=_REACH_HINT)
    if isinstance(error, TimeoutError):
        return Temporary("no answer within the time allowed", subject=subject)
    if isinstance(error, aiohttp.ClientResponseError):
        return BadAnswer("the answer is not HTTP", subject=subject, hint="Check the endpoint's scheme and port")
    return Temporary(f"the connection broke ({type(error).__name__})", subject=subject)


def _unreached(error: aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection within the time allowed"
    reason = shown(error.os_error.strerror or error.os_error)
    resolved = not isinstance(error, aiohttp.ClientConnectorDNSError)
    return f"no connection: {reason}" if resolved else f"the endpoint's name is not known: {reason}"


def _tls(error: aiohttp.ClientSSLError, subject: str) -> SyncError:
    """A certificate or a port without TLS is a matter of settings; other TLS trouble may pass."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        reason = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else cause
        what = f"{shown(subject)}: the server's TLS certificate is not accepted: {shown(reason)}"
        return ConfigurationError(what, hint="Correct the endpoint's name, or name the CA's file in SSL_CERT_FILE")
    reason = getattr(error.os_error, "reason", None) or error.os_error
    if "WRONG_VERSION_NUMBER" in str(reason) or "RECORD_LAYER" in str(reason):
        what = f"{shown(subject)}: the server does not speak TLS on this port"
        return ConfigurationError(what, hint="Write the endpoint with http:// if that is meant")
    return Unreachable(f"TLS failed: {shown(reason)}", subject=subject)
