"""What every service of one route works with: the catalogue and its thread, the retry layer, who is told, and the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync_service.ports import Observer
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Tools:
    """`now` gives ISO 8601 UTC text; `workers` is how many requests may be under way at once."""

    catalogue: DatabaseManager
    thread: CatalogueThread
    retry: RetryPolicy
    observer: Observer
    now: Callable[[], str]
    workers: int
