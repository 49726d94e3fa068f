"""approve-deletes: shows what the guard holds, asks, and lets exactly that through."""

from __future__ import annotations

import sys

from sync_service import bootstrap, console
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ExitCode
from sync_service.models.text import KEY_LENGTH, shown
from sync_service.services.requests import leave_approval

SHOWN = 50


def approve(config: SyncConfig, *, yes: bool, as_json: bool) -> int:
    """Approves the held deletes of now. Beside a running daemon they go out with its next cycle."""
    catalogue = bootstrap.read_catalogue(config)
    held = catalogue.totals().held
    deletes = [(row_id, path) for row_id, path, _ in catalogue.pending_deletes()] if held else []
    catalogue.close()
    if not deletes:
        console.result({"approved": 0}) if as_json else console.lines(["no deletes are held"])
        return int(ExitCode.DONE)
    if not as_json:
        console.lines(f"delete {shown(path, KEY_LENGTH)}" for _, path in deletes[:SHOWN])
        if len(deletes) > SHOWN:
            console.lines([f"and {len(deletes) - SHOWN:,} more; see: plan"])
    if not yes and not _agreed(len(deletes), config):
        console.message("nothing was approved")
        return int(ExitCode.GUARDED)
    when = _record(config, deletes)
    console.result({"approved": len(deletes)}) if as_json else console.lines(
        [f"{len(deletes):,} deletes approved; {when}"]
    )
    return int(ExitCode.DONE)


def _record(config: SyncConfig, deletes: list[tuple[int, str]]) -> str:
    """Writes the approval, or leaves it for the daemon that is the writer."""
    try:
        catalogue = bootstrap.open_catalogue(config, "approve-deletes", thorough=False)
    except CatalogueLocked:
        leave_approval(config.requests_dir, bootstrap.new_run_id(), deletes)
        return "the daemon lets them go with its next cycle"
    try:
        catalogue.approve(deletes, bootstrap.utc_now())
    finally:
        catalogue.close()
    return "they go with the next run"


def _agreed(count: int, config: SyncConfig) -> bool:
    if not config.confirm_destructive:
        return True
    if not sys.stdin.isatty():
        console.message("not a terminal: say --yes to approve without being asked")
        return False
    return input(f"Let these {count:,} deletes through? Type yes: ").strip().lower() == "yes"
