"""The catalogue in SQLite keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.catalogue_contract import CatalogueContract
from tests.contracts.history_contract import HistoryContract


class TestSqlite(CatalogueContract, HistoryContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> str:
        return str(tmp_path / "sync.db")
