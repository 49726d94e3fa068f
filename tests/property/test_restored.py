"""Any history in which the catalogue is put back to an older state, or built anew: cycles alone bring both sides together."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from sync_service.services.backups import back_up
from sync_service.services.rebuilder import Rebuilder
from tests.property import test_state_machine as machine
from tests.property.world import World


class PutBack(World):
    """A world whose catalogue a person replaces now and then."""

    def __init__(self, **switches: object) -> None:
        super().__init__(**switches)  # type: ignore[arg-type]
        self.backups: list[Path] = []

    def back_up(self) -> None:
        if self.rows("SELECT 1 FROM routes"):
            target = self.folder / f"backup-{self.count()}"
            self.backups.append(back_up(self.config.database_path, self.folder, "", target).path)

    def restore(self, which: int) -> None:
        if self.backups:
            self._replaced().restore(self.backups[which % len(self.backups)], f"id-{self.count()}", trust_size=False)

    def rebuild(self) -> None:
        self._replaced().rebuild(trust_size=False)

    def _replaced(self) -> Rebuilder:
        if self.catalogue is not None:
            self.catalogue.close()
            self.catalogue = None
        self.vague()
        return Rebuilder(self.config.database_path, "customer", "t", f"{self.count():08}")

    def check_always(self) -> None:
        """Before the comparison is through, delivered rows are paths to ask about, and promise nothing."""
        if not self.rows("SELECT 1 FROM meta WHERE name LIKE 'unverified.%'"):
            super().check_always()


class HistoryPutBack(machine.History):
    """The histories of the state machine, with a person who restores and rebuilds."""

    world: PutBack

    def new_world(self, **switches: object) -> PutBack:
        return PutBack(**switches)

    @rule()
    def back_up(self) -> None:
        self.world.back_up()

    @rule(which=st.integers(0, 3))
    def restore(self, which: int) -> None:
        self.world.restore(which)

    @rule(really=st.sampled_from([False, True]))
    def rebuild(self, really: bool) -> None:
        if really:
            self.world.rebuild()


TestHistoryPutBack = HistoryPutBack.TestCase
TestHistoryPutBack.settings = settings(
    max_examples=int(os.environ.get("EXAMPLES", "300")) // 3,
    stateful_step_count=12,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
