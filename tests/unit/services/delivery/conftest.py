"""A bench whose destination remembers no idempotency keys, and a delivery on it that is stopped at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sync_service.services.delivery import Delivery
from tests.fakes.destination import FakeDestination
from tests.unit.services.delivery.steps import deliverer
from tests.unit.services.workbench import Bench, workbench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with workbench(tmp_path, destination=FakeDestination(memory=False)) as made:
        yield made


@pytest.fixture
async def delivery(bench: Bench) -> AsyncIterator[Delivery]:
    made = deliverer(bench)
    yield made
    await made.stop()
