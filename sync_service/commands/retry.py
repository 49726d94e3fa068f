"""retry-failed: takes objects out of quarantine, now or by the daemon that is the writer."""

from __future__ import annotations

from sync_service import bootstrap, console
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ExitCode
from sync_service.services.requests import leave_retry


def retry(config: SyncConfig, paths: list[str], *, as_json: bool) -> int:
    """Makes the objects at `paths` (none: all in quarantine) pending again."""
    bootstrap.read_catalogue(config).get_record_count()
    try:
        catalogue = bootstrap.open_catalogue(config, "retry-failed", thorough=False)
    except CatalogueLocked:
        leave_retry(config.requests_dir, bootstrap.new_run_id(), paths)
        found, words = None, "asked the daemon: it tries them again with its next cycle"
    else:
        try:
            found = catalogue.try_again(paths, bootstrap.utc_now())
        finally:
            catalogue.close()
        words = f"{found:,} objects are tried again with the next run"
    console.result({"retried": found, "message": words}) if as_json else console.lines([words])
    return int(ExitCode.DONE)
