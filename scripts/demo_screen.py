"""What the demo prints: numbered steps, how long each took, and under each what it did."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

from sync_service.models.text import shown

WIDTH = 79
_INDENT = "       "
_CODES = {"bold": "1", "dim": "2", "good": "32", "bad": "31"}


class StepFailed(Exception):
    """A step did not do what it had to; the text says why. `lines` is what it printed before."""

    def __init__(self, reason: str, lines: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.lines = list(lines)


class Screen:
    """Prints to `out`; in colour where `colour` is true."""

    def __init__(self, out: TextIO, colour: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._colour = colour
        self._clock = clock
        self._number = 0

    def step(self, title: str, action: Callable[[], Iterable[str]]) -> None:
        """Runs `action` and prints its lines under `title`. What it raises is raised again, with its lines printed."""
        self._number += 1
        heading = f" {self._number:>2}. {title} "
        self._write(self._painted(heading, "bold"))
        began = self._clock()
        try:
            lines = list(action())
        except BaseException as problem:
            mark = "failed" if isinstance(problem, Exception) else "stopped"
            self._end(heading, mark, "bad", problem.lines if isinstance(problem, StepFailed) else [])
            raise
        self._end(heading, f"{self._clock() - began:.1f} s", "good", lines)

    def line(self, text: str = "", style: str = "") -> None:
        """One line of its own."""
        self._write(self._painted(text, style) + "\n")

    def _end(self, heading: str, mark: str, style: str, lines: Iterable[str]) -> None:
        dots = "." * (WIDTH - len(heading) - len(mark) - 1)
        self._write(f"{self._painted(dots, 'dim')} {self._painted(mark, style)}\n")
        for text in lines:
            self.line(f"{_INDENT}{shown(text, 1000)}".rstrip(), "dim" if text.startswith("$ ") else "")

    def _painted(self, text: str, style: str) -> str:
        code = _CODES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text else text

    def _write(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._out.flush()


def wants_colour(out: TextIO, env: Mapping[str, str] = os.environ) -> bool:
    """Colour is for terminals that can show it, and for people who did not ask for none."""
    return out.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
