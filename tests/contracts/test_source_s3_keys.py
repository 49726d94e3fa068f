"""Awkward keys on a real server: our own wire code and boto3 must agree, key for key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from sync_service.models.text import shown
from tests import real_s3
from tests.contracts.source_contract import body_of, listed
from tests.contracts.test_source_s3 import BucketBench
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real
KEYS = [entry["key"] for entry in json.loads((Path(__file__).parents[1] / "data" / "keys.json").read_text())["keys"]]


@pytest.fixture
async def bench(s3_server: S3Server) -> AsyncIterator[BucketBench]:
    made = BucketBench(s3_server)
    yield made
    await made.close()


def put_all(bench: BucketBench) -> dict[str, str]:
    """Stores each key with itself as its bytes; the keys that the server refuses, with its word for why."""
    refused = {}
    for key in KEYS:
        try:
            bench.put(key, key.encode("utf-8", "surrogatepass"), {"owner": "bob"})
        except (ClientError, ParamValidationError) as problem:
            refused[key] = str(problem)
    return refused


def names(keys: Iterable[str]) -> str:
    """Keys for people."""
    return ", ".join(shown(key, 40) for key in sorted(keys)) or "none"


def boto3_listing(bench: BucketBench) -> list[tuple[str, int, str, str]]:
    """The same listing by the other client."""
    pages = bench.boto3.get_paginator("list_objects_v2").paginate(Bucket=bench.bucket)
    return [
        (entry["Key"], entry["Size"], entry["ETag"].strip('"'), f"{entry['LastModified']:%Y-%m-%dT%H:%M:%SZ}")
        for page in pages
        for entry in page.get("Contents", [])
    ]


async def test_every_key_is_listed_looked_at_and_read_as_boto3_does(bench: BucketBench) -> None:
    """All of keys.json: listing, HEAD and GET agree with boto3; what the server refuses or hides is named."""
    refused = put_all(bench)
    entries = await listed(bench.source)
    assert [tuple(entry) for entry in entries] == boto3_listing(bench)
    hidden = set(KEYS) - set(refused) - {entry.key for entry in entries}
    real_s3.note(f"{bench.server.name} refuses {len(refused)} of {len(KEYS)} keys: {names(refused)}")
    real_s3.note(f"{bench.server.name} lists {len(entries)}; stored, and not listed as they are: {names(hidden)}")
    assert len(entries) > len(KEYS) / 2
    for key in set(KEYS) - set(refused):
        info = await bench.source.look(key)
        theirs = bench.boto3.head_object(Bucket=bench.bucket, Key=key)
        assert info is not None
        assert (info.key, info.size, info.etag) == (key, theirs["ContentLength"], theirs["ETag"].strip('"'))
        assert (info.owner, info.last_modified) == ("bob", f"{theirs['LastModified']:%Y-%m-%dT%H:%M:%SZ}")
        async with bench.source.open(key, etag=info.etag) as opened:
            assert await body_of(opened) == bench.boto3.get_object(Bucket=bench.bucket, Key=key)["Body"].read()


async def test_a_key_that_the_server_refuses_is_not_there(bench: BucketBench) -> None:
    """Looking at a key that the server cannot have is None, not an error that stops a batch of events."""
    refused = put_all(bench)
    if bench.server.name == "moto" and all("\n" in key for key in refused):
        pytest.skip("moto has no word of S3 for a key with a line feed: its web framework answers with a page of HTML")
    for key in refused:
        assert await bench.source.look(key) is None
