"""The daemon: holds the catalogue for life, runs the scheduler, serves the status pages, obeys signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sync_service import __version__, bootstrap
from sync_service.commands import live_reload
from sync_service.models.config import SyncConfig
from sync_service.models.errors import ConfigurationError, ExitCode, SyncError
from sync_service.ports import Observer
from sync_service.reporting.metrics import Metrics
from sync_service.reporting.secrets import known
from sync_service.runner import run
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.retry import Halt
from sync_service.services.scheduler import Scheduler
from sync_service.services.status import read_status
from sync_service.services.sync_service import RouteParts, SyncService

if TYPE_CHECKING:
    from fastapi import FastAPI

NEEDS_RESTART = (
    "database_path",
    "database_url",
    "status_host",
    "status_port",
    "status_token",
    "live_reload",
)
"""Settings that SIGHUP cannot change: the daemon holds what they name for life."""


@dataclass(frozen=True, slots=True)
class InForce:
    """Settings, the service that was made of them, and what closes its connections."""

    config: SyncConfig
    service: SyncService
    close: Callable[[], Awaitable[None]]


def run_daemon(config: SyncConfig, *, verbose: bool = False, quiet: bool = False) -> ExitCode:
    """Runs until a signal ends it. Raises SyncErrors that leave nothing to run (settings, lock, damaged catalogue)."""
    if config.live_reload and not live_reload.is_child():
        live_reload.run_reloading([*(["-v"] if verbose else []), *(["-q"] if quiet else [])])
    metrics = Metrics(__version__)
    observer = bootstrap.make_observer(config, quiet=quiet, verbose=verbose, metrics=metrics)
    begin_log = partial(bootstrap.begin_log, quiet="warning" if quiet else "", verbose=verbose)
    catalogue = bootstrap.open_catalogue(config, "daemon")
    try:
        return run(lambda halt: Daemon(config, catalogue, observer, metrics, halt, begin_log).run())
    finally:
        catalogue.close()


class Daemon:
    """One process, one route, until it is stopped."""

    def __init__(
        self,
        config: SyncConfig,
        catalogue: DatabaseManager,
        observer: Observer,
        metrics: Metrics,
        halt: Halt,
        begin_log: Callable[[SyncConfig], None],
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._observer = observer
        self._metrics = metrics
        self._halt = halt
        self._begin_log = begin_log
        self._reloads: set[asyncio.Task[None]] = set()

    async def run(self) -> ExitCode:
        self._in_force = await self._opened(self._config)
        self._scheduler = scheduler = Scheduler(self._in_force.service, self._observer)
        scheduler.on_fatal = lambda: self._halt.stop("the catalogue cannot be used")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            serving = status_pages(self._config, lambda: self._in_force.service, self._metrics)
            pages = await stack.enter_async_context(serving)
            with suppress(NotImplementedError, ValueError, AttributeError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)
            self._observer.note(
                "the daemon runs",
                version=__version__,
                interval=self._config.sync_interval,
                status=self._address(pages.port),
            )
            scheduler.start()
            await self._until_stopped(scheduler)
            if scheduler.fatal is not None:
                raise scheduler.fatal
        return ExitCode.DONE

    def reload(self) -> None:
        """SIGHUP: new settings from the next tick on; wrong ones are told and the old ones stay."""
        if self._halt.stopping:
            return
        task = asyncio.get_running_loop().create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            config = SyncConfig.from_env()
            config.require_route()
            _refuse_fixed(self._in_force.config, config)
            new = await self._opened(config)
        except SyncError as error:
            self._observer.problem("the new settings cannot be used, the old ones stay", error=str(error))
            return
        old, self._in_force = self._in_force, new
        self._begin_log(config)
        self._scheduler.replace(new.service)
        self._observer.note("the settings were read anew")
        await self._scheduler.run_ended()
        await old.close()

    async def _opened(self, config: SyncConfig) -> InForce:
        stack = AsyncExitStack()
        joined = bootstrap.customer_service(config, self._catalogue, self._observer, self._halt)
        return InForce(config, await stack.enter_async_context(joined), stack.aclose)

    async def _close(self) -> None:
        try:
            await asyncio.gather(*self._reloads)
        finally:
            await self._in_force.close()

    async def _until_stopped(self, scheduler: Scheduler) -> None:
        """Waits for the stop, then for the run that is under way; the runner ends it when it takes too long."""
        await self._halt.stopped()
        scheduler.stop()
        await scheduler.idle()

    def _address(self, port: int) -> str:
        return f"http://{self._config.status_host}:{port}/"


def _refuse_fixed(old: SyncConfig, new: SyncConfig) -> None:
    changed = [name.upper() for name in NEEDS_RESTART if getattr(old, name) != getattr(new, name)]
    if changed:
        raise ConfigurationError([f"{name} was changed: that needs a restart of the daemon" for name in changed])


Serving = Callable[[], SyncService]
"""The service in force: after SIGHUP it is another one."""


class status_pages:
    """Serves the status pages for as long as the block runs."""

    def __init__(self, config: SyncConfig, serving: Serving, metrics: Metrics) -> None:
        from sync_service.web.server import StatusServer

        app = status_app(config, serving, metrics)
        self._server = StatusServer(app, config.status_host, config.status_port)

    async def __aenter__(self) -> Any:
        await self._server.start()
        return self._server

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()


def status_app(config: SyncConfig, serving: Serving, metrics: Metrics) -> FastAPI:
    """The pages' application; each page asks the service that is in force at its time."""
    from sync_service.web.app import create_app
    from sync_service.web.guard import hosts_for

    def status() -> dict[str, Any]:
        return serving().get_sync_status()

    def figures() -> bytes:
        metrics.show_status(status())
        return metrics.render()

    token = config.status_token.get_secret_value() if config.status_token else None
    hosts = hosts_for(config.status_host)
    return create_app(status, _pings(serving), figures, token, hosts, secrets=known(config))


def _pings(serving: Serving) -> dict[str, Callable[[], Awaitable[None]]]:
    def parts() -> RouteParts:
        found = serving().parts
        assert found is not None
        return found

    async def source() -> None:
        await parts().source.ping()

    async def event_log() -> None:
        log = parts().log
        await (log.ping() if log is not None else catalogue())

    async def destination() -> None:
        await parts().destination.ping()

    async def catalogue() -> None:
        await asyncio.to_thread(read_status, serving().config)

    return {"source": source, "event_log": event_log, "destination": destination, "catalogue": catalogue}
