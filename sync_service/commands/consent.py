"""Asks a person before something is put aside; scripts say --yes."""

from __future__ import annotations

import sys
from pathlib import Path

from sync_service import console
from sync_service.models.config import SyncConfig
from sync_service.models.errors import SyncError
from sync_service.models.text import escaped


def agreed(config: SyncConfig, question: str) -> bool:
    """Whether a person at a terminal types yes, or CONFIRM_DESTRUCTIVE is off; without a terminal it is a no."""
    if not config.confirm_destructive:
        return True
    if not sys.stdin.isatty():
        console.message("not a terminal: say --yes to go on without being asked")
        return False
    return _answer(f"{question} Type yes: ") == "yes"


def _answer(question: str) -> str:
    """What a person types. The question goes where no result goes; the end of the input is an empty answer."""
    sys.stderr.write(escaped(question))
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        console.message("")
    return line.strip().lower()


def database_of(config: SyncConfig, command: str) -> Path:
    """The catalogue's file. Raises SyncError where it is in PostgreSQL, whose own tools copy and restore databases."""
    if config.database_file is None:
        raise SyncError(
            f"{command} is for a catalogue in a file", hint="For PostgreSQL use its own tools, such as pg_dump"
        )
    return config.database_file
