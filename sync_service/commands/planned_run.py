"""incremental-sync --plan FILE: a cycle that sends exactly what the plan names, or nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from sync_service.commands import dry_run
from sync_service.services.plan_files import read_plan
from sync_service.services.planned import Planned
from sync_service.services.sync_service import RunResult, SyncService


def planned_run(path: Path) -> Callable[[SyncService], Awaitable[RunResult]]:
    """The run of the plan in `path`. Raises ConfigurationError, before anything is opened, for one that cannot be used."""
    plan = read_plan(path)

    async def run(service: SyncService) -> RunResult:
        assert service.parts is not None
        halt = service.parts.tools.retry.halt
        return await service.run_planned(Planned(plan, lambda: dry_run.pending(service.config, halt)))

    return run
