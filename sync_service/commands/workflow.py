"""test: the end-to-end check that a person runs after an installation, step by step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sync_service import bootstrap
from sync_service.commands import checkup
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode, SyncError
from sync_service.ports import Observer
from sync_service.services.retry import Halt
from sync_service.services.status import read_status
from sync_service.services.sync_service import RunResult, SyncService

_GOOD_ENDS = (ExitCode.DONE, ExitCode.GUARDED)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the workflow, whether it went well, and what was seen."""

    name: str
    well: bool
    words: str

    def line(self) -> str:
        return f"{'passed' if self.well else 'FAILED'}  {self.name:<17} {self.words}"

    def as_json(self) -> dict[str, Any]:
        return {"step": self.name, "ok": self.well, "message": self.words}


async def check(config: SyncConfig, observer: Observer, halt: Halt) -> list[Step]:
    """Status, connections, a sync (the first one where none was), the CSV export, the final state."""
    steps = [
        await _step("status", lambda: _status(config)),
        await _step("connections", lambda: _connections(config, halt)),
    ]
    if not steps[-1].well:
        return steps
    steps.append(await _step("sync", lambda: _sync(config, observer, halt)))
    steps.append(await _step("csv export", lambda: _export(config)))
    steps.append(await _step("final state", lambda: _final(config)))
    return steps


async def _step(name: str, action: Callable[[], Awaitable[str]]) -> Step:
    try:
        return Step(name, True, await action())
    except SyncError as error:
        return Step(name, False, str(error))


async def _status(config: SyncConfig) -> str:
    route = read_status(config)["routes"][0]
    return f"{route['state']}: {route['reason']}"


async def _connections(config: SyncConfig, halt: Halt) -> str:
    failed = [found for found in await checkup.examine(config, halt) if not found.well]
    if failed:
        raise SyncError("; ".join(f"{found.name}: {found.words}" for found in failed))
    return "disk, database, bucket, event log and file manager answer"


async def _sync(config: SyncConfig, observer: Observer, halt: Halt) -> str:
    catalogue = bootstrap.open_catalogue(config, "test", thorough=False)
    try:
        async with bootstrap.customer_service(config, catalogue, observer, halt) as service:
            ended = await _due(service)
    finally:
        catalogue.close()
    figures = ended.report["statistics"]
    words = f"{figures['events_processed']} events, {figures['operations_processed']} operations"
    if ended.exit_code not in _GOOD_ENDS:
        raise SyncError(f"{words}, {len(ended.report['errors'])} problems; see: runs show {ended.report['run_id']}")
    return words


async def _due(service: SyncService) -> RunResult:
    initial_done, _ = await service.progress()
    return await (service.run_cycle() if initial_done else service.run_initial())


async def _export(config: SyncConfig) -> str:
    manifests = sorted(config.snapshots_dir.glob("*-manifest.json"))
    if not manifests:
        raise SyncError("no snapshot was written", subject=str(config.snapshots_dir))
    stem = manifests[-1].name.removesuffix("-manifest.json")
    missing = [end for end in ("before.csv", "after.csv") if not (config.snapshots_dir / f"{stem}-{end}").exists()]
    if missing:
        raise SyncError(f"the newest snapshot lacks {', '.join(missing)}", subject=stem)
    return f"{stem}-before.csv and -after.csv"


async def _final(config: SyncConfig) -> str:
    route = read_status(config)["routes"][0]
    words = f"{route['state']}: {route['reason']}; {route['files']:,} files"
    if route["state"] != "UP_TO_DATE":
        raise SyncError(words)
    return words
