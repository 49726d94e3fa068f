"""The objects that local buckets are loaded with: the files of `test-data/` and what no file system can hold."""

from __future__ import annotations

import json
import mimetypes
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "test-data"
EXTRAS = Path(__file__).with_name("sample_keys.json")


@dataclass(frozen=True, slots=True)
class SampleObject:
    """One object to load: its key, bytes, content type and user metadata."""

    key: str
    content: bytes
    file_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def sample_objects(folder: Path = FOLDER) -> Iterator[SampleObject]:
    """Every object, files first; only one at a time is in memory."""
    extras: dict[str, Any] = json.loads(EXTRAS.read_text(encoding="utf-8"))
    attributes: dict[str, dict[str, str]] = extras["attributes"]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        key = path.relative_to(folder).as_posix()
        yield SampleObject(key, path.read_bytes(), _file_type(key), attributes.get(key, {}))
    for key in extras["keys"]:
        yield SampleObject(key, b"" if key.endswith("/") else key.encode(), _file_type(key))
    large = extras["large"]
    yield SampleObject(large["key"], random.Random(large["seed"]).randbytes(large["size"]), _file_type(large["key"]))


def _file_type(key: str) -> str:
    return mimetypes.guess_type(f"file:{key.rpartition('/')[2]}", strict=True)[0] or "application/octet-stream"
