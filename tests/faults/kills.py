"""Random kills: histories in which the product dies again and again while others change things, and what must hold all the same.

One history by hand: python -m tests.faults.kills SEED [KILLS]
"""

from __future__ import annotations

import queue
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.world import Bucket, s3_client, settings_for
from tests.faults.lethal_api import WAYS, LethalApi, lethal_api
from tests.faults.people import People
from tests.faults.preloaded import Ended, Life, Preloaded, preloaded
from tests.faults.truth import SHORT, Truth
from tests.real_s3 import S3Server, running_server

COMMANDS = {"incremental-sync": 60, "scan": 25, "daemon": 10, "initial-sync": 5}
"""How often each is run once the first sync is through, in a hundred."""

OBJECTS = 25
FIRST_KILLS = 6
"""Deaths in the first sync, at the most."""

LONGEST_LIFE = 4.0
"""Seconds after which a daemon that nothing has killed yet is killed by hand."""

FORGETFUL = ("no_idempotency", "no_sha256", "null_internal_id")
"""Ways of a server in the field, which each fourth history meets: it cannot know that an effect comes a second time."""

WELL = {0, 3, 5}
"""Exit codes of runs under faults: done, partly, temporary. Anything else is a finding."""

FAULTS: list[dict[str, Any]] = [
    {"status": 503},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 500, "apply": True},
    {"reset": "before"},
    {"reset": "after"},
    {"html": True},
    {"truncate": 20},
    {"short_store": SHORT},
    {"delay": 0.2},
    {"delay": 0.2, "apply": True, "status": 504},
]
SETTINGS = {
    "RETRY_DELAY": "0.02",
    "MAX_ATTEMPTS": "100000",
    "MAX_DELETE": "100000",
    "SYNC_INTERVAL": "1",
    "LOG_LEVEL": "error",
    "LOG_FORMAT": "console",
    "SNAPSHOT_RETENTION": "3",
}
"""Quick to give up, and never past help: quarantine and held deletes wait for a person, whom these histories do not have."""

VARIED = {"MAX_WORKERS": ["1", "3", "10"], "MAX_RETRIES": ["0", "1", "3"], "SNAPSHOT_SCOPE": ["touched", "full"]}


@dataclass(slots=True)
class Tally:
    """What one history came to."""

    seed: int
    kills: int = 0
    lives: int = 0
    settled: int = 0
    seconds: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    replays: int = 0
    faults: int = 0
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """What all histories share: servers that run, and the parent of the product's processes."""

    server: S3Server
    strict: LethalApi
    forgetful: LethalApi
    parent: Preloaded
    client: Any
    folder: Path


@contextmanager
def stage(server: S3Server) -> Iterator[Stage]:
    """A stage on this S3 server, gone with the block."""
    folder = Path(tempfile.mkdtemp(prefix="sync-kills-"))
    client = s3_client(server)
    try:
        with (
            lethal_api(folder / "strict") as strict,
            lethal_api(folder / "forgetful", *FORGETFUL) as forgetful,
            preloaded() as parent,
        ):
            yield Stage(server, strict, forgetful, parent, client, folder)
    finally:
        client.close()
        shutil.rmtree(folder, ignore_errors=True)


