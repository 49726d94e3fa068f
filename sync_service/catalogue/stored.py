"""Stored values read back: one that cannot be what it stands for is damage, and told apart from a mistake of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class BrokenValue(Exception):
    """A value in the database that cannot be what it stands for: a word for a number, broken JSON."""


def stored(make: Callable[..., T], *values: Any) -> T:
    """`make` of values from the database. Raises BrokenValue where it cannot be made of them."""
    try:
        return make(*values)
    except (ValueError, LookupError, TypeError) as error:
        raise BrokenValue(f"a value in it cannot be read: {error}") from error
