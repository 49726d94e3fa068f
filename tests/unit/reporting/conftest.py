"""Logging as it was found, and a clock that stands still."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Puts the process's logging back as it was before the test."""
    root, ours = logging.getLogger(), logging.getLogger("sync_service")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(our_level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
