"""A catalogue, fakes and tools for the tests of single services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync_service.catalogue import observing
from sync_service.models.changes import Observation
from sync_service.models.data_models import Event, EventType, Receipt, Row, Seen
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.retry import Halt, RetryPolicy
from sync_service.services.tools import Tools
from tests.fakes.catalogues import observe
from tests.fakes.destination import FakeDestination, Stored
from tests.fakes.observer import RecordingObserver
from tests.fakes.source import FakeSource

NOW = "2026-11-21T08:00:00Z"


class StepByStep(CatalogueThread):
    """The catalogue's calls in this thread; `calls` holds their names."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(getattr(function, "__name__", ""))
        return function(*args, **kwargs)


@dataclass
class Bench:
    """One route's tools on a real catalogue, and the two sides as fakes."""

    catalogue: DatabaseManager
    source: FakeSource = field(default_factory=FakeSource)
    destination: FakeDestination = field(default_factory=FakeDestination)
    observer: RecordingObserver = field(default_factory=RecordingObserver)
    halt: Halt = field(default_factory=Halt)
    thread: StepByStep = field(default_factory=StepByStep)
    retries: int = 0

    @property
    def tools(self) -> Tools:
        retry = RetryPolicy(self.retries, 0, self.halt)
        return Tools(self.catalogue, self.thread, retry, self.observer, lambda: NOW, 3)

    def observe(self, *paths: str, permissions: str | None = None) -> list[int]:
        """The objects at these paths of the source are observed; their row ids."""
        rows = [self._row(path, permissions) for path in paths]
        observe(self.catalogue, [Observation(row, Seen(permissions, None, None)) for row in rows], [], NOW)
        return [self.id_at(path) for path in paths]

    def _row(self, path: str, permissions: str | None) -> Row:
        info = self.source.info(path)
        return Row(0, path, info.size, info.etag, info.last_modified, permissions, file_type=info.file_type)

    def move(self, row_id: int, new_path: str) -> None:
        """The observed row is at `new_path` from now on."""
        self.rewrite(row_id, file_path=new_path)

    def rewrite(self, row_id: int, **values: object) -> None:
        """The observed row has these values from now on, as a new revision."""
        known = self.catalogue.observations_by_id([row_id])[row_id]
        row = {name: getattr(known.row, name) for name in Row.__slots__} | values
        row["revision"] = known.row.revision + 1
        observe(self.catalogue, [Observation(Row(**row), known.seen)], [], NOW)

    def lose(self, *ids: int) -> None:
        """The source no longer has these rows."""
        observe(self.catalogue, [], ids, NOW)

    def hold(self, path: str, body: bytes) -> Receipt:
        """The destination holds a file."""
        self.destination.files[path] = Stored(body, None, None, None, f"id of {path}")
        return Receipt(f"id of {path}", len(body))

    def id_at(self, path: str) -> int:
        return self.catalogue.observations_at([path])[path].row.id

    def observed(self) -> dict[str, tuple[int, str]]:
        """Path -> (row id, content) of the observed rows, as far as the paths are among those of the tests."""
        found = self.catalogue.within(observing.known_between, None, None)
        return {known.file_path: (known.id, known.etag) for known in found}


@contextmanager
def workbench(folder: Path, **arguments: Any) -> Iterator[Bench]:
    """A bench on a new catalogue in `folder`."""
    catalogue = DatabaseManager(folder / "sync.db").open_writer(NOW)
    try:
        yield Bench(catalogue, **arguments)
    finally:
        catalogue.close()


def event(kind: str, path: str | None, new_path: str | None = None, **values: Any) -> Event:
    """An event as decoders give it; `id` is its event id."""
    return Event(EventType(kind), path, new_path, event_id=values.pop("id", None), **values)
