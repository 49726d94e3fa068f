"""Looks at many objects: each has its own answer, and a source that is silent is not asked about all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import Denied, SyncError, Temporary
from sync_service.services.looking import Look, Looking
from sync_service.services.retry import Halt, RetryPolicy
from tests.fakes.source import FakeSource


class Bench:
    """A source with `x`; keys that begin with `silent` get no answer, those that begin with `denied` a refusal."""

    def __init__(self, workers: int = 1, retries: int = 0) -> None:
        self.source, self.halt = FakeSource(), Halt()
        self.source.put("x", b"x")
        self.source.before = self._before
        self.looking = Looking(self.source, RetryPolicy(retries, 0, self.halt), workers)
        self.asked: list[str] = []

    def _before(self, call: str, key: str) -> None:
        self.asked.append(key)
        if key.startswith("silent"):
            raise Temporary(f"no answer for {key}")
        if key.startswith("denied"):
            raise Denied("not you")

    async def at(self, *keys: str) -> Sequence[Look]:
        looks = await self.looking.at(keys)
        assert list(looks) == list(keys)
        return list(looks.values())


def silent(count: int) -> list[str]:
    return [f"silent{number}" for number in range(count)]


def words(looks: Sequence[Look]) -> list[str]:
    return [str(look) if isinstance(look, SyncError) else "there" if look else "not there" for look in looks]


async def test_each_key_has_its_answer() -> None:
    """There, not there, or why the source does not say."""
    bench = Bench()
    there, gone, refused, unknown = await bench.at("x", "gone", "denied", "silent")
    assert isinstance(there, ObjectInfo) and there.key == "x"
    assert gone is None
    assert isinstance(refused, Denied) and isinstance(unknown, Temporary)


@pytest.mark.parametrize(("workers", "bound"), [(1, 10), (7, 14)])
async def test_a_silent_source_is_not_asked_about_the_rest(workers: int, bound: int) -> None:
    """After ten keys without an answer, or two for each worker where that is more: the others get the last word of it."""
    bench = Bench(workers)
    looks = await bench.at(*silent(bound + 20), "x")
    assert bound <= len(bench.asked) < bound + workers
    assert words(looks)[-1].startswith("no answer for silent")
    assert words(await bench.at("x")) != ["there"]
    bench.looking.begin()
    assert words(await bench.at("x")) == ["there"]


@pytest.mark.parametrize("key", ["x", "gone"])
async def test_an_answer_ends_a_silence(key: str) -> None:
    """Nine without one, then one: the count begins anew."""
    bench = Bench()
    for _ in range(3):
        assert words(await bench.at(*silent(9), key))[-1] in ("there", "not there")
    assert len(bench.asked) == 30


async def test_a_refusal_neither_ends_a_silence_nor_counts_as_one() -> None:
    """It tells of that key alone."""
    bench = Bench()
    await bench.at(*[f"denied{number}" for number in range(20)])
    assert words(await bench.at("x")) == ["there"]
    await bench.at(*silent(9), "denied", "silent again")
    assert words(await bench.at("x")) != ["there"]


async def test_a_stop_asks_about_no_more() -> None:
    """What was not asked waits, with a word that says why and of which object."""
    bench = Bench()
    bench.halt.set("told to stop")
    [look] = await bench.at("x")
    assert isinstance(look, Temporary) and (str(look), look.subject) == ("x: the run was stopped", "x")
    assert bench.asked == []


async def test_a_look_is_repeated_like_everything_else() -> None:
    """As often as the retries allow."""
    bench = Bench(retries=2)
    await bench.at("silent")
    assert bench.asked == ["silent"] * 3
