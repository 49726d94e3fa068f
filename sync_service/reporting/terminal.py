"""Whether a stream may be given colour and animation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO


def lively(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """True for a terminal that moves and colours: neither NO_COLOR nor `TERM=dumb`."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return on_terminal(stream)


def on_terminal(stream: TextIO) -> bool:
    """True where a person reads `stream`; false also for one that is closed."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
