"""explain KEY: what the catalogue knows of one object, and what happens next to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sync_service import bootstrap, console
from sync_service.models.changes import Explanation
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode
from sync_service.models.text import shown


def explain_key(config: SyncConfig, key: str, *, as_json: bool) -> int:
    """Prints everything known of the object at `key`; from the catalogue alone."""
    found = bootstrap.read_catalogue(config).explain(key)
    verdict = verdict_of(found)
    if as_json:
        console.result({"key": key, "verdict": verdict, **asdict(found)})
    else:
        console.lines([f"{shown(key, 2000)}: {verdict}", *_facts(found)])
    return int(ExitCode.DONE)


def verdict_of(found: Explanation) -> str:
    """Whether it is at the destination, why or why not, and what happens next."""
    if failed := next((f for f in found.failures if f.quarantined), None):
        return f"in quarantine: {failed.operation} {failed.message} (tried again when it changes, or by retry-failed)"
    if found.doubt is not None:
        return f"an attempt ({found.doubt.text}) is in doubt; the next run settles it first"
    if found.observed is None and found.delivered is None:
        return "not tracked: the source does not have it, as far as events and scans have told"
    if found.observed is None:
        return "gone from the source, still at the destination; " + (found.held or "the next run deletes it")
    if found.pending:
        failed = found.failures[0] if found.failures else None
        return "not in step; the next run sends what differs" + (
            f" (it failed before: {failed.message})" if failed else ""
        )
    return "in step: the destination holds what the source has"


def _facts(found: Explanation) -> list[str]:
    lines = []
    for name, row in (("observed", found.observed), ("delivered", found.delivered)):
        values = asdict(row) if row is not None else {}
        told = ", ".join(f"{k} {shown(v)}" for k, v in values.items() if v is not None and k not in ("id", "file_path"))
        lines.append(f"  {name:<10} {told or 'no row'}")
    for failure in found.failures:
        lines.append(
            f"  failed     {failure.last_at} {failure.operation}: {shown(failure.message, 500)} ({failure.attempts} attempts)"
        )
    lines += [f"  event      {_event(event)}" for event in found.events]
    return lines


def _event(event: dict[str, Any]) -> str:
    target = f" -> {shown(event['new_path'])}" if event["new_path"] else ""
    why = f" ({shown(event['reason'])})" if event["reason"] else ""
    return f"{event['received_at']} {event['event_type']} {shown(event['file_path'])}{target}: {event['state']}{why}"
