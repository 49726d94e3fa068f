"""boto3 for the rest of S3 (bucket set-up, ACLs, tags): clients with known retries, time-outs and checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync_service.clients.s3_endpoint import is_aws

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client


def known_config(*, path_style: bool = False, max_connections: int = 10) -> Config:
    """One attempt a call: repeating is the services' decision. Checksums only where S3 demands them."""
    from botocore.config import Config

    style: dict[str, Any] = {"addressing_style": "path" if path_style else "auto"}
    return Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=max_connections,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3=style,  # type: ignore[arg-type]
    )


def s3_client(
    *, endpoint: str = "", access_key: str = "", secret_key: str = "", session_token: str = "", region: str = ""
) -> S3Client:
    """A blocking S3 client: call it from a thread. Empty keys: the AWS credential chain."""
    import boto3

    session = boto3.session.Session(
        aws_access_key_id=access_key or None,
        aws_secret_access_key=secret_key or None,
        aws_session_token=session_token or None,
        region_name=region or None,
    )
    config = known_config(path_style=not is_aws(endpoint))
    return session.client("s3", endpoint_url=endpoint or None, config=config)
