"""What `status` says, from the catalogue alone: the state in one word, why, and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from sync_service import __version__
from sync_service.catalogue.readonly import route_views
from sync_service.catalogue.stored import stored
from sync_service.models.changes import FailureRecord, Held, RunRecord, Totals
from sync_service.models.errors import CatalogueMissing, Interrupted
from sync_service.models.text import are, counted

if TYPE_CHECKING:
    from sync_service.catalogue.lock import Holder
    from sync_service.models.config import SyncConfig


ERRORS_SHOWN = 20
"""Failing objects that `status` names; the run report names more."""

_UNVERIFIED = {
    "restored": "the catalogue was restored; the next run compares bucket and file manager, and sends what differs",
    "rebuilt": "the catalogue is being rebuilt; run rebuild (or initial-sync) to go on",
}


class State(StrEnum):
    """The state of a route in one word."""

    UP_TO_DATE = "UP_TO_DATE"
    SYNCING = "SYNCING"
    DEGRADED = "DEGRADED"
    STOPPED = "STOPPED"
    NEVER_SYNCED = "NEVER_SYNCED"


def read_status(config: SyncConfig, now: datetime | None = None) -> dict[str, Any]:
    """The JSON of CONTRACT.md, section 4. Raises what a damaged or unreadable catalogue raises; none at all is a state."""
    moment = now or datetime.now(UTC)
    try:
        with _views(config) as views:
            return {"version": __version__, "routes": [route_status(view, config, moment) for view in views]}
    except CatalogueMissing as missing:
        never = missing.hint == CatalogueMissing.default_hint
        why = "no initial sync has been run yet" if never else f"{missing.what}; {missing.hint}"
        return {"version": __version__, "routes": [_never("customer", why)]}


class RouteFigures(Protocol):
    """What a route's status is made of."""

    @property
    def route(self) -> str: ...

    def totals(self) -> Totals: ...

    def runs(self, limit: int = 20) -> list[RunRecord]: ...

    def list_failures(self, limit: int = 100) -> list[FailureRecord]: ...

    def last_success(self) -> str | None: ...

    def next_run(self) -> str | None: ...

    def holder(self) -> Holder | None: ...


@contextmanager
def _views(config: SyncConfig) -> Iterator[Sequence[RouteFigures]]:
    """The routes of the catalogue that `config` names; a file is read without the database toolkit, which loads slowly."""
    if config.database_file is not None:
        with route_views(config.database_file) as views:
            yield views
        return
    from sync_service.services.database_manager import DatabaseManager

    assert config.database_url is not None
    manager = DatabaseManager(config.database_url.get_secret_value())
    try:
        yield [manager.for_route(name) for name in manager.route_names()]
    finally:
        manager.close()


def route_status(manager: RouteFigures, config: SyncConfig, now: datetime) -> dict[str, Any]:
    """One route's part of the status."""
    totals = manager.totals()
    runs = manager.runs(limit=2)
    holder = manager.holder()
    approved = any(config.requests_dir.glob("approve-*.json"))
    state, reason = judge_state(totals, runs, holder, now, config.sync_interval, approved)
    ended = next((run for run in runs if run.report is not None), None)
    report: dict[str, Any] = dict(ended.report or {}) if ended else {}
    figures = report.get("statistics", {})
    return {
        "route": manager.route,
        "state": str(state),
        "reason": reason,
        "last_run": runs[0].started_at if runs else None,
        "last_success": manager.last_success(),
        "last_check": _last_full(totals),
        "next_run": manager.next_run() if holder is not None else None,
        "files": totals.files,
        "bytes": totals.size,
        "pending": totals.pending,
        "failed": totals.failed,
        "quarantined": totals.quarantined,
        "oldest_pending": totals.oldest_pending,
        "events_processed": figures.get("events_processed"),
        "operations_executed": figures.get("operations_processed"),
        "duration_seconds": report.get("duration_seconds"),
        "error_counts": totals.error_counts,
        "errors": [failure.as_json() for failure in manager.list_failures(ERRORS_SHOWN)],
        "held_deletes": totals.held.deletes if totals.held else 0,
        "lock_holder": {"pid": holder.pid, "host": holder.host, "since": holder.started} if holder else None,
        "check": totals.check,
    }


def _last_full(totals: Totals) -> str | None:
    """When source and catalogue were last compared whole: by a scan, or by a full check that found nothing."""
    checked = (totals.check or {}).get("full_clean_at")
    return max((at for at in (totals.scan.finished_at, checked) if at), key=datetime.fromisoformat, default=None)


