"""The one layer that repeats: how often, after which waits, and how a halt ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sync_service.models.errors import OutcomeUnknown, Refused, SyncError, Temporary, Throttled
from sync_service.services.retry import LONGEST_WAIT, Halt, RetryPolicy


class Failing:
    """Raises its errors one after the other, then answers."""

    def __init__(self, *errors: SyncError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def waits() -> tuple[list[float], Callable[[float], Awaitable[None]]]:
    """A list, and a sleep that only notes in it how long it was to sleep."""
    noted: list[float] = []

    async def sleep(seconds: float) -> None:
        noted.append(seconds)

    return noted, sleep


async def test_an_answer_is_asked_for_once() -> None:
    """Nothing is repeated that worked."""
    function = Failing()
    assert await RetryPolicy(3, 0).call(function) == "answer"
    assert function.calls == 1


@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_temporary_errors_are_repeated(failures: int) -> None:
    """As often as it takes, up to so many attempts after the first."""
    function = Failing(*[Temporary("not now")] * failures)
    assert await RetryPolicy(3, 0).call(function) == "answer"
    assert function.calls == failures + 1


@pytest.mark.parametrize("retries", [0, 1, 2, 3])
async def test_the_last_error_is_let_out(retries: int) -> None:
    """After the last attempt the error itself is raised, not one of the retry layer."""
    function = Failing(*[OutcomeUnknown(str(number)) for number in range(9)])
    with pytest.raises(OutcomeUnknown, match=str(retries)):
        await RetryPolicy(retries, 0).call(function)
    assert function.calls == retries + 1


@pytest.mark.parametrize("failures", [0, 1])
async def test_final_errors_are_not_repeated(failures: int) -> None:
    """A refusal stays one, at the first attempt as later."""
    function = Failing(*[Temporary("not now")] * failures, Refused("no"))
    with pytest.raises(Refused):
        await RetryPolicy(3, 0).call(function)
    assert function.calls == failures + 1


async def test_waits_double_and_are_jittered_in_full() -> None:
    """With the highest draw each wait is twice the one before; the draw scales it down to nothing."""
    noted, sleep = waits()
    draws = iter([1.0, 1.0, 1.0, 0.5, 0.0])
    policy = RetryPolicy(5, 2, draw=lambda: next(draws), sleep=sleep)
    await policy.call(Failing(*[Temporary("not now")] * 5))
    assert noted == [2, 4, 8, 8, 0]


async def test_waits_have_an_end() -> None:
    """No wait is longer than the longest, after however many attempts."""
    noted, sleep = waits()
    await RetryPolicy(12, 10, draw=lambda: 1.0, sleep=sleep).call(Failing(*[Temporary("not now")] * 12))
    assert max(noted) == LONGEST_WAIT and noted[-1] == LONGEST_WAIT


@pytest.mark.parametrize(
    ("asked", "waited"), [(7.5, 7.5), (0.5, 2.0), (86_400.0, LONGEST_WAIT), (-5.0, 2.0), (0.0, 2.0), (None, 2.0)]
)
async def test_retry_after_is_obeyed_within_reason(asked: float | None, waited: float) -> None:
    """The server's word counts where it asks for more than we would wait, and is capped."""
    noted, sleep = waits()
    policy = RetryPolicy(1, 2, draw=lambda: 1.0, sleep=sleep)
    await policy.call(Failing(Throttled("slow down", retry_after=asked)))
    assert noted == [waited]


async def test_retry_after_is_obeyed_at_every_attempt() -> None:
    """Also after the first repetition each answer's own word counts."""
    noted, sleep = waits()
    errors = [Throttled("slow down", retry_after=seconds) for seconds in (9.0, 30.0, 12.0)]
    await RetryPolicy(3, 0, sleep=sleep).call(Failing(*errors))
    assert noted == [9, 30, 12]


async def test_no_wait_where_there_is_no_further_attempt() -> None:
    """The last error comes at once."""
    noted, sleep = waits()
    with pytest.raises(Temporary):
        await RetryPolicy(0, 2, sleep=sleep).call(Failing(Temporary("not now")))
    with pytest.raises(Temporary):
        await RetryPolicy(1, 2, draw=lambda: 1.0, sleep=sleep).call(Failing(*[Temporary("not now")] * 2))
    assert noted == [2]


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_halt_ends_a_wait_and_the_attempts(failures: int) -> None:
    """Whoever waits is woken, and the error that it waited for is raised instead of another attempt."""
    halt = Halt()
    function = Failing(*[Temporary("not now", retry_after=0.0 if n < failures else 60.0) for n in range(1, 5)])
    task = asyncio.create_task(RetryPolicy(5, 0, halt).call(function))
    while function.calls < failures:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    halt.set("told to stop")
    with pytest.raises(Temporary):
        await asyncio.wait_for(task, 30)
    assert function.calls == failures


async def test_a_halted_policy_makes_one_attempt() -> None:
    """What is under way is finished, and not begun again."""
    halt = Halt()
    halt.set("told to stop")
    function = Failing(Temporary("not now"))
    with pytest.raises(Temporary):
        await RetryPolicy(5, 0, halt).call(function)
    assert function.calls == 1


async def test_a_halt_is_for_one_run_and_a_stop_for_good() -> None:
    """`clear` begins a new run, unless the process is to end; the first reason is kept."""
    halt = Halt()
    halt.set("first")
    halt.set("second")
    assert (halt.is_set, halt.reason) == (True, "first")
    halt.clear()
    assert (halt.is_set, halt.reason) == (False, "")
    halt.stop("SIGTERM")
    halt.clear()
    assert (halt.is_set, halt.stopping, halt.reason) == (True, True, "SIGTERM")
    await asyncio.wait_for(halt.stopped(), 30)


async def test_a_sleep_ends_by_itself() -> None:
    """Without a halt a sleep is a sleep; none at all for no seconds."""
    halt = Halt()
    await halt.sleep(0)
    await halt.sleep(0.001)
    assert not halt.is_set
