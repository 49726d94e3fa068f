"""Reads a real bucket with boto3, and says in people's words why it cannot."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from mock_api.bucket_changes import Entry
from mock_api.text import shown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

USAGE, TEMPORARY, DENIED = 2, 5, 12
_HEADS_AT_ONCE = 8
_MISSING = ("404", "NoSuchKey", "NotFound")
_DENIED = ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed")


class BucketProblem(Exception):
    """Why the bucket cannot be read; `exit_code` as the service's commands have it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which bucket, and how to reach it. Without keys the AWS credential chain is asked."""

    name: str
    endpoint: str | None = None
    prefix: str = ""
    region: str = "us-east-1"
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)


class BucketReader:
    """Lists a bucket, and asks for the metadata of single objects. Keys are without the prefix."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        try:
            self._client = _client(bucket)
        except (ValueError, BotoCoreError) as error:
            raise BucketProblem(f"the settings for bucket {bucket.name} cannot be used: {error}", USAGE) from None

    def listing(self) -> dict[str, Entry]:
        """All objects under the prefix. Raises BucketProblem; never returns part of a listing."""
        found: dict[str, Entry] = {}
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.name, Prefix=self._bucket.prefix
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    moment = item["LastModified"].isoformat()
                    found[item["Key"]] = Entry(item["ETag"].strip('"'), item["Size"], moment)
        except (ClientError, BotoCoreError) as error:
            raise self._problem(error) from None
        skip = len(self._bucket.prefix)
        return {key[skip:]: entry for key, entry in found.items() if len(key) > skip}

    def described(self, listing: dict[str, Entry], keys: Iterable[str]) -> dict[str, Entry]:
        """`listing` with what a HEAD tells of `keys`; a key that has just gone is left as it was listed."""
        wanted = list(keys)
        with ThreadPoolExecutor(_HEADS_AT_ONCE) as pool:
            told = pool.map(self._head, wanted, (listing[key] for key in wanted))
            return {**listing, **dict(zip(wanted, told, strict=True))}

    def _head(self, key: str, entry: Entry) -> Entry:
        try:
            head = self._client.head_object(Bucket=self._bucket.name, Key=self._bucket.prefix + key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return entry
            raise self._problem(error) from None
        except BotoCoreError as error:
            raise self._problem(error) from None
        metadata = {name.lower(): value for name, value in head["Metadata"].items()}
        return replace(entry, file_type=head.get("ContentType"), metadata=metadata)

    def _problem(self, error: Exception) -> BucketProblem:
        name, place = self._bucket.name, self._bucket.endpoint or "AWS"
        if isinstance(error, ClientError):
            return _told(error, name, place)
        if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
            return BucketProblem(
                "there are no credentials; set CUSTOMER_S3_ACCESS_KEY and CUSTOMER_S3_SECRET_KEY, in the environment or in .env",
                DENIED,
            )
        if isinstance(error, (EndpointConnectionError, ConnectionError, HTTPClientError)):
            return BucketProblem(f"{place} cannot be reached: {shown(str(error))}", TEMPORARY)
        if isinstance(error, ParamValidationError):
            return BucketProblem(f"{shown(name)} is no name for a bucket", USAGE)
        return BucketProblem(f"bucket {name} at {place} cannot be read: {shown(str(error))}", 1)


def _client(bucket: Bucket) -> S3Client:
    style: dict[str, str] = {"addressing_style": "path"} if bucket.endpoint else {}
    config = Config(
        s3=style,  # type: ignore[arg-type]
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=_HEADS_AT_ONCE,
    )
    return boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key,
        aws_secret_access_key=bucket.secret_key,
        config=config,
    )


def _told(error: ClientError, name: str, place: str) -> BucketProblem:
    code = _code(error)
    if code in (*_MISSING, "NoSuchBucket"):
        return BucketProblem(f"{place} has no bucket {name}", USAGE)
    if code in _DENIED:
        return BucketProblem(f"{place} does not let these credentials read bucket {name} ({code})", DENIED)
    words = shown(error.response.get("Error", {}).get("Message", "") or str(error))
    return BucketProblem(f"{place} answers {code} for bucket {name}: {words}", TEMPORARY)


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
