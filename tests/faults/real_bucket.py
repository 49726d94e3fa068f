"""A bucket on a real server, changed and read through boto3, and the route that follows it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sync_service.clients.s3_manager import S3Manager
from tests.e2e.world import s3_client
from tests.faults.route import Route
from tests.real_s3 import S3Server

_numbers = itertools.count(1)


@dataclass
class World:
    """A bucket on a real server, changed through boto3, and the route that follows it."""

    client: Any
    name: str
    route: Route

    def put(self, key: str, body: bytes, **more: str) -> str | None:
        """Writes an object; its version."""
        answer = self.client.put_object(Bucket=self.name, Key=key, Body=body, **more)
        return answer.get("VersionId")  # type: ignore[no-any-return]

    def delete(self, key: str, version: str | None = None) -> str | None:
        """Deletes an object, or one version for good; the marker's version where one was made."""
        which = {"VersionId": version} if version else {}
        answer = self.client.delete_object(Bucket=self.name, Key=key, **which)
        return answer.get("VersionId")  # type: ignore[no-any-return]

    def version(self, state: str) -> None:
        self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": state})

    def tell(self, name: str, key: str, version: str | None = None) -> None:
        """A notification as servers send it."""
        about = {"key": quote(key, safe=""), "sequencer": f"{next(_numbers):016X}"}
        record = {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "eventName": f"s3:{name}",
            "eventTime": "2026-11-21T08:00:00.000Z",
            "s3": {"bucket": {"name": self.name}, "object": {**about, **({"versionId": version} if version else {})}},
        }
        self.route.log.publish({"EventName": f"s3:{name}", "Key": f"{self.name}/{key}", "Records": [record]})

    def listed(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    @property
    def held(self) -> dict[str, bytes]:
        return self.route.files.contents

    @property
    def effects(self) -> list[str]:
        return self.route.files.effects


def manager_of(server: S3Server, bucket: str) -> Callable[[], S3Manager]:
    return lambda: S3Manager(
        bucket=bucket,
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region="us-east-1",
    )


@contextmanager
def world_on(server: S3Server, folder: Path) -> Iterator[World]:
    client = s3_client(server)
    name = f"faults-{os.getpid()}-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    made = World(client, name, Route(folder, "", bucket=name, make_manager=manager_of(server, name)))
    try:
        yield made
    finally:
        made.version("Enabled")
        for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
            for found in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                made.delete(found["Key"], found["VersionId"])
        client.close()
