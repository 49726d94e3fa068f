"""The full listing of a source, compared with what was observed; resumes at the page that it had committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from sync_service.catalogue import intake, ledger, looked, sifting
from sync_service.models.changes import Known, Observation, ScanCommit, ScanState, ScanStatus
from sync_service.models.crashpoints import point
from sync_service.models.data_models import Listed, ListingPage, ObjectInfo, Operation
from sync_service.models.errors import Archived, Denied, Interrupted, ListingBroken, SyncError, Unreadable
from sync_service.models.source_identity import fuller, same_source
from sync_service.ports import Source
from sync_service.services.guard import CONTRADICTED, EMPTY
from sync_service.services.looking import Look, Looking
from sync_service.services.observations import first_seen, revised, seen_again
from sync_service.services.tools import Tools

STRETCH = 10_000
"""Keys that are compared and committed at once."""

LISTED_ALL = ""
"""The token of a scan whose listing is through and whose missing rows are being looked at."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Keys of a listing, where it goes on (None: nowhere), and its last key so far."""

    entries: list[Listed]
    token: str | None
    last_key: str | None


class Scanner:
    """Scans one source into the catalogue. Nothing is removed on the word of a listing alone: each missing row is looked at."""

    def __init__(
        self,
        tools: Tools,
        source: Source,
    ) -> None:
        self._source = source
        self._looking = Looking(source, tools.retry, tools.workers)
        self._catalogue = tools.catalogue
        self._thread = tools.thread
        self._retry = tools.retry
        self._observer = tools.observer
        self._now = tools.now

    async def scan(self, state: ScanState | None = None) -> ScanState:
        """Runs a scan to its end: the one begun as `state`, or the interrupted one, or a new one. Raises what the source
        raises, keeping its place.
        """
        self._looking.begin()
        state = state or await self.begin()
        if state.token != LISTED_ALL:
            state = await self._list_believed(state)
        await self._look_at_missing()
        if state.suspicion == EMPTY and await self._known_files():
            state = replace(state, suspicion=CONTRADICTED)
        await self._look_at_archived()
        with point("scan completed"):
            await self._thread(self._catalogue.complete_scan, state, self._now())
        return state

    async def still_gone(self, deletes: Sequence[Operation], since: str) -> tuple[list[Operation], SyncError | None]:
        """Those of `deletes` whose object is still gone, and why one of the others could not be looked at.

        What was found gone before `since` may be there again, and its event lost: it is looked at once more.
        """
        old = await self._thread(
            self._catalogue.within, looked.pending_since_before, [delete.row_id for delete in deletes], since
        )
        self._looking.begin()
        looks = await self._looking.at([delete.file_path for delete in deletes if delete.row_id in old])
        back = [first_seen(info) for info in looks.values() if isinstance(info, ObjectInfo)]
        if back:
            await self._thread(self._catalogue.within, looked.put_back, back, self._now())
        errors = [look for look in looks.values() if isinstance(look, SyncError)]
        return [delete for delete in deletes if looks.get(delete.file_path) is None], next(iter(errors), None)

    async def accept_source(self) -> None:
        """What made the last scan suspicious has come to nothing, or was agreed to: this is the route's source from now on."""
        identity = await self._retry.call(self._source.identity)
        before = await self._thread(self._catalogue.source_identity)
        if before is not None and same_source(before, identity):
            identity = fuller(before, identity)
        await self._thread(self._catalogue.set_source_identity, identity)
        await self._thread(self._catalogue.within, intake.clear_suspicion)

    async def source_changed(self) -> bool:
        """Whether the source is another one than the route's: its events and its listing are to be doubted then."""
        return await self._identity_suspicion() is not None

    async def begin(self) -> ScanState:
        """The scan that is to be gone through, with what makes it suspicious noted."""
        state = await self._thread(self._catalogue.scan_state)
        suspicion = await self._identity_suspicion()
        if state.status is ScanStatus.RUNNING and state.suspicion == suspicion:
            self._observer.note("the scan goes on where it was interrupted", keys=state.keys)
            return state
        with point("scan begun"):
            return await self._thread(self._catalogue.begin_scan, self._now(), suspicion)

    async def _identity_suspicion(self) -> str | None:
        """Why a changed bucket behind the same route makes deletes suspicious; the first one seen is remembered."""
        now = await self._retry.call(self._source.identity)
        before = await self._thread(self._catalogue.source_identity)
        if before is not None and not same_source(before, now):
            return f"the source is not the one seen before (was {before}, is {now})"
        known = now if before is None else fuller(before, now)
        if known != before:
            with point("source identity noted"):
                await self._thread(self._catalogue.set_source_identity, known)
        return None

    async def _list_believed(self, state: ScanState) -> ScanState:
        """A listing that contradicts itself is not gone on with: what it showed before may be wrong as well."""
        try:
            return await self._list(state)
        except ListingBroken:
            await self._thread(self._catalogue.begin_scan, self._now(), state.suspicion)
            raise

    async def _list(self, state: ScanState) -> ScanState:
        if not state.keys and not await self._known_files():
            self._observer.phase("scan")
        else:
            self._observer.phase("scan", total=await self._thread(self._catalogue.get_record_count))
        async for stretch in self._stretches(state):
            commit = await self._compare(state.last_key, stretch)
            if stretch.token is None:
                state = await self._suspect_empty(state, commit)
            with point("page committed"):
                state = await self._thread(self._catalogue.commit_scan, state, commit, self._now())
            self._observer.advance(commit.keys, commit.size)
        return state

    async def _known_files(self) -> int:
        return await self._thread(self._catalogue.get_record_count)

    async def _suspect_empty(self, state: ScanState, commit: ScanCommit) -> ScanState:
        if state.keys + commit.keys or not await self._thread(self._catalogue.delivered_count):
            return state
        return replace(state, suspicion=state.suspicion or EMPTY)

    async def _stretches(self, state: ScanState) -> AsyncIterator[_Stretch]:
        """Pages put together to stretches; the next one is listed while a stretch is compared and committed."""
        upcoming = asyncio.create_task(self._stretch(state.last_key, state.token))
        try:
            while True:
                stretch = await upcoming
                if stretch.token is not None:
                    upcoming = asyncio.create_task(self._stretch(stretch.last_key, stretch.token))
                yield stretch
                if stretch.token is None:
                    return
        finally:
            upcoming.cancel()

    async def _stretch(self, last_key: str | None, token: str | None) -> _Stretch:
        entries: list[Listed] = []
        while True:
            page = await self._page(token)
            last_key, token = _follows(last_key, page), page.next_token
            entries += page.entries
            if token is None or len(entries) >= STRETCH:
                return _Stretch(entries, token, last_key)

    async def _page(self, token: str | None) -> ListingPage:
        if self._retry.halt.is_set:
            raise Interrupted("the scan was stopped", hint="The next run goes on at this page")
        with point("page listed"):
            return await self._retry.call(lambda: self._source.list_page(token))

    async def _compare(self, after: str | None, stretch: _Stretch) -> ScanCommit:
        """What the stretch changes. The last one reaches to the end of the observed rows."""
        last_key = stretch.last_key
        known: list[Known] = []
        if stretch.token is None or last_key is not None:
            listed = {entry.key for entry in stretch.entries}
            upto = None if stretch.token is None else last_key
            known = await self._thread(sifting.known_among, self._catalogue.within, listed, after, upto)
        new, changed, missing = compare(known, stretch.entries)
        new, returned = await self._look_at_returned(new)
        return ScanCommit(
            new=new,
            changed=[*await self._look_at_changed(changed), *returned],
            missing=missing,
            token=LISTED_ALL if stretch.token is None else stretch.token,
            last_key=last_key,
            keys=len(stretch.entries),
            size=sum(entry.size for entry in stretch.entries),
        )

    async def _look_at_returned(self, new: list[Listed]) -> tuple[list[Listed], list[Observation]]:
        """(the keys that are really new, the rows of those that the destination holds from before).

        A listing tells no attributes: an object that came back while its events were lost would keep those of the old one.
        """
        if not new or not await self._thread(self._catalogue.delivered_count):
            return new, []
        held = await self._thread(self._catalogue.holders, [entry.key for entry in new])
        returned = [entry for entry in new if entry.key in held]
        looks = await self._looks([entry.key for entry in returned])
        infos = [_shown(entry, looks[entry.key]) for entry in returned if looks.get(entry.key) is not None]
        return [entry for entry in new if entry.key not in held], [first_seen(info) for info in infos]

    async def _look_at_changed(self, changed: Sequence[tuple[Known, Listed]]) -> list[Observation]:
        if not changed:
            return []
        rows = await self._thread(self._catalogue.observations_by_id, [known.id for known, _ in changed])
        looks = await self._looks([listed.key for _, listed in changed])
        seen = [
            (rows[known.id], _after(rows[known.id], listed, looks[listed.key]))
            for known, listed in changed
            if listed.key in looks
        ]
        return [after for before, after in seen if after != before]

    async def _looks(self, keys: Sequence[str]) -> dict[str, Look]:
        """What the source says of these keys, refusals too. What it does not answer for is left out, and noted."""
        looks = await self._looking.answered(keys)
        unanswered = {key: str(look) for key, look in looks.items() if _is_unanswered(look)}
        for key, why in unanswered.items():
            self._observer.problem("the source does not answer for one object", file_path=key, error=why)
        if unanswered:
            await self._thread(self._catalogue.within, intake.add_unanswered, unanswered)
        return {key: look for key, look in looks.items() if key not in unanswered}

    async def _look_at_missing(self) -> None:
        after = 0
        while ids := await self._thread(self._catalogue.within, intake.missing, after, STRETCH):
            rows = {o.row.file_path: o for o in (await self._thread(self._catalogue.observations_by_id, ids)).values()}
            gone, seen = [], []
            for path, look in (await self._looks(list(rows))).items():
                if look is None:
                    gone.append(rows[path].row.id)
                elif isinstance(look, SyncError):
                    self._observer.problem("not listed, and the source refuses a look", file_path=path, error=str(look))
                elif (now := seen_again(rows[path], look)) != rows[path]:
                    seen.append(now)
            with point("missing rows settled"):
                await self._thread(self._catalogue.settle_missing, gone, seen, ids, self._now())
            after = ids[-1]

    async def _look_at_archived(self) -> None:
        """A restored object shows no other size, ETag or time in a listing, so each one in quarantine is looked at."""
        after = 0
        while found := await self._thread(self._catalogue.within, ledger.archived, after, STRETCH):
            looks = await self._looking.at([path for _, path in found])
            if restored := [path for path, look in looks.items() if isinstance(look, ObjectInfo) and not look.archived]:
                await self._thread(self._catalogue.try_again, restored, self._now(), Archived.kind)
            after = found[-1][0]


