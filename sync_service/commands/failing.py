"""Every object that fails or is in quarantine, read a page at a time: there may be as many as objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sync_service import bootstrap
from sync_service.catalogue.failing import failing_after, unanswered
from sync_service.models.changes import FailureRecord
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueMissing

PAGE = 1_000


def every_failure(config: SyncConfig) -> Iterator[dict[str, Any]]:
    """Each as reports name it, with when it first and last failed; none where there is no catalogue yet."""
    catalogue = bootstrap.read_catalogue(config)
    last: FailureRecord | None = None
    try:
        yield from (_told(record) for record in catalogue.within(unanswered))
        while found := catalogue.within(failing_after, last, PAGE):
            yield from (_told(record) for record in found)
            last = found[-1]
    except CatalogueMissing:
        return
    finally:
        catalogue.close()


def _told(record: FailureRecord) -> dict[str, Any]:
    times = {"first_at": record.first_at or None, "last_at": record.last_at or None}
    return {**record.as_json(), "quarantined": record.quarantined, **times}
