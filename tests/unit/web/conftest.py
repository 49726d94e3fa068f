"""The status server's application, as tests ask it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sync_service.web.app import create_app

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOLDER = {"pid": 4120, "host": "sync-1", "since": "2026-11-20T09:00:00Z"}
CHECK = {"time": "2026-11-21T06:00:00Z", "counts": {"missing": 2, "compared": 9}, "read_data": False, "full": True}
ROUTE: dict[str, Any] = {
    "route": "customer",
    "state": "DEGRADED",
    "reason": "1 object fails",
    "last_run": "2026-11-21T11:56:40Z",
    "last_success": "2026-11-21T06:48:00Z",
    "last_check": None,
    "next_run": "2026-11-21T12:01:40Z",
    "files": 1284102,
    "bytes": 3_412_776_120_333,
    "pending": 217,
    "failed": 1,
    "quarantined": 0,
    "oldest_pending": "2026-11-21T07:00:00Z",
    "events_processed": 412,
    "operations_executed": 1287,
    "duration_seconds": 83.4,
    "error_counts": {"refused": 2},
    "held_deletes": 214,
    "lock_holder": HOLDER,
    "check": CHECK,
}


async def _fine() -> None:
    return None


@pytest.fixture
def make() -> Callable[..., Any]:
    """Makes an application: `make(token=..., status=...)`."""

    def made(**changes: Any) -> Any:
        options: dict[str, Any] = {
            "status": lambda: {"version": "0.1.0", "routes": [ROUTE]},
            "pings": {"source": _fine, "destination": _fine},
            "metrics": lambda: b"s3sync_pending 1\n",
            "now": lambda: NOW,
        }
        return create_app(**options | changes)

    return made
