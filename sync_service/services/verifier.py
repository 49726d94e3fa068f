"""Asks the destination about every path after a restore or rebuild: what is right there is recorded, not sent again."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

from sync_service.models.changes import Observation
from sync_service.models.data_models import ObjectInfo, Receipt
from sync_service.models.errors import Denied, Interrupted, Refused, SourceMoved, Temporary, Unreadable
from sync_service.models.verification import Loose, Unverified, Verdict
from sync_service.ports import Destination, Source
from sync_service.services.comparison import Comparison
from sync_service.services.concurrency import each
from sync_service.services.observations import first_seen, seen_again
from sync_service.services.tools import Tools

WINDOW = 500
"""Rows that are asked about and committed at once; a comparison that is cut off goes on behind the last of them."""


class Verifier:
    """Compares one route with its destination. Bytes are right where size and SHA-256 are equal on both sides.

    The destination tells its SHA-256; the source's is read from its bytes, which are not sent. What cannot be shown to be
    right is held with unknown bytes, and the delivery that follows sends it again.
    """

    def __init__(self, tools: Tools, source: Source, destination: Destination) -> None:
        self._source = source
        self._destination = destination
        self._comparison = Comparison(tools.catalogue)
        self._thread = tools.thread
        self._retry = tools.retry
        self._observer = tools.observer
        self._now = tools.now
        self._workers = tools.workers
        self._count_rows = tools.catalogue.get_record_count

    async def needed(self) -> bool:
        """Whether the delivered rows are not to be believed yet."""
        return await self._thread(self._comparison.standing) is not None

    async def run(self) -> None:
        """Begins the comparison or goes on with it. Raises where source or destination do not answer, keeping its place."""
        standing = await self._thread(self._comparison.standing)
        if standing is None:
            return
        self._observer.phase("compare", total=await self._thread(self._count_rows))
        told: Counter[str] = Counter()
        if not standing.loose:
            standing = await self._observed_rows(standing, told)
        await self._loose_paths(standing, told)
        await self._thread(self._comparison.finish)
        self._observer.note(
            "the destination was compared", right=told["right"], differs=told["differs"], missing=told["missing"]
        )

    async def _observed_rows(self, standing: Unverified, told: Counter[str]) -> Unverified:
        while rows := await self._thread(self._comparison.observed_after, standing.after, WINDOW):
            size_only = standing.trust_size
            verdicts = await each(lambda known: self._compared(known, size_only), rows, self._workers)  # noqa: B023
            standing = standing.past(rows[-1].row.id)
            await self._thread(self._comparison.settle, verdicts, standing, self._now())
            told.update(_word(verdict) for verdict in verdicts)
            self._observer.advance(len(rows))
        return await self._thread(self._comparison.turn_to_loose, standing)

    async def _loose_paths(self, standing: Unverified, told: Counter[str]) -> None:
        while rows := await self._thread(self._comparison.loose_after, standing.after, WINDOW):
            verdicts = await each(self._looked_for, rows, self._workers)
            standing = standing.past(rows[-1].row_id)
            await self._thread(self._comparison.settle_loose, verdicts, standing, self._now())
            told["differs"] += sum(verdict.found is not None for verdict in verdicts)

    async def _compared(self, known: Observation, trust_size: bool) -> Verdict:
        """What is at the path of an observed row, and whether its bytes are the source's."""
        row = known.row
        verdict = await self._asked(row.id, row.file_path)
        if verdict.found is None:
            return verdict
        try:
            info = await self._look(row.file_path)
            right = info is not None and await self._is_right(info, verdict.found, trust_size)
        except (Temporary, Denied, Unreadable):
            self._require_going_on()
            await self._retry.call(self._source.ping)
            return verdict
        return verdict if info is None else replace(verdict, seen=seen_again(known, info), right=right)

    async def _looked_for(self, loose: Loose) -> Verdict:
        """What is at a path that no observed row claims. The source is asked once more: no listing alone takes a file away,
        and where the source will not say, the file is left alone and forgotten.
        """
        verdict = await self._asked(loose.row_id, loose.file_path)
        if loose.observed or (verdict.told and verdict.found is None):
            return verdict
        try:
            info = await self._look(loose.file_path)
        except (Denied, Unreadable):
            return Verdict(loose.row_id, loose.file_path)
        return verdict if info is None else replace(verdict, seen=first_seen(info))

    async def _asked(self, row_id: int, path: str) -> Verdict:
        """One path that the destination does not answer for stops nothing else; a destination that is silent does."""
        self._require_going_on()
        try:
            return Verdict(row_id, path, await self._retry.call(lambda: self._destination.get(path)))
        except Refused:
            return Verdict(row_id, path, told=False)
        except Temporary:
            self._require_going_on()
            await self._retry.call(self._destination.ping)
            return Verdict(row_id, path, told=False)

    async def _look(self, path: str) -> ObjectInfo | None:
        return await self._retry.call(lambda: self._source.look(path))

    async def _is_right(self, info: ObjectInfo, found: Receipt, trust_size: bool) -> bool:
        if found.size != info.size:
            return False
        if trust_size:
            return True
        return found.sha256 is not None and found.sha256.lower() == await self._retry.call(lambda: self._digest(info))

    async def _digest(self, info: ObjectInfo) -> str | None:
        """The SHA-256 of the very version that was looked at; None where it has gone or cannot be read."""
        digest = hashlib.sha256()
        try:
            async with self._source.open(info.key, etag=info.etag) as opened:
                async for chunk in opened.chunks():
                    digest.update(chunk)
        except (SourceMoved, Unreadable, Denied):
            return None
        return digest.hexdigest()

    def _require_going_on(self) -> None:
        if self._retry.halt.is_set:
            raise Interrupted("the comparison was stopped", hint="The next run goes on where it was")


def _word(verdict: Verdict) -> str:
    if verdict.found is None:
        return "missing" if verdict.told else "untold"
    return "right" if verdict.right else "differs"
