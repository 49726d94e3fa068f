"""Refuses deletes that look like an accident, and says why."""

from __future__ import annotations

from dataclasses import dataclass

from sync_service.models.text import are, counted

EMPTY = "the listing is empty, and the destination is not"
CONTRADICTED = "the listing is empty, and the bucket is not"
"""What makes a listing suspicious; the second one where looks at single objects have shown that it is wrong."""


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
            f"{counted(deletes, 'delete')} of {counted(files, 'file')} {are(deletes)} more than MAX_DELETE ({self.max_delete}) "
            f"and MAX_DELETE_PERCENT ({self.max_percent:g} %)"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which deletes may go, how many are held, and why."""

    allowed: list[int]
    held: int
    reason: str


def judge(
    guard: Guard,
    deletes: list[int],
    approved: set[int],
    files: int,
    suspicion: str | None,
    held_for: str | None = None,
) -> Verdict:
    """Sorts pending deletes. Approved ones go; where the source itself is suspicious, all others are held.

    `held_for` is why deletes were held before: what is left of them waits on, for whoever puts an emptied bucket back object by
    object, or adds others, has not agreed to the rest. Only a listing that was wrong is made good by one that is not.
    """
    before = None if held_for == CONTRADICTED else held_for
    going = [row_id for row_id in deletes if row_id in approved]
    asked = [row_id for row_id in deletes if row_id not in approved]
    reason = (guard.too_many(len(asked), files) or suspicion or before) if asked else None
    if reason is not None:
        return Verdict(going, len(asked), reason)
    return Verdict(going + asked, 0, "")
