"""Runs, failures, held deletes and the figures of `status`; every function runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from sync_service.catalogue.dialects import chunked, execute_many
from sync_service.catalogue.tables import (
    approvals,
    delivered,
    failures,
    held,
    observed,
    runs,
    touched,
)
from sync_service.models.changes import FailureRecord, RunRecord
from sync_service.models.data_models import UPLOADS, Operation
from sync_service.models.errors import Archived

_FAILURE = (
    "INSERT INTO failures (id, operation, route_id, file_path, revision, kind, message, attempts, cycles, first_at, last_at, "
    "quarantined) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id, operation) DO UPDATE SET "
    "file_path = excluded.file_path, revision = excluded.revision, kind = excluded.kind, message = excluded.message, "
    "attempts = excluded.attempts, cycles = excluded.cycles, last_at = excluded.last_at, quarantined = excluded.quarantined"
)

_APPROVAL = (
    "INSERT INTO approvals (id, route_id, file_path, approved_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "file_path = excluded.file_path, approved_at = excluded.approved_at"
)


def failures_of(conn: Connection, ids: Iterable[int]) -> dict[tuple[int, str], FailureRecord]:
    """The recorded failures of these rows, by (row id, operation)."""
    found = {}
    for part in chunked(ids):
        for record in conn.execute(select(failures).where(failures.c.id.in_(part))):
            found[record.id, record.operation] = _failure(record)
    return found


def put_failures(conn: Connection, route_id: int, records: Sequence[FailureRecord]) -> None:
    rows = [
        (
            f.row_id, f.operation, route_id, f.file_path, f.revision, f.kind, f.message, f.attempts, f.cycles, f.first_at,
            f.last_at, int(f.quarantined),
        )
        for f in records
    ]  # fmt: skip
    execute_many(conn, _FAILURE, rows)


def failures_over(operation: Operation) -> list[tuple[int, str]]:
    """The failures that a new outcome of `operation` replaces: a create and an update of one row are the same wish."""
    kinds = UPLOADS if operation.kind in UPLOADS else (operation.kind,)
    return [(operation.row_id, str(kind)) for kind in kinds]


def clear_failures(conn: Connection, done: Sequence[tuple[int, str]]) -> None:
    """These operations succeeded, (row id, operation)."""
    execute_many(conn, "DELETE FROM failures WHERE id = ? AND operation = ?", done)


def archived(conn: Connection, route_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """Rows in quarantine because their objects were archived, (id, path) in order of id."""
    query = select(failures.c.id, failures.c.file_path).where(
        failures.c.route_id == route_id, failures.c.kind == Archived.kind, failures.c.id > after
    )
    return [(row_id, path) for row_id, path in conn.execute(query.order_by(failures.c.id).limit(limit))]


def try_again(conn: Connection, route_id: int, paths: Sequence[str], kind: str | None = None) -> list[int]:
    """Takes rows out of quarantine (none named: all), of one kind or any, by the name under which they failed or the one they
    have now. What is tried next is a new effect, so their revision grows.
    """
    query = select(failures.c.id).where(failures.c.route_id == route_id, failures.c.quarantined == 1).distinct()
    if kind is not None:
        query = query.where(failures.c.kind == kind)
    parts = [query.where(_named(part)) for part in chunked(paths)] if paths else [query]
    ids = list(dict.fromkeys(row_id for part in parts for row_id in conn.execute(part).scalars()))
    rows = [(row_id,) for row_id in ids]
    execute_many(conn, "UPDATE observed SET revision = revision + 1 WHERE id = ?", rows)
    execute_many(conn, "UPDATE delivered SET revision = revision + 1 WHERE id = ? AND doubt IS NULL", rows)
    execute_many(conn, "DELETE FROM failures WHERE id = ?", rows)
    return ids


def _named(paths: Sequence[str]) -> ColumnElement[bool]:
    now = select(observed.c.id).where(observed.c.id == failures.c.id, observed.c.file_path.in_(paths)).exists()
    return failures.c.file_path.in_(paths) | now


def forget_stale_failures(conn: Connection, route_id: int) -> None:
    """Failures of rows that nothing is pending for: the object changed back, or is gone on both sides."""
    settled = ~select(touched.c.id).where(touched.c.id == failures.c.id).exists()
    conn.execute(delete(failures).where(failures.c.route_id == route_id, settled))


def held_for(conn: Connection, route_id: int) -> str | None:
    """Why deletes are held back; None where none are."""
    return conn.execute(select(held.c.reason).where(held.c.route_id == route_id)).scalar()


def put_held(conn: Connection, route_id: int, deletes: int, reason: str, now: str) -> None:
    """Notes the deletes that are held back; keeps since when they are."""
    since = conn.execute(select(held.c.since).where(held.c.route_id == route_id)).scalar() or now
    conn.execute(delete(held).where(held.c.route_id == route_id))
    if deletes:
        conn.execute(insert(held).values(route_id=route_id, deletes=deletes, reason=reason, since=since))


def approved(conn: Connection, route_id: int) -> dict[int, str]:
    """Deletes that a person agreed to: row id -> path as it was then."""
    query = select(approvals.c.id, approvals.c.file_path).where(approvals.c.route_id == route_id)
    return dict(conn.execute(query).all())


def approve(conn: Connection, route_id: int, deletes: Sequence[tuple[int, str]], now: str) -> None:
    """Agreed to, beside what was agreed to before; the same row twice counts as it was named last."""
    execute_many(conn, _APPROVAL, [(row_id, route_id, path, now) for row_id, path in dict(deletes).items()])


def clear_spent_approvals(conn: Connection, route_id: int) -> None:
    """An approval ends with the row that it was given for, also when the object came back."""
    pending = select(delivered.c.id).where(delivered.c.id == approvals.c.id).exists()
    back = select(observed.c.id).where(observed.c.id == approvals.c.id).exists()
    conn.execute(delete(approvals).where(approvals.c.route_id == route_id, ~pending | back))


def pending_deletes(
    conn: Connection, route_id: int, after: int = 0, limit: int | None = None
) -> list[tuple[int, str, str]]:
    """(row id, path, cause) of rows that the destination holds and the source no longer has, in order of id."""
    query = (
        select(delivered.c.id, delivered.c.file_path, touched.c.cause)
        .select_from(
            touched.join(delivered, delivered.c.id == touched.c.id).outerjoin(observed, observed.c.id == touched.c.id)
        )
        .where(touched.c.route_id == route_id, observed.c.id.is_(None), touched.c.id > after)
        .order_by(touched.c.id)
    )
    return [tuple(record) for record in conn.execute(query.limit(limit) if limit else query)]


def delete_causes(conn: Connection, ids: Iterable[int]) -> dict[int, str]:
    """row id -> cause, of those of these rows that the destination holds and the source no longer has."""
    found: dict[int, str] = {}
    for part in chunked(ids):
        query = (
            select(delivered.c.id, touched.c.cause)
            .select_from(
                delivered.join(touched, touched.c.id == delivered.c.id).outerjoin(
                    observed, observed.c.id == delivered.c.id
                )
            )
            .where(observed.c.id.is_(None), delivered.c.id.in_(part))
        )
        found.update((row_id, cause) for row_id, cause in conn.execute(query))
    return found


def begin_run(conn: Connection, route_id: int, run: RunRecord) -> None:
    """Runs are counted: their times are those of a clock that may have been set back."""
    last = conn.execute(select(func.max(runs.c.seq))).scalar() or 0
    conn.execute(
        insert(runs).values(
            run_id=run.run_id, route_id=route_id, seq=last + 1, sync_type=run.sync_type, started_at=run.started_at
        )
    )


def end_run(conn: Connection, run: RunRecord, keep: int) -> None:
    conn.execute(
        update(runs)
        .where(runs.c.run_id == run.run_id)
        .values(
            finished_at=run.finished_at,
            success=int(bool(run.success)),
            exit_code=run.exit_code,
            report=json.dumps(run.report),
            reported=int(run.reported),
        )
    )
    old = select(runs.c.run_id).order_by(runs.c.seq.desc()).offset(keep)
    if conn.dialect.name == "sqlite":
        old = old.limit(-1)
    conn.execute(delete(runs).where(runs.c.run_id.in_(old)))


def mark_reported(conn: Connection, run_id: str) -> None:
    conn.execute(update(runs).where(runs.c.run_id == run_id).values(reported=1))


def _failure(record: Any) -> FailureRecord:
    return FailureRecord(
        record.id, record.file_path, record.operation, record.revision, record.kind, record.message, record.attempts,
        record.cycles, record.first_at, record.last_at, bool(record.quarantined),
    )  # fmt: skip
