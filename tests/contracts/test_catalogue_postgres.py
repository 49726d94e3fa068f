"""The catalogue in PostgreSQL keeps the contract, where there is one; else the run says why not."""

from __future__ import annotations

import pytest

from tests.contracts.catalogue_contract import CatalogueContract
from tests.contracts.history_contract import HistoryContract
from tests.contracts.intake_contract import IntakeContract
from tests.contracts.repair_contract import RepairContract
from tests.real_postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.mark.real
class TestPostgres(CatalogueContract, HistoryContract, IntakeContract, RepairContract):
    @pytest.fixture
    def target(self, postgres_url: str) -> str:
        return postgres_url
