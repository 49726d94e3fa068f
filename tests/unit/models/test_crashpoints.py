"""Named moments: told to whoever is armed, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync_service.models.crashpoints import arm, passing, point


@pytest.fixture
def passed() -> Iterator[list[str]]:
    """The names that pass while a test runs."""
    names: list[str] = []
    arm(names.append)
    yield names
    arm(None)


def test_moments_are_told_in_their_order(passed: list[str]) -> None:
    """A point passes before its block and after it, a moment passes once."""
    with point("it is committed"):
        passing("half of it is written")
    assert passed == ["before it is committed", "half of it is written", "after it is committed"]


def test_a_block_that_fails_does_not_pass_its_end(passed: list[str]) -> None:
    """What was not done is not told, and the error goes on."""
    with pytest.raises(ValueError, match="no"), point("it is committed"):
        raise ValueError("no")
    assert passed == ["before it is committed"]


def test_nobody_is_told_where_nobody_listens(passed: list[str]) -> None:
    """Disarmed, moments pass in silence."""
    arm(None)
    with point("it is committed"):
        passing("half of it is written")
    assert passed == []
