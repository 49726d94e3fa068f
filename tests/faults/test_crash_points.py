"""The product dies at each of its named moments, and a new process brings everything to its end: nothing lost, nothing twice."""

from __future__ import annotations

import ast
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.e2e.product import ROOT
from tests.e2e.world import Bucket, s3_client, settings_for
from tests.faults import scenarios
from tests.faults.crash_world import CYCLE, INITIAL, PLAN, SCAN, Scenario, Theatre
from tests.faults.file_manager import FileManager
from tests.faults.lives import Life, Nursery
from tests.property.world import fast_folder
from tests.real_s3 import S3Server

pytestmark = [pytest.mark.real, pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")]

LANES = 2
ALL = os.environ.get("CRASH_POINTS") == "all"
"""Whether each passing of each name is a case; else the first ones of a name are (of a whole cycle: all)."""

STARTS: dict[str, tuple[list[str], Callable[[Theatre, Scenario], None]]] = {
    "initial": (INITIAL, scenarios.a_full_bucket),
    "cycle": (CYCLE, scenarios.changes_told),
    "scan": (SCAN, scenarios.changes_untold),
    "recovery": (CYCLE, scenarios.a_death),
    "changing": (CYCLE, scenarios.changes_told),
    "approval": (CYCLE, scenarios.deletes_approved),
    "plan": (PLAN, scenarios.changes_told),
}
GUARDED = {"MAX_DELETE": "0", "MAX_DELETE_PERCENT": "0"}


@pytest.fixture(scope="module")
def theatres() -> Iterator[list[Theatre]]:
    """As many stages as there are processors to play on, in memory where the system has such a place."""
    folder = fast_folder()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield [
            Theatre(folder / f"{lane}", stack.enter_context(closing(Nursery())), stack.enter_context(closing(manager)))
            for lane, manager in enumerate(FileManager() for _ in range(min(LANES, os.cpu_count() or 1)))
        ]


@pytest.fixture(scope="module")
def theatre(theatres: list[Theatre]) -> Theatre:
    """One stage, for what is played once."""
    return theatres[0]


@pytest.fixture(scope="module")
def start(theatres: list[Theatre], s3_server: S3Server) -> Iterator[Callable[[str], Scenario]]:
    """Gives the scenarios by name, each made once, with a bucket of its own that goes with the module."""
    client, made = s3_client(s3_server), {}

    def give(name: str) -> Scenario:
        if name not in made:
            bucket = Bucket(client, f"crash-{os.getpid()}-{name}")
            client.create_bucket(Bucket=bucket.name)
            made[name] = _scenario(theatres[0], name, bucket, settings_for(s3_server, bucket.name, ""))
        return made[name]

    yield give
    for scenario in made.values():
        scenario.bucket.drop()
    client.close()


def _scenario(theatre: Theatre, name: str, bucket: Bucket, settings: dict[str, str]) -> Scenario:
    command, lay = STARTS[name]
    settings |= {"MAX_WORKERS": "2", "SNAPSHOT_RETENTION": "1", "DATABASE_PATH": "data/sync.db"}
    return theatre.scenario(command, bucket, settings | (GUARDED if name == "approval" else {}), lay)


# ---------------------------------------------------------------- dying


def die_everywhere(
    theatres: Sequence[Theatre], scenario: Scenario, each: int | None = None, only: str | None = None, **switches: Any
) -> int:
    """Dies at the first moment, the second, ... until a run passes without dying; how often it died."""
    over = Event()

    def play(theatre: Theatre, first: int) -> int:
        try:
            moments = itertools.takewhile(lambda _: not over.is_set(), itertools.count(first, len(theatres)))
            fate = {"each": None if ALL else each, "only": only}
            return _die_at_each_of(theatre, scenario, moments, fate, switches)
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(len(theatres)) as lanes:
        return sum(lanes.map(play, theatres, itertools.count(1)))


def _die_at_each_of(
    theatre: Theatre, scenario: Scenario, moments: Iterable[int], fate: dict[str, Any], switches: dict[str, Any]
) -> int:
    died = 0
    for moment in moments:
        theatre.lay(scenario, **switches)
        life = theatre.live(scenario, scenario.command, die_at=moment, **fate)
        if not life.died:
            assert life.codes == [0], life.said
            break
        recover(theatre, scenario, life, memory=not switches)
        died += 1
    return died


def recover(theatre: Theatre, scenario: Scenario, life: Life, memory: bool = True) -> None:
    """A new process finishes what that life has left; `memory`: the server knows the keys that it has seen."""
    with noted(life):
        theatre.check_dead(scenario)
        recovered = theatre.live(scenario, *theatre.recovery(scenario))
        assert recovered.codes == [0, 0], recovered.said
        theatre.check_recovered(scenario, memory)


@contextmanager
def noted(life: Life) -> Iterator[None]:
    """Says of what fails in the block where that life had ended."""
    try:
        yield
    except AssertionError as failed:
        failed.add_note(f"the life ended at moment {len(life.passed)}, behind: {life.passed[-6:]}")
        raise


@pytest.mark.parametrize(("name", "each"), [("initial", 2), ("cycle", None), ("scan", 2)])
def test_dies_at_every_moment(
    name: str, each: int | None, theatres: list[Theatre], start: Callable[[str], Scenario]
) -> None:
    """Wherever a process ends for good, a new one finishes the work: nothing lost, wrong, or done twice."""
    died = die_everywhere(theatres, start(name), each)
    assert died > 50


def test_dies_again_while_it_recovers(theatres: list[Theatre], start: Callable[[str], Scenario]) -> None:
    """The process that settles what a death has left dies as well, at each of its moments."""
    died = die_everywhere(theatres, start("recovery"), 1)
    assert died > 30


def test_dies_before_a_server_that_forgets(theatres: list[Theatre], start: Callable[[str], Scenario]) -> None:
    """Where the file manager knows no idempotency keys, everything comes to the same state all the same."""
    died = die_everywhere(theatres, start("cycle"), 1, no_idempotency=True)
    assert died > 30


@pytest.mark.parametrize(
    ("moment", "least"), [("changes about to be committed", 6), ("changes committed", 6), ("requests recorded", 2)]
)
def test_dies_with_a_persons_yes(
    moment: str, least: int, theatres: list[Theatre], start: Callable[[str], Scenario]
) -> None:
    """Deletes that a person agreed to go through, and nobody is asked again, wherever the process dies that was to do it."""
    assert die_everywhere(theatres, start("approval"), only=moment) >= least


def test_dies_and_the_world_goes_on(theatre: Theatre, start: Callable[[str], Scenario]) -> None:
    """Each answer in turn is lost with the process, and the bucket is another one when the next process looks at it."""
    scenario = start("changing")
    for died in itertools.count():
        theatre.lay(scenario)
        life = theatre.live(scenario, CYCLE, die_at=died + 1, only="answer's headers received")
        if not life.died:
            break
        with noted(life), scenarios.the_world_goes_on(theatre, scenario) as wanted:
            recovered = theatre.live(scenario, CYCLE, CYCLE)
            assert recovered.codes == [0, 0], recovered.said
            assert {path: file["sha256"] for path, file in theatre.manager.state().items()} == wanted
            theatre.check_at_rest()
    assert died > 12


@pytest.mark.parametrize("moment", ["before backup renamed", "after backup renamed", "before file renamed"])
def test_dies_while_it_plans(moment: str, theatre: Theatre, start: Callable[[str], Scenario]) -> None:
    """A dry run works on a copy of the catalogue: one that dies has changed nothing, neither here nor there."""
    scenario = start("plan")
    theatre.lay(scenario)
    life = theatre.live(scenario, PLAN, die_at=1, only=moment)
    assert life.died
    assert not theatre.manager.effects()
    recover(theatre, scenario, life)


def test_is_told_to_stop_at_each_moment(theatre: Theatre, start: Callable[[str], Scenario]) -> None:
    """SIGTERM wherever it comes: the run hands back what is under way, says 143, and the next one finishes the work."""
    scenario = start("cycle")
    for moment in itertools.count(1, 1 if ALL else 3):
        life = stopped(theatre, scenario, moment)
        if len(set(life.passed)) < moment:
            break
        assert life.stopped or life.codes == [0], life.said
        recover(theatre, scenario, life)
    assert moment > 40


def stopped(theatre: Theatre, scenario: Scenario, moment: int) -> Life:
    """A life that is told to stop at that moment."""
    theatre.lay(scenario)
    return theatre.live(scenario, scenario.command, stop_at=moment, each=1)


# ---------------------------------------------------------------- the names


def test_every_name_is_passed(theatres: list[Theatre], start: Callable[[str], Scenario]) -> None:
    """No named moment is dead: undisturbed runs, a recovery and a stop pass all that the code names, and no other."""
    for name in STARTS:
        start(name)
    stopped(theatres[0], start("cycle"), 20)
    passed = set().union(*(theatre.passed for theatre in theatres))
    assert sorted(passed) == sorted(named_moments())


def named_moments() -> set[str]:
    """Every moment that the product's code names."""
    found: set[str] = set()
    for file in (ROOT / "sync_service").rglob("*.py"):
        found |= _named_in(file)
    return found


def _named_in(file: Path) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
    named = [(call.func.id, call.args) for call in calls if isinstance(call.func, ast.Name)]
    passings = {ast.literal_eval(*arguments) for name, arguments in named if name == "passing"}
    points = {ast.literal_eval(*arguments) for name, arguments in named if name == "point"}
    return passings | {f"{when} {name}" for name in points for when in ("before", "after")}
