"""Named moments at which a test lets the process die; outside tests passing one of them does nothing."""

from __future__ import annotations

from collections.abc import Callable

_watcher: Callable[[str], None] | None = None


def arm(watcher: Callable[[str], None] | None) -> None:
    """From here on `watcher` is told the name of every moment that passes, in the thread that passes it; None disarms."""
    global _watcher  # noqa: PLW0603 - one process has one death
    _watcher = watcher


def passing(name: str) -> None:
    """The moment `name`, for what has no end of its own."""
    if _watcher is not None:
        _watcher(name)


class point:
    """`with point("event committed"):` passes `before event committed`, and `after` it where the block ends well."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        if _watcher is not None:
            _watcher(f"before {self._name}")

    def __exit__(self, kind: object, *_: object) -> None:
        if _watcher is not None and kind is None:
            _watcher(f"after {self._name}")
