"""What a person asks of the writer while it runs: files in a folder beside the database, taken up by the next run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sync_service.models.crashpoints import passing
from sync_service.models.errors import StorageDenied, StorageFailed, StorageFull
from sync_service.models.findings import Remedy, Repair
from sync_service.services.snapshot_files import storage_error, write_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A request that could not be taken up, or not taken away: its file as it lies now, and why."""

    file: Path
    why: str


Tell = Callable[[Trouble], object]


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


def take_approvals(folder: Path, record: Callable[[list[tuple[int, str]]], object], tell: Tell) -> None:
    """Gives `record` each approval that was left, then takes it away. A damaged file counts as none, and so does one that
    `record` raises for: it is told and set aside as *.bad. Where the disk is at fault the request waits for the next run.

    They go last, so that a process that dies in between asks nobody to agree a second time.
    """
    _take(folder, "approve", _deletes, record, tell)


def take_retries(folder: Path, record: Callable[[list[str]], object], tell: Tell) -> None:
    """Gives `record` the paths to be tried again of each request that was left, as `take_approvals` does."""
    _take(folder, "retry", _paths, record, tell)


def take_checks(folder: Path, record: Callable[[dict[str, Any]], object], tell: Tell) -> None:
    """Gives `record` each result of a check that was left, oldest first, as `take_approvals` does."""
    for path, result in sorted(_sound(folder, "check", _result, tell), key=lambda found: str(found[1]["time"])):
        _record(path, result, record, tell)


def take_repairs(folder: Path, record: Callable[[list[Repair]], object], tell: Tell) -> None:
    """Gives `record` what checks have found, as `take_approvals` does; only one file is held in memory."""
    _take(folder, "repair", _repairs, record, tell)


def _leave(path: Path, content: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content))
    except OSError as error:
        raise storage_error(error, path.parent) from error


def _take(folder: Path, kind: str, read: Callable[[Any], T], record: Callable[[T], object], tell: Tell) -> None:
    for path, content in _sound(folder, kind, read, tell):
        _record(path, content, record, tell)


def _sound(folder: Path, kind: str, read: Callable[[Any], T], tell: Tell) -> Iterator[tuple[Path, T]]:
    """The requests of a kind that can be read, one after the other, with those that a process began with and died."""
    for left in sorted([*folder.glob(f"{kind}-*.json"), *folder.glob(f"{kind}-*.taken")]):
        if (path := _claimed(left, tell)) is None:
            continue
        try:
            content = read(json.loads(path.read_text("utf-8"))[kind])
        except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            _set_aside(path, f"it cannot be read ({type(error).__name__})", tell)
            continue
        yield path, content


def _claimed(path: Path, tell: Tell) -> Path | None:
    """The file under the name that says it is being taken up; one that cannot be moved would be taken up in every run."""
    try:
        return path.replace(path.with_suffix(".taken"))
    except FileNotFoundError:
        return None
    except OSError as error:
        tell(Trouble(path, f"it cannot be taken away ({error.strerror}), so it is not taken up"))
        return None


def _record(path: Path, content: T, record: Callable[[T], object], tell: Tell) -> None:
    try:
        record(content)
    except (StorageFull, StorageFailed, StorageDenied) as error:
        tell(Trouble(path, f"it waits for the next run: {error}"))
        return
    except Exception as error:
        _set_aside(path, f"it cannot be recorded: {error}", tell)
        return
    passing("requests recorded")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _set_aside(path, f"it was recorded, and cannot be deleted ({error.strerror})", tell)


def _set_aside(path: Path, why: str, tell: Tell) -> None:
    """Keeps the file under a name that no run takes up; where even that fails, it is told again with the next run."""
    try:
        path = path.replace(path.with_suffix(".bad"))
    except OSError as error:
        why = f"{why}; it cannot be set aside ({error.strerror})"
    tell(Trouble(path, why))


def _deletes(content: Any) -> list[tuple[int, str]]:
    return list({_id(row_id): _text(path) for row_id, path in content}.items())


def _paths(content: Any) -> list[str]:
    return [_text(path) for path in content]


def _result(content: Any) -> dict[str, Any]:
    time = str(content["time"])
    if datetime.fromisoformat(time).tzinfo is None:
        raise ValueError("a time without its zone")
    return dict(content) | {"time": time}


def _repairs(content: Any) -> list[Repair]:
    return [
        Repair(Remedy(remedy), _id(row_id), _id(revision), _text(path)) for remedy, row_id, revision, path in content
    ]


def _id(value: Any) -> int:
    """A number that a database can hold."""
    number = int(value)
    if not 0 <= number < 1 << 63:
        raise ValueError("no row has such a number")
    return number


def _text(value: Any) -> str:
    """A text that can be written anywhere."""
    text = str(value)
    text.encode("utf-8")
    return text
