"""The check: source, catalogue and destination compared key by key; it changes nothing and believes no single answer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from sync_service.catalogue import comparing
from sync_service.models.data_models import Listed, ObjectInfo, Receipt
from sync_service.models.errors import CatalogueMissing, Denied, GuardHeld, SourceMoved, SyncError, Temporary
from sync_service.models.findings import (
    CheckCounts,
    CheckOptions,
    CheckResult,
    Finding,
    FindingKind,
    Leftover,
    Remedy,
    RowState,
    Tracked,
)
from sync_service.models.source_identity import same_source
from sync_service.ports import Destination, Source
from sync_service.services.check_rules import differs, found_of, in_sample, judge, judge_bytes, pending, wishes
from sync_service.services.check_streams import Pair, listing, paged, paired, stretches
from sync_service.services.concurrency import each
from sync_service.services.observations import seen_again
from sync_service.services.tools import Tools

T = TypeVar("T")

STRETCH = 500
"""Keys that are examined together, MAX_WORKERS at once."""

PAGE = 2_000
"""Rows that are read of the catalogue at once."""

FORMER_PAGE = 20_000
"""Former paths that are read at once: each page goes through all events that are kept."""

Found = Callable[[Finding], None]


class _NoAnswer(Exception):
    """The source or the destination has not answered for one object."""

    def __init__(self, error: SyncError) -> None:
        super().__init__(str(error))
        self.error = error


class Checker:
    """Compares one route. Each difference is looked at twice, since a run may be under way beside it."""

    def __init__(self, tools: Tools, source: Source, destination: Destination, options: CheckOptions) -> None:
        self._source = source
        self._destination = destination
        self._options = options
        self._catalogue = tools.catalogue
        self._thread = tools.thread
        self._retry = tools.retry
        self._observer = tools.observer
        self._now = tools.now
        self._workers = tools.workers
        self._counts = CheckCounts()
        self._unanswered = 0
        self._last_error: SyncError | None = None
        self._credulous = False

    async def run(self, found: Found) -> CheckResult:
        """Tells `found` of each finding as it comes.

        Raises CatalogueMissing before the first sync is through, Temporary after a restore, ListingBroken, GuardHeld for
        another source than the one seen before, and what source, destination or catalogue raise where nothing can be
        compared.
        """
        began = self._now()
        totals = await self._thread(self._catalogue.totals)
        if not totals.initial_done:
            raise CatalogueMissing("the first sync has not been completed", hint="Run initial-sync first")
        _require_verified(totals.unverified)
        await self._require_same_source()
        self._observer.phase("check", total=totals.files)
        await self._try_destination(found)
        await self._go_through(paired(self._listing(), self._tracked()), self._examine, found)
        if not self._credulous:
            await self._go_through(self._leftovers(), self._examine_left, found)
        self._require_answers()
        empty = self._counts.listed == 0 and self._counts.tracked > 0
        return CheckResult(began, self._now(), self._options, self._counts, empty)

    async def _require_same_source(self) -> None:
        await self._retry.call(self._source.ping)
        known = await self._thread(self._catalogue.source_identity)
        now = await self._retry.call(self._source.identity)
        if known is not None and not same_source(known, now):
            what = f"the source is not the one seen before (was {known}, is {now}): nothing was compared"
            raise GuardHeld(what, hint="Put the settings of the source right; or run scan, then approve-deletes")

    def _require_answers(self) -> None:
        """Where silence is all that came back, there is nothing to tell but its reason."""
        silent = isinstance(self._last_error, Temporary | Denied) and not self._counts.compared
        if self._last_error is not None and silent and set(self._counts.kinds) == {FindingKind.UNVERIFIABLE}:
            raise self._last_error

    async def _try_destination(self, found: Found) -> None:
        """A destination that affirms a path which cannot be there proves nothing by affirming others."""
        path = f"s3-sync-check-{self._options.seed or 'full'}-{self._now()}"
        try:
            self._credulous = await self._destination.get(path) is not None
        except SyncError:
            return
        if self._credulous:
            words = "the destination says that it holds a path that nobody made: its answers prove nothing"
            self._tell(Finding(FindingKind.UNVERIFIABLE, path, words), found)

    # ------------------------------------------------------------ what is walked

    async def _listing(self) -> AsyncIterator[Listed]:
        async for entry in listing(self._source, self._retry):
            self._counts.listed += 1
            yield entry

    async def _tracked(self) -> AsyncIterator[Tracked]:
        async def read(last: Tracked | None) -> Sequence[Tracked]:
            after = last.file_path if last is not None else ""
            return await self._thread(self._catalogue.within, comparing.tracked_after, after, PAGE)

        async for row in paged(read):
            self._counts.tracked += 1
            yield row

    async def _leftovers(self) -> AsyncIterator[Leftover]:
        """Delivered rows that are no longer observed, then paths that events tell of and no row holds."""

        async def left(last: Leftover | None) -> Sequence[Leftover]:
            return await self._thread(self._catalogue.within, comparing.left_after, last.id if last else 0, PAGE)

        async def former(last: Leftover | None) -> Sequence[Leftover]:
            after = last.file_path if last is not None else ""
            return await self._thread(self._catalogue.within, comparing.former_after, after, FORMER_PAGE)

        for read in (left, former):
            async for row in paged(read):
                yield row

    async def _go_through(
        self, items: AsyncIterator[T], examine: Callable[[T], Awaitable[Finding | None]], found: Found
    ) -> None:
        async def watched(item: T) -> Finding | None:
            if self._retry.halt.is_set:
                raise Temporary("the check was stopped", hint="Nothing was changed; start it again")
            finding = await examine(item)
            self._observer.advance(1)
            return finding

        async for stretch in stretches(items, STRETCH):
            for finding in await each(watched, stretch, self._workers):
                if finding is not None:
                    self._tell(finding, found)

    def _tell(self, finding: Finding, found: Found) -> None:
        self._counts.kinds[finding.kind] += 1
        if finding.kind is FindingKind.PENDING:
            self._counts.states[finding.detail] += 1
        found(finding)

    # ------------------------------------------------------------ source and catalogue

    async def _examine(self, pair: Pair) -> Finding | None:
        path = pair.tracked.file_path if pair.tracked is not None else pair.entry.key if pair.entry is not None else ""
        try:
            if pair.tracked is None:
                return await self._unobserved(path)
            if pair.entry is None or differs(pair.entry, pair.tracked):
                return await self._look(pair.tracked)
            return await self._delivered(pair.tracked)
        except _NoAnswer as silence:
            row = pair.tracked or Leftover(0, path, 0, RowState.IN_STEP)
            return found_of(row, FindingKind.UNVERIFIABLE, str(silence.error))

    async def _unobserved(self, path: str) -> Finding | None:
        """A key that is listed and not tracked: no run has been told of it, unless it was made or deleted just now."""
        info = await self._answer(lambda: self._source.look(path))
        tracked = await self._tracked_at(path)
        if info is None or tracked is not None:
            return None
        return await self._unknown(Leftover(0, path, 0, RowState.WAITING), "in the source, and not observed yet")

    async def _look(self, tracked: Tracked) -> Finding | None:
        """A row that the listing does not show, or shows otherwise: absence from a listing is not absence."""
        info = await self._answer(lambda: self._source.look(tracked.file_path))
        if info is not None and not await self._wants_more(tracked, info):
            return await self._delivered(tracked)
        if await self._tracked_at(tracked.file_path) != tracked:
            return pending(tracked._replace(state=RowState.CHANGING))
        gone = "observed, and no longer in the source"
        return await self._unknown(tracked, gone if info is None else "changed in the source, and not observed yet")

    async def _wants_more(self, tracked: Tracked, info: ObjectInfo) -> bool:
        """Whether recording this look would change what is wanted of the destination."""
        known = (await self._thread(self._catalogue.observations_by_id, [tracked.id])).get(tracked.id)
        return known is None or seen_again(known, info).row.revision != tracked.revision

    async def _unknown(self, row: Tracked | Leftover, words: str) -> Finding:
        """What the source shows and nobody has recorded."""
        if await self._thread(self._catalogue.within, comparing.look_due, row.file_path):
            return pending(row._replace(state=RowState.WAITING))
        return found_of(row, FindingKind.CATALOGUE, words, Remedy.LOOK)

    async def _tracked_at(self, path: str) -> Tracked | None:
        return await self._thread(self._catalogue.within, comparing.tracked_at, path)

    # ------------------------------------------------------------ the destination

    async def _delivered(self, tracked: Tracked) -> Finding | None:
        if tracked.state is RowState.UNMARKED:
            words = "observed and delivered differ, and the row is not marked as pending"
            return found_of(tracked, FindingKind.CATALOGUE, words, Remedy.MARK)
        if tracked.state is not RowState.IN_STEP:
            return pending(tracked)
        if self._credulous or not in_sample(tracked.file_path, self._options.share, self._options.seed):
            self._counts.skipped += 1
            return None
        finding = await self._compare(tracked)
        if finding is not None and await self._tracked_at(tracked.file_path) != tracked:
            return pending(tracked._replace(state=RowState.CHANGING))
        return finding

    async def _compare(self, tracked: Tracked) -> Finding | None:
        path = tracked.file_path
        held = await self._answer(lambda: self._destination.get(path))
        attributes = None
        if held is not None and wishes(tracked):
            attributes = await self._answer(lambda: self._destination.attributes(path))
            self._counts.permissions += attributes is not None
        self._counts.compared += 1
        finding = judge(tracked, held, attributes)
        if finding is None and held is not None and self._options.read_data:
            return await self._compare_bytes(tracked, held)
        return finding

    async def _compare_bytes(self, tracked: Tracked, held: Receipt) -> Finding | None:
        if held.sha256 is None:
            return found_of(tracked, FindingKind.UNVERIFIABLE, "the destination tells no sha256 of its bytes")
        try:
            read = await self._answer(lambda: self._digest(tracked))
        except SourceMoved:
            return pending(tracked._replace(state=RowState.CHANGING))
        self._counts.bodies += 1
        self._counts.bytes_read += tracked.size
        return judge_bytes(tracked, held.sha256, read)

    async def _digest(self, tracked: Tracked) -> str:
        """The SHA-256 of the very version that was observed, read in pieces."""
        digest = hashlib.sha256()
        async with self._source.open(tracked.file_path, etag=tracked.etag or None) as opened:
            async for chunk in opened.chunks():
                digest.update(chunk)
                self._observer.advance(0, len(chunk))
        return digest.hexdigest()

    async def _examine_left(self, left: Leftover) -> Finding | None:
        """A path that should be empty. A pending delete is known; what nobody will delete is looked at on both sides."""
        if left.state not in (RowState.UNMARKED, RowState.IN_STEP):
            return pending(left)
        if left.id == 0 and not in_sample(left.file_path, self._options.share, self._options.seed):
            return None
        try:
            return await self._extra(left)
        except _NoAnswer as silence:
            return found_of(left, FindingKind.UNVERIFIABLE, str(silence.error))

    async def _extra(self, left: Leftover) -> Finding | None:
        path = left.file_path
        if await self._answer(lambda: self._source.look(path)) is not None:
            return None
        held = await self._answer(lambda: self._destination.get(path))
        if left.id == 0:
            taken = await self._thread(self._catalogue.within, comparing.is_held, path)
            words = "no longer in the source, and still at the destination"
            return None if held is None or taken else found_of(left, FindingKind.EXTRA, words, Remedy.DELETE)
        if held is None:
            words = "delivered, no longer observed, and not marked as pending"
            return found_of(left, FindingKind.CATALOGUE, words, Remedy.DELETE)
        return found_of(left, FindingKind.EXTRA, "no longer in the source, and not to be deleted yet", Remedy.DELETE)

    async def _answer(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer of source or destination. Many failures in a row mean that it is down: the rest is not tried."""
        try:
            answer = await self._retry.call(call)
        except SourceMoved:
            raise
        except SyncError as error:
            self._last_error = error
            self._unanswered += isinstance(error, Temporary | Denied)
            if self._unanswered >= max(2 * self._workers, 10):
                raise
            raise _NoAnswer(error) from error
        self._unanswered = 0
        return answer


def _require_verified(unverified: str | None) -> None:
    """After a restore the catalogue believes nothing of the destination: each row would seem to be different."""
    if unverified is not None:
        hint = "The next run compares bucket and file manager, and sends what differs; check after it"
        raise Temporary(f"nothing was compared: the catalogue was {unverified}", hint=hint)
