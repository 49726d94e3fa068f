"""What a stretch of a listing is compared with: the rows at its keys, while those between them are noted as missing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import Connection

from sync_service.catalogue import intake, observing
from sync_service.models.changes import Known

STEP = 10_000
"""Rows that are read at once: between two keys of a listing there may be millions that it no longer has."""


def known_among(
    within: Callable[..., Any], listed: Collection[str], after: str | None, upto: str | None
) -> list[Known]:
    """Observed rows with after < path <= upto at keys that were `listed`; the others are noted as missing.

    `within` (DatabaseManager's) commits each step. A scan that is interrupted notes the same rows again, which is harmless.
    """
    found: list[Known] = []
    while True:
        step: list[Known] = within(_sift, listed, after, upto)
        found += [row for row in step if row.file_path in listed]
        if len(step) < STEP:
            return found
        after = step[-1].file_path


def _sift(conn: Connection, route_id: int, listed: Collection[str], after: str | None, upto: str | None) -> list[Known]:
    step = observing.known_between(conn, route_id, after, upto, STEP)
    intake.add_missing(conn, route_id, [row.id for row in step if row.file_path not in listed])
    return step
