"""Refuses deletes that look like an accident, and says why."""

from __future__ import annotations

from dataclasses import dataclass

EVENT_CAUSE = "event"


@dataclass(frozen=True, slots=True)
class Guard:
    """Deletes are held when they are more than `max_delete` and more than `max_percent` of the route's files."""

    max_delete: int = 100
    max_percent: float = 10.0

    def too_many(self, deletes: int, files: int) -> str | None:
        """Why so many deletes of so many delivered files are held; None where they may go."""
        if deletes <= self.max_delete or deletes * 100 <= self.max_percent * files:
            return None
        return (
            f"{deletes} deletes of {files} files are more than MAX_DELETE ({self.max_delete}) "
            f"and MAX_DELETE_PERCENT ({self.max_percent:g} %)"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which deletes may go, how many are held, and why."""

    allowed: list[int]
    held: int
    reason: str


def judge(guard: Guard, causes: dict[int, str], approved: set[int], files: int, suspicion: str | None) -> Verdict:
    """Sorts pending deletes, row id -> cause. Approved ones go; a suspicious scan holds all that it found itself."""
    open_ids = [row_id for row_id in causes if row_id not in approved]
    going = [row_id for row_id in causes if row_id in approved]
    if (reason := guard.too_many(len(open_ids), files)) is not None:
        return Verdict(going, len(open_ids), reason)
    if suspicion is None:
        return Verdict(going + open_ids, 0, "")
    told = [row_id for row_id in open_ids if causes[row_id] == EVENT_CAUSE]
    held = len(open_ids) - len(told)
    return Verdict(going + told, held, suspicion if held else "")