def _is_unanswered(look: Look) -> bool:
    """A refusal is an answer; everything else that is an error may be a passing one."""
    return isinstance(look, SyncError) and not isinstance(look, Denied | Unreadable)


def _shown(listed: Listed, look: Look) -> ObjectInfo:
    """The object by a look, else by the listing alone."""
    listing = ObjectInfo(listed.key, listed.size, listed.etag, listed.last_modified)
    return look if isinstance(look, ObjectInfo) else listing


def _after(before: Observation, listed: Listed, look: Look) -> Observation:
    """The row by a look; by the listing alone where the source refuses one, or says that the object is not there."""
    if isinstance(look, ObjectInfo):
        return seen_again(before, look)
    row = replace(before.row, size=listed.size, etag=listed.etag, last_modified=listed.last_modified)
    return revised(before, replace(before, row=row))


def compare(
    known: Sequence[Known], entries: list[Listed]
) -> tuple[list[Listed], list[tuple[Known, Listed]], list[int]]:
    """(new keys, rows that the listing shows otherwise, ids of rows that it does not show), by path."""
    if not known:
        return entries, [], []
    left = {row.file_path: row for row in known}
    new, changed = [], []
    for entry in entries:
        row = left.pop(entry.key, None)
        if row is None:
            new.append(entry)
        elif row[2:] != entry[1:]:
            changed.append((row, entry))
    return new, changed, [row.id for row in left.values()]


def _follows(last_key: str | None, page: ListingPage) -> str | None:
    """The last key so far; raises where a page begins at or before it."""
    if not page.entries:
        return last_key
    first = page.entries[0].key
    if last_key is not None and first.encode() <= last_key.encode():
        raise ListingBroken(
            f"the listing goes back: {first!r} comes after {last_key!r}",
            hint="Nothing was deleted; the next scan starts again",
        )
    return page.entries[-1].key
