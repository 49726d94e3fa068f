"""The taxonomy of errors: what adapters translate vendor errors into, and what the exit codes are made of."""

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

from sync_service.models.text import shown


class ExitCode(IntEnum):
    """Exit codes of every command; public (CONTRACT: Commands)."""

    DONE = 0
    UNCLASSIFIED = 1
    USAGE = 2
    PARTLY = 3
    DIFFERENCES = 4
    TEMPORARY = 5
    GUARDED = 6
    NO_CATALOGUE = 10
    LOCKED = 11
    DENIED = 12
    CATALOGUE_UNUSABLE = 13
    INTERRUPTED = 130
    TERMINATED = 143


class SyncError(Exception):
    """An expected problem, said so that a person can act on it.

    `what` is one sentence; `subject` the object, endpoint or file it is about (shown escaped); `hint` says what to do.
    `kind` is a stable word for reports and metrics.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[ExitCode] = ExitCode.UNCLASSIFIED
    default_hint: ClassVar[str] = ""

    def __init__(self, what: str, *, subject: str = "", hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.subject = subject
        self.hint = hint or self.default_hint
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = self.what if not self.subject else f"{shown(self.subject)}: {self.what}"
        return f"{text}. {self.hint}" if self.hint else text


class ConfigurationError(SyncError):
    """Settings that cannot be used; carries every problem found, one line each."""

    kind = "configuration"
    exit_code = ExitCode.USAGE

    def __init__(self, problems: Sequence[str] | str, *, hint: str = "") -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems), hint=hint)


class Temporary(SyncError):
    """Did not work now, may work later, and it is not known to have had an effect on the object."""

    kind = "temporary"
    exit_code = ExitCode.TEMPORARY


class Unreachable(Temporary):
    """No connection was made: the request was certainly not applied."""

    kind = "unreachable"


class Interrupted(Temporary):
    """The run was told to stop before its end."""

    kind = "stopped"


class Throttled(Temporary):
    """The other side asked for fewer requests (429, 503 SlowDown) and applied nothing; `retry_after` is in seconds."""

    kind = "throttled"


class Renewed(Temporary):
    """Credentials were refused and have been renewed since: nothing was applied, the next attempt takes the new ones."""

    kind = "renewed"


class OutcomeUnknown(Temporary):
    """The request may or may not have been applied: time-out, reset, 5xx, an answer that cannot be read."""

    kind = "unknown"


class BadAnswer(OutcomeUnknown):
    """An answer that breaks the contract: HTML for JSON, a missing field, a redirect."""

    kind = "bad_answer"


class DamagedBody(OutcomeUnknown):
    """The source gave a body of the right length that is not the object's: the last of it is held back."""

    kind = "damaged"
    default_hint = "Something on the way changes bytes, or the object is damaged where it is stored; it is read again"


class StoredWrong(Temporary):
    """The destination answered, and says that it holds other bytes (size, digest) than were sent."""

    kind = "stored_wrong"


class Refused(SyncError):
    """A final no (4xx): recorded, tried again only when the object changes or by command. `status` is the HTTP status."""

    kind = "refused"
    exit_code = ExitCode.PARTLY

    def __init__(self, what: str, *, status: int = 0, subject: str = "", hint: str = "") -> None:
        super().__init__(what, subject=subject, hint=hint)
        self.status = status


class NotAtDestination(Refused):
    """404 from the destination: it has no such path."""

    kind = "not_at_destination"


class PathTaken(Refused):
    """409 from the destination: something else is at that path."""

    kind = "path_taken"


class CursorRefused(Refused):
    """The event log answers, and does not know the cursor that it gave: it was set up anew, or has forgotten so much."""

    kind = "cursor_refused"


class SourceMoved(SyncError):
    """The object is no longer the version that was planned (404 or 412): observe it again, this is no failure."""

    kind = "source_moved"


class Unreadable(SyncError):
    """The source has the object but will not give its bytes (archived, locked, encrypted with a lost key)."""

    kind = "unreadable"
    exit_code = ExitCode.PARTLY


class Archived(Unreadable):
    """The object is in an archive (S3 Glacier and its like): it can be read once somebody has restored it."""

    kind = "archived"
    default_hint = "Restore it at the source; it is taken up then"


class Denied(SyncError):
    """Credentials are missing, wrong, expired, or lack a permission."""

    kind = "denied"
    exit_code = ExitCode.DENIED


class ClockSkewed(Denied):
    """The other side refuses our signatures because the clocks differ too much."""

    kind = "clock_skew"
    default_hint = "Set this machine's clock (NTP); nothing was changed, the next run goes on"


class ListingBroken(SyncError):
    """A listing that contradicts itself: order, duplicates, tokens that do not advance. Nothing is deleted after it."""

    kind = "listing_broken"
    exit_code = ExitCode.TEMPORARY


class PoisonEvent(SyncError):
    """An event that cannot be decoded; it affects itself alone."""

    kind = "poison_event"


class GuardHeld(SyncError):
    """Deletes that look like an accident are held until a person agrees."""

    kind = "guard"
    exit_code = ExitCode.GUARDED


class PlanChanged(SyncError):
    """What a run would send is no longer what the plan names."""

    kind = "plan_changed"
    exit_code = ExitCode.GUARDED
    default_hint = "See what would be done now, and make the plan again: plan FILE"


class CatalogueMissing(SyncError):
    """There is no catalogue, or it has no tables yet."""

    kind = "catalogue_missing"
    exit_code = ExitCode.NO_CATALOGUE
    default_hint = "Run initial-sync first"


class CatalogueLocked(SyncError):
    """Another process is the catalogue's writer."""

    kind = "locked"
    exit_code = ExitCode.LOCKED


class CatalogueUnusable(SyncError):
    """The catalogue is damaged, or newer than this version. The file is left untouched."""

    kind = "catalogue_unusable"
    exit_code = ExitCode.CATALOGUE_UNUSABLE


class StorageFull(Temporary):
    """No space left (or a quota) where the catalogue or the snapshots are."""

    kind = "storage_full"


class StorageFailed(Temporary):
    """The disk itself failed (an I/O error, a sync that did not go through): what was being written is not relied on."""

    kind = "storage_failed"


class StorageDenied(SyncError):
    """The data folder cannot be written: read-only, or owned by someone else."""

    kind = "storage_denied"
    exit_code = ExitCode.DENIED


CATALOGUE_ERRORS = (CatalogueMissing, CatalogueLocked, CatalogueUnusable, StorageFull, StorageFailed, StorageDenied)
"""What concerns our own records: a log or a source never raises these."""
