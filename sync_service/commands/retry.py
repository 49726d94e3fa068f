"""retry-failed: takes objects out of quarantine, now or by the daemon that is the writer."""

from __future__ import annotations

from sync_service import bootstrap, console
from sync_service.catalogue.failing import set_aside
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ConfigurationError, ExitCode
from sync_service.models.text import KEY_LENGTH, counted, shown
from sync_service.services.requests import leave_retry


def retry(config: SyncConfig, paths: list[str], *, as_json: bool) -> int:
    """Makes the objects at `paths` (none: all in quarantine) pending again."""
    unknown = _not_set_aside(config, paths)
    for path in unknown:
        console.message(f"{shown(path, KEY_LENGTH)}: not in quarantine")
    if paths and len(unknown) == len(set(paths)):
        raise ConfigurationError("none of the named keys is in quarantine", hint="status -v names those that are")
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
        words = f"{counted(found, 'object')} {'is' if found == 1 else 'are'} tried again with the next run"
    result = {"retried": found, "message": words, "not_in_quarantine": unknown}
    console.result(result) if as_json else console.lines([words])
    return int(ExitCode.DONE)


def _not_set_aside(config: SyncConfig, paths: list[str]) -> list[str]:
    """Those of `paths` that nothing is to be tried again for, each once. Raises CatalogueMissing before the first sync."""
    catalogue = bootstrap.read_catalogue(config)
    try:
        catalogue.get_record_count()
        known = catalogue.within(set_aside, paths)
    finally:
        catalogue.close()
    return [path for path in dict.fromkeys(paths) if path not in known]