def judge_state(
    totals: Totals, runs: list[RunRecord], holder: Holder | None, now: datetime, interval: float, approved: bool = False
) -> tuple[State, str]:
    """The state in one word, and why in people's words. `approved`: a person's approval is left for the next run."""
    last = runs[0] if runs else None
    trouble = holder.trouble if holder is not None else ""
    if last is not None and last.finished_at is None and holder is not None and not trouble:
        return State.SYNCING, f"a run ({last.sync_type}) is under way since {last.started_at}"
    if not totals.initial_done:
        why = _UNVERIFIED.get(totals.unverified or "") or _not_complete(last, holder)
        return State.NEVER_SYNCED, why
    if reasons := _degraded(totals, last, trouble, approved):
        return State.DEGRADED, "; ".join(reasons)
    if last is not None and (signal := _problem(last, of_a_signal=True)) is not None:
        return State.STOPPED, f"the last run did not come to its end: {signal}"
    if (
        holder is None
        and last is not None
        and _age(last.finished_at or last.started_at, now) > timedelta(seconds=3 * interval)
    ):
        return (
            State.STOPPED,
            f"no daemon is running, and nothing has been synced since {last.finished_at or last.started_at}",
        )
    return State.UP_TO_DATE, _in_step(totals)


def _not_complete(last: RunRecord | None, holder: Holder | None) -> str:
    if last is None:
        return "no initial sync has been run yet"
    problem = f" (the last run failed: {why})" if (why := _problem(last)) is not None else ""
    then = (
        "the daemon goes on with it"
        if holder is not None and holder.command == "daemon"
        else "run initial-sync to go on"
    )
    return f"the first sync was begun and is not complete{problem}; {then}"


def _in_step(totals: Totals) -> str:
    """Objects in an archive are nobody's failure, and not at the destination either: both are said."""
    archived = f"{_objects(totals.archived)} archived at the source and {_wait(totals.archived)} to be restored"
    if (waiting := totals.pending - totals.archived) > 0:
        told = f"all that the last run saw is delivered; {counted(waiting, 'change')} {_wait(waiting)} for the next run"
        return f"{told}; {archived}" if totals.archived else told
    if totals.archived:
        return f"everything that can be read is delivered; {archived}"
    return "everything that was observed is delivered"


def _held(held: Held, approved: bool) -> str:
    then = "an approval waits for the next run" if approved else "approve-deletes lets them go"
    return f"{counted(held.deletes, 'delete')} {are(held.deletes)} held: {held.reason} ({then})"


def _degraded(totals: Totals, last: RunRecord | None, trouble: str, approved: bool) -> list[str]:
    reasons = [f"the last run could not be ended: {trouble}"] if trouble else []
    if totals.unverified is not None:
        reasons.append(_UNVERIFIED.get(totals.unverified, totals.unverified))
    if totals.held is not None:
        reasons.append(_held(totals.held, approved or _agreed_since(totals, last)))
    if objects := totals.quarantined - totals.unread_events - totals.archived:
        reasons.append(f"{_objects(objects)} in quarantine (refused, or failed too often)")
    if totals.unread_events:
        reasons.append(
            f"{counted(totals.unread_events, 'event')} could not be read; the next full scan finds what they meant"
        )
    if failed := totals.failed - totals.unanswered:
        reasons.append(f"{counted(failed, 'operation')} failed and {are(failed)} tried again with the next run")
    if silent := totals.unanswered:
        what = f"{_objects(silent)} not told of by the source, which does not answer for {_them(silent)}"
        reasons.append(f"{what}; it is asked again with the next run")
    if last is not None and last.finished_at is None:
        reasons.append(f"the run begun at {last.started_at} was cut off; the next one goes on where it was")
    elif last is not None and (problem := _problem(last)) is not None:
        reasons.append(f"the last run failed: {problem}")
    elif last is not None and last.success is False and not reasons and _problem(last, of_a_signal=True) is None:
        reasons.append(_first_error(last))
    return reasons


def _agreed_since(totals: Totals, last: RunRecord | None) -> bool:
    """Whether a person has agreed to deletes since the last run, which could not know of it."""
    return totals.approved_at is not None and (last is None or totals.approved_at > last.started_at)


def _objects(number: int) -> str:
    return f"{counted(number, 'object')} {are(number)}"


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"


def _problem(run: RunRecord, of_a_signal: bool = False) -> str | None:
    """What kept a run from its end: the error of a whole step, or a signal; None where it came to its end."""
    report: dict[str, Any] = dict(run.report or {})
    for error in report.get("errors") or []:
        if not error.get("operation") and (error.get("kind") == Interrupted.kind) is of_a_signal:
            return str(error.get("message"))
    return None


def _first_error(run: RunRecord) -> str:
    report: dict[str, Any] = dict(run.report or {})
    errors = report.get("errors") or [{}]
    return f"the last run failed: {errors[0].get('message') or 'see runs show'}"


def _age(text: str, now: datetime) -> timedelta:
    return now - stored(datetime.fromisoformat, text)


def _never(route: str, reason: str) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("last_run", "last_success", "last_check", "next_run", "oldest_pending", "events_processed", "operations_executed",
         "duration_seconds", "lock_holder", "check")
    )  # fmt: skip
    zeros = dict.fromkeys(("files", "bytes", "pending", "failed", "quarantined", "held_deletes"), 0)
    state = {"route": route, "state": str(State.NEVER_SYNCED), "reason": reason}
    return {**state, **empty, **zeros, "error_counts": {}, "errors": []}
