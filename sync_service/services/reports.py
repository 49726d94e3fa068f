"""The run report: put together, kept in a folder, and handed to the destination until it was received."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync_service.models.changes import Failing, FailureRecord
from sync_service.models.data_models import UPLOADS, SyncType
from sync_service.models.errors import SyncError
from sync_service.models.text import escaped
from sync_service.services.delivery import DeliveryCounts
from sync_service.services.event_processor import EventCounts
from sync_service.services.snapshot_files import storage_error, write_text

ERRORS_SHOWN = 100
REPORTS_KEPT = 200


@dataclass(slots=True)
class RunFacts:
    """What is known of a run when it ends; `problems` are the errors of whole steps.

    `failing` is counted in the catalogue, where an operation that fails in several rounds of one run is one.
    """

    run_id: str
    sync_type: SyncType
    route: str
    started_at: str
    events: EventCounts = field(default_factory=EventCounts)
    delivery: DeliveryCounts = field(default_factory=DeliveryCounts)
    failing: Failing = field(default_factory=Failing)
    still_failing: list[FailureRecord] = field(default_factory=list)
    problems: list[SyncError] = field(default_factory=list)
    held: int = 0
    held_reason: str = ""
    silent: bool = False
    refused: bool = False
    stopped: bool = False
    keys_scanned: int | None = None
    plan: dict[str, Any] | None = None


def build_report(facts: RunFacts, success: bool, duration: float, service: dict[str, Any]) -> dict[str, Any]:
    """The report of the contract (section 4) as JSON values; `duration` in seconds."""
    delivery, events = facts.delivery, facts.events
    failed = facts.failing.since
    report: dict[str, Any] = {
        "sync_type": facts.sync_type,
        "run_id": facts.run_id,
        "route": facts.route,
        "timestamp": facts.started_at,
        "success": success,
        "duration_seconds": round(duration, 3),
        "statistics": {
            "events_processed": events.applied,
            "events_skipped": sum(events.skipped.values()),
            "operations_processed": sum(delivery.done.values()),
            "operations_failed": sum(failed.values()),
            "files_processed": delivery.files,
            "files_failed": sum(failed.get(kind, 0) for kind in UPLOADS),
            "total_size": delivery.size,
            "deletes_held": facts.held,
        },
        "event_counts": {**events.by_type, "errors": events.poison},
        "events_skipped": dict(events.skipped),
        "operation_counts": dict(delivery.done),
        "errors": _errors(facts),
        "errors_total": len(facts.problems) + facts.failing.total,
        "service_info": service,
    }
    if facts.held:
        report["held_reason"] = facts.held_reason
    if facts.keys_scanned is not None:
        report["statistics"]["keys_scanned"] = facts.keys_scanned
    if facts.plan is not None:
        report["plan"] = facts.plan
    return report


def _errors(facts: RunFacts) -> list[dict[str, Any]]:
    steps = [
        {
            "file_path": error.subject or None,
            "operation": None,
            "kind": error.kind,
            "message": str(error),
            "attempts": None,
            "next_attempt": "next run",
        }
        for error in facts.problems
    ]
    return (steps + [failure.as_json() for failure in facts.still_failing])[:ERRORS_SHOWN]


def plain_json(value: object) -> str:
    """`value` as JSON that a person may also read on a terminal: what acts there is escaped, as JSON escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(char if char == "\n" or escaped(char) == char else json.dumps(char)[1:-1] for char in text)


def keep_report(folder: Path, stamp: str, report: dict[str, Any]) -> None:
    """Writes the report as a file of its own and forgets the oldest ones. Raises StorageFull or StorageDenied."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{stamp}-{report['run_id']}.json", plain_json(report) + "\n")
        for old in sorted(folder.glob("*.json"))[:-REPORTS_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
