"""backup: a checked copy of the catalogue, also while a daemon writes it."""

from __future__ import annotations

from pathlib import Path

from sync_service import bootstrap, console
from sync_service.commands.consent import database_of
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode
from sync_service.reporting.words import size_text
from sync_service.services.backups import back_up


def back_up_catalogue(config: SyncConfig, file: Path | None, *, as_json: bool) -> int:
    """Makes the backup and says where it is."""
    made = back_up(database_of(config, "backup"), config.backups_dir, bootstrap.stamp(), file)
    if as_json:
        removed = [str(path) for path in made.removed]
        console.result({"backup": str(made.path), "size": made.size, "removed": removed})
    else:
        console.lines([f"{made.path}: {size_text(made.size)}, checked"])
        console.lines(f"{path}: removed, {len(made.removed)} older than the newest" for path in made.removed)
    return int(ExitCode.DONE)
