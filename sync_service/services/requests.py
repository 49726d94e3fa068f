"""What a person asks of the writer while it runs: files in a folder beside the database, taken up by the next run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sync_service.services.snapshot_files import storage_error, write_text

T = TypeVar("T")


def leave_approval(folder: Path, name: str, deletes: list[tuple[int, str]]) -> None:
    """Asks the running daemon to let exactly these deletes through, (row id, path)."""
    _leave(folder / f"approve-{name}.json", {"approve": deletes})


def leave_retry(folder: Path, name: str, paths: list[str]) -> None:
    """Asks the running daemon to try these paths again that it had given up; an empty list means all of them."""
    _leave(folder / f"retry-{name}.json", {"retry": paths})


def take_approvals(folder: Path) -> list[tuple[int, str]]:
    """All approvals that were left since the last call; a damaged file counts as none."""
    return [delete for request in _take(folder, "approve", _deletes) for delete in request]


def take_retries(folder: Path) -> list[list[str]]:
    """The lists of paths to be tried again, one for each request that was left."""
    return _take(folder, "retry", _paths)


def _leave(path: Path, content: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content))
    except OSError as error:
        raise storage_error(error, path.parent) from error


def _take(folder: Path, kind: str, read: Callable[[Any], T]) -> list[T]:
    found: list[T] = []
    for path in sorted(folder.glob(f"{kind}-*.json")):
        try:
            found.append(read(json.loads(path.read_text("utf-8"))[kind]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return found


def _deletes(content: Any) -> list[tuple[int, str]]:
    return [(int(row_id), str(path)) for row_id, path in content]


def _paths(content: Any) -> list[str]:
    return [str(path) for path in content]
