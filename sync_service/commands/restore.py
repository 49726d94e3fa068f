"""restore: puts a backup in the catalogue's place; what was delivered since is found out by the next run."""

from __future__ import annotations

import uuid
from pathlib import Path

from sync_service import bootstrap, console
from sync_service.commands.consent import agreed, database_of
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ExitCode
from sync_service.models.text import counted
from sync_service.services.backups import check_backup
from sync_service.services.rebuilder import Rebuilder, Replaced

_NEXT = "the next run compares bucket and file manager, then sends what differs"


def restore_catalogue(config: SyncConfig, file: Path, *, yes: bool, trust_size: bool, as_json: bool) -> int:
    """Checks the backup, asks, and restores it."""
    database = database_of(config, "restore")
    check_backup(file)
    if database.exists() and not yes and not agreed(config, f"Put {file} in the place of {database}, which is kept?"):
        console.message("nothing was restored")
        if as_json:
            console.result({"restored": None, "message": "nothing was restored"})
        return int(ExitCode.GUARDED)
    rebuilder = Rebuilder(database, bootstrap.CUSTOMER, bootstrap.utc_now(), bootstrap.stamp())
    done = rebuilder.restore(file, uuid.uuid4().hex, trust_size=trust_size)
    if as_json:
        console.result({"restored": str(file), **facts_of(done), "message": _NEXT})
    else:
        console.lines([f"{file} is in place; {_NEXT}", *lines_of(done)])
    return int(ExitCode.DONE)


def facts_of(done: Replaced) -> dict[str, object]:
    """What was replaced, as JSON."""
    kept = str(done.kept) if done.kept is not None else None
    return {"kept": kept, "candidates": done.candidates, "read_whole": done.read_whole}


def lines_of(done: Replaced) -> list[str]:
    """What was replaced, for people."""
    found = [f"the former catalogue is kept as {done.kept}"] if done.kept is not None else []
    if done.candidates:
        found.append(
            f"the file manager is asked about {counted(done.candidates, 'path')} that only the former one knew"
        )
    if not done.read_whole:
        found.append(
            "the former one could not be read to its end: a file that only it knew, and that has left the bucket since, may stay"
        )
    return found
