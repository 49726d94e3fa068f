"""The guard: deletes that look like an accident wait for a person."""

from __future__ import annotations

import pytest

from sync_service.services.guard import CONTRADICTED, Guard, Verdict, judge


@pytest.mark.parametrize(
    ("deletes", "files", "held"),
    [
        (0, 0, False),
        (100, 100, False),
        (101, 1010, False),
        (101, 1009, True),
        (1000, 1000, True),
        (101, 100_000, False),
    ],
)
def test_both_limits_must_be_passed(deletes: int, files: int, held: bool) -> None:
    """Few deletes go whatever their share; many go where they are a small share."""
    reason = Guard(100, 10).too_many(deletes, files)
    assert (reason is not None) == held
    if reason:
        assert f"{deletes:,} deletes of {files:,} files" in reason


def test_without_suspicion_all_go() -> None:
    """An ordinary cycle."""
    assert judge(Guard(), [1, 2], set(), 10, None) == Verdict([1, 2], 0, "")
    assert judge(Guard(), [], set(), 10, "odd") == Verdict([], 0, "")


def test_a_suspicious_source_holds_what_nobody_agreed_to() -> None:
    """Approved deletes go, the others wait, with the reason."""
    assert judge(Guard(), [1, 2, 3], {2}, 10, "another bucket") == Verdict([2], 2, "another bucket")


def test_approved_deletes_do_not_count() -> None:
    """Only what is not yet agreed to is measured."""
    guard = Guard(1, 0)
    assert judge(guard, [1, 2, 3], {1, 2, 3}, 3, None) == Verdict([1, 2, 3], 0, "")
    assert judge(guard, [1, 2, 3], {1, 2}, 3, None) == Verdict([1, 2, 3], 0, "")
    verdict = judge(guard, [1, 2, 3], {1}, 3, None)
    assert (verdict.allowed, verdict.held) == ([1], 2)


def test_one_delete_is_no_plural() -> None:
    """The reason is read by people."""
    assert (Guard(0, 0).too_many(1, 1) or "").startswith("1 delete of 1 file is more than MAX_DELETE (0)")


def test_what_was_held_waits_until_a_person_agrees() -> None:
    """Fewer of them, or more files beside them, are no yes: only what is approved goes; where none is left, none is held."""
    guard = Guard(100, 10)
    assert judge(guard, [1, 2, 3], {2}, 10, None, "emptied") == Verdict([2], 2, "emptied")
    assert judge(guard, [1, 2, 3], {1, 2, 3}, 10, None, "emptied") == Verdict([1, 2, 3], 0, "")
    assert judge(guard, [], set(), 10, None, "emptied") == Verdict([], 0, "")
    assert judge(guard, [1, 2, 3], set(), 10, None, CONTRADICTED) == Verdict([1, 2, 3], 0, "")
