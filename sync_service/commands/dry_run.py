"""plan: the next cycle, run for real on a copy of the catalogue, with a destination that only notes what it is told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync_service import bootstrap
from sync_service.models.config import SyncConfig
from sync_service.models.data_models import EventPage, ObjectInfo, Operation, Receipt
from sync_service.models.errors import ExitCode, Temporary
from sync_service.models.text import KEY_LENGTH, counted, shown
from sync_service.ports import Destination, EventLog, Opened, Source
from sync_service.reporting.null import NullObserver
from sync_service.services.plan_files import PlanFile, PlannedOperation, Preview, write_plan
from sync_service.services.plan_folder import plan_folder
from sync_service.services.retry import Halt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from sync_service.services.sync_service import RunResult, SyncService


@dataclass(frozen=True, slots=True)
class Plan:
    """The operations of the next cycle in their order, and the deletes that the guard would hold."""

    catalogue_id: str
    preview: Preview
    report: dict[str, Any]
    exit_code: ExitCode

    @property
    def whole(self) -> bool:
        """Whether nothing kept the cycle from being planned to its end; objects in quarantine are no such thing."""
        steps = [problem for problem in self.report["errors"] if problem["operation"] is None]
        return self.exit_code is not ExitCode.TEMPORARY and not steps

    def lines(self) -> Iterator[str]:
        """The plan for people, one line after the other: there may be as many as objects."""
        for o in self.preview.operations:
            there = f" -> {shown(o.new_path, KEY_LENGTH)}" if o.new_path else ""
            yield f"{o.operation:<17} {shown(o.file_path, KEY_LENGTH)}{there}"
        for path in self.preview.held:
            yield f"held delete {shown(path, KEY_LENGTH)}"
        if held := self.report["statistics"]["deletes_held"]:
            yield f"{counted(held, 'delete')} would be held: {shown(self.report['held_reason'], 500)}"
        for problem in self.report["errors"]:
            yield f"problem: {shown(problem['message'], 500)}"
        verdict = (
            "nothing was changed" if self.whole else "the plan is NOT COMPLETE, see the problems; nothing was changed"
        )
        yield f"{counted(len(self.preview.operations), 'operation')}; {verdict}"

    def as_json(self) -> dict[str, Any]:
        """The plan without its held deletes, of which `held_deletes` tells."""
        return {
            "operations": [asdict(operation) for operation in self.preview.operations],
            "deletes_held": self.report["statistics"]["deletes_held"],
            "errors": self.report["errors"],
        }

    def held_deletes(self) -> Iterator[dict[str, str]]:
        """Each delete that the guard would hold, as JSON."""
        return ({"file_path": path} for path in self.preview.held)

    def write(self, path: Path) -> None:
        """Keeps the plan for `incremental-sync --plan`. Raises SyncError where it is not whole."""
        if not self.whole:
            problem = shown(self.report["errors"][0]["message"] if self.report["errors"] else "it was stopped", 500)
            raise Temporary(f"the plan is not complete and was not written: {problem}", subject=str(path))
        write_plan(path, PlanFile(self.catalogue_id, bootstrap.CUSTOMER, bootstrap.utc_now(), self.preview))


class _Noting:
    """A destination that takes note and changes nothing; questions go to the real one."""

    def __init__(self, real: Destination) -> None:
        self._real = real
        self.told: list[Operation] = []

    async def apply(self, operation: Operation, key: str, content: Opened | None) -> Receipt:
        self.told.append(operation)
        return Receipt(size=operation.size)

    async def get(self, file_path: str) -> Receipt | None:
        return await self._real.get(file_path)

    async def attributes(self, file_path: str) -> Receipt | None:
        return await self._real.attributes(file_path)

    async def report(self, report: dict[str, Any]) -> None:
        """Nothing is handed over."""

    async def ping(self) -> None:
        await self._real.ping()

    async def close(self) -> None:
        await self._real.close()


class _Unread:
    """A source whose bodies are not fetched: an open object has headers only."""

    def __init__(self, real: Source) -> None:
        self._real = real
        self.identity, self.list_page, self.look = real.identity, real.list_page, real.look
        self.ping, self.close = real.ping, real.close

    @asynccontextmanager
    async def open(self, key: str, *, etag: str | None = None, version_id: str | None = None) -> AsyncIterator[Opened]:
        yield _Header(ObjectInfo(key, 0, etag or "", "", version_id=version_id))


@dataclass(frozen=True, slots=True)
class _Header:
    info: ObjectInfo

    async def chunks(self) -> AsyncIterator[bytes]:
        return
        yield b""


class _Unacknowledged:
    """A log that is read and not told so."""

    def __init__(self, real: EventLog) -> None:
        self._real = real
        self.position, self.ping, self.close = real.position, real.ping, real.close

    async def read(self, cursor: str | None) -> EventPage:
        return await self._real.read(cursor)

    async def acknowledge(self, cursor: str | None) -> None:
        """Nothing was committed where it counts."""


async def plan(config: SyncConfig, halt: Halt) -> Plan:
    """The plan of the next cycle. Raises CatalogueMissing before the first sync, and what source and log raise."""
    return await _rehearsed(config, halt, lambda service: service.run_cycle())


async def pending(config: SyncConfig, halt: Halt) -> Preview:
    """What would be sent now, without another look at the events. Raises Temporary where that cannot be told."""
    found = await _rehearsed(config, halt, lambda service: service.run_pending())
    if not found.whole:
        raise Temporary("what would be sent now cannot be told, so the plan cannot be compared; nothing was sent")
    return found.preview


async def _rehearsed(config: SyncConfig, halt: Halt, run: Callable[[SyncService], Awaitable[RunResult]]) -> Plan:
    with plan_folder(bootstrap.utc_now()) as folder:
        copy = _copy_of(config, folder)
        catalogue = bootstrap.open_catalogue(copy, "plan", thorough=False)
        real = bootstrap.customer_adapters(config)
        noting = _Noting(real.destination)
        adapters = bootstrap.Adapters(_Unread(real.source), _Unacknowledged(real.log), noting)
        try:
            async with bootstrap.customer_service(copy, catalogue, NullObserver(), halt, adapters) as service:
                ended = await run(service)
            held = [path for _, path, _ in catalogue.pending_deletes()] if catalogue.totals().held else []
            operations = tuple(PlannedOperation.of(operation) for operation in noting.told)
            return Plan(catalogue.catalogue_id, Preview(operations, tuple(held)), ended.report, ended.exit_code)
        finally:
            catalogue.close()


def _copy_of(config: SyncConfig, folder: Path) -> SyncConfig:
    target = folder / "sync.db"
    catalogue = bootstrap.read_catalogue(config)
    try:
        if (why := catalogue.totals().unverified) is not None:
            hint = "The next run compares bucket and file manager; plan after it"
            raise Temporary(f"nothing can be planned: the catalogue was {why}", hint=hint)
        catalogue.copy_to(target)
    finally:
        catalogue.close()
    return config.model_copy(update={"database_path": target, "database_url": None})
