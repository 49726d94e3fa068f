"""approve-deletes: shows what the guard holds, asks, and lets exactly that through."""

from __future__ import annotations

from collections.abc import Sequence

from sync_service import bootstrap, console
from sync_service.commands.consent import agreed
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ExitCode
from sync_service.models.text import KEY_LENGTH, counted, shown
from sync_service.services.requests import leave_approval

SHOWN = 50


def approve(config: SyncConfig, *, yes: bool, as_json: bool, every: bool = False) -> int:
    """Approves the held deletes of now, after showing the first, or `every` one, of them.

    Beside a running daemon they go out with its next cycle.
    """
    catalogue = bootstrap.read_catalogue(config)
    held = catalogue.totals().held
    deletes = [(row_id, path) for row_id, path, _ in catalogue.pending_deletes()] if held else []
    catalogue.close()
    if not deletes:
        console.result({"approved": 0}) if as_json else console.lines(["no deletes are held"])
        return int(ExitCode.DONE)
    if not as_json:
        most = len(deletes) if every else SHOWN
        console.lines(f"delete {shown(path, KEY_LENGTH)}" for _, path in deletes[:most])
        if len(deletes) > most:
            console.lines([f"and {len(deletes) - most:,} more; -v shows all, and so does plan"])
    if not yes and not agreed(config, f"Let {_these(len(deletes))} through?"):
        return _refused(deletes, as_json)
    when = _record(config, deletes)
    told = f"{counted(len(deletes), 'delete')} approved; {when}"
    console.result({"approved": len(deletes), "message": when}) if as_json else console.lines([told])
    return int(ExitCode.DONE)


def _these(number: int) -> str:
    return "this delete" if number == 1 else f"these {number:,} deletes"


def _refused(deletes: Sequence[tuple[int, str]], as_json: bool) -> int:
    """Nobody agreed: nothing was approved, and as JSON what is still held."""
    console.message("nothing was approved")
    if as_json:
        held = ({"file_path": path} for _, path in deletes)
        head = {"approved": 0, "held": len(deletes), "message": "nothing was approved"}
        console.result_listing(head, "held_deletes", held)
    return int(ExitCode.GUARDED)


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
