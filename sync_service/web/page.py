"""The page's words: the JSON of `status` turned into what a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync_service.models.text import shown
from sync_service.reporting.words import check_words, duration_text, error_words, holder_words, kind_words, size_text

NONE = "–"
_LOOKS = {"UP_TO_DATE": "good", "SYNCING": "busy", "DEGRADED": "bad", "STOPPED": "bad", "NEVER_SYNCED": "idle"}
_MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One name and value of a route; `look` colours a value that wants attention."""

    name: str
    value: str
    detail: str = ""
    look: str = ""


@dataclass(frozen=True, slots=True)
class RouteView:
    """One route as the page shows it."""

    name: str
    state: str
    look: str
    reason: str
    moments: Sequence[Figure]
    figures: Sequence[Figure]
    error_counts: Sequence[Figure]
    errors: Sequence[Mapping[str, str]]
    more_errors: int
    facts: Sequence[str]


def views(status: Mapping[str, Any], now: datetime) -> list[RouteView]:
    """A view of each route of `status`; times are told against `now`."""
    return [_view(route, now) for route in status.get("routes", ())]


def _view(route: Mapping[str, Any], now: datetime) -> RouteView:
    state = str(route.get("state") or "UNKNOWN")
    errors = route.get("errors") or []
    return RouteView(
        name=shown(route.get("route", "")),
        state=shown(state).replace("_", " ").lower(),
        look=_LOOKS.get(state, "idle"),
        reason=shown(route.get("reason") or "", 600),
        moments=_moments(route, now),
        figures=_figures(route, now),
        error_counts=[Figure(shown(kind), f"{number:,}") for kind, number in (route.get("error_counts") or {}).items()],
        errors=[_error(error) for error in errors[:_MOST_ERRORS]],
        more_errors=_more(route, len(errors[:_MOST_ERRORS])),
        facts=_facts(route),
    )


def _more(route: Mapping[str, Any], told: int) -> int:
    failing = (route.get("failed") or 0) + (route.get("quarantined") or 0)
    return max(failing - told, 0) if told else 0


def _moments(route: Mapping[str, Any], now: datetime) -> list[Figure]:
    names = {
        "last_run": "Last run",
        "last_success": "Last success",
        "last_check": "Last full check",
        "next_run": "Next run",
    }
    return [_moment(name, route.get(field), now) for field, name in names.items()]


def _figures(route: Mapping[str, Any], now: datetime) -> list[Figure]:
    oldest = _moment("", route.get("oldest_pending"), now).value
    size = route.get("bytes")
    return [
        Figure("Files", _count(route.get("files")), "" if size is None else size_text(size)),
        Figure("Pending", _count(route.get("pending")), f"oldest {oldest}" if route.get("oldest_pending") else ""),
        _attention("Failed", route.get("failed"), "bad"),
        _attention("Quarantined", route.get("quarantined"), "bad"),
        _attention("Held deletes", route.get("held_deletes"), "warn", "approve-deletes lets them through"),
    ]


def _attention(name: str, number: int | None, look: str, detail: str = "") -> Figure:
    return Figure(name, _count(number), detail if number else "", look if number else "")


def _facts(route: Mapping[str, Any]) -> list[str]:
    """What the last run did, what the last check found, and who writes the catalogue; a sentence each."""
    words = []
    for field, noun in (("operations_executed", "operations"), ("events_processed", "events")):
        if route.get(field) is not None:
            words.append(f"{route[field]:,} {noun}")
    if route.get("duration_seconds") is not None:
        words.append(f"took {duration_text(route['duration_seconds'])}")
    told = {
        "Last run": ", ".join(words),
        "Last check": check_words(route.get("check")),
        "Writer": holder_words(route.get("lock_holder")),
    }
    return [f"{name}: {shown(text, 600)}." for name, text in told.items() if text]


def _error(error: Mapping[str, Any]) -> dict[str, str]:
    attempts = error.get("attempts")
    facts = [kind_words(error.get("kind") or "error")]
    if attempts is not None:
        facts.append("1 attempt" if attempts == 1 else f"{attempts:,} attempts")
    if error.get("next_attempt"):
        facts.append(f"next attempt: {shown(error['next_attempt'])}")
    return {
        # A key has up to 1024 bytes, and is told whole: a cut one cannot be looked for.
        "path": shown(error.get("file_path") or "", 1024),
        "operation": shown(error.get("operation") or ""),
        "message": error_words(error, 600),
        "facts": ", ".join(facts),
    }


def _moment(name: str, value: str | None, now: datetime) -> Figure:
    if value is None:
        return Figure(name, NONE)
    moment = datetime.fromisoformat(value).astimezone(UTC)
    seconds = (now - moment).total_seconds()
    told = f"{duration_text(seconds)} ago" if seconds >= 0 else f"in {duration_text(-seconds)}"
    return Figure(name, told, f"{moment:%Y-%m-%d %H:%M:%S} UTC")


def _count(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"
