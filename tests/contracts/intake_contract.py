"""What every catalogue takes in, however much of it there is and however odd it looks."""

from __future__ import annotations

import pytest

from sync_service.catalogue import intake, sifting
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import LATER, ids, scan


class IntakeContract:
    """Inherited beside CatalogueContract, whose catalogue it uses."""

    def test_rows_between_listed_keys_are_noted_step_by_step(
        self, catalogue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many there are, only those at listed keys are given back; noted twice they are noted once."""
        monkeypatch.setattr(sifting, "STEP", 2)
        scan(catalogue, *"abcdefg")
        known = ids(catalogue)
        catalogue.begin_scan(LATER, None)
        for _ in range(2):
            found = sifting.known_among(catalogue.within, {"c", "f", "new"}, "a", "f")
            assert [row.file_path for row in found] == ["c", "f"]
        assert catalogue.within(intake.missing, 0, 10) == [known[key] for key in "bde"]
        assert sifting.known_among(catalogue.within, (), None, None) == []
        assert catalogue.within(intake.missing, 0, 10) == [known[key] for key in "abcdefg"]
