"""What a batch of events does to `observed`, given what the source answered: pure, and the heart of the replay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sync_service.models.changes import Observation, Relook, Wish
from sync_service.models.data_models import Event, EventType, ObjectInfo
from sync_service.services.event_folding import Fold, Token, fold, places
from sync_service.services.observations import (
    asked_by_events,
    first_seen,
    moved,
    permitted,
    seen_again,
    unordered,
    without_said,
)

RENAMES = (EventType.RENAME, EventType.MOVE)
PENDING_LOOK = "the source did not answer; looked at again with the next batch"


@dataclass(slots=True)
class Looks:
    """The answers of the source: key -> the object or None (not there); and why some keys have no answer."""

    answers: dict[str, ObjectInfo | None] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Effects:
    """Rows to write, ids to remove, why events without effect had none (position -> reason), and wishes that wait (key).

    Wishes wait where no row is known to hold them and no event has told of a delete: at keys without an answer, and where a
    thing is gone that may have been renamed, which is told later.
    """

    observations: list[Observation]
    removed: list[int]
    reasons: dict[int, str]
    unmet: dict[str, list[Wish]]


def effects_of(
    events: Sequence[tuple[Event, int]],
    keys: Sequence[str],
    rows: Mapping[str, Observation],
    looks: Looks,
    trust_events: bool = False,
) -> Effects:
    """The effects of `events` (with their positions) on the known `rows` (by path), all of whose keys were looked at."""
    folded = fold(events, {path: o.row.id for path, o in rows.items()})
    answers = _believed(events, rows, looks) if trust_events else looks.answers
    state = _Observed(rows)
    for row_id, path in _kept_renames(folded, rows, answers).items():
        state.move(row_id, path)
    state.settle_moves()
    for key in keys:
        if key in answers:
            state.look(key, answers[key])
    ended = places(folded)
    removed = state.removed()
    unmet = _wishes_left(removed, rows, folded)
    for token, event, position in folded.wishes:
        if (place := ended.get(token)) is None:
            continue
        if state.at(place) is None and (place in looks.unanswered or folded.at.get(place) == token):
            unmet.setdefault(place, []).append(_wish_at(place, event, position))
        state.permit(place, event, position)
    state.settle_sequencers()
    return Effects(state.changed(), removed, _reasons(events, rows, answers, looks, state), unmet)


def wishes_standing(events: Sequence[tuple[Event, int]]) -> dict[str, list[Wish]]:
    """What `events` ask of keys that nobody has looked at, where they ended; of what they told to be deleted nothing stands."""
    folded = fold(events, {})
    standing = {token: path for path, token in folded.at.items()}
    found: dict[str, list[Wish]] = {}
    for token, event, position in folded.wishes:
        if (place := standing.get(token)) is not None:
            found.setdefault(place, []).append(_wish_at(place, event, position))
    return found


def newest(wishes: Iterable[Wish]) -> tuple[Wish, ...]:
    """The last of those that ask for the same: some servers repeat one wish on every call."""
    last = {wish._replace(position=0): wish for wish in wishes}
    return tuple(last.values())


def _wishes_left(removed: Sequence[int], rows: Mapping[str, Observation], folded: Fold) -> dict[str, list[Wish]]:
    """What events had asked of rows that are gone without word of a delete, at the keys where the log saw them last."""
    standing = {token: path for path, token in folded.at.items()}
    by_id = {o.row.id: o for o in rows.values()}
    left = {}
    for row_id in removed:
        wish = asked_by_events(by_id[row_id])
        if wish is not None and (place := standing.get(row_id)) is not None:
            left[place] = [wish if place == by_id[row_id].row.file_path else wish._replace(sequencer=None)]
    return left


def _wish_at(place: str, event: Event, position: int) -> Wish:
    sequencer = event.sequencer if _named(event) == place else None
    return Wish(position, sequencer, event.permissions, event.owner, event.group)


def _named(event: Event) -> str | None:
    """The key that an event's attributes, and its sequencer, are about."""
    return event.new_path if event.event_type in RENAMES and event.new_path is not None else event.file_path


def kept_wishes(due: Mapping[str, Relook]) -> list[tuple[Event, int]]:
    """What earlier batches asked for keys that the source did not answer for, as the events that they were."""
    kept = [
        (Event(EventType.CHANGE_PERMISSION, path, sequencer=w.sequencer, permissions=w.permissions, owner=w.owner,
               group=w.group), w.position)
        for path, relook in due.items()
        for w in relook.wishes
    ]  # fmt: skip
    return sorted(kept, key=lambda pair: pair[1])


def _believed(
    events: Sequence[tuple[Event, int]], rows: Mapping[str, Observation], looks: Looks
) -> dict[str, ObjectInfo | None]:
    """What the events themselves say of deletes, renames and moves, for a bucket that lags behind its events."""
    answers = dict(looks.answers)
    content: dict[str, ObjectInfo | None] = {path: _as_info(o) for path, o in rows.items()}
    for event, _ in events:
        named, new_path = event.file_path or "", event.new_path
        if event.event_type is EventType.DELETE:
            answers[named] = content[named] = None
        elif event.event_type in RENAMES and new_path is not None and new_path != named:
            info = content.get(named) or answers.get(named) or answers.get(new_path)
            answers[new_path] = content[new_path] = info
            if info is None and new_path in looks.unanswered:
                del answers[new_path]
            answers[named] = content[named] = None
        elif named in looks.answers:
            content[named] = answers[named] = looks.answers[named]
        else:
            answers.pop(named, None)
    return answers


