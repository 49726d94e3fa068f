"""What a check compares and finds: tracked rows, findings, what repairs them, and the counts of a whole check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sync_service.models.errors import ExitCode


class RowState(StrEnum):
    """How an observed or delivered row stands in the catalogue when a check comes by."""

    IN_STEP = "in step"
    WAITING = "waiting for the next run"
    IN_DOUBT = "in doubt"
    QUARANTINED = "in quarantine"
    HELD = "held by the guard"
    CHANGING = "changed while the check ran"
    UNMARKED = "unmarked"  # differs from what was delivered, and nothing says so: no run would look at it


class Tracked(NamedTuple):
    """An observed row as a check compares it: what the source is known to have, and how delivery stands."""

    id: int
    file_path: str
    size: int
    etag: str
    last_modified: str
    permissions: str | None
    owner: str | None
    group: str | None
    revision: int
    state: RowState


class Leftover(NamedTuple):
    """A path that the source no longer has as far as the catalogue knows; id 0 where the catalogue has no row for it."""

    id: int
    file_path: str
    revision: int
    state: RowState


class FindingKind(StrEnum):
    """What is wrong with one path. The first four are differences; a pending one is known, and no damage."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"
    CATALOGUE = "catalogue"
    UNVERIFIABLE = "unverifiable"
    PENDING = "pending"


DIFFERENCES = (FindingKind.MISSING, FindingKind.DIFFERENT, FindingKind.EXTRA, FindingKind.CATALOGUE)


class Remedy(StrEnum):
    """What a repair makes pending about one path."""

    SEND = "send"  # the destination has nothing there
    SEND_AGAIN = "send_again"  # its bytes are not those of the source
    PERMIT = "permit"  # its permissions are not those wished for
    DELETE = "delete"  # it should have nothing there; the guard judges it
    LOOK = "look"  # the source is looked at again, as for an event
    MARK = "mark"  # the row goes to the next run as it is


@dataclass(frozen=True, slots=True)
class Finding:
    """One path that is not as it should be, or could not be compared. `detail` is one phrase for people."""

    kind: FindingKind
    file_path: str
    detail: str
    remedies: tuple[Remedy, ...] = ()
    row_id: int = 0
    revision: int = 0

    @property
    def repairs(self) -> list[Repair]:
        return [Repair(remedy, self.row_id, self.revision, self.file_path) for remedy in self.remedies]


class Repair(NamedTuple):
    """One remedy, for the row as the check saw it: where the row has moved on, the next run does what is needed anyway."""

    remedy: Remedy
    row_id: int
    revision: int
    file_path: str


@dataclass(slots=True)
class CheckCounts:
    """What a check has been through. `compared` counts objects that the destination was asked about and answered for."""

    listed: int = 0
    tracked: int = 0
    compared: int = 0
    skipped: int = 0
    permissions: int = 0
    bodies: int = 0
    bytes_read: int = 0
    kinds: Counter[FindingKind] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)

    @property
    def differences(self) -> int:
        return sum(self.kinds[kind] for kind in DIFFERENCES)

    @property
    def unsure(self) -> int:
        """Objects that nobody can say of that they are right."""
        return self.kinds[FindingKind.UNVERIFIABLE] + self.states[RowState.QUARANTINED]

    @property
    def exit_code(self) -> ExitCode:
        """4 for differences, 3 where some could not be verified or are in quarantine; what only waits is 0."""
        if self.differences:
            return ExitCode.DIFFERENCES
        return ExitCode.PARTLY if self.unsure else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        figures = {
            "listed": self.listed,
            "tracked": self.tracked,
            "compared": self.compared,
            "skipped": self.skipped,
            "permissions_compared": self.permissions,
            "bodies_compared": self.bodies,
            "bytes_read": self.bytes_read,
        }
        return {
            **figures,
            **{str(kind): self.kinds[kind] for kind in FindingKind},
            "pending_by_state": dict(self.states),
        }


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How much is compared. `share` is the part of the objects that the destination is asked about, 0 to 1, drawn by `seed`."""

    share: float = 1.0
    seed: str = ""
    read_data: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check that has come to its end. Times are ISO 8601 UTC."""

    began: str
    ended: str
    options: CheckOptions
    counts: CheckCounts
    empty_listing: bool = False

    @property
    def missed(self) -> bool:
        """Whether the sample was drawn past every object that could have been compared."""
        return self.options.share < 1 and self.counts.skipped > 0 and self.counts.compared == 0

    @property
    def exit_code(self) -> ExitCode:
        code = self.counts.exit_code
        return ExitCode.PARTLY if self.missed and code is ExitCode.DONE else code

    def as_json(self) -> dict[str, Any]:
        """What is kept for `status`, and how `--json` begins."""
        share, code = self.options.share, self.exit_code
        return {
            "time": self.ended,
            "began": self.began,
            "exit_code": int(code),
            "clean": code is ExitCode.DONE,
            "full": share >= 1,
            "share": share,
            "seed": self.options.seed if share < 1 else None,
            "read_data": self.options.read_data,
            "counts": self.counts.as_json(),
        }


def clean_full_time(result: Mapping[str, Any]) -> str | None:
    """When that check ended, where it compared everything and found nothing."""
    return str(result["time"]) if result.get("clean") and result.get("full") else None
