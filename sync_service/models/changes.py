"""What services hand to the catalogue, each in one transaction, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from sync_service.models.data_models import Listed, Operation, Poison, Row, Seen
from sync_service.models.errors import Archived


class Known(NamedTuple):
    """An observed row as a scan compares it with the listing."""

    id: int
    file_path: str
    size: int
    etag: str
    last_modified: str


@dataclass(frozen=True, slots=True)
class Observation:
    """A row of `observed` as it is to be from now on; `row.id` 0 asks for a new id."""

    row: Row
    seen: Seen


class ScanStatus(StrEnum):
    NONE = "none"
    RUNNING = "running"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class ScanState:
    """Where the scan of a route stands. `token` is where it resumes; `suspicion` why its deletes may be an accident."""

    status: ScanStatus
    token: str | None = None
    last_key: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    keys: int = 0
    size: int = 0
    suspicion: str | None = None

    def after(self, commit: ScanCommit) -> ScanState:
        """Where the scan stands once this stretch is committed."""
        return replace(
            self,
            status=ScanStatus.RUNNING,
            token=commit.token,
            last_key=commit.last_key,
            keys=self.keys + commit.keys,
            size=self.size + commit.size,
        )

    def ended(self, now: str) -> ScanState:
        """The scan is through."""
        return replace(self, status=ScanStatus.COMPLETE, token=None, last_key=None, finished_at=now)


@dataclass(frozen=True, slots=True)
class ScanCommit:
    """What one stretch of a listing changes: new keys, rows seen anew, rows that were not listed, and where it got to."""

    new: list[Listed]
    changed: list[Observation]
    missing: list[int]
    token: str | None
    last_key: str | None
    keys: int
    size: int


class EventState(StrEnum):
    APPLIED = "applied"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as the catalogue keeps it. `event_key` recognises it when it comes again, `content` what says the same."""

    event_key: str
    content: str
    event_type: str
    file_path: str | None
    new_path: str | None
    timestamp: str | None
    state: EventState
    reason: str | None = None


class Wish(NamedTuple):
    """What an event asked for, and its order, kept until there is a row to hold it."""

    position: int
    sequencer: str | None
    permissions: str | None
    owner: str | None
    group: str | None


CHECK = "check"
"""Why a key is to be looked at that a check with --repair named."""

GONE = "not in the source; what was asked of it waits for word of where it went"
"""The reason of a Relook for a key that the source did answer for."""


@dataclass(frozen=True, slots=True)
class Relook:
    """A key that an event named and the source did not answer for, in so many cycles, why, and what was asked for it."""

    attempts: int
    reason: str
    wishes: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True)
class EventCommit:
    """One batch of events with its effects on `observed` and the log's cursor: one transaction.

    `told` are the keys of events by what they say, where the log gives all that it has on each call and says this under new
    times alone: what said the same before will not come again.
    """

    events: list[EventRecord]
    poison: list[Poison]
    observations: list[Observation]
    removed: list[int]
    cursor: str | None
    relooks: dict[str, Relook] = field(default_factory=dict)
    told: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A delivered row whose last attempt may or may not have been applied."""

    operation: Operation
    row: Row


UNANSWERED = "unanswered"
"""The kind of a failure that is no operation's: the source does not say what is at the key, so nothing is sent of it."""

LEFT_OUT = "left_out"
"""The kind of a failure that is no operation's: the database cannot hold the object's key."""


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """What is known of a row's failing operation. `revision` is the one that failed."""

    row_id: int
    file_path: str
    operation: str
    revision: int
    kind: str
    message: str
    attempts: int
    cycles: int
    first_at: str
    last_at: str
    quarantined: bool

    @property
    def next_attempt(self) -> str:
        """When it is tried again, in people's words."""
        if not self.quarantined:
            return "next run"
        if self.kind == LEFT_OUT:
            return "when it has another key, or the catalogue is in SQLite"
        return "when it is restored" if self.kind == Archived.kind else "when the object changes, or by retry-failed"

    def as_json(self) -> dict[str, Any]:
        """As reports and `status` name it (CONTRACT, section 4)."""
        return {
            "file_path": self.file_path,
            "operation": self.operation,
            "kind": self.kind,
            "message": self.message,
            "attempts": self.attempts,
            "next_attempt": self.next_attempt,
        }


@dataclass(frozen=True, slots=True)
class Failing:
    """How many operations are failing, each row's once, and how many of each kind have failed since some moment."""

    total: int = 0
    since: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """How one operation ended: a line of the history. `seconds` is what all its attempts took together."""

    row_id: int
    run_id: str
    at: str
    kind: str
    file_path: str
    new_path: str | None
    size: int
    etag: str
    result: str
    internal_id: str | None
    attempts: int
    seconds: float
    error_kind: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a row may differ from what was delivered: `event`, `scan`, `deliver` or `command`, and since when."""

    since: str
    cause: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that the catalogue knows of the object that is, or last was, at one path; lists are newest first.

    `relook` says why the source could not be asked about it. `operations` and `events` are of all its paths, and of
    the rows that had the path before it.
    """

    observed: Row | None
    delivered: Row | None
    doubt: Operation | None
    pending: Pending | None
    held: str | None
    failures: list[FailureRecord]
    events: list[dict[str, Any]]
    operations: list[OperationRecord]
    scan: ScanState
    relook: str | None = None
    next_run: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Deletes that the guard holds back, and why."""

    deletes: int
    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as `runs` lists it; `report` is the run report of the contract once it has ended."""

    run_id: str
    route: str
    sync_type: str
    started_at: str
    finished_at: str | None = None
    success: bool | None = None
    exit_code: int | None = None
    report: dict[str, object] | None = None
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of a route that the catalogue alone can tell.

    `archived` of the quarantined objects only wait to be restored at the source.
    `unread_events` are those in quarantine since the last full scan: what they may have told is not known before the next.
    `unanswered` of the failed ones are keys that the source does not answer for.
    `approved_at` is when a person last agreed to deletes that are still to go.
    `unverified` says why nothing delivered is believed yet (`restored`, `rebuilt`).
    """

    files: int = 0
    size: int = 0
    pending: int = 0
    failed: int = 0
    quarantined: int = 0
    archived: int = 0
    unread_events: int = 0
    unanswered: int = 0
    oldest_pending: str | None = None
    held: Held | None = None
    approved_at: str | None = None
    scan: ScanState = field(default_factory=lambda: ScanState(ScanStatus.NONE))
    initial_done: bool = False
    error_counts: dict[str, int] = field(default_factory=dict)
    check: dict[str, Any] | None = None
    unverified: str | None = None
