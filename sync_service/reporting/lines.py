"""How one log line is made: values cleaned, secrets taken out, then rendered as JSON or for people."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from sync_service.models.text import shown
from sync_service.reporting.secrets import Mask

EventDict = MutableMapping[str, Any]
Render = Callable[[Mapping[str, Any]], str]

FIGURES = "figures"
"""The fact that holds a line's numbers for machines: JSON lines have it, people read them in the message."""

_LONGEST = 2000  # a key has up to 1024 bytes and must be told whole
_DEPTH = 4
_FIRST = ("timestamp", "level", "event")
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}


def described(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Adds time, level and origin, from the standard library's record, which every line has."""
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    event["timestamp"] = moment.replace("+00:00", "Z")
    event["level"] = record.levelname.lower()
    event["logger"] = record.name
    return event


class Rendered:
    """The last processor: an event as one safe line (and, for people, its traceback below it)."""

    def __init__(self, render: Render, mask: Mask) -> None:
        self._render = render
        self._mask = mask

    def __call__(self, _logger: object, _method: str, event: EventDict) -> str:
        ordered = {name: event[name] for name in _FIRST} | {name: event[name] for name in event if name not in _FIRST}
        # Secrets go before anything is cut or escaped, and once more from the line as it is written.
        return self._mask.in_name(self._render(cleaned(ordered, self._mask)))


def cleaned(event: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """`event` with every value fit to be shown: control and bidi characters escaped, secrets masked."""
    clean = {shown(name): _value(value, mask, _DEPTH, name) for name, value in event.items() if name != "exception"}
    if "exception" in event:
        lines = mask(str(event["exception"])).splitlines()
        clean["exception"] = "\n".join(shown(line, _LONGEST) for line in lines)
    return clean


def _value(value: Any, mask: Mask, depth: int, name: str) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping) and depth:
        return {_text(inner, mask): _value(one, mask, depth - 1, str(inner)) for inner, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return [_value(one, mask, depth - 1, name) for one in value]
    return _text(value, mask, name)


def _text(value: object, mask: Mask, name: str = "") -> str:
    try:
        return shown(mask.fact(name, str(value)), _LONGEST)
    except Exception:  # whatever a library hands us, its line is written
        return f"<{type(value).__name__}>"


def as_json(event: Mapping[str, Any]) -> str:
    """One JSON object a line."""
    return json.dumps(event, ensure_ascii=False, default=str)


def for_people(event: Mapping[str, Any], *, colour: bool) -> str:
    """Time, level, message, facts as `name=value`, and a traceback below."""
    level = f"{event['level']:<8}"
    painted = f"\x1b[{_COLOURS.get(event['level'], '0')}m{level}\x1b[0m" if colour else level
    hidden = {*_FIRST, FIGURES, "exception", "logger"}
    facts = [f"{name}={_quoted(value)}" for name, value in event.items() if name not in hidden and value is not None]
    line = " ".join([event["timestamp"], painted, event["event"], *facts])
    return f"{line}\n{event['exception']}" if event.get("exception") else line


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    plain = text and not any(char in text for char in ' "=')
    return text if plain or not isinstance(value, str) else '"' + text.replace('"', '\\"') + '"'
