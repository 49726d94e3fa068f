"""The three standard streams of a process: they may be closed, have no reader any more, or lie on a full disk."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def stand_in() -> None:
    """Puts the null device where a standard stream is closed; the next socket would take its number, and be written to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def settle() -> None:
    """Nothing more can be said to a stream that takes nothing: the interpreter must not try at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
