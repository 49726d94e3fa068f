"""The fake source keeps the contract; otherwise a test with it proves nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.contracts.source_contract import SourceContract
from tests.fakes.source import FakeSource


class FakeBench:
    """The fake with its own hands."""

    def __init__(self) -> None:
        self.source = FakeSource(page_size=2)

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None, file_type: str = "") -> None:
        lowered = {name.lower(): value for name, value in (metadata or {}).items()}
        self.source.put(key, body, lowered, file_type)

    def delete(self, key: str) -> None:
        self.source.delete(key)


class TestFakeSource(SourceContract):
    @pytest.fixture
    def bench(self) -> FakeBench:
        return FakeBench()
