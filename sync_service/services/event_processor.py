"""Replays a log: events say which keys to look at, the source says what is there, one transaction records both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sync_service.catalogue import intake
from sync_service.models.changes import GONE, EventCommit, EventRecord, EventState, Relook
from sync_service.models.crashpoints import passing, point
from sync_service.models.data_models import Event, EventPage, EventType, Poison
from sync_service.models.errors import Archived, CursorRefused, Interrupted, SyncError
from sync_service.models.event_identity import content_hash, identity, told_apart
from sync_service.ports import EventLog, Source
from sync_service.services.asked_before import AskedBefore
from sync_service.services.event_effects import Effects, Looks, effects_of, kept_wishes, newest
from sync_service.services.looking import Looking
from sync_service.services.tools import Tools

BATCH = 10_000
"""Events that are folded and committed at once, at the least; a page is never cut."""

PAGES = 1_000
"""Pages that are read before what they have is committed, however little that is."""

EMPTY_PAGES = 100
"""Pages without an event in a row after which a log has no more for this cycle, whatever it says."""

BATCHES = 100
"""Batches of one cycle; what the log has beyond them waits for the next cycle."""

WALK = 10_000
"""Pages that are read of what a log has told before the first scan."""

RELOOKS = 10
"""Cycles in which what was asked of a key that is not there waits for word of it. A key that the source does not answer for is
looked at until it does, after so many cycles without repetition.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which keys of which bucket an event may name: those of the route."""

    bucket: str | None
    prefix: str = ""


@dataclass(slots=True)
class EventCounts:
    """What became of the events of a cycle. `by_type` counts the applied ones, `skipped` the others by reason.

    `begun_anew`: the log had forgotten the cursor, and is read from its start. `waiting`: the keys that are to be looked at
    again, however often they were looked at already.
    """

    received: int = 0
    applied: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    poison: int = 0
    begun_anew: bool = False
    waiting: set[str] = field(default_factory=set)


Placed = tuple[Event, int]
"""An event and its position in the log as we keep it."""


@dataclass(frozen=True, slots=True)
class _Batch:
    items: list[Event | Poison]
    cursor: str | None
    has_more: bool


class EventProcessor:
    """Replays one route's log into `observed`."""

    def __init__(
        self,
        tools: Tools,
        log: EventLog,
        source: Source,
        scope: Scope,
        trust_events: bool = False,
    ) -> None:
        self._log = log
        self._catalogue = tools.catalogue
        self._thread = tools.thread
        self._retry = tools.retry
        self._observer = tools.observer
        self._now = tools.now
        self._scope = scope
        self._looking = Looking(source, tools.retry, tools.workers)
        self._trust = trust_events

    async def note_position(self) -> None:
        """Notes where the log stands before the first scan, once, and which permissions it has told of up to there: no listing
        shows them. They wait with their keys, which are looked at with the first events. A log that has told too much for that,
        or cannot be read now, is replayed whole later, as one without a position is.
        """
        if await self._thread(self._catalogue.positioned):
            return
        position = await self._retry.call(self._log.position)
        before = AskedBefore()
        if position is not None and not await self._read_before(position, before):
            position, before = None, AskedBefore()
        records, waiting = before.found(await self._thread(self._catalogue.last_position))
        with point("position noted"):
            await self._thread(self._catalogue.within, intake.begin_log, position, records, waiting, self._now())

    async def _read_before(self, position: str, before: AskedBefore) -> bool:
        """Whether all that the log has told up to `position` is in `before`."""
        cursor: str | None = None
        items: list[Event | Poison] = []
        for _ in range(WALK):
            if self._retry.halt.is_set:
                raise Interrupted("the run was stopped while it read what the event log has told before")
            try:
                page = await self._retry.call(lambda: self._log.read(cursor))  # noqa: B023 - called before the next turn
            except SyncError as error:
                self._observer.note(
                    "what the event log has told before is read later, from its start", error=str(error)
                )
                return False
            items += told_apart(page.events)
            ended = not page.has_more or page.cursor in (None, cursor, position)
            if ended or len(items) >= BATCH:
                told = [event for event in items if isinstance(event, Event) and self._foreign(event) is None]
                meant = await self._without_slashes([self._relative(event) for event in told])
                before.add([(event, _record_of(log, event, None)) for log, event in zip(told, meant, strict=True)])
                items = []
            if ended or before.too_many:
                return not before.too_many
            cursor = page.cursor
        return False

    async def replay(self, counts: EventCounts, beside: bool = False) -> None:
        """Records all that the log has now. Raises what log or source raise; what was committed stays committed and counted.

        `beside` another phase of the run, it tells the observer of no progress.
        """
        self._looking.begin()
        if not beside:
            self._observer.phase("events")
        for _ in range(BATCHES):
            batch = await self._read(counts)
            await self._record(batch, counts)
            if not beside:
                self._observer.advance(len(batch.items))
            with point("events acknowledged"):
                await self._retry.call(lambda: self._log.acknowledge(batch.cursor))  # noqa: B023 - called before the next turn
            if not batch.has_more or self._retry.halt.is_set:
                break

    async def _read(self, counts: EventCounts) -> _Batch:
        """Pages of the log up to the bound. Where a later page fails, the earlier ones are a batch of their own."""
        cursor = await self._thread(self._catalogue.cursor)
        items: list[Event | Poison] = []
        seen, empty = {cursor}, 0
        while len(items) < BATCH and len(seen) <= PAGES and not self._retry.halt.is_set:
            try:
                page = await self._retry.call(lambda: self._log.read(cursor))  # noqa: B023 - called before the next turn
            except SyncError as error:
                if items:
                    return _Batch(items, cursor, has_more=True)
                page, cursor = await self._begin_anew(error, counts), None
                seen = {cursor}
            passing("events received")
            items += told_apart(page.events)
            empty = 0 if page.events else empty + 1
            stuck = page.cursor is None or page.cursor in seen or empty >= EMPTY_PAGES
            cursor = page.cursor if page.cursor is not None else cursor
            seen.add(cursor)
            if not page.has_more or stuck:
                return _Batch(items, cursor, has_more=False)
        return _Batch(items, cursor, has_more=True)

    async def _begin_anew(self, error: SyncError, counts: EventCounts) -> EventPage:
        """The first page of a log that refuses the cursor; any other error is raised.

        Once a cycle, and nothing is forgotten before the log has answered: one that refuses everything, or each cursor that it
        gives, is an error like others.
        """
        if not isinstance(error, CursorRefused) or counts.begun_anew:
            raise error
        page = await self._retry.call(lambda: self._log.read(None))
        await self._thread(self._catalogue.within, intake.begin_log_anew)
        counts.begun_anew = True
        self._observer.problem(
            "the event log no longer knows where it was read up to; it is read from its start, and what it may have lost "
            "is found by a full scan: the daemon's next run is one, `scan` does it now",
            error=str(error),
        )
        return page

    async def _record(self, batch: _Batch, counts: EventCounts) -> None:
        start = await self._thread(self._catalogue.last_position)
        poison = list({content_hash(item): item for item in batch.items if isinstance(item, Poison)}.values())
        records: list[EventRecord] = []
        fresh = await self._sift([item for item in batch.items if isinstance(item, Event)], records, counts)
        meant = await self._without_slashes([self._relative(event) for event in fresh])
        placed = [(event, start + 1 + index) for index, event in enumerate(meant)]
        placed, effects, relooks = await self._effects(fresh, placed, counts.waiting)
        records += [
            _record_of(told, event, effects.reasons.get(position))
            for told, (event, position) in zip(fresh, placed, strict=True)
        ]
        counts.poison += len(poison) - len(await self._thread(self._catalogue.within, intake.known_poison, poison))
        told = _retold(batch.items, records) if batch.cursor is None else {}
        commit = EventCommit(records, poison, effects.observations, effects.removed, batch.cursor, relooks, told)
        with point("events committed"):
            await self._thread(self._catalogue.commit_events, commit, self._now())
        self._count(records, len(batch.items), counts)
        for item in poison:
            self._observer.note("an event cannot be read and is kept in quarantine", reason=item.reason, event=item.raw)

    def _count(self, records: Sequence[EventRecord], received: int, counts: EventCounts) -> None:
        counts.received += received
        for record in records:
            if record.state is EventState.APPLIED:
                counts.applied += 1
                counts.by_type[record.event_type] += 1
            else:
                counts.skipped[record.reason or "skipped"] += 1

    async def _sift(self, events: list[Event], records: list[EventRecord], counts: EventCounts) -> list[Event]:
        """The events that name keys of this route and were not seen before; the others go to `records` with the reason."""
        known = await self._thread(self._catalogue.known_events, [_key_of(event) for event in events])
        fresh: list[Event] = []
        for event in events:
            key = _key_of(event)
            repeated = key in known
            reason = "seen before" if repeated else self._foreign(event)
            known.add(key)
            if reason is None:
                fresh.append(event)
            elif not repeated:
                records.append(_record_of(event, event, reason))
            else:
                counts.skipped[reason] += 1
        return fresh

    def _foreign(self, event: Event) -> str | None:
        if event.event_type is EventType.IGNORE or event.file_path is None:
            return "means nothing to a sync"
        if event.bucket is None:
            return None
        if self._scope.bucket is not None and event.bucket != self._scope.bucket:
            return "another bucket"
        inside = event.file_path.startswith(self._scope.prefix) and event.file_path != self._scope.prefix
        return None if inside else "outside the route's prefix"

    def _relative(self, event: Event) -> Event:
        if event.bucket is None or event.file_path is None:
            return event
        return replace(event, file_path=event.file_path.removeprefix(self._scope.prefix))

    async def _without_slashes(self, events: list[Event]) -> list[Event]:
        """A leading `/` of our own dialect names the key without it, unless a row with it exists."""
        slashed = {p for e in events if e.bucket is None for p in (e.file_path, e.new_path) if p and p.startswith("/")}
        if not slashed:
            return events
        rows = await self._thread(self._catalogue.observations_at, slashed)
        bare = {path: path if path in rows or path == "/" else path[1:] for path in slashed}
        return [
            event
            if event.bucket is not None
            else replace(
                event,
                file_path=bare.get(event.file_path or "", event.file_path),
                new_path=bare.get(event.new_path or "", event.new_path),
            )
            for event in events
        ]

    async def _effects(
        self, told: Sequence[Event], placed: Sequence[Placed], waiting: set[str]
    ) -> tuple[list[Placed], Effects, dict[str, Relook]]:
        """The events by the names that the source knows, what they mean for the rows, and what is to be looked at again."""
        due = await self._thread(self._catalogue.relooks_due)
        named = {path for event, _ in placed for path in (event.file_path, event.new_path) if path is not None}
        keys = sorted(named | set(due))
        looks = await self._look(keys, due)
        await self._take_up_restored(looks)
        rows = await self._thread(self._catalogue.observations_at, keys)
        placed = await self._with_slashes(told, placed, looks, set(rows))
        effects = effects_of(
            [*kept_wishes(due), *placed], sorted(looks.answers.keys() | keys), rows, looks, self._trust
        )
        again = _relooks(due, looks, effects, waiting)
        for key in [key for key in looks.unanswered if key not in waiting]:
            self._observer.problem(
                "the source does not answer for one object",
                file_path=key,
                error=looks.unanswered[key],
            )
        waiting.update(again, looks.unanswered)
        return placed, effects, again

    async def _with_slashes(
        self, told: Sequence[Event], placed: Sequence[Placed], looks: Looks, rows: set[str]
    ) -> list[Placed]:
        """Where no row tells whether a leading `/` belongs to the key, the source does: a key that it does not have without
        the slash, and has with it, is that one.
        """
        guessed = set()
        for event, (meant, _) in zip(told, placed, strict=True):
            for said, path, known in (
                (event.file_path, meant.file_path, rows),
                (event.new_path, meant.new_path, frozenset[str]()),
            ):
                if event.bucket is None and path is not None and said == f"/{path}" and path not in known:
                    guessed |= {said} if looks.answers.get(path, said) is None else set()
        looks.answers |= (await self._look(sorted(guessed - looks.answers.keys()), {})).answers
        there = {key for key in guessed if looks.answers.get(key) is not None}
        return [
            (
                replace(
                    meant,
                    file_path=event.file_path if event.file_path in there else meant.file_path,
                    new_path=event.new_path if event.new_path in there else meant.new_path,
                ),
                position,
            )
            for event, (meant, position) in zip(told, placed, strict=True)
        ]

    async def _take_up_restored(self, looks: Looks) -> None:
        """An archived object that was restored has changed in nothing that a row holds."""
        readable = [key for key, info in looks.answers.items() if info is not None and not info.archived]
        if readable:
            await self._thread(self._catalogue.try_again, readable, self._now(), Archived.kind)

    async def _look(self, keys: Sequence[str], due: dict[str, Relook]) -> Looks:
        """One object that the source does not answer for stops nothing else; a source that cannot be reached does."""
        looks = Looks()
        long = {key for key, relook in due.items() if relook.attempts > RELOOKS}
        for key, look in (await self._looking.answered(keys, long)).items():
            if isinstance(look, SyncError):
                looks.unanswered[key] = str(look)
            else:
                looks.answers[key] = look
        return looks


