"""What a repair changes in the catalogue: rows become pending under a new revision; every function runs in the caller's
transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from sync_service.catalogue.comparing import is_held
from sync_service.catalogue.delivering import UNKNOWN_VERSION
from sync_service.catalogue.dialects import asking, execute_many, insert_rows
from sync_service.catalogue.figures import last_check
from sync_service.catalogue.observing import take_ids, touch
from sync_service.catalogue.running_totals import add_delivered, drop_delivered
from sync_service.catalogue.tables import delivered
from sync_service.models.changes import CHECK
from sync_service.models.findings import Remedy, Repair, clean_full_time

_CAUSE = "command"
_LEFT_COLUMNS = ("id", "route_id", "file_path", "size", "etag", "last_modified", "revision")

_AS_CHECKED = (
    "SELECT 1 FROM {table} r LEFT JOIN delivered d ON d.id = r.id "
    "WHERE r.id = ? AND r.route_id = ? AND r.revision = ? AND d.doubt IS NULL"
)
_RAISE_OBSERVED = (
    "UPDATE observed SET revision = 1 + CASE WHEN revision < coalesce((SELECT d.revision FROM delivered d WHERE "
    "d.id = observed.id), 0) THEN (SELECT d.revision FROM delivered d WHERE d.id = observed.id) ELSE revision END WHERE id = ?"
)


def repair(conn: Connection, route_id: int, repairs: Sequence[Repair], now: str) -> int:
    """Makes what a check found pending; returns how many. A row that has moved on since the check is left alone."""
    wanted: defaultdict[Remedy, list[Repair]] = defaultdict(list)
    for one in repairs:
        if one.row_id == 0 or _as_checked(conn, route_id, one):
            wanted[one.remedy].append(one)
    done = _look(conn, route_id, wanted[Remedy.LOOK]) + _forget(conn, route_id, wanted[Remedy.DELETE], now)
    ids = {remedy: [one.row_id for one in found if one.row_id] for remedy, found in wanted.items()}
    pending = {row_id for remedy, found in ids.items() if remedy is not Remedy.LOOK for row_id in found}
    _raise(conn, pending)
    _make_unlike(conn, route_id, ids)
    touch(conn, route_id, sorted(pending), now, _CAUSE)
    return done + len(pending)


def put_check(conn: Connection, route_id: int, result: Mapping[str, Any]) -> None:
    """Keeps the result of a check for `status`, and with it when the last full one was clean."""
    before = last_check(asking(conn), route_id) or {}
    kept = {**result, "full_clean_at": clean_full_time(result) or before.get("full_clean_at")}
    row = (f"check:{route_id}", json.dumps(kept))
    execute_many(
        conn,
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [row],
    )


def _as_checked(conn: Connection, route_id: int, one: Repair) -> bool:
    """Whether the row is settled and still the one that was checked; a delete is about the delivered one."""
    table = "delivered" if one.remedy is Remedy.DELETE else "observed"
    return bool(asking(conn)(_AS_CHECKED.format(table=table), one.row_id, route_id, one.revision))


def _raise(conn: Connection, ids: Iterable[int]) -> None:
    """What follows is another effect than the one that was confirmed: its idempotency key must be a new one."""
    rows = [(row_id,) for row_id in sorted(ids)]
    execute_many(conn, _RAISE_OBSERVED, rows)
    gone = "NOT EXISTS (SELECT 1 FROM observed o WHERE o.id = delivered.id)"
    execute_many(conn, f"UPDATE delivered SET revision = revision + 1 WHERE id = ? AND {gone}", rows)  # noqa: S608


def _make_unlike(conn: Connection, route_id: int, ids: Mapping[Remedy, list[int]]) -> None:
    """What the destination turned out not to hold is taken out of `delivered`, so that the diff finds it."""
    drop_delivered(conn, route_id, ids.get(Remedy.SEND, []))
    again = [(UNKNOWN_VERSION, row_id) for row_id in ids.get(Remedy.SEND_AGAIN, [])]
    execute_many(conn, "UPDATE delivered SET etag = ? WHERE id = ?", again)
    permits = [(row_id,) for row_id in ids.get(Remedy.PERMIT, [])]
    execute_many(conn, 'UPDATE delivered SET permissions = NULL, owner = NULL, "group" = NULL WHERE id = ?', permits)


def _look(conn: Connection, route_id: int, looks: Sequence[Repair]) -> int:
    """The next run asks the source about these keys, and records what it answers."""
    execute_many(
        conn,
        "INSERT INTO relooks (route_id, file_path, attempts, reason) VALUES (?, ?, 0, ?) "
        "ON CONFLICT (route_id, file_path) DO NOTHING",
        [(route_id, one.file_path, CHECK) for one in looks],
    )
    return len(looks)


def _forget(conn: Connection, route_id: int, deletes: Sequence[Repair], now: str) -> int:
    """Paths without a row that the destination still has get one, so that the next run deletes it, if the guard lets it."""
    paths = [one.file_path for one in deletes if one.row_id == 0 and not is_held(conn, route_id, one.file_path)]
    if not paths:
        return 0
    ids = list(take_ids(conn, len(paths)))
    rows = [(row_id, route_id, path, 0, UNKNOWN_VERSION, "", 1) for row_id, path in zip(ids, paths, strict=True)]
    insert_rows(conn, delivered, _LEFT_COLUMNS, rows)
    add_delivered(conn, route_id, len(rows))
    touch(conn, route_id, ids, now, _CAUSE)
    return len(rows)
