"""What changed between two listings of a bucket, told as replay events."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ATTRIBUTES = ("permissions", "owner", "group")
_ORDER = ("rename", "move", "update", "change_permission", "create", "delete")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as a listing has it. `metadata` is what a HEAD told (None: it was never asked)."""

    etag: str
    size: int
    last_modified: str
    file_type: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def content(self) -> tuple[str, int]:
        return self.etag, self.size

    def attributes(self) -> dict[str, str]:
        """Permissions, owner and group, where the object's metadata says something."""
        known = self.metadata or {}
        told = {name: known[name] for name in _ATTRIBUTES if known.get(name)}
        if "permissions" not in told and known.get("mode"):
            told["permissions"] = known["mode"]
        return told


Listing = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `entry` is the object afterwards, or the one that is gone."""

    event_type: str
    file_path: str
    entry: Entry
    new_path: str | None = None

    def event(self, timestamp: str) -> dict[str, Any]:
        """As CONTRACT.md, section 2. The id is the same whenever the same change is told again."""
        told = {"event_id": self._id(), "event_type": self.event_type, "file_path": self.file_path}
        if self.new_path is not None:
            told["new_path"] = self.new_path
        return {**told, "metadata": self._metadata(), "timestamp": timestamp}

    def _metadata(self) -> dict[str, Any]:
        told: dict[str, Any] = {"size": self.entry.size, **self.entry.attributes()}
        return {**told, "file_type": self.entry.file_type} if self.entry.file_type else told

    def _id(self) -> str:
        entry = self.entry
        what = [self.event_type, self.file_path, self.new_path, entry.etag, entry.last_modified, entry.attributes()]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode("ascii")).hexdigest()[:32]


def changed_keys(before: Listing, after: Listing) -> list[str]:
    """The keys of `after` that are new or were written since `before`: those worth a HEAD."""
    return [key for key, entry in after.items() if _written(before.get(key), entry)]


def changes(before: Listing, after: Listing) -> list[Change]:
    """From `before` to `after`. An object that vanished while its content appeared elsewhere was renamed or moved."""
    renamed = list(_renames(before, after))
    gone = {change.file_path for change in renamed}
    come = {change.new_path for change in renamed}
    found = [*renamed]
    for key in changed_keys(before, after):
        if key not in come:
            found.append(_change(key, before.get(key), after[key]))
    found += [Change("delete", key, entry) for key, entry in before.items() if key not in after and key not in gone]
    return sorted(found, key=lambda change: (_ORDER.index(change.event_type), change.file_path))


def _written(old: Entry | None, new: Entry) -> bool:
    return old is None or old.last_modified != new.last_modified or old.content != new.content


def _change(key: str, old: Entry | None, new: Entry) -> Change:
    if old is None:
        return Change("create", key, new)
    same_bytes = old.content == new.content
    # Without an earlier HEAD nobody knows whether the attributes changed; the event says that they may have.
    told_anew = new.attributes() if old.metadata is None else old.attributes() != new.attributes()
    return Change("change_permission" if same_bytes and told_anew else "update", key, new)


def _renames(before: Listing, after: Listing) -> Iterator[Change]:
    candidates = _appeared(before, after)
    for key in sorted(key for key in before if key not in after):
        places = candidates.get(before[key].content)
        if places:
            target = min(places, key=lambda place: _likeness(key, place, place in before))
            places.remove(target)
            kind = "rename" if _folder(target) == _folder(key) else "move"
            yield Change(kind, key, after[target], target)


def _appeared(before: Listing, after: Listing) -> dict[tuple[str, int], list[str]]:
    """Keys whose present content they did not have before, by that content."""
    found: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for key, entry in after.items():
        if key not in before or before[key].content != entry.content:
            found[entry.content].append(key)
    return dict(found)


def _likeness(old: str, new: str, existed: bool) -> tuple[bool, bool, bool, str]:
    """Smaller is likelier: a new key, in the same folder, or of the same name."""
    return existed, _folder(old) != _folder(new), old.rpartition("/")[2] != new.rpartition("/")[2], new


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
