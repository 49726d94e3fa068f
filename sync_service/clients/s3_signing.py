"""Signs S3 requests with AWS's own signer (awscrt): the path as it is, nothing normalised, nothing encoded twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignedBodyHeaderType,
    AwsSignedBodyValue,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest

EMPTY_PAYLOAD: str = AwsSignedBodyValue.EMPTY_SHA256
UNSIGNED_PAYLOAD: str = AwsSignedBodyValue.UNSIGNED_PAYLOAD

Headers = list[tuple[str, str]]


def static_provider(access_key: str, secret_key: str, session_token: str | None) -> AwsCredentialsProvider:
    """Keys in the form that the signer takes."""
    return AwsCredentialsProvider.new_static(access_key, secret_key, session_token or None)


class Signer:
    """Signs requests. A signing configuration serves all requests of one second, credentials, region and payload."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._configs: dict[tuple[str, str], tuple[int, AwsCredentialsProvider, AwsSigningConfig]] = {}

    def sign(
        self,
        method: str,
        path: str,
        headers: Headers,
        *,
        region: str,
        credentials: AwsCredentialsProvider,
        payload: str,
    ) -> Headers:
        """`headers` (with Host) and the signature's own. `path` is the request target, query included."""
        request = HttpRequest(method, path, HttpHeaders(headers))
        signed = aws_sign_request(request, self._config(region, payload, credentials)).result()
        return list(signed.headers)

    def _config(self, region: str, payload: str, credentials: AwsCredentialsProvider) -> AwsSigningConfig:
        now = self._clock()
        second = int(now.timestamp())
        kept = self._configs.get((region, payload))
        if kept is not None and kept[0] == second and kept[1] is credentials:
            return kept[2]
        config = AwsSigningConfig(
            credentials_provider=credentials,
            region=region,
            service="s3",
            date=now,
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=payload,
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        if payload in {EMPTY_PAYLOAD, UNSIGNED_PAYLOAD}:
            self._configs[(region, payload)] = (second, credentials, config)
        return config
