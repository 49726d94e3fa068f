"""What a person asks of the writer while it runs: files in a folder beside the database, taken up by the next run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sync_service.models.crashpoints import passing
from sync_service.models.findings import Remedy, Repair
from sync_service.services.snapshot_files import storage_error, write_text

T = TypeVar("T")


def leave_approval(folder: Path, name: str, deletes: list[tuple[int, str]]) -> None:
    """Asks the running daemon to let exactly these deletes through, (row id, path)."""
    _leave(folder / f"approve-{name}.json", {"approve": deletes})


def leave_retry(folder: Path, name: str, paths: list[str]) -> None:
    """Asks the running daemon to try these paths again that it had given up; an empty list means all of them."""
    _leave(folder / f"retry-{name}.json", {"retry": paths})


def leave_check(folder: Path, name: str, result: dict[str, Any]) -> None:
    """Gives the running daemon the result of a check to keep."""
    _leave(folder / f"check-{name}.json", {"check": result})


def leave_repairs(folder: Path, name: str, repairs: list[Repair]) -> None:
    """Asks the running daemon to make pending what a check has found."""
    _leave(folder / f"repair-{name}.json", {"repair": repairs})


def take_approvals(folder: Path, record: Callable[[list[tuple[int, str]]], object]) -> None:
    """Gives `record` all approvals that were left, then takes them away; a damaged file counts as none.

    They go last, so that a process that dies in between asks nobody to agree a second time.
    """
    _take(folder, "approve", _deletes, lambda lists: record([delete for deletes in lists for delete in deletes]))


def take_retries(folder: Path, record: Callable[[list[list[str]]], object]) -> None:
    """Gives `record` the lists of paths to be tried again, one for each request that was left, then takes them away."""
    _take(folder, "retry", _paths, record)


def take_checks(folder: Path, record: Callable[[list[dict[str, Any]]], object]) -> None:
    """Gives `record` the results of checks that were left, oldest first, then takes them away."""
    _take(folder, "check", _result, lambda results: record(sorted(results, key=lambda result: str(result["time"]))))


def take_repairs(folder: Path, record: Callable[[list[Repair]], object]) -> None:
    """Gives `record` what checks have found, one file after the other: only one is held in memory."""
    for path in sorted(folder.glob("repair-*.json")):
        _take_files([path], "repair", _repairs, lambda lists: [record(repairs) for repairs in lists])


def _leave(path: Path, content: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content))
    except OSError as error:
        raise storage_error(error, path.parent) from error


def _take(folder: Path, kind: str, read: Callable[[Any], T], record: Callable[[list[T]], object]) -> None:
    _take_files(sorted(folder.glob(f"{kind}-*.json")), kind, read, record)


def _take_files(left: list[Path], kind: str, read: Callable[[Any], T], record: Callable[[list[T]], object]) -> None:
    found: list[T] = []
    for path in left:
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(read(json.loads(path.read_text("utf-8"))[kind]))
    if found:
        record(found)
        passing("requests recorded")
    for path in left:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _deletes(content: Any) -> list[tuple[int, str]]:
    return [(int(row_id), str(path)) for row_id, path in content]


def _paths(content: Any) -> list[str]:
    return [str(path) for path in content]


def _result(content: Any) -> dict[str, Any]:
    return dict(content) | {"time": str(content["time"])}


def _repairs(content: Any) -> list[Repair]:
    return [Repair(Remedy(remedy), int(row_id), int(revision), str(path)) for remedy, row_id, revision, path in content]
