"""The promise under any history: whatever fails, crashes or is lost, cycles alone bring the destination to the source."""

from __future__ import annotations

import os
import random
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from sync_service.models.data_models import EventType, Poison
from sync_service.models.errors import ExitCode
from tests.property.rigged import SITES, Fate, Fault
from tests.property.world import World

EXAMPLES = int(os.environ.get("EXAMPLES", "300"))
STEPS = int(os.environ.get("STEPS", "12"))

Change = tuple[object, ...]
"""A method of World that is something that others do, and its arguments."""

NARROW = bool(os.environ.get("NARROW"))
"""Few keys find contents that go back and forth, more keys find chains and swaps."""

KEYS = st.sampled_from(["a", "d/a"] if NARROW else ["a", "b", "d/a", "d/b"])
BODIES = st.sampled_from([b"one", b"two"] if NARROW else [b"", b"one", b"two", b"longer"])
PERMISSIONS = st.sampled_from([None, None, "600", "644"])
TOLD = st.sampled_from([True, True, True, False])
HOW = st.sampled_from(["cycle", "cycle", "scan"])
KINDS = st.sampled_from([EventType.CREATE, EventType.UPDATE, EventType.DELETE, EventType.RENAME, EventType.MOVE])

ONE_CHANGE = st.one_of(
    st.tuples(st.just("put"), KEYS, BODIES, PERMISSIONS, TOLD),
    st.tuples(st.just("put"), KEYS, BODIES, PERMISSIONS, TOLD),
    st.tuples(st.just("rename"), KEYS, KEYS, TOLD),
    st.tuples(st.just("rename"), KEYS, KEYS, TOLD),
    st.tuples(st.just("delete"), KEYS, TOLD),
    st.tuples(st.just("swap"), KEYS, KEYS),
    st.tuples(st.just("permit_anew"), KEYS, TOLD),
)
CHANGES = st.lists(ONE_CHANGE, min_size=1, max_size=5)
NOISE = ["bogus", "replay", "shuffle", "lose", "poison", "jump"]


@st.composite
def a_fault(draw: st.DrawFn) -> Fault:
    """Half of them meet the destination, where it matters most."""
    site = draw(st.sampled_from([*sorted(SITES), *["apply"] * len(SITES)]))
    nth, times = draw(st.sampled_from([1, 1, 2, 2, 3, 4, 6])), draw(st.sampled_from([1, 1, 2, 3, 9, 99]))
    return Fault(site, draw(st.sampled_from(SITES[site])), nth, times)


@st.composite
def a_fate(draw: st.DrawFn) -> Fate:
    """Trouble for one run; what others change meanwhile comes as the calls of the source at which they do."""
    faults = tuple(draw(st.lists(a_fault(), min_size=1, max_size=3)))
    moment = st.none() | st.none() | st.integers(1, 120)
    return Fate(faults, draw(moment), draw(st.none() | moment), seed=draw(st.integers(0, 3)))


class History(RuleBasedStateMachine):
    """Rules change the world and let the service run; `converge` and the end of each history hold the promise."""

    @initialize(
        memory=st.booleans(), cursors=st.booleans(), ids=st.booleans(), batch=st.sampled_from([10_000, 3]),
        full=st.booleans(), first=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def begin(self, memory: bool, cursors: bool, ids: bool, batch: int, full: bool, first: bool) -> None:
        self.world = self.new_world(memory=memory, cursors=cursors, ids=ids, batch=batch, full=full)
        self.world.put("anchor", b"anchor")
        for key in ("a", "b"):
            self.world.put(key, b"one")
        if first:
            self.world.run()

    def new_world(self, **switches: Any) -> World:
        return World(**switches)

    @rule(changes=CHANGES, how=HOW, seed=st.integers(0, 3))
    def work(self, changes: list[Change], how: str, seed: int) -> None:
        """Others change objects, and a run without trouble follows."""
        self._change(changes)
        self._run(how, Fate(seed=seed))

    @rule(
        changes=CHANGES, how=HOW, fate=a_fate(),
        meddling=st.none() | st.dictionaries(st.integers(1, 12), ONE_CHANGE, max_size=2),
    )  # fmt: skip
    def work_in_trouble(self, changes: list[Change], how: str, fate: Fate, meddling: dict[int, Change] | None) -> None:
        """Others change objects, and a run follows in which calls fail, the process dies, or objects change again."""
        self._change(changes)
        self.world.vague()
        for nth, change in (meddling or {}).items():
            fate.meddling[nth] = partial(self._change, [change])
        self._run(how, fate)

    @rule(what=st.sampled_from(NOISE), kind=KINDS, key=KEYS, new=KEYS, seed=st.integers(0, 99))
    def noise(self, what: str, kind: EventType, key: str, new: str, seed: int) -> None:
        """The log lies, repeats itself, loses its order, loses events, or cannot be read; or the clock jumps."""
        if what == "bogus":
            self.world.bogus(kind, key, new)
        elif what == "poison":
            self.world.log.add(Poison("cannot be read", str(seed)))
        else:
            getattr(self.world, what)(random.Random(seed))

    @rule(really=st.sampled_from([False, False, True]))
    def converge(self, really: bool) -> None:
        if really:
            self.world.converge()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.world.converge()
            finally:
                self.world.close()

    def _change(self, changes: list[Change]) -> None:
        for name, *arguments in changes:
            getattr(self.world, str(name))(*arguments)

    def _run(self, how: str, fate: Fate) -> None:
        sees_all = how == "scan" and self.world.is_scanned_anew() and not fate.meddling
        result = self.world.run(how, fate)
        self.world.check_always()
        if sees_all and result is not None and result.exit_code is ExitCode.DONE:
            self.world.lost = False


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
