"""The demo's hands in the bucket: one change of each kind, made with boto3 as any program of the customer would."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sync_service.models.text import shown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CREATED = "documents/minutes of today.txt"
UPDATED = "code/hello.py"
DELETED = "archives/bundle.zip"
RENAMED = ("images/gradient.png", "images/gradient-blue.png")
MOVED = ("documents/report.pdf", "reports/2026/report.pdf")
PERMITTED = "tables/orders.csv"
SWAPPED = ("unicode/Übersicht.txt", "unicode/日本語.txt")
_ASIDE = "unicode/aside.tmp"
_ATTRIBUTES = {"permissions": "0600", "owner": "audit", "group": "sales"}
_NEW_CONTENT = {CREATED: b"The demo made this object.\n", UPDATED: b'GREETING = "hello again"\n'}
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """What one side holds under a path. An attribute that is None is one that this side says nothing about."""

    size: int
    sha256: str
    permissions: str | None = None
    owner: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket through boto3: no code of the service is involved, so that it can bear witness."""

    client: S3Client
    name: str

    @classmethod
    def at(cls, endpoint: str, name: str, access_key: str, secret_key: str) -> Bucket:
        """A bucket of a local server."""
        import boto3  # noqa: PLC0415 - the demo shows its first line before this takes its time
        from botocore.config import Config  # noqa: PLC0415

        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )
        return cls(client, name)

    def change(self) -> list[str]:
        """One change of each kind, and a line about each."""
        for key, content in _NEW_CONTENT.items():
            self.client.put_object(Bucket=self.name, Key=key, Body=content, ContentType="text/plain")
        self._delete(DELETED)
        self._rename(*RENAMED)
        self._rename(*MOVED)
        self._set_attributes(PERMITTED)
        for old, new in swap_steps():
            self._rename(old, new)
        return _told()

    def _delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def _rename(self, old: str, new: str) -> None:
        """What a rename is in S3: a copy and a delete."""
        self.client.copy_object(Bucket=self.name, Key=new, CopySource={"Bucket": self.name, "Key": old})
        self._delete(old)

    def _set_attributes(self, key: str) -> None:
        self.client.copy_object(
            Bucket=self.name,
            Key=key,
            CopySource={"Bucket": self.name, "Key": key},
            MetadataDirective="REPLACE",
            Metadata=_ATTRIBUTES,
            ContentType=self.client.head_object(Bucket=self.name, Key=key)["ContentType"],
        )

    def contents(self) -> dict[str, Held]:
        """Every object that is listed, read from its first byte to its last."""
        return {key: self._held(key) for key in self.listed()}

    def listed(self) -> Iterator[str]:
        """Every key that is listed."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _held(self, key: str) -> Held:
        answer = self.client.get_object(Bucket=self.name, Key=key)
        digest, size = hashlib.sha256(), 0
        for chunk in answer["Body"].iter_chunks(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        told = answer["Metadata"]
        permissions = told.get("permissions") or told.get("mode")
        return Held(size, digest.hexdigest(), permissions, told.get("owner"), told.get("group"))


def swap_steps() -> list[tuple[str, str]]:
    """A swap is three renames, by way of a name that is gone afterwards."""
    one, other = SWAPPED
    return [(one, _ASIDE), (other, one), (_ASIDE, other)]


def swap_events(timestamp: str) -> list[dict[str, Any]]:
    """The swap as the program that did it tells it: two listings show new content under old names, not who went where."""
    return [
        {"event_type": "rename", "file_path": old, "new_path": new, "timestamp": timestamp} for old, new in swap_steps()
    ]


def bytes_to_send() -> int:
    """How much the changes make it necessary to send: what is new, and nothing that has only another name."""
    return sum(map(len, _NEW_CONTENT.values()))


def _told() -> list[str]:
    attributes = " ".join(_ATTRIBUTES.values())
    return [
        f"create             {shown(CREATED)}",
        f"update             {shown(UPDATED)}",
        f"delete             {shown(DELETED)}",
        f"rename             {shown(RENAMED[0])} -> {shown(RENAMED[1])}",
        f"move               {shown(MOVED[0])} -> {shown(MOVED[1])}",
        f"change_permission  {shown(PERMITTED)}: {attributes}",
        f"swap               {shown(SWAPPED[0])} <-> {shown(SWAPPED[1])}",
    ]
