"""The daemon: holds the catalogue for life, runs the scheduler, serves the status pages, obeys signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

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
from sync_service.services.sync_service import SyncService

NEEDS_RESTART = (
    "database_path",
    "database_url",
    "status_host",
    "status_port",
    "status_token",
    "live_reload",
)
"""Settings that SIGHUP cannot change: the daemon holds what they name for life."""


def run_daemon(config: SyncConfig, *, verbose: bool = False, quiet: bool = False) -> ExitCode:
    """Runs until a signal ends it. Raises SyncErrors that leave nothing to run (settings, lock, damaged catalogue)."""
    if config.live_reload and not live_reload.is_child():
        live_reload.run_reloading([*(["-v"] if verbose else []), *(["-q"] if quiet else [])])
    metrics = Metrics(__version__)
    observer = bootstrap.make_observer(config, quiet=quiet, verbose=verbose, metrics=metrics)
    catalogue = bootstrap.open_catalogue(config, "daemon")
    try:
        return run(lambda halt: Daemon(config, catalogue, observer, metrics, halt).run())
    finally:
        catalogue.close()


class Daemon:
    """One process, one route, until it is stopped."""

    def __init__(
        self, config: SyncConfig, catalogue: DatabaseManager, observer: Observer, metrics: Metrics, halt: Halt
    ) -> None:
        self._config = config
        self._catalogue = catalogue
        self._observer = observer
        self._metrics = metrics
        self._halt = halt

    async def run(self) -> ExitCode:
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(self._service(self._config))
            scheduler = Scheduler(service, self._observer)
            scheduler.on_fatal = lambda: self._halt.stop("the catalogue cannot be used")
            pages = await stack.enter_async_context(self._pages(service))
            reload = self._reloader(scheduler, stack)
            with suppress(NotImplementedError, ValueError, AttributeError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
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

    async def _until_stopped(self, scheduler: Scheduler) -> None:
        """Waits for the stop, then for the run that is under way; the runner ends it when it takes too long."""
        await self._halt.stopped()
        scheduler.stop()
        await scheduler.idle()

    def _service(self, config: SyncConfig) -> Any:
        return bootstrap.customer_service(config, self._catalogue, self._observer, self._halt)

    def _address(self, port: int) -> str:
        return f"http://{self._config.status_host}:{port}/"

    def _pages(self, service: SyncService) -> Any:
        return status_pages(self._config, service, self._metrics)

    def _reloader(self, scheduler: Scheduler, stack: AsyncExitStack) -> Callable[[], None]:
        """SIGHUP: new settings from the next tick on; wrong ones are told and the old ones stay."""
        tasks: set[asyncio.Task[None]] = set()

        async def reload() -> None:
            try:
                config = SyncConfig.from_env()
                config.require_route()
                _refuse_fixed(self._config, config)
                service = await stack.enter_async_context(self._service(config))
            except SyncError as error:
                self._observer.problem("the new settings cannot be used, the old ones stay", error=str(error))
                return
            scheduler.replace(service)
            self._config = config
            self._observer.note("the settings were read anew")

        def start() -> None:
            task = asyncio.get_running_loop().create_task(reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        return start


def _refuse_fixed(old: SyncConfig, new: SyncConfig) -> None:
    changed = [name.upper() for name in NEEDS_RESTART if getattr(old, name) != getattr(new, name)]
    if changed:
        raise ConfigurationError([f"{name} was changed: that needs a restart of the daemon" for name in changed])


class status_pages:
    """Serves the status pages for as long as the block runs."""

    def __init__(self, config: SyncConfig, service: SyncService, metrics: Metrics) -> None:
        from sync_service.web.app import create_app
        from sync_service.web.guard import hosts_for
        from sync_service.web.server import StatusServer

        def figures() -> bytes:
            metrics.show_status(service.get_sync_status())
            return metrics.render()

        token = config.status_token.get_secret_value() if config.status_token else None
        app = create_app(
            service.get_sync_status,
            _pings(config, service),
            figures,
            token,
            hosts_for(config.status_host),
            secrets=known(config),
        )
        self._server = StatusServer(app, config.status_host, config.status_port)

    async def __aenter__(self) -> Any:
        await self._server.start()
        return self._server

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()


def _pings(config: SyncConfig, service: SyncService) -> dict[str, Callable[[], Awaitable[None]]]:
    parts = service.parts
    assert parts is not None

    async def catalogue() -> None:
        await asyncio.to_thread(read_status, config)

    return {
        "source": parts.source.ping,
        "event_log": parts.log.ping if parts.log is not None else catalogue,
        "destination": parts.destination.ping,
        "catalogue": catalogue,
    }
