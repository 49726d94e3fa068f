"""The last listing of a bucket, in a file, so that the next comparison knows what is new."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from mock_api.bucket_changes import Entry
from mock_api.bucket_reader import Bucket

_VERSION = 1


class StateUnusable(Exception):
    """The state file cannot be used; the message says what to do."""


def load(path: Path, bucket: Bucket) -> dict[str, Entry] | None:
    """The listing of last time; None where there was none. Raises StateUnusable."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StateUnusable(f"state file {path} cannot be read: {error}") from None
    return _parsed(text, path, bucket)


def _parsed(text: str, path: Path, bucket: Bucket) -> dict[str, Entry]:
    try:
        state = json.loads(text)
        objects = {key: Entry(**entry) for key, entry in state["objects"].items()}
        of, version = state["bucket"], state["version"]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateUnusable(f"state file {path} is damaged; remove it to begin anew") from None
    if version != _VERSION or of != _identity(bucket):
        raise StateUnusable(f"state file {path} is of another bucket; name another one with --state, or remove it")
    return objects


def save(path: Path, bucket: Bucket, listing: dict[str, Entry]) -> None:
    """Replaces the file, whole on disk before it has its name. Raises StateUnusable."""
    objects = {key: dataclasses.asdict(entry) for key, entry in listing.items()}
    state = {"version": _VERSION, "bucket": _identity(bucket), "objects": objects}
    temporary = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StateUnusable(f"state file {path} cannot be written: {error}") from None


def _identity(bucket: Bucket) -> list[str | None]:
    return [bucket.endpoint, bucket.name, bucket.prefix]
