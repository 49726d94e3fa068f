"""What a check walks: the source's listing beside the observed rows, both in key order, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from sync_service.models.data_models import Listed, ListingPage
from sync_service.models.errors import ListingBroken, Temporary
from sync_service.models.findings import Tracked
from sync_service.models.text import shown
from sync_service.ports import Source
from sync_service.services.retry import RetryPolicy

T = TypeVar("T")


class Pair(NamedTuple):
    """One key: as the source lists it, and as it was observed; one of the two may be missing."""

    entry: Listed | None
    tracked: Tracked | None


async def listing(source: Source, retry: RetryPolicy) -> AsyncIterator[Listed]:
    """Every key of the source. Its order is checked: raises ListingBroken where a key does not come after the last one."""
    token: str | None = None
    last: bytes | None = None
    while True:
        page = await retry.call(lambda: _page(source, retry, token))  # noqa: B023 - called before the next turn
        for entry in page.entries:
            key = entry.key.encode("utf-8", "surrogatepass")
            if last is not None and key <= last:
                raise ListingBroken(
                    f"the listing goes back: it comes after {shown(last.decode('utf-8', 'replace'))}",
                    subject=entry.key,
                    hint="Nothing was changed; check again",
                )
            last = key
            yield entry
        if page.next_token is None:
            return
        token = page.next_token


async def _page(source: Source, retry: RetryPolicy, token: str | None) -> ListingPage:
    if retry.halt.is_set:
        raise Temporary("the check was stopped", hint="Nothing was changed; start it again")
    return await source.list_page(token)


async def paged(
    read: Callable[[T | None], Awaitable[Sequence[T]]],
) -> AsyncIterator[T]:
    """Every row of a walk that `read` gives in pages: the one after the row that it is given, none at the end."""
    last: T | None = None
    while rows := await read(last):
        for row in rows:
            yield row
        last = rows[-1]


async def paired(entries: AsyncIterator[Listed], rows: AsyncIterator[Tracked]) -> AsyncIterator[Pair]:
    """Both in key order, each key once. Code points order as UTF-8 bytes do, so texts are compared as they are."""
    entry, row = await anext(entries, None), await anext(rows, None)
    while entry is not None or row is not None:
        if row is None or (entry is not None and entry.key < row.file_path):
            yield Pair(entry, None)
            entry = await anext(entries, None)
        elif entry is None or row.file_path < entry.key:
            yield Pair(None, row)
            row = await anext(rows, None)
        else:
            yield Pair(entry, row)
            entry, row = await anext(entries, None), await anext(rows, None)


async def stretches(items: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """`items` in lists of `size`, the last one shorter."""
    held: list[T] = []
    async for item in items:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
