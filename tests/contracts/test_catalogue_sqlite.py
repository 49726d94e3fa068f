"""The catalogue in SQLite keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.catalogue_contract import CatalogueContract
from tests.contracts.history_contract import HistoryContract
from tests.contracts.intake_contract import IntakeContract
from tests.contracts.repair_contract import RepairContract


class TestSqlite(CatalogueContract, HistoryContract, IntakeContract, RepairContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> str:
        return str(tmp_path / "sync.db")
