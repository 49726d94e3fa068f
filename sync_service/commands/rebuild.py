"""rebuild: a new catalogue in the place of a lost or damaged one, filled from the bucket and the file manager."""

from __future__ import annotations

from sync_service import bootstrap, console
from sync_service.commands.consent import agreed, database_of
from sync_service.commands.restore import lines_of
from sync_service.models.config import SyncConfig
from sync_service.services.rebuilder import Rebuilder


def prepare(config: SyncConfig, *, yes: bool, trust_size: bool) -> bool:
    """Puts the new catalogue in place, or finds one whose rebuild goes on. False: a person did not agree."""
    database = database_of(config, "rebuild")
    rebuilder = Rebuilder(database, bootstrap.CUSTOMER, bootstrap.utc_now(), bootstrap.stamp())
    if rebuilder.is_under_way():
        console.message("the rebuild goes on where it was cut off")
        return True
    if database.exists() and not yes and not agreed(config, f"Build a new catalogue and put {database} aside?"):
        console.message("nothing was rebuilt")
        return False
    for line in lines_of(rebuilder.rebuild(trust_size=trust_size)):
        console.message(line)
    return True
