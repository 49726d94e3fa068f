"""explain KEY: what the catalogue knows of one object, and what happens next to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sync_service import bootstrap, console
from sync_service.catalogue.delivering import UNKNOWN_VERSION
from sync_service.models.changes import Explanation, FailureRecord, OperationRecord, ScanStatus
from sync_service.models.config import SyncConfig
from sync_service.models.data_models import Result
from sync_service.models.errors import ExitCode
from sync_service.models.text import KEY_LENGTH, counted, shown

HISTORY_SHOWN = 50
WORDS_LENGTH = 500


def explain_key(config: SyncConfig, key: str, *, as_json: bool) -> int:
    """Prints everything known of the object at `key`; from the catalogue alone."""
    catalogue = bootstrap.read_catalogue(config)
    try:
        found = catalogue.explain(key)
        unverified = catalogue.totals().unverified
        daemon = catalogue.holder() is not None
    finally:
        catalogue.close()
    verdict = verdict_of(found, key, unverified)
    if as_json:
        console.result({"key": key, "verdict": verdict, "unverified": unverified, **asdict(found)})
    else:
        when = found.next_run if daemon else None
        console.lines([f"{shown(key, KEY_LENGTH)}: {verdict}", *_facts(found, when), *_history(found)])
    return int(ExitCode.DONE)


def verdict_of(found: Explanation, key: str, unverified: str | None = None) -> str:
    """Whether it is at the destination, why or why not, and what happens next.

    `unverified`: why nothing is believed of the destination before the next run has asked it.
    """
    if found.relook is not None:
        return f"not known: the source did not answer for it ({shown(found.relook)}); the next run asks again"
    row = found.observed or found.delivered
    if row is None:
        return _unknown(found)
    place = next((r.file_path for r in (found.observed, found.delivered) if r is not None), key)
    former = key not in {r.file_path for r in (found.observed, found.delivered) if r is not None}
    return (f"now at {shown(place, KEY_LENGTH)}: " if former else "") + _state(found, unverified)


def _unknown(found: Explanation) -> str:
    if not found.operations and not found.events:
        return "not tracked: no event, scan or run has ever named it, as far as the catalogue remembers"
    last = found.operations[0] if found.operations else None
    if last is not None and last.kind == "delete" and last.result == Result.DONE:
        return f"gone: the source no longer has it, and it was deleted at the destination at {last.at}"
    return "not tracked: the source does not have it, as far as events and scans have told"


def _state(found: Explanation, unverified: str | None) -> str:
    if unverified is not None:
        return f"not known: the catalogue was {unverified}; the next run asks the destination, and sends what differs"
    if failed := next((f for f in found.failures if f.quarantined), None):
        why = shown(failed.message, WORDS_LENGTH)
        return f"in quarantine: {failed.operation} {why} (tried again when it changes, or by retry-failed)"
    if found.doubt is not None:
        what = shown(found.doubt.text, KEY_LENGTH)
        return f"an attempt ({what}) is in doubt; the next run settles it first"
    if found.observed is None:
        held = shown(found.held, WORDS_LENGTH) if found.held else ""
        return "gone from the source, still at the destination; " + (held or "the next run deletes it")
    if found.pending is not None:
        return "not in step; the next run sends what differs" + _failed_before(found.failures)
    return "in step: the destination holds what the source has"


def _failed_before(failures: list[FailureRecord]) -> str:
    return f" (it failed before: {shown(failures[0].message, WORDS_LENGTH)})" if failures else ""


def _facts(found: Explanation, next_run: str | None) -> list[str]:
    lines = []
    for name, row in (("observed", found.observed), ("delivered", found.delivered)):
        values = asdict(row) if row is not None else {}
        told = ", ".join(f"{k} {_fact(v)}" for k, v in values.items() if v is not None and k not in ("id", "file_path"))
        lines.append(_line(name, told or "no row"))
    if found.pending is not None:
        lines.append(_line("pending", f"since {found.pending.since}, told by: {found.pending.cause}"))
    for failure in found.failures:
        what = f"{failure.last_at} {failure.operation}: {shown(failure.message, WORDS_LENGTH)}"
        lines.append(_line("failed", f"{what} ({counted(failure.attempts, 'attempt')} since {failure.first_at})"))
    lines.append(_line("last scan", _scan(found)))
    return [*lines, _line("next run", next_run)] if next_run else lines


def _fact(value: object) -> str:
    return "not known" if value == UNKNOWN_VERSION else shown(value)


def _scan(found: Explanation) -> str:
    """When the whole source was last looked through, which is when this object was last looked at, or later."""
    scan = found.scan
    ended = f"ended {scan.finished_at}" if scan.finished_at else "none has ended yet"
    return f"{ended}; one is under way since {scan.started_at}" if scan.status is ScanStatus.RUNNING else ended


def _history(found: Explanation) -> list[str]:
    """Events and operations as one story, newest first; where both have one time, the operation came after the event."""
    told = [(event["received_at"], 0, "event", _event(event)) for event in found.events]
    told += [(record.at, 1, "operation", _operation(record)) for record in found.operations]
    told.sort(key=lambda entry: entry[:2], reverse=True)
    lines = [_line(name, f"{at} {words}") for at, _, name, words in told[:HISTORY_SHOWN]]
    left = len(told) - len(lines)
    return [*lines, f"  and {left:,} older ones; --json has all of them"] if left > 0 else lines


def _event(event: dict[str, Any]) -> str:
    why = f" ({shown(event['reason'])})" if event["reason"] else ""
    return f"{event['event_type']} {_paths(event['file_path'], event['new_path'])}: {event['state']}{why}"


def _operation(record: OperationRecord) -> str:
    facts = [counted(record.attempts, "attempt"), f"{record.seconds:.1f} s", f"run {record.run_id}"]
    if record.internal_id is not None:
        facts.insert(0, f"internal id {shown(record.internal_id)}")
    why = f": {shown(record.message, WORDS_LENGTH)}" if record.message else ""
    ended = record.result.replace("_", " ")
    return f"{record.kind} {_paths(record.file_path, record.new_path)}: {ended}{why} ({', '.join(facts)})"


def _paths(path: object, new_path: object) -> str:
    return shown(path, KEY_LENGTH) + (f" -> {shown(new_path, KEY_LENGTH)}" if new_path is not None else "")


def _line(name: str, words: str) -> str:
    return f"  {name:<10} {words}"
