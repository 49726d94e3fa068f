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

    def __init__(self, workers: int = 1, retries: int = 0, there: bool = True) -> None:
        self.source, self.halt = FakeSource(), Halt()
        self.source.put("x", b"x")
        self.source.before = self._before
        self.looking = Looking(self.source, RetryPolicy(retries, 0, self.halt), workers)
        self.asked: list[str] = []
        self.there, self.pings = there, 0

    def _before(self, call: str, key: str) -> None:
        if call == "ping":
            self.pings += 1
            if not self.there:
                raise Temporary("down")
            return
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
async def test_a_source_that_is_not_there_is_not_asked_about_the_rest(workers: int, bound: int) -> None:
    """After ten keys without an answer, or two for each worker where that is more: the others get the last word of it."""
    bench = Bench(workers, there=False)
    looks = await bench.at(*silent(bound + 20), "x")
    assert bound <= len(bench.asked) < bound + workers
    assert words(looks)[-1].startswith("no answer for silent")
    assert words(await bench.at("x")) != ["there"]
    bench.looking.begin()
    assert words(await bench.at("x")) == ["there"]


async def test_objects_without_an_answer_hold_up_no_others() -> None:
    """The source itself is there: all are asked about, those behind the bound once, and it is asked for its health once."""
    bench = Bench(retries=2)
    looks = await bench.at(*silent(12), "x", *[f"silent again {number}" for number in range(2)])
    assert words(looks)[12] == "there"
    assert [bench.asked.count(key) for key in silent(12)] == [3] * 10 + [1] * 2
    assert bench.pings == 1
    assert bench.asked.count("silent again 0") == 3


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("keys", [silent(1), [*silent(20), "x"]])
async def test_whether_the_source_is_there_is_known_with_the_answers(there: bool, keys: list[str]) -> None:
    """Where nothing is answered it is asked, and its own error is raised."""
    bench = Bench(there=there)
    if there:
        assert len(await bench.looking.answered(keys)) == len(keys)
    else:
        with pytest.raises(Temporary, match="down"):
            await bench.looking.answered(keys)


async def test_one_answer_among_others_is_enough() -> None:
    """The source is there, whatever it says of its health."""
    bench = Bench(there=False)
    assert words(list((await bench.looking.answered(["silent", "x"])).values())) == ["no answer for silent", "there"]


async def test_a_stop_is_raised() -> None:
    """What was not asked about has no answer that anything could be concluded from."""
    bench = Bench()
    bench.halt.set("told to stop")
    with pytest.raises(Temporary, match="stopped"):
        await bench.looking.answered(["x"])


async def test_what_had_no_answer_for_long_is_asked_once() -> None:
    """Where the caller says so."""
    bench = Bench(retries=2)
    await bench.looking.at(["silent0", "silent1"], once={"silent1"})
    assert [bench.asked.count(key) for key in silent(2)] == [3, 1]


@pytest.mark.parametrize("key", ["x", "gone"])
async def test_an_answer_ends_a_silence(key: str) -> None:
    """Nine without one, then one: the count begins anew."""
    bench = Bench()
    for _ in range(3):
        assert words(await bench.at(*silent(9), key))[-1] in ("there", "not there")
    assert len(bench.asked) == 30


async def test_a_refusal_neither_ends_a_silence_nor_counts_as_one() -> None:
    """It tells of that key alone."""
    bench = Bench(there=False)
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
