"""The product's surroundings in these tests: a bucket on a real server, a mock API, and what both hold."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from tests.e2e.product import Ended, Product
from tests.fakes.mock_api_server import MockApi
from tests.real_s3 import S3Server

API_TOKEN = "bearer-7c1e9a-of-the-tests"
_numbers = itertools.count(1)


def s3_client(server: S3Server) -> Any:
    """The independent client."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=8, retries={"max_attempts": 2}),
    )


class Bucket:
    """A bucket, changed and read through boto3 alone."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def put(self, key: str, body: bytes | str = b"", **metadata: str) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.client.put_object(Bucket=self.name, Key=key, Body=content, Metadata=metadata)

    def put_many(self, objects: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda item: self.put(*item), objects.items()))

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def rename(self, old: str, new: str) -> None:
        """What a rename is in S3: a copy and a delete."""
        self.client.copy_object(Bucket=self.name, Key=new, CopySource={"Bucket": self.name, "Key": old})
        self.delete(old)

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def digests(self) -> dict[str, str]:
        """Every key that is listed, and the SHA-256 of its content."""
        keys = self.keys()
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(keys, pool.map(lambda key: digest(self.read(key)), keys), strict=True))

    def drop(self) -> None:
        """Deletes the bucket, and what deleted objects had hidden from its listing."""
        while keys := self.keys():
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(self.delete, keys))
        self.client.delete_bucket(Bucket=self.name)


class Api(MockApi):
    """The mock API with more of its windows and levers."""

    def files(self) -> dict[str, dict[str, Any]]:
        """Every file that the file manager holds, by path."""
        return {file["file_path"]: file for file in json.loads(self._ask("GET", "/_mock/files"))}

    def digests(self) -> dict[str, str]:
        return {path: file["sha256"] for path, file in self.files().items()}

    def effects(self) -> dict[str, int]:
        effects: dict[str, int] = self.counters()["effects"]
        return effects

    def calls(self, operation: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """The newest saveToDisk calls of the journal, those with this operation and path."""
        found = [call for call in self.counters()["calls"] if call["endpoint"] == "saveToDisk"]
        return [call for call in found if operation in (None, call["operation"]) and path in (None, call["file_path"])]

    def saves(self) -> int:
        """How often saveToDisk was called."""
        return sum(self.counters()["calls_per_endpoint"].get("saveToDisk", {}).values())

    def remove_faults(self) -> None:
        self._ask("DELETE", "/_mock/faults")

    def publish_raw(self, body: bytes, times: int = 1) -> None:
        """The next answers of the event list are these very bytes."""
        url = f"/_mock/events?raw=true&times={times}"
        self._send("POST", url, body)

    def _send(self, method: str, path: str, body: bytes) -> None:
        import urllib.request

        with urllib.request.urlopen(urllib.request.Request(self.url + path, body, method=method), timeout=30) as answer:
            answer.read()


@dataclass
class World:
    """Bucket, API and product, joined by the product's settings."""

    bucket: Bucket
    api: Api
    product: Product
    told: list[dict[str, Any]] = field(default_factory=list)

    def initial(self, expect: int = 0, **changes: str | None) -> dict[str, Any]:
        """The report of initial-sync."""
        report: dict[str, Any] = self.product.run("initial-sync", "--json", expect=expect, **changes).json
        return report

    def cycle(self, expect: int = 0, **changes: str | None) -> dict[str, Any]:
        """The report of incremental-sync."""
        report: dict[str, Any] = self.product.run("incremental-sync", "--json", expect=expect, **changes).json
        return report

    def run(self, *arguments: str, expect: int | None = 0, **changes: str | None) -> Ended:
        return self.product.run(*arguments, expect=expect, **changes)

    def tell(self, event_type: str, file_path: str, new_path: str | None = None, **metadata: str) -> dict[str, Any]:
        """Puts an event into the log and returns it."""
        event = event_of(event_type, file_path, new_path, **metadata)
        self.api.publish(event)
        self.told.append(event)
        return event

    def require_same(self) -> None:
        """The file manager holds exactly what the bucket holds, byte for byte."""
        theirs, ours = self.bucket.digests(), self.api.digests()
        assert set(ours) == set(theirs), f"only there: {set(ours) - set(theirs)}, missing: {set(theirs) - set(ours)}"
        assert ours == theirs


def event_of(event_type: str, file_path: str, new_path: str | None = None, **metadata: str) -> dict[str, Any]:
    """A replay event with an id of its own."""
    number = next(_numbers)
    event: dict[str, Any] = {
        "event_id": f"event-{number}",
        "event_type": event_type,
        "file_path": file_path,
        "timestamp": f"2026-11-21T08:00:{number % 60:02d}Z",
    }
    if new_path is not None:
        event["new_path"] = new_path
    return {**event, "metadata": metadata} if metadata else event


def settings_for(server: S3Server, bucket: str, api_url: str) -> dict[str, str]:
    """The environment of a user with this bucket and this API, quick to give up."""
    return {
        "CUSTOMER_S3_ENDPOINT": server.endpoint,
        "CUSTOMER_S3_ACCESS_KEY": server.access_key,
        "CUSTOMER_S3_SECRET_KEY": server.secret_key,
        "CUSTOMER_S3_BUCKET": bucket,
        "MOCK_API_URL": api_url,
        "MOCK_API_TOKEN": API_TOKEN,
        "MAX_RETRIES": "2",
        "RETRY_DELAY": "0.05",
        "STATUS_PORT": "0",
    }


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
