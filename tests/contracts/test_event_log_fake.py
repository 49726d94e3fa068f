"""The fake event log keeps the contract, with cursors and without."""

from __future__ import annotations

import pytest

from sync_service.models.errors import Unreachable
from tests.contracts.event_log_contract import CursorContract, NoCursorContract
from tests.fakes.event_log import FakeEventLog


class FakeWorld:
    def __init__(self, *, cursors: bool) -> None:
        self.log = FakeEventLog(cursors=cursors)

    async def publish(self, *values: object) -> None:
        self.log.publish(*values)


class TestFakeEventLog(CursorContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld(cursors=True)


class TestFakeEventLogWithoutCursors(NoCursorContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld(cursors=False)


async def test_a_failing_log_raises_as_often_as_it_was_told() -> None:
    """Then it works again."""
    log = FakeEventLog()
    log.fail(Unreachable("down"))
    with pytest.raises(Unreachable):
        await log.read(None)
    await log.read(None)
