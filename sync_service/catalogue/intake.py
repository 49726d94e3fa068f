"""Events, the log's cursor and the state of a scan; every function runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from sync_service.catalogue.dialects import chunked, delete_ids, execute_many
from sync_service.catalogue.stored import stored
from sync_service.catalogue.tables import events, quarantine, relooks, routes, scan_missing, scans
from sync_service.models.changes import CHECK, GONE, LEFT_OUT, EventRecord, Relook, ScanState, ScanStatus, Wish
from sync_service.models.data_models import Poison
from sync_service.models.event_identity import content_hash
from sync_service.models.text import escaped

_RAW_LIMIT = 4096

_EVENT = (
    "INSERT INTO events (route_id, event_key, content, event_type, file_path, new_path, timestamp, received_at, state, reason) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (route_id, event_key) DO UPDATE SET "
    "timestamp = excluded.timestamp, received_at = excluded.received_at, state = excluded.state, reason = excluded.reason"
)
_QUARANTINE = (
    "INSERT INTO quarantine (route_id, digest, reason, raw, received_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (route_id, digest)"
)
_MISSING = "INSERT INTO scan_missing (id, route_id) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"


def known_events(conn: Connection, route_id: int, keys: Iterable[str]) -> set[str]:
    """Which of these event keys were seen before."""
    known: set[str] = set()
    for part in chunked(keys):
        query = select(events.c.event_key).where(events.c.route_id == route_id, events.c.event_key.in_(part))
        known.update(conn.execute(query).scalars())
    return known


def last_position(conn: Connection) -> int:
    """The position of the newest event that was ever recorded; positions only grow."""
    return stored(int, conn.execute(select(func.coalesce(func.max(events.c.seq), 0))).scalar_one())


def record_events(conn: Connection, route_id: int, records: Sequence[EventRecord], now: str) -> None:
    execute_many(
        conn,
        _EVENT,
        [
            (
                route_id,
                e.event_key,
                e.content,
                e.event_type,
                e.file_path,
                e.new_path,
                e.timestamp,
                now,
                e.state,
                e.reason,
            )
            for e in records
        ],
    )


def forget_retold(conn: Connection, route_id: int, told: Mapping[str, set[str]]) -> None:
    """Forgets events that a log told before and now tells again under other times. The newest stays: positions only grow."""
    newest = last_position(conn)
    spent: list[int] = []
    for part in chunked(told):
        query = select(events.c.seq, events.c.event_key, events.c.content).where(
            events.c.route_id == route_id, events.c.content.in_(part), events.c.seq < newest
        )
        spent += [seq for seq, key, content in conn.execute(query) if key not in told[content]]
    execute_many(conn, "DELETE FROM events WHERE seq = ?", [(seq,) for seq in spent])


def record_poison(conn: Connection, route_id: int, poison: Sequence[Poison], now: str) -> None:
    """Keeps each poison event once, however often the log repeats it; its text is cut."""
    rows = [(route_id, content_hash(p), p.reason, p.raw[:_RAW_LIMIT], now) for p in poison]
    execute_many(conn, f"{_QUARANTINE} DO NOTHING", rows)


def leave_out(conn: Connection, route_id: int, keys: Sequence[str], now: str) -> None:
    """Notes keys of the source that the database cannot hold, escaped, as seen now."""
    poison = [Poison(LEFT_OUT, escaped(key)) for key in keys]
    rows = [(route_id, content_hash(p), p.reason, p.raw, now) for p in poison]
    execute_many(conn, f"{_QUARANTINE} DO UPDATE SET received_at = excluded.received_at", rows)


def known_poison(conn: Connection, route_id: int, poison: Iterable[Poison]) -> set[str]:
    """Digests of those poison events that are in quarantine already."""
    found: set[str] = set()
    for part in chunked([content_hash(p) for p in poison]):
        query = select(quarantine.c.digest).where(quarantine.c.route_id == route_id, quarantine.c.digest.in_(part))
        found.update(conn.execute(query).scalars())
    return found


def relooks_due(conn: Connection, route_id: int) -> dict[str, Relook]:
    """Keys that are to be looked at again."""
    c = relooks.c
    query = select(c.file_path, c.attempts, c.reason, c.wishes).where(c.route_id == route_id)
    return {
        path: Relook(attempts, reason, tuple(Wish(*wish) for wish in json.loads(wishes)))
        for path, attempts, reason, wishes in conn.execute(query)
    }


def put_relooks(conn: Connection, route_id: int, again: dict[str, Relook]) -> None:
    """These keys are to be looked at again with the next batch, and no others."""
    conn.execute(delete(relooks).where(relooks.c.route_id == route_id))
    execute_many(
        conn,
        "INSERT INTO relooks (route_id, file_path, attempts, reason, wishes) VALUES (?, ?, ?, ?, ?)",
        [(route_id, path, r.attempts, r.reason, json.dumps(r.wishes)) for path, r in again.items()],
    )


def add_unanswered(conn: Connection, route_id: int, reasons: dict[str, str]) -> None:
    """The source does not say what is at these keys, and why: they are looked at again with the next batch, too."""
    execute_many(
        conn,
        "INSERT INTO relooks (route_id, file_path, attempts, reason) VALUES (?, ?, 1, ?) "
        "ON CONFLICT (route_id, file_path) DO UPDATE SET reason = excluded.reason",
        [(route_id, path, reason) for path, reason in reasons.items()],
    )


def prune_events(conn: Connection, keep: int) -> None:
    """Forgets all but the newest `keep` events and quarantined texts, of all routes, so that the file does not grow for ever."""
    for column in (events.c.seq, quarantine.c.id):
        if newest := conn.execute(select(func.max(column))).scalar():
            conn.execute(delete(column.table).where(column <= newest - keep))


def events_at(conn: Connection, route_id: int, paths: Iterable[str]) -> list[dict[str, Any]]:
    """The events that named one of `paths`, newest first."""
    told = ("received_at", "event_type", "file_path", "new_path", "timestamp", "state", "reason")
    c = events.c
    found: dict[int, dict[str, Any]] = {}
    for part in chunked(paths):
        query = select(c.seq, *(c[name] for name in told)).where(
            c.route_id == route_id, c.file_path.in_(part) | c.new_path.in_(part)
        )
        found.update((record[0], dict(zip(told, record[1:], strict=True))) for record in conn.execute(query))
    return [found[seq] for seq in sorted(found, reverse=True)]


def relook_of(conn: Connection, route_id: int, path: str) -> str | None:
    """Why the source did not answer for `path` when an event named it; None where it did."""
    c = relooks.c
    query = select(c.reason).where(c.route_id == route_id, c.file_path == path, c.reason.not_in([GONE, CHECK]))
    return conn.execute(query).scalar()


def set_cursor(conn: Connection, route_id: int, cursor: str | None) -> None:
    if cursor is not None:
        conn.execute(update(routes).where(routes.c.id == route_id).values(cursor=cursor))


def begin_log_anew(conn: Connection, route_id: int) -> None:
    """The log is read from its start again. What it told in between may be lost, so a whole new scan is due at once."""
    conn.execute(update(routes).where(routes.c.id == route_id).values(cursor=None))
    due = {"state": ScanStatus.NONE, "token": None, "last_key": None, "finished_at": None}
    conn.execute(update(scans).where(scans.c.route_id == route_id).values(**due))


def begin_log(
    conn: Connection,
    route_id: int,
    cursor: str | None,
    asked: Sequence[EventRecord],
    waiting: dict[str, Relook],
    now: str,
) -> None:
    """Where the replay begins once the first scan is done, and what the log has asked before; noted once, before the first page
    is listed.
    """
    record_events(conn, route_id, asked, now)
    put_relooks(conn, route_id, waiting)
    conn.execute(update(routes).where(routes.c.id == route_id).values(cursor=cursor, positioned=1))


def put_scan_state(conn: Connection, route_id: int, state: ScanState) -> None:
    values: dict[str, Any] = {
        "state": state.status,
        "token": state.token,
        "last_key": state.last_key,
        "started_at": state.started_at,
        "finished_at": state.finished_at,
        "keys": state.keys,
        "bytes": state.size,
        "suspicion": state.suspicion,
    }
    if conn.execute(update(scans).where(scans.c.route_id == route_id).values(**values)).rowcount == 0:
        conn.execute(scans.insert().values(route_id=route_id, **values))


def end_scan(conn: Connection, route_id: int, state: ScanState, now: str) -> None:
    """The scan is through: nothing of it is missing any more, and keys that were left out before it are gone."""
    clear_missing(conn, route_id)
    put_scan_state(conn, route_id, state.ended(now))
    q = quarantine.c
    gone = (q.route_id == route_id, q.reason == LEFT_OUT, q.received_at < (state.started_at or ""))
    conn.execute(delete(quarantine).where(*gone))


def clear_suspicion(conn: Connection, route_id: int) -> None:
    conn.execute(update(scans).where(scans.c.route_id == route_id).values(suspicion=None))


def add_missing(conn: Connection, route_id: int, ids: Sequence[int]) -> None:
    """Notes rows that the scan did not list. A scan that was interrupted may have noted them before, and an event may have
    moved a row that was missing already to a key that is missing as well.
    """
    execute_many(conn, _MISSING, [(i, route_id) for i in ids])


def missing(conn: Connection, route_id: int, after: int, limit: int) -> list[int]:
    """Ids of rows that the scan did not list, in order of id."""
    query = select(scan_missing.c.id).where(scan_missing.c.route_id == route_id, scan_missing.c.id > after)
    return list(conn.execute(query.order_by(scan_missing.c.id).limit(limit)).scalars())


def clear_missing(conn: Connection, route_id: int, ids: Sequence[int] | None = None) -> None:
    if ids is None:
        conn.execute(delete(scan_missing).where(scan_missing.c.route_id == route_id))
    else:
        delete_ids(conn, scan_missing, ids)
