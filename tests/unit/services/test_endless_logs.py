"""A log that never comes to an end ends no run: what it has is committed, and the rest waits for the next cycle."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync_service.models.data_models import EventPage
from sync_service.models.errors import Temporary
from sync_service.services import event_processor
from tests.fakes.event_log import FakeEventLog
from tests.unit.services.test_event_processor import replay
from tests.unit.services.workbench import Bench, event, workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with workbench(tmp_path) as made:
        yield made


class EndlessLog(FakeEventLog):
    """Says after each page that there is more; `page(n)` is what the n-th read gives."""

    def __init__(self, page: Callable[[int], EventPage]) -> None:
        super().__init__()
        self._page = page
        self._count = itertools.count(1)

    async def read(self, cursor: str | None) -> EventPage:
        self.reads.append(cursor)
        return self._page(next(self._count))


async def test_empty_pages_without_end(bench: Bench) -> None:
    """Cursors that move on and bring nothing are followed for a while."""
    log = EndlessLog(lambda n: EventPage([], str(n), True))
    await replay(bench, log)
    assert len(log.reads) == event_processor.EMPTY_PAGES


async def test_an_empty_page_between_others(bench: Bench) -> None:
    """It is no end."""
    pages = [
        EventPage([event("update", "a")], "1", True),
        EventPage([], "2", True),
        EventPage([event("update", "b")], "3", False),
    ]
    counts = await replay(bench, EndlessLog(lambda n: pages[n - 1]))
    assert counts.received == 2


async def test_cursors_that_go_round(bench: Bench) -> None:
    """A cursor that came before brings nothing new."""
    log = EndlessLog(lambda n: EventPage([event("update", f"k{n}")], "ab"[n % 2], True))
    counts = await replay(bench, log)
    assert (len(log.reads), counts.received) == (3, 3)


async def test_pages_of_one_event_each(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many pages are a batch, however few events they have; so many batches are a cycle."""
    monkeypatch.setattr(event_processor, "PAGES", 5)
    monkeypatch.setattr(event_processor, "BATCHES", 3)
    log = EndlessLog(lambda n: EventPage([event("update", f"k{n}")], str(n), True))
    await replay(bench, log)
    assert (len(log.reads), bench.catalogue.cursor()) == (15, "15")


async def test_a_run_that_is_to_end_reads_no_further_page(bench: Bench) -> None:
    """What was read and not yet looked at is handed back: the next run reads it again."""

    def page(n: int) -> EventPage:
        if n == 2:
            bench.halt.set("stopped")
        return EventPage([event("update", f"k{n}")], str(n), True)

    log = EndlessLog(page)
    with pytest.raises(Temporary, match="stopped"):
        await replay(bench, log)
    assert (len(log.reads), bench.catalogue.cursor(), bench.catalogue.relooks_due()) == (2, None, {})
