"""doctor: tries each part by itself and says what to do about what fails."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync_service import bootstrap
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueMissing, ExitCode, StorageFull, SyncError
from sync_service.models.text import counted
from sync_service.reporting.words import size_text
from sync_service.services.retry import Halt
from sync_service.services.snapshot_files import storage_error

LITTLE_SPACE = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """One part, whether it is well, and what was seen or what to do."""

    name: str
    well: bool
    words: str
    exit_code: ExitCode = ExitCode.DONE

    def line(self) -> str:
        return f"{'ok  ' if self.well else 'FAIL'}  {self.name:<12} {self.words}"

    def as_json(self) -> dict[str, Any]:
        return {"check": self.name, "ok": self.well, "message": self.words, "exit_code": int(self.exit_code)}


async def examine(config: SyncConfig, halt: Halt) -> list[Check]:
    """All checks, one after the other; one that fails stops none of the others."""
    del halt
    found = [Check("settings", True, f"{len(config.sources())} settings read; see: config")]
    found += [await _tried("disk", lambda: _disk(config)), await _tried("database", lambda: _database(config))]
    try:
        adapters = bootstrap.customer_adapters(config)
    except SyncError as error:
        return [*found, Check("bucket", False, str(error), error.exit_code)]
    try:
        found.append(await _tried("bucket list", lambda: _list(adapters)))
        found.append(await _tried("bucket get", lambda: _get(adapters)))
        found.append(await _tried("event log", lambda: _events(adapters)))
        found.append(await _tried("file manager", lambda: _file_manager(adapters)))
    finally:
        await adapters.close()
    return found


async def _tried(name: str, check: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, True, await check())
    except SyncError as error:
        return Check(name, False, str(error), error.exit_code)


async def _disk(config: SyncConfig) -> str:
    folder = config.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, folder) from error
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        raise StorageFull(
            f"only {size_text(free)} left", subject=str(folder), hint="Free some space before it runs out"
        )
    return f"{_absolute(folder)} can be written, {size_text(free)} free"


async def _database(config: SyncConfig) -> str:
    catalogue = bootstrap.read_catalogue(config)
    try:
        count = catalogue.get_record_count()
    except CatalogueMissing:
        return "none yet: initial-sync makes it"
    finally:
        catalogue.close()
    holder = catalogue.holder()
    writer = f", written by process {holder.pid} on {holder.host}" if holder else ""
    return f"{counted(count, 'file')} tracked{writer}"


async def _list(adapters: bootstrap.Adapters) -> str:
    """A signed answer also says that the clocks agree well enough."""
    page = await adapters.source.list_page()
    more = " or more" if page.next_token else ""
    return f"listed {len(page.entries):,}{more} keys; the credentials are good and the clocks agree"


async def _get(adapters: bootstrap.Adapters) -> str:
    page = await adapters.source.list_page()
    if not page.entries:
        return "the bucket is empty: nothing to read"
    smallest = min(page.entries, key=lambda entry: entry.size)
    async with adapters.source.open(smallest.key, etag=smallest.etag) as opened:
        size = 0
        async for chunk in opened.chunks():
            size += len(chunk)
    return f"read one object of {size_text(size)}"


async def _events(adapters: bootstrap.Adapters) -> str:
    page = await adapters.log.read(None)
    return f"{len(page.events)}{' or more' if page.has_more else ''} events, {'with' if page.cursor else 'without'} cursors"


async def _file_manager(adapters: bootstrap.Adapters) -> str:
    await adapters.destination.ping()
    return "answers and is healthy"


def _absolute(path: Path) -> str:
    return str(path.absolute())
