"""The figures of `status`, as plain SQL that any connection can ask; nothing here counts the observed rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import starmap
from typing import Any

from sync_service.catalogue.stored import stored
from sync_service.models.changes import (
    CHECK,
    GONE,
    LEFT_OUT,
    UNANSWERED,
    FailureRecord,
    Held,
    RunRecord,
    ScanState,
    ScanStatus,
    Totals,
)
from sync_service.models.errors import Archived

Ask = Callable[..., list[tuple[Any, ...]]]
"""`ask(sql, *values)` gives all rows of a query that is written with `?` for its values."""

_RUN = (
    "SELECT r.run_id, o.name, r.sync_type, r.started_at, r.finished_at, r.success, r.exit_code, r.report, r.reported "
    "FROM runs r JOIN routes o ON o.id = r.route_id "
)


def routes(ask: Ask) -> list[tuple[int, str]]:
    """(id, name) of every route."""
    return [(int(route_id), str(name)) for route_id, name in ask("SELECT id, name FROM routes ORDER BY id")]


def observed(ask: Ask, route_id: int | None = None) -> tuple[int, int]:
    """(files, bytes) observed, of one route or of all."""
    where, values = ("", ()) if route_id is None else (" WHERE id = ?", (route_id,))
    ((files, size),) = ask(f"SELECT sum(observed_files), sum(observed_bytes) FROM routes{where}", *values)  # noqa: S608
    return stored(int, files or 0), stored(int, size or 0)


def delivered(ask: Ask, route_id: int) -> int:
    """Rows that the destination holds."""
    return stored(int, *_only(ask("SELECT delivered_files FROM routes WHERE id = ?", route_id)))


def totals(ask: Ask, route_id: int) -> Totals:
    """The figures of a route that the catalogue alone can tell."""
    files, size = observed(ask, route_id)
    ((pending, oldest),) = ask("SELECT count(*), min(since) FROM touched WHERE route_id = ?", route_id)
    kinds = ask(
        "SELECT kind, quarantined, count(*) FROM failures WHERE route_id = ? GROUP BY kind, quarantined", route_id
    )
    pending_looks, unanswered = unanswered_count(ask, route_id)
    if unanswered:
        kinds.append((UNANSWERED, False, unanswered))
    ((left_out,),) = ask("SELECT count(*) FROM quarantine WHERE route_id = ? AND reason = ?", route_id, LEFT_OUT)
    if left_out:
        kinds.append((LEFT_OUT, True, left_out))
    texts = "SELECT count(*) FROM quarantine WHERE route_id = ? AND reason <> ?"
    scan = scan_state(ask, route_id)
    ((unread,),) = ask(f"{texts} AND received_at > ?", route_id, LEFT_OUT, scan.finished_at or "")
    ((agreed,),) = ask("SELECT max(approved_at) FROM approvals WHERE route_id = ?", route_id)
    (done,) = _only(ask("SELECT initial_done FROM routes WHERE id = ?", route_id))
    return Totals(
        files=files,
        size=size,
        pending=pending + pending_looks,
        unanswered=unanswered,
        failed=sum(number for _, quarantined, number in kinds if not quarantined),
        quarantined=sum(number for _, quarantined, number in kinds if quarantined) + int(unread),
        oldest_pending=oldest,
        held=held(ask, route_id),
        approved_at=agreed,
        archived=sum(number for kind, quarantined, number in kinds if quarantined and kind == Archived.kind),
        unread_events=int(unread),
        scan=scan,
        initial_done=bool(done),
        unverified=unverified(ask, route_id),
        error_counts=_by_kind((kind, number) for kind, _, number in kinds),
        check=last_check(ask, route_id),
    )


def failure_records(ask: Ask, which: str, *values: Any) -> list[FailureRecord]:
    """The failures that `which` (SQL behind the table's name, with `?` for its values) names."""
    columns = "id, file_path, operation, revision, kind, message, attempts, cycles, first_at, last_at, quarantined"
    found = ask(f"SELECT {columns} FROM failures {which}", *values)  # noqa: S608 - our own words
    return [replace(record, quarantined=bool(record.quarantined)) for record in starmap(FailureRecord, found)]


def failing(ask: Ask, route_id: int, limit: int) -> list[FailureRecord]:
    """The newest failures first; archived objects, which may be many and are no one's fault, behind all others."""
    order = "ORDER BY CASE kind WHEN ? THEN 1 ELSE 0 END, last_at DESC, id LIMIT ?"
    failures = failure_records(ask, f"WHERE route_id = ? {order}", route_id, Archived.kind, limit)
    archived = [failure for failure in failures if failure.kind == Archived.kind]
    found = failures[: len(failures) - len(archived)] + unanswered_records(ask, route_id, limit) + archived
    return (found + _left_out(ask, route_id, limit))[:limit]


_UNANSWERED = "FROM relooks r WHERE r.route_id = ? AND r.reason NOT IN (?, ?)"
_UNANSWERED_COUNT = (
    "SELECT coalesce(sum(CASE WHEN EXISTS (SELECT 1 FROM observed o JOIN touched t ON t.id = o.id WHERE "  # noqa: S608
    f"o.route_id = r.route_id AND o.file_path = r.file_path) THEN 0 ELSE 1 END), 0), count(*) {_UNANSWERED}"
)


def unanswered_count(ask: Ask, route_id: int) -> tuple[int, int]:
    """How many keys the source does not answer for that nothing else is pending of, and how many in all."""
    ((alone, every),) = ask(_UNANSWERED_COUNT, route_id, GONE, CHECK)
    return int(alone), int(every)


def unanswered_records(ask: Ask, route_id: int, limit: int | None = None) -> list[FailureRecord]:
    """The keys that the source does not answer for: no operation is known of them yet, so `look` is what fails."""
    query = f"SELECT r.file_path, r.attempts, r.reason {_UNANSWERED} ORDER BY r.file_path"
    found = ask(query if limit is None else f"{query} LIMIT {int(limit)}", route_id, GONE, CHECK)
    return [
        FailureRecord(0, path, "look", 0, UNANSWERED, why, attempts, attempts, "", "", False)
        for path, attempts, why in found
    ]


def _left_out(ask: Ask, route_id: int, limit: int) -> list[FailureRecord]:
    """Objects whose keys the database cannot hold, as the last scan saw them."""
    query = "SELECT raw, received_at FROM quarantine WHERE route_id = ? AND reason = ? ORDER BY id LIMIT ?"
    why = "PostgreSQL cannot hold a key with a NUL in it, so the object is left out"
    return [
        FailureRecord(0, key, "create", 1, LEFT_OUT, why, 0, 1, at, at, True)
        for key, at in ask(query, route_id, LEFT_OUT, limit)
    ]


def unverified_name(route_id: int) -> str:
    """Where `meta` notes that a route has to be compared with its destination."""
    return f"unverified.{route_id}"


def unverified(ask: Ask, route_id: int) -> str | None:
    """Why a route has to be compared with its destination (`restored`, `rebuilt`); None where it has not."""
    found = ask("SELECT value FROM meta WHERE name = ?", unverified_name(route_id))
    return stored(_reason, found[0][0]) if found else None


def _only(found: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The one row that has to be there."""
    return stored(lambda: found[0])


def held(ask: Ask, route_id: int) -> Held | None:
    """The deletes that the guard holds back."""
    found = ask("SELECT deletes, reason, since FROM held WHERE route_id = ?", route_id)
    return Held(stored(int, found[0][0]), *found[0][1:]) if found else None


def last_check(ask: Ask, route_id: int) -> dict[str, Any] | None:
    """The result of the last check, as it was kept."""
    found = ask("SELECT value FROM meta WHERE name = ?", f"check:{route_id}")
    return stored(lambda text: dict(json.loads(text)), found[0][0]) if found else None


def scan_state(ask: Ask, route_id: int) -> ScanState:
    """Where the scan of a route stands."""
    found = ask(
        "SELECT state, token, last_key, started_at, finished_at, keys, bytes, suspicion FROM scans WHERE route_id = ?",
        route_id,
    )
    if not found:
        return ScanState(ScanStatus.NONE)
    state, token, last_key, started_at, finished_at, keys, size, suspicion = found[0]
    return ScanState(
        stored(ScanStatus, state),
        token,
        last_key,
        started_at,
        finished_at,
        stored(int, keys),
        stored(int, size),
        suspicion,
    )


def next_run(ask: Ask, route_id: int) -> str | None:
    """When the daemon runs next, as it has noted."""
    return _text(*_only(ask("SELECT next_run FROM routes WHERE id = ?", route_id)))


def last_success(ask: Ask, route_id: int) -> str | None:
    """When the newest run ended in which nothing failed."""
    successes = f"{_RUN}WHERE r.route_id = ? AND r.success = 1{_newest_first(ask)}"
    found = ask(successes, route_id, 1)
    return _run(*found[0]).finished_at if found else None


def runs(ask: Ask, route_id: int, limit: int, unreported: bool = False) -> list[RunRecord]:
    """The newest runs first; `unreported` only those that ended and whose report was not received."""
    only = " AND r.reported = 0 AND r.report IS NOT NULL" if unreported else ""
    return [_run(*found) for found in ask(f"{_RUN}WHERE r.route_id = ?{only}{_newest_first(ask)}", route_id, limit)]


def _newest_first(ask: Ask) -> str:
    """Runs are counted since schema 0004; in an older one their times have to tell the order."""
    ((version,),) = ask("SELECT version_num FROM alembic_version")
    return f" ORDER BY r.{'seq' if str(version) >= '0004' else 'started_at'} DESC LIMIT ?"


def run(ask: Ask, beginning: str) -> RunRecord | None:
    """The run whose id is or begins with `beginning`; None where there is none, or more than one."""
    found = ask(f"{_RUN}WHERE substr(r.run_id, 1, ?) = ? LIMIT 2", len(beginning), beginning)
    return _run(*found[0]) if len(found) == 1 else None


def _run(*columns: Any) -> RunRecord:
    run_id, route, sync_type, started_at, finished_at, success, exit_code, report, reported = columns
    return RunRecord(
        run_id,
        route,
        sync_type,
        started_at,
        finished_at,
        None if success is None else bool(success),
        exit_code,
        stored(_report, report) if report else None,
        bool(reported),
    )


def _reason(text: str) -> str:
    return str(json.loads(text)["reason"])


def _report(text: str) -> dict[str, object]:
    return dict(json.loads(text))


def _by_kind(counted: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for kind, number in counted:
        counts[kind] = counts.get(kind, 0) + number
    return counts


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
