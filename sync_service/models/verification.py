"""What a restored or rebuilt catalogue may not believe before the destination has been asked: where that comparison stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sync_service.models.changes import Observation
from sync_service.models.data_models import Receipt


@dataclass(frozen=True, slots=True)
class Unverified:
    """Where the comparison of a route stands. `reason` is `restored` or `rebuilt`.

    `after` is the last row id that was compared; `loose` says that the observed rows are through, and that what remains are
    paths that no observed row claims. `events_after` is the newest event that the catalogue knew (None: no event told anything
    of what it may have missed). `trust_size`: an equal size is proof enough.
    """

    reason: str
    trust_size: bool = False
    events_after: int | None = None
    loose: bool = False
    after: int = 0

    def past(self, row_id: int) -> Unverified:
        """The same with rows up to `row_id` compared."""
        return replace(self, after=row_id)

    def turned_to_loose(self) -> Unverified:
        """The observed rows are through."""
        return replace(self, loose=True, after=0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the destination has told of one row's path: `found` None is a certain no, unless `told` is False.

    `right`: the bytes behind it are those of `seen`, the row after a look at the source.
    """

    row_id: int
    file_path: str
    found: Receipt | None = None
    right: bool = False
    seen: Observation | None = None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Loose:
    """A path that may be held at the destination, and that the row of its id is not observed at."""

    row_id: int
    file_path: str
    observed: bool
