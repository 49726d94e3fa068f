"""The model outside the product: what others did to the bucket, so what the file manager must hold, and may have been told."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHORT = 3
"""Bytes that a server keeps of an upload which it stores short."""

UPLOADS = ("create", "update")

Effect = Mapping[str, Any]
"""One entry of the mock API's `/_mock/effects`."""


@dataclass(frozen=True, slots=True)
class Version:
    """The content and the permissions of one object at one time."""

    digest: str
    permissions: str


@dataclass(slots=True)
class Truth:
    """What is true of the bucket. Told before each change is made, since the product may see it at once."""

    objects: dict[str, Version] = field(default_factory=dict)
    arrivals: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    untold: bool = False

    def put(self, path: str, body: bytes, permissions: str) -> None:
        version = Version(digest(body), permissions)
        self.known |= {version.digest, digest(body[:SHORT])}
        self._arrives(path, version)

    def delete(self, path: str) -> None:
        del self.objects[path]

    def rename(self, old: str, new: str) -> None:
        self._arrives(new, self.objects[old])
        self.delete(old)

    def _arrives(self, path: str, version: Version) -> None:
        self.objects[path] = version
        self.arrivals[path, version.digest] += 1

    # ------------------------------------------------------------ verdicts

    def unknown(self, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Holds at any moment: bytes of which no version of any object ever consisted."""
        return [f"mixed: {path} holds bytes that no object ever had" for path, file in files.items()
                if file["sha256"] not in self.known]  # fmt: skip

    def differences(self, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Holds when the dust has settled: what is lost, what should not be there, what is wrong."""
        found = [f"lost: {path}" for path in self.objects.keys() - files.keys()]
        found += [f"extra: {path}" for path in files.keys() - self.objects.keys()]
        for path in self.objects.keys() & files.keys():
            wanted, file = self.objects[path], files[path]
            if file["sha256"] != wanted.digest:
                found.append(f"wrong: {path} holds other bytes")
            if file["permissions"] != wanted.permissions:
                found.append(f"wrong: {path} has permissions {file['permissions']}, not {wanted.permissions}")
        return sorted(found)

    def duplicates(self, effects: Sequence[Effect]) -> list[str]:
        """Effects that went out twice: bytes sent to where they are already, and oftener than they came to be there.

        Bytes that are there already may be right to send: v1, v2, v1 again. Bytes may also be sent oftener than they came
        to be there, where others change things meanwhile: the look finds the new content before the event tells of the rename.
        """
        found = [f"duplicated: key {key} had {count} effects" for key, count in _keys_used_twice(effects)]
        held: dict[str, str] = {}
        sent: Counter[tuple[str, str]] = Counter()
        for effect in effects:
            operation, path = effect["operation"], effect["file_path"]
            if operation in UPLOADS:
                content = path, effect["sha256"]
                sent[content] += 1
                if held.get(path) == effect["sha256"] and sent[content] > self.arrivals[content]:
                    found.append(f"duplicated: {operation} of {path} (effect {effect['n']})")
                held[path] = effect["sha256"]
            elif operation in ("rename", "move"):
                held[effect["new_path"]] = held.pop(path, "")
            elif operation == "delete":
                held.pop(path, None)
        return found


def _keys_used_twice(effects: Iterable[Effect]) -> list[tuple[str, int]]:
    """One key is one effect, at each endpoint."""
    used = Counter((effect["endpoint"], effect["key"]) for effect in effects if effect["key"])
    return [(key, count) for (_, key), count in used.items() if count > 1]


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
