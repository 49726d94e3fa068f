"""The one layer that repeats: exponential waits with full jitter, `Retry-After` obeyed and capped."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.stop import stop_base

from sync_service.models.errors import Temporary

T = TypeVar("T")

LONGEST_WAIT = 60.0
"""Seconds; also what a `Retry-After` is cut to."""


class Halt:
    """Says that no new work is to be taken: for this run (`set`), or for good (`stop`). Waits end at once when it does."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._stopped = asyncio.Event()
        self.reason = ""
        self.stopping = False

    def set(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._event.set()

    def stop(self, reason: str) -> None:
        """The process is to end."""
        self.stopping = True
        self.set(reason)
        self._stopped.set()

    async def stopped(self) -> None:
        """Waits until the process is to end."""
        await self._stopped.wait()

    def clear(self) -> None:
        """A new run begins; a process that is to end stays halted."""
        if not self.stopping:
            self.reason = ""
            self._event.clear()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    async def sleep(self, seconds: float) -> None:
        """Sleeps that long, or until the halt."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._event.wait(), seconds)
            except TimeoutError:
                return


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which waits something is repeated. `retries` counts attempts after the first; seconds."""

    retries: int = 5
    delay: float = 2.0
    halt: Halt = field(default_factory=Halt)
    draw: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] | None = None

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """`function`'s answer, repeated while it raises Temporary; the last error is let out.

        The first attempt is made without tenacity's machinery, since nearly all need no other.
        """
        try:
            return await function()
        except Temporary as error:
            if self.retries == 0 or self.halt.is_set:
                raise
            await (self.sleep or self.halt.sleep)(self.wait(1, error))
            last = error

        async def attempt() -> T:
            nonlocal last
            if self.halt.is_set:
                raise last
            try:
                return await function()
            except Temporary as error:
                last = error
                raise

        return await self._repeats()(attempt)

    def wait(self, attempts: int, error: BaseException | None) -> float:
        """Seconds to wait after so many failed attempts: exponential with full jitter, never less than the server asks."""
        asked = getattr(error, "retry_after", None) or 0.0
        jittered = self.draw() * min(LONGEST_WAIT, self.delay * 2 ** (attempts - 1))
        return float(min(LONGEST_WAIT, max(float(asked), jittered)))

    def _repeats(self) -> AsyncRetrying:
        """Tenacity's loop for the attempts after the first."""
        return AsyncRetrying(
            stop=stop_after_attempt(self.retries) | _WhenHalted(self.halt),
            wait=lambda state: self.wait(
                state.attempt_number + 1, state.outcome.exception() if state.outcome else None
            ),
            retry=retry_if_exception_type(Temporary),
            sleep=self.sleep or self.halt.sleep,
            reraise=True,
        )


class _WhenHalted(stop_base):
    """Tenacity's word for: no further attempt once the halt is set."""

    def __init__(self, halt: Halt) -> None:
        self._halt = halt

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._halt.is_set