class History:
    """A bucket, a first sync and what follows, with so many kills. `play` tells what was found."""

    def __init__(self, stage: Stage, seed: int, kills: int, endpoint: str | None = None) -> None:
        """`endpoint` is where the product finds the S3 server, if not where it is: a proxy that makes faults of its own."""
        self._remembers = seed % 4 != 0
        self._stage, self._api = stage, stage.strict if self._remembers else stage.forgetful
        self._chance = random.Random(seed)
        self._wanted = kills
        self._bucket = Bucket(stage.client, f"kills-{seed}-{time.monotonic_ns()}")
        self._folder = stage.folder / self._bucket.name
        self._env = settings_for(stage.server, self._bucket.name, self._api.url) | SETTINGS
        self._env |= {name: self._chance.choice(values) for name, values in VARIED.items()}
        if endpoint is not None:
            self._env["CUSTOMER_S3_ENDPOINT"] = endpoint
        self._truth = Truth()
        self._people = People(self._chance, self._bucket, self._api, self._truth)
        self._begun = False
        self._typical: dict[str, float] = {}
        self.tally = Tally(seed)

    def play(self) -> Tally:
        began = time.monotonic()
        self._begin()
        try:
            self._play()
        except AssertionError as error:
            self._find(str(error))
        self._end()
        self.tally.seconds = time.monotonic() - began
        return self.tally

    def _play(self) -> None:
        while self.tally.kills < self._wanted and not self.tally.findings:
            self._live()
            self._look()
            if self._chance.random() < 0.06 if self._begun else self.tally.kills >= FIRST_KILLS:
                self._settle()
        if not self.tally.findings:
            self._settle()

    def _begin(self) -> None:
        self._folder.mkdir()
        self._api.reset()
        self._stage.client.create_bucket(Bucket=self._bucket.name)
        self._people.settle_in(OBJECTS)

    def _end(self) -> None:
        self._count()
        self._bucket.drop()
        if not self.tally.findings:
            shutil.rmtree(self._folder, ignore_errors=True)

    # ------------------------------------------------------------ one life

    def _live(self) -> None:
        """A run that is to be killed, with faults, while others change things."""
        command = self._command()
        self._arm()
        began = time.monotonic()
        life = self._start(command)
        way, death = self._sentence(life, command)
        for _ in range(self._chance.randrange(8)):
            self._people.change()
        if not life.wait(began + death - time.monotonic()):
            life.kill()
        ended = life.end()
        self._api.spare()
        self._note(command, way, ended, time.monotonic() - began)

    def _command(self) -> str:
        if not self._begun:
            return "initial-sync"
        return self._chance.choices(list(COMMANDS), list(COMMANDS.values()))[0]

    def _sentence(self, life: Life, command: str) -> tuple[str, float]:
        """How and when, in seconds from the start, this life is to end: at a request, or at a moment of its usual length."""
        if self._chance.random() < 0.65:
            way, nth = self._chance.choice(WAYS), int(self._chance.choice([3, 10, 30]) * self._chance.random()) + 1
            self._api.kill_at(life.pid, nth, way)
            return way, LONGEST_LIFE
        longest = LONGEST_LIFE / 2 if command == "daemon" else 1.1 * self._typical.get(command, 0.5)
        return "moment", self._chance.random() * longest

    def _arm(self) -> None:
        """New faults for this life; those of the last one that have not struck are gone."""
        self._api.remove_faults()
        endpoints = ["saveToDisk", "saveToDisk", "updatePermissions", "pubSubFullList", "reportResults"]
        for _ in range(self._chance.choice([0, 0, 1, 2, 4])):
            endpoint, nth = self._chance.choice(endpoints), self._chance.randrange(1, 12)
            self._api.add_fault(endpoint, nth=nth, **self._chance.choice(FAULTS))

    def _start(self, command: str) -> Life:
        words = self._folder / f"{self.tally.lives:05}.txt"
        self.tally.lives += 1
        return self._stage.parent.start([command, "-q"], self._env, self._folder, words)

    def _note(self, command: str, way: str, ended: Ended, seconds: float) -> None:
        if "Traceback" in ended.said or not (ended.killed or ended.code in WELL):
            self._find(f"{command} ended with {ended.code}: {ended.said[-2000:]}")
        elif ended.killed:
            self.tally.kills += 1
            self.tally.killed.update({f"in {command}": 1, f"at {way}": 1})
        else:
            self._typical[command] = (self._typical.get(command, seconds) + seconds) / 2
            self._begun = self._begun or ended.code == 0

    # ------------------------------------------------------------ what must hold

    def _look(self) -> None:
        """Holds after each death."""
        for finding in self._truth.unknown(self._api.files()):
            self._find(finding)

    def _settle(self) -> None:
        """Without further faults, runs alone bring the file manager to what is true; then an idle run does nothing."""
        self.tally.settled += 1
        self._api.remove_faults()
        self._people.publish()
        self._well("incremental-sync" if self._begun else "initial-sync")
        self._begun = True
        self._well("incremental-sync")
        if self._truth.untold:
            # A scan that goes on where one was cut off has passed some keys already.
            self._well("scan")
            self._well("scan")
            self._truth.untold = False
        self._check()
        effects = self._api.effects()
        self._well("incremental-sync")
        if self._api.effects() != effects:
            self._find(f"an idle run has effects: {effects} became {self._api.effects()}")

    def _well(self, command: str) -> None:
        ended = self._start(command).end()
        if ended.code != 0 or ended.said:
            self._find(f"without faults {command} ended with {ended.code}: {ended.said[-2000:]}")

    def _check(self) -> None:
        files = self._api.files()
        for finding in self._truth.unknown(files) + self._truth.differences(files):
            self._find(finding)
        if self._remembers:
            for finding in self._truth.duplicates(self._api.effects_in_order()):
                self._find(finding)
        if conflicts := self._api.counters()["key_conflicts"]:
            self._find(f"{conflicts} keys were used for another effect")

    def _find(self, finding: str) -> None:
        self.tally.findings.append(f"{finding} (after {self.tally.kills} kills)")

    def _count(self) -> None:
        counters: Mapping[str, Any] = self._api.counters()
        self.tally.effects.update(counters["effects"])
        self.tally.replays += counters["idempotent_replays"]
        self.tally.faults += counters["faults_fired"]


def play(server: S3Server, seeds: Iterable[int], kills: int, stages: int = 3) -> Iterator[Tally]:
    """The histories of `seeds` with so many kills each, so many at a time; each tally as soon as it is there.

    `seeds` is asked for the next one when a stage is free. A history mostly waits for processes: threads are enough.
    """
    waiting, one_at_a_time = iter(seeds), threading.Lock()

    def work() -> Iterator[Tally]:
        with stage(server) as own:
            while True:
                with one_at_a_time:
                    seed = next(waiting, None)
                if seed is None:
                    return
                yield History(own, seed, kills).play()

    yield from _merged([work] * stages)


def _merged(works: Sequence[Callable[[], Iterator[Tally]]]) -> Iterator[Tally]:
    """What all of them yield, each in a thread of its own. Raises what one of them has raised."""
    found: queue.Queue[Tally | BaseException | None] = queue.Queue()

    def run(work: Callable[[], Iterator[Tally]]) -> None:
        try:
            for tally in work():
                found.put(tally)
            found.put(None)
        except BaseException as error:
            found.put(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    left = len(threads)
    while left:
        tally = found.get()
        if isinstance(tally, BaseException):
            raise tally
        if tally is None:
            left -= 1
        else:
            yield tally


def main(seed: int, kills: int) -> int:
    with running_server() as server:
        [tally] = play(server, [seed], kills, stages=1)
    print(tally)  # noqa: T201
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 25))