def _relooks(due: dict[str, Relook], looks: Looks, effects: Effects, waiting: set[str]) -> dict[str, Relook]:
    """Which keys are looked at again. A cycle counts once: its batches may follow each other within a minute's trouble."""
    again: dict[str, Relook] = {}
    for key, reason in (dict.fromkeys(effects.unmet, GONE) | looks.unanswered).items():
        tried = (due[key].attempts if key in due else 0) + (key not in waiting)
        if tried <= RELOOKS or key in looks.unanswered:
            again[key] = Relook(tried, reason, newest(effects.unmet.get(key, ())))
    return again


def _key_of(event: Event) -> str:
    """What recognises an event: its id, else all that it says, so that the same wish at another time is another event."""
    return f"id:{event.event_id}" if event.event_id is not None else f"event:{identity(event)}"


def _retold(items: Sequence[Event | Poison], records: Sequence[EventRecord]) -> dict[str, set[str]]:
    """What a log says under new times alone: content -> the keys of the events that say it."""
    new = {record.event_key for record in records}
    told: dict[str, set[str]] = {}
    for event in items:
        if isinstance(event, Event):
            told.setdefault(content_hash(event), set()).add(_key_of(event))
    return {content: keys for content, keys in told.items() if keys <= new}


def _record_of(told: Event, event: Event, reason: str | None) -> EventRecord:
    """`told` is the event as the log has it, by which it is known again; `event` what it means to this route."""
    return EventRecord(
        event_key=_key_of(told),
        content=content_hash(told),
        event_type=str(event.event_type),
        file_path=event.file_path,
        new_path=event.new_path,
        timestamp=event.timestamp,
        state=EventState.APPLIED if reason is None else EventState.SKIPPED,
        reason=reason,
    )
