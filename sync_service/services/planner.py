"""From changes to operations in an order that can be carried out: what frees a path goes before what takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from sync_service.models.changes import FailureRecord, Observation
from sync_service.models.data_models import PATH_CHANGES, Kind, Operation, Row
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.csv_processor import Change
from sync_service.services.database_manager import DatabaseManager

CHUNK = 5_000
"""Rows that are looked up at once while paths are sorted out."""


@dataclass(slots=True)
class Sorted:
    """One window of changes, sorted: what can go at once, what has to wait its turn, what is to be deleted last.

    What has failed before goes behind everything else, so that objects which fail again and again hold up no others.
    """

    ready: list[Operation] = field(default_factory=list)
    waiting: dict[int, tuple[Kind, ...]] = field(default_factory=dict)
    failed_before: dict[int, tuple[Kind, ...]] = field(default_factory=dict)
    deletes: list[int] = field(default_factory=list)


def operation_for(kind: Kind, before: Row | None, after: Row | None) -> Operation:
    """The operation of `kind` that brings the delivered row `before` nearer to the observed row `after`."""
    if kind is Kind.DELETE or after is None:
        assert before is not None
        return Operation(Kind.DELETE, before.id, before.revision, before.file_path, size=before.size, etag=before.etag)
    if kind in PATH_CHANGES:
        assert before is not None
        return path_change(before, after.file_path, after.revision)
    content, attributes = kind is not Kind.CHANGE_PERMISSION, kind is not Kind.UPDATE
    return Operation(
        kind,
        after.id,
        after.revision,
        after.file_path,
        size=after.size if content else 0,
        etag=after.etag if content else "",
        version_id=after.version_id,
        permissions=after.permissions if attributes else None,
        owner=after.owner if attributes else None,
        group=after.group if attributes else None,
        file_type=after.file_type if content else None,
    )


def path_change(before: Row, new_path: str, revision: int) -> Operation:
    """A rename within the folder, or a move to another one."""
    kind = Kind.RENAME if folder_of(before.file_path) == folder_of(new_path) else Kind.MOVE
    return Operation(kind, before.id, revision, before.file_path, new_path, before.size, before.etag)


def folder_of(path: str) -> str:
    """What stands before the last name of a path, with its `/`."""
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head + slash


def has_failed(operation: Operation, failures: Mapping[tuple[int, str], FailureRecord]) -> bool:
    """Whether this very operation has failed before."""
    failure = failures.get((operation.row_id, str(operation.kind)))
    return failure is not None and failure.revision == operation.revision


def is_final(operation: Operation, failures: Mapping[tuple[int, str], FailureRecord]) -> bool:
    """Whether this very operation was refused or given up: it waits until the object changes, or for a command."""
    failure = failures.get((operation.row_id, str(operation.kind)))
    return failure is not None and failure.quarantined and failure.revision == operation.revision


class Planner:
    """Sorts the changes of one cycle. Whether a path is free is asked of `delivered` each time, so a failed step holds up
    exactly what depends on it."""

    def __init__(self, catalogue: DatabaseManager, thread: CatalogueThread, catalogue_id: str) -> None:
        self._catalogue = catalogue
        self._thread = thread
        self._catalogue_id = catalogue_id

    async def sort(self, changes: list[Change]) -> Sorted:
        """Sorts one window of the diff."""
        result = Sorted(deletes=[change.row_id for change in changes if change.kinds == (Kind.DELETE,)])
        rest = {change.row_id: change.kinds for change in changes if change.kinds != (Kind.DELETE,)}
        before, after, failures = await self._rows(rest)
        creates = [after[i].row.file_path for i, kinds in rest.items() if kinds == (Kind.CREATE,) and i in after]
        holders = await self._thread(self._catalogue.holders, creates)
        for row_id, kinds in rest.items():
            if row_id not in after:
                continue
            had = before.get(row_id)
            if had is None and kinds[0] in PATH_CHANGES:
                continue
            operation = operation_for(kinds[0], had, after[row_id].row)
            if is_final(operation, failures):
                continue
            if has_failed(operation, failures):
                result.failed_before[row_id] = kinds
            elif len(kinds) > 1 or kinds[0] in PATH_CHANGES or after[row_id].row.file_path in holders:
                result.waiting[row_id] = kinds
            elif not _elsewhere(kinds[0], had, after[row_id].row):
                result.ready.append(operation)
        return result

    async def wave(
        self, waiting: dict[int, tuple[Kind, ...]], failed: AbstractSet[int] = frozenset(), room: bool = True
    ) -> list[Operation]:
        """What of `waiting` can go now, at most one operation a row. Empty: nothing more can be done in this cycle.

        `waiting` maps row ids to the kinds still to be done, in order; the caller takes out what was done or has failed.
        Rows in `failed` are not tried again to make room for others: that is for the next cycle. `room` False: nothing is
        deleted to make room, as where the source is doubted.
        """
        blocked: dict[int, int] = {}
        for chunk in _chunks(waiting):
            ready, in_the_way = await self._ready(chunk, waiting, blocked)
            if room:
                ready += await self._lost_holders([row_id for row_id in in_the_way if row_id not in failed])
            if ready:
                return ready
        return await self._step_aside(blocked)

    async def _ready(
        self, chunk: list[int], waiting: dict[int, tuple[Kind, ...]], blocked: dict[int, int]
    ) -> tuple[list[Operation], list[int]]:
        """(what can go now, the rows in the way of others); who waits for whom is added to `blocked`."""
        before, after, failures = await self._rows(chunk)
        holders = await self._thread(self._catalogue.holders, [o.row.file_path for o in after.values()])
        ready: list[Operation] = []
        in_the_way: list[int] = []
        for row_id in chunk:
            if row_id not in after:
                continue
            if _already_there(waiting[row_id][0], before.get(row_id), after[row_id].row):
                continue
            if _elsewhere(waiting[row_id][0], before.get(row_id), after[row_id].row):
                continue
            operation = operation_for(waiting[row_id][0], before.get(row_id), after[row_id].row)
            holder = holders.get(after[row_id].row.file_path, row_id)
            if is_final(operation, failures):
                continue
            if holder == row_id or operation.kind not in (*PATH_CHANGES, Kind.CREATE):
                ready.append(operation)
            else:
                blocked[row_id] = holder
                in_the_way.append(holder)
        return ready, in_the_way

    async def _lost_holders(self, ids: list[int]) -> list[Operation]:
        """Deletes of rows that the source no longer has and whose path another row is to take."""
        if not ids:
            return []
        before, after, failures = await self._rows(ids)
        lost = [operation_for(Kind.DELETE, row, None) for row_id, row in before.items() if row_id not in after]
        return [operation for operation in lost if not is_final(operation, failures)]

    async def _step_aside(self, blocked: dict[int, int]) -> list[Operation]:
        """Rows that wait for each other in a circle: one of them goes to a temporary path."""
        row_id = find_circle(blocked)
        if row_id is None:
            return []
        before, after, _ = await self._rows([row_id])
        if row_id not in before or row_id not in after:
            return []
        row = before[row_id]
        return [path_change(row, self._aside(row_id, row.file_path), after[row_id].row.revision)]

    def is_aside(self, operation: Operation) -> bool:
        """Whether this operation only makes room, and the row's own change is still to come."""
        return operation.new_path == self._aside(operation.row_id, operation.file_path)

    def _aside(self, row_id: int, path: str) -> str:
        return f"{folder_of(path)}.s3-sync-{self._catalogue_id[:8]}-{row_id}.tmp"

    async def deletes(self, ids: list[int], failed_before: bool = False) -> list[Operation]:
        """The deletes of those rows that the destination still holds and the source still does not: those that have failed
        before, or the others.
        """
        before, after, failures = await self._rows(ids)
        found = [operation_for(Kind.DELETE, row, None) for row_id, row in before.items() if row_id not in after]
        chosen = [operation for operation in found if has_failed(operation, failures) == failed_before]
        return [operation for operation in chosen if not is_final(operation, failures)]

    async def _rows(
        self, ids: Iterable[int]
    ) -> tuple[dict[int, Row], dict[int, Observation], dict[tuple[int, str], FailureRecord]]:
        wanted = list(ids)
        before = await self._thread(self._catalogue.settled_by_id, wanted)
        after = await self._thread(self._catalogue.observations_by_id, wanted)
        return before, after, await self._thread(self._catalogue.failures_of, wanted)


def find_circle(blocked: Mapping[int, int]) -> int | None:
    """A row that, following who holds the path it wants, leads back to itself; None where every chain has an end."""
    cleared: set[int] = set()
    for start in blocked:
        trail: set[int] = set()
        row_id = start
        while row_id in blocked and row_id not in trail and row_id not in cleared:
            trail.add(row_id)
            row_id = blocked[row_id]
        if row_id in trail:
            return row_id
        cleared |= trail
    return None


def _already_there(kind: Kind, before: Row | None, after: Row) -> bool:
    """An event that came while the plan was made has taken the row back to where the destination has it, or removed it there."""
    return kind in PATH_CHANGES and (before is None or before.file_path == after.file_path)


def _elsewhere(kind: Kind, before: Row | None, after: Row) -> bool:
    """An event that came while the plan was made has moved the row: its path change goes first, in the next round."""
    return before is not None and kind not in PATH_CHANGES and before.file_path != after.file_path


def _chunks(waiting: Mapping[int, object]) -> list[list[int]]:
    ids = list(waiting)
    return [ids[i : i + CHUNK] for i in range(0, len(ids), CHUNK)]
