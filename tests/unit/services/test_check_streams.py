"""The walk of a check: two sorted streams side by side, one page of each in memory, and an order that is not believed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

import pytest

from sync_service.models.data_models import Listed, ListingPage
from sync_service.models.errors import ListingBroken, Temporary
from sync_service.models.findings import RowState, Tracked
from sync_service.services.check_streams import chunks, listing, paged, paired, stretches
from sync_service.services.retry import Halt, RetryPolicy
from tests.fakes.source import FakeSource

T = TypeVar("T")


class Pages(FakeSource):
    """Gives exactly these pages."""

    def __init__(self, *pages: list[str]) -> None:
        super().__init__()
        self.pages = pages

    async def list_page(self, token: str | None = None) -> ListingPage:
        number = int(token or 0)
        entries = [entry(key) for key in self.pages[number]]
        return ListingPage(entries, str(number + 1) if number + 1 < len(self.pages) else None)


def entry(key: str) -> Listed:
    return Listed(key, 1, "e", "t")


def row(path: str) -> Tracked:
    return Tracked(1, path, 1, "e", "t", None, None, None, 1, RowState.IN_STEP)


async def stream(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


async def keys_of(source: FakeSource, halt: Halt | None = None) -> list[str]:
    return [found.key async for found in listing(source, RetryPolicy(0, 0, halt or Halt()))]


async def test_a_listing_is_read_page_by_page() -> None:
    """Empty pages in between are no end."""
    assert await keys_of(Pages(["a", "b"], [], ["c"])) == ["a", "b", "c"]
    assert await keys_of(Pages([])) == []


@pytest.mark.parametrize(
    "pages",
    [[["b", "a"]], [["a", "a"]], [["b"], ["a"]], [["a", "b"], ["b", "c"]], [["\U0001f600", "\uffff"]]],
)
async def test_a_listing_that_goes_back_is_refused(pages: list[list[str]]) -> None:
    """Within a page and over its end; the order is that of the keys' UTF-8 bytes."""
    with pytest.raises(ListingBroken, match="goes back"):
        await keys_of(Pages(*pages))


async def test_a_stopped_check_lists_no_further() -> None:
    """A signal ends it at the next page."""
    halt = Halt()
    halt.set("stop")
    with pytest.raises(Temporary, match="stopped"):
        await keys_of(Pages(["a"]), halt)


@pytest.mark.parametrize(
    ("listed", "tracked", "expected"),
    [
        ("", "", []),
        ("ab", "", ["a-", "b-"]),
        ("", "ab", ["-a", "-b"]),
        ("ab", "ab", ["aa", "bb"]),
        ("acd", "bd", ["a-", "-b", "c-", "dd"]),
        ("b", "abc", ["-a", "bb", "-c"]),
    ],
)
async def test_keys_stand_beside_their_rows(listed: str, tracked: str, expected: list[str]) -> None:
    """Each key once, in order, with a gap where one side does not have it."""
    pairs = paired(stream(map(entry, listed)), stream(map(row, tracked)))
    found = [(p.entry.key if p.entry else "-") + (p.tracked.file_path if p.tracked else "-") async for p in pairs]
    assert found == expected


async def test_pages_go_on_behind_the_last_row() -> None:
    """Until there is an empty one."""
    asked: list[int | None] = []

    async def read(last: int | None) -> list[int]:
        asked.append(last)
        start = 0 if last is None else last + 1
        return list(range(start, min(start + 2, 5)))

    assert [number async for number in paged(read)] == [0, 1, 2, 3, 4]
    assert asked == [None, 1, 3, 4]


async def test_stretches_hold_everything_once() -> None:
    """The last one is shorter, and none is empty."""
    assert [part async for part in stretches(stream(range(5)), 2)] == [[0, 1], [2, 3], [4]]
    assert [part async for part in stretches(stream(range(4)), 2)] == [[0, 1], [2, 3]]
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
