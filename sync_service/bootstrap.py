"""Joins settings and adapters to working objects: the only room that knows all the others."""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sync_service.catalogue import intake
from sync_service.models.config import SyncConfig
from sync_service.models.crashpoints import point
from sync_service.ports import Destination, Engine, EventLog, Observer, Source
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.holdable import HoldableLog, HoldableSource
from sync_service.services.retry import Halt, RetryPolicy
from sync_service.services.tools import Tools

if TYPE_CHECKING:
    from sync_service.models.findings import CheckOptions
    from sync_service.reporting.many import Observers
    from sync_service.reporting.metrics import Metrics
    from sync_service.services.checker import Checker
    from sync_service.services.courier import Courier
    from sync_service.services.sync_service import SyncService

CUSTOMER = "customer"


def utc_now() -> str:
    """ISO 8601 UTC with milliseconds and Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp() -> str:
    """The time as it stands in file names; sorts like time."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def new_run_id() -> str:
    """Eight hexadecimal digits."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Adapters:
    """The outside of one route."""

    source: Source
    log: EventLog
    destination: Destination

    async def close(self) -> None:
        for adapter in (self.source, self.log, self.destination):
            await adapter.close()


def open_catalogue(config: SyncConfig, command: str, thorough: bool = True) -> DatabaseManager:
    """Becomes the catalogue's writer; raises the errors of DatabaseManager.open_writer."""
    return _catalogue(config).open_writer(utc_now(), command, thorough)


def read_catalogue(config: SyncConfig) -> DatabaseManager:
    """The catalogue for reading, beside any writer."""
    return _catalogue(config)


def _catalogue(config: SyncConfig) -> DatabaseManager:
    return DatabaseManager(config.database_file or _plain(config.database_url), CUSTOMER)


def customer_adapters(config: SyncConfig) -> Adapters:
    """The adapters of the route `customer`. Raises ConfigurationError where no bucket is set."""
    from sync_service.clients.api_token import Token
    from sync_service.clients.infrastructure_api import InfrastructureAPI
    from sync_service.clients.s3_manager import S3Manager
    from sync_service.destinations.file_manager import FileManagerDestination
    from sync_service.event_logs.http_replay import HttpReplayLog
    from sync_service.reporting.secrets import known
    from sync_service.sources.s3_bucket import S3BucketSource

    bucket = config.require_route()
    hide = known(config)
    manager = S3Manager(
        bucket=bucket.bucket,
        endpoint=bucket.endpoint or "",
        access_key=_plain(bucket.access_key),
        secret_key=_plain(bucket.secret_key),
        region=bucket.region or "",
        max_connections=config.max_workers + 4,
        keep_connections=config.cache_connections,
        hide=hide,
    )
    api = InfrastructureAPI(
        config.file_manager_api_url,
        config.mock_api_url,
        file_manager_token=Token(
            _plain(config.file_manager_token), hide.learning(config.renewal("FILE_MANAGER_API_TOKEN"))
        ),
        mock_api_token=Token(_plain(config.mock_api_token), hide.learning(config.renewal("MOCK_API_TOKEN"))),
        max_connections=config.max_workers + 4,
        keep_alive=config.cache_connections,
        hide=hide,
    )
    return Adapters(S3BucketSource(manager, bucket.prefix), HttpReplayLog(api), FileManagerDestination(api))


@asynccontextmanager
async def customer_service(
    config: SyncConfig, catalogue: DatabaseManager, observer: Observer, halt: Halt, adapters: Adapters | None = None
) -> AsyncIterator[SyncService]:
    """The service of the route `customer`, with its connections for as long as the block runs."""
    from sync_service.engines.in_process import InProcessEngine
    from sync_service.services.event_processor import Scope
    from sync_service.services.sync_service import RouteParts, SyncService

    def engine(courier: Courier) -> Engine:
        return InProcessEngine(courier.carry, config.max_workers)

    thread = CatalogueThread()
    retry = RetryPolicy(config.max_retries, config.retry_delay, halt, random.random)
    tools = Tools(catalogue, thread, retry, observer, utc_now, config.max_workers)
    joined = _holdable(adapters or customer_adapters(config), config, tools, recorded=True)
    scope = Scope(config.customer.bucket, _folder(config.customer.prefix))
    parts = RouteParts(
        CUSTOMER, tools, joined.source, joined.log, joined.destination, engine, scope, stamp, new_run_id, time.monotonic
    )
    try:
        yield SyncService(config, parts)
    finally:
        with point("connections closed"):
            await joined.close()
            await thread.aclose()


@asynccontextmanager
async def customer_checker(
    config: SyncConfig, catalogue: DatabaseManager, observer: Observer, halt: Halt, options: CheckOptions
) -> AsyncIterator[Checker]:
    """The check of the route `customer`, with its connections for as long as the block runs; it only reads."""
    from sync_service.services.checker import Checker

    thread = CatalogueThread()
    retry = RetryPolicy(config.max_retries, config.retry_delay, halt, random.random)
    tools = Tools(catalogue, thread, retry, observer, utc_now, config.max_workers)
    joined = _holdable(customer_adapters(config), config, tools, recorded=False)
    try:
        yield Checker(tools, joined.source, joined.destination, options)
    finally:
        await joined.close()
        await thread.aclose()


def _holdable(adapters: Adapters, config: SyncConfig, tools: Tools, *, recorded: bool) -> Adapters:
    """The same without the keys that the catalogue's database cannot hold: they are told, and `recorded` for `status`."""
    if config.database_file is not None:
        return adapters

    async def leave_out(keys: list[str]) -> None:
        if recorded:
            await tools.thread(tools.catalogue.within, intake.leave_out, keys, tools.now())
        for key in keys:
            tools.observer.problem("PostgreSQL cannot hold this key; the object is left out", file_path=key)

    source, log = HoldableSource(adapters.source, leave_out), HoldableLog(adapters.log)
    return replace(adapters, source=source, log=log)


def begin_log(config: SyncConfig, *, quiet: str = "", verbose: bool = False) -> None:
    """Log lines go to the standard error from now on; `quiet` names the lowest level that is still written."""
    from sync_service.reporting.logs import LEVELS, configure_logging
    from sync_service.reporting.secrets import known

    level = "debug" if verbose else max(config.log_level, quiet or "debug", key=LEVELS.index)
    configure_logging(level, config.log_format, secrets=known(config))


def make_observer(
    config: SyncConfig, *, quiet: bool = False, verbose: bool = False, metrics: Metrics | None = None
) -> Observers:
    """Who is told of a run: the log, a bar where a person watches, and metrics where they are served."""
    import os

    from sync_service.reporting.logs import LogObserver
    from sync_service.reporting.many import Observers
    from sync_service.reporting.terminal import lively

    # A command tells at its end what failed; a daemon has only its log for that, and no end.
    begin_log(config, quiet="" if not quiet else "error" if metrics is None else "warning", verbose=verbose)
    bar = lively(sys.stderr, os.environ) and not quiet and metrics is None
    told: list[Observer] = [LogObserver(time.monotonic, progress=not bar)]
    if bar:
        from sync_service.reporting.progress import ProgressObserver

        told.insert(0, ProgressObserver(sys.stderr, time.monotonic))
    if metrics is not None:
        from sync_service.reporting.metrics import MetricsObserver

        told.append(MetricsObserver(metrics, CUSTOMER, time.monotonic, time.time))
    return Observers(*told)


def _plain(secret: object) -> str:
    value: Callable[[], str] | None = getattr(secret, "get_secret_value", None)
    return value() if value is not None else ""


def _folder(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
