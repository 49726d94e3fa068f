"""The bucket keeps the contract, on a real server: as a whole, and as a folder of a bucket with other things in it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from sync_service.clients.boto3_factory import s3_client
from sync_service.clients.s3_manager import S3Manager
from sync_service.sources.s3_bucket import S3BucketSource
from tests.contracts.source_contract import SourceContract
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real


class BucketBench:
    """A new bucket; boto3 is the hands of its other users, so our wire code is checked by another's."""

    def __init__(self, server: S3Server, prefix: str = "") -> None:
        self.server = server
        self.bucket = f"t-{uuid.uuid4().hex[:16]}"
        self.prefix = prefix
        keys = {"access_key": server.access_key, "secret_key": server.secret_key, "region": "us-east-1"}
        self.boto3: Any = s3_client(endpoint=server.endpoint, **keys)
        self.boto3.create_bucket(Bucket=self.bucket)
        self.manager = S3Manager(bucket=self.bucket, endpoint=server.endpoint, **keys)  # type: ignore[arg-type]
        self.source = S3BucketSource(self.manager, prefix.rstrip("/"), page_size=2)

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None, file_type: str = "") -> None:
        kind = {"ContentType": file_type} if file_type else {}
        self.boto3.put_object(
            Bucket=self.bucket, Key=self.prefix + key, Body=body, Metadata=dict(metadata or {}), **kind
        )

    def delete(self, key: str) -> None:
        self.boto3.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    async def close(self) -> None:
        await self.source.close()
        self.boto3.close()


class TestWholeBucket(SourceContract):
    @pytest.fixture
    async def bench(self, s3_server: S3Server) -> AsyncIterator[BucketBench]:
        bench = BucketBench(s3_server)
        yield bench
        await bench.close()


class TestFolderOfABucket(SourceContract):
    @pytest.fixture
    async def bench(self, s3_server: S3Server) -> AsyncIterator[BucketBench]:
        bench = BucketBench(s3_server, prefix="path1/")
        # An object `path1` would be another neighbour, but MinIO hides all of `path1/` behind one.
        for other in ("path10/x", "path1-x", "other", "path0/x", "path1/"):
            bench.boto3.put_object(Bucket=bench.bucket, Key=other, Body=b"not ours")
        yield bench
        await bench.close()