def _as_info(known: Observation) -> ObjectInfo:
    row, seen = known.row, known.seen
    said = {"permissions": seen.permissions, "owner": seen.owner, "group": seen.group}
    metadata = {name: value for name, value in said.items() if value is not None}
    return ObjectInfo(
        row.file_path, row.size, row.etag, row.last_modified, row.file_type or "", row.version_id, metadata
    )


def _kept_renames(
    folded: Fold, rows: Mapping[str, Observation], answers: Mapping[str, ObjectInfo | None]
) -> dict[int, str]:
    """The rows that keep their id under a new path: the new key exists, and the old one is gone, taken, or a copy's origin.

    Where the old key is there and the new one is as it was known, the rename is an old one that is told again.
    """
    by_id = {o.row.id: o.row for o in rows.values()}

    def gone(token: Token) -> bool:
        old = by_id[token].file_path if isinstance(token, int) else ""
        return old in answers and answers[old] is None

    news: dict[Token, tuple[str, ObjectInfo]] = {}
    for token, path in folded.moved.items():
        there = answers.get(path) if path is not None else None
        if path is None or there is None:
            continue
        if gone(token) or path not in rows or rows[path].row.etag != there.etag:
            news[token] = (path, there)
    taken = {path for path, _ in news.values()}
    kept = {}
    for token, (path, there) in news.items():
        if not isinstance(token, int) or path == by_id[token].file_path:
            continue
        row = by_id[token]
        if gone(token) or row.file_path in taken or there.etag == row.etag:
            kept[token] = path
    return kept


class _Observed:
    """The rows of the batch while its effects are put together."""

    def __init__(self, rows: Mapping[str, Observation]) -> None:
        self._before = {o.row.id: o for o in rows.values()}
        self._by_path = dict(rows)
        self._moving: dict[str, Observation] = {}
        self._sequenced: dict[str, str | None] = {}

    def move(self, row_id: int, path: str) -> None:
        known = self._before[row_id]
        self._by_path.pop(known.row.file_path, None)
        self._moving[path] = moved(known, path)

    def settle_moves(self) -> None:
        """All moves at once, so that swaps and cycles are permutations; who is in the way loses its path."""
        self._by_path |= self._moving

    def look(self, key: str, info: ObjectInfo | None) -> None:
        known = self._by_path.get(key)
        if info is None:
            self._by_path.pop(key, None)
        elif info.key != key:
            self.look(key, replace(info, key=key))
        else:
            if known is not None and key in self._moving and known.row.etag != info.etag:
                known = without_said(known)
            self._by_path[key] = first_seen(info) if known is None else seen_again(known, info)

    def permit(self, path: str, event: Event, position: int) -> None:
        """Sequencers are compared where the event before was about the same key; the row may have been renamed since."""
        if (known := self._by_path.get(path)) is None:
            return
        comparable = known if self._sequenced_key(known) == _named(event) else unordered(known)
        after = permitted(comparable, event, position)
        if after is not comparable:
            self._by_path[path], self._sequenced[path] = after, _named(event)

    def settle_sequencers(self) -> None:
        """A row keeps no sequencer of a key that it has left: its next event would be compared with it."""
        for path in self._moving.keys() | self._sequenced.keys():
            known = self._by_path.get(path)
            if known is not None and self._sequenced_key(known) != path:
                self._by_path[path] = unordered(known)

    def _sequenced_key(self, known: Observation) -> str | None:
        """The key that the row's sequencer is of: that of the batch's last event for it, else where the row was before."""
        row = known.row
        before = self._before[row.id].row.file_path if row.id in self._before else row.file_path
        return self._sequenced.get(row.file_path, before)

    def at(self, path: str) -> Observation | None:
        return self._by_path.get(path)

    def changed(self) -> list[Observation]:
        return [o for o in self._by_path.values() if self._before.get(o.row.id) != o]

    def removed(self) -> list[int]:
        present = {o.row.id for o in self._by_path.values()}
        return [row_id for row_id in self._before if row_id not in present]


def _reasons(
    events: Sequence[tuple[Event, int]],
    rows: Mapping[str, Observation],
    answers: Mapping[str, ObjectInfo | None],
    looks: Looks,
    state: _Observed,
) -> dict[int, str]:
    """Why events had no effect: what they name is unchanged, or is not in the source."""
    reasons = {}
    for event, position in events:
        paths = [named for named in (event.file_path, event.new_path) if named is not None]
        if any(path in looks.unanswered for path in paths):
            reasons[position] = PENDING_LOOK
        elif all(state.at(path) == rows.get(path) for path in paths):
            missing = all(answers.get(path) is None for path in paths)
            reasons[position] = "not in the source" if missing else "nothing new"
    return reasons
