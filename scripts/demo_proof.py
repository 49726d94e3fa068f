"""The demo's proof: both sides read whole and hashed here, and compared path by path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.demo_bucket import Held
from scripts.demo_screen import StepFailed
from scripts.demo_stage import Stage
from sync_service.models.text import shown

KINDS = ("create", "update", "move", "rename", "change_permission", "delete")
_ATTRIBUTES = ("permissions", "owner", "group")
_MOST = 20


def file_manager_contents(stage: Stage) -> dict[str, Held]:
    """Every file of the file manager; its bytes are fetched and hashed here, its own word is not taken for them."""
    return {file["file_path"]: _held(stage, file) for file in stage.ask_json("/_mock/files")}


def _held(stage: Stage, file: Mapping[str, Any]) -> Held:
    content = stage.ask("/_mock/content", file_path=file["file_path"])
    return Held(len(content), hashlib.sha256(content).hexdigest(), *(file[name] for name in _ATTRIBUTES))


def prove(bucket: Mapping[str, Held], manager: Mapping[str, Held]) -> list[str]:
    """The table. Raises StepFailed with it where the sides differ, or where there is nothing to compare."""
    found = differences(bucket, manager)
    lines = table(bucket, manager, len(found))
    if not bucket:
        raise StepFailed("the bucket is empty: nothing was proved", lines)
    if found:
        more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
        raise StepFailed(
            f"the file manager differs from the bucket in {len(found)} places", [*lines, *found[:_MOST], *more]
        )
    return lines


def differences(bucket: Mapping[str, Held], manager: Mapping[str, Held]) -> list[str]:
    """One line for each thing that is not the same on both sides."""
    found = []
    for path in sorted(bucket.keys() | manager.keys()):
        if path not in manager:
            found.append(f"{shown(path)}: only in the bucket")
        elif path not in bucket:
            found.append(f"{shown(path)}: only at the file manager")
        else:
            found += _compared(path, bucket[path], manager[path])
    return found


def _compared(path: str, wanted: Held, there: Held) -> list[str]:
    found = []
    if (wanted.size, wanted.sha256) != (there.size, there.sha256):
        found.append(f"{shown(path)}: other bytes ({wanted.size} in the bucket, {there.size} at the file manager)")
    for name in _ATTRIBUTES:
        told, kept = getattr(wanted, name), getattr(there, name)
        if told is not None and told != kept:
            found.append(f"{shown(path)}: {name} {shown(told)} in the bucket, {shown(kept)} at the file manager")
    return found


def table(bucket: Mapping[str, Held], manager: Mapping[str, Held], different: int) -> list[str]:
    """Both sides beside each other."""
    rows = [("", "paths", "files", "bytes", "permissions", "SHA-256 of all")]
    # Permissions are counted where the bucket has any: only there can the sides differ.
    known = [path for path, held in bucket.items() if _attributes(held)]
    for name, side in (("bucket", bucket), ("file manager", manager)):
        told = sum(1 for path in known if path in side and _attributes(side[path]))
        size = sum(held.size for held in side.values())
        files = sum(1 for path in side if not path.endswith("/"))
        rows.append((name, str(len(side)), str(files), f"{size:,}", str(told), digest_of(side)[:14]))
    return [*_aligned(rows), f"differences: {different}"]


def _attributes(held: Held) -> list[str]:
    return [value for name in _ATTRIBUTES if (value := getattr(held, name)) is not None]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def digest_of(side: Mapping[str, Held]) -> str:
    """One SHA-256 over all paths and their contents."""
    whole = hashlib.sha256()
    for path in sorted(side):
        whole.update(f"{side[path].sha256} {path}\0".encode())
    return whole.hexdigest()


def check_report(report: Mapping[str, Any], wanted_bytes: int) -> list[str]:
    """That the run did each kind of operation, and sent no byte that the file manager had. Raises StepFailed."""
    done = report["operation_counts"]
    if missing := [kind for kind in KINDS if not done.get(kind)]:
        raise StepFailed(f"the incremental sync did no {', no '.join(missing)}")
    sent = report["statistics"]["total_size"]
    if sent != wanted_bytes:
        raise StepFailed(f"the incremental sync sent {sent:,} bytes; the changes needed {wanted_bytes:,}")
    return [f"every kind of operation was done; {sent:,} bytes were sent: what is new, nothing that was only renamed"]
