"""The stage for deaths: scenarios that are laid anew for each case, and what must hold after a death and after recovery."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.world import Bucket, digest
from tests.faults.file_manager import FileManager, State
from tests.faults.lives import Life, Nursery

INITIAL, CYCLE, SCAN, PLAN = ["initial-sync"], ["incremental-sync"], ["scan"], ["plan"]
Effects = dict[str, dict[str, int]]


@dataclass
class Scenario:
    """A start (the product's folder and the file manager's), the command that dies on it, and what has to come of it."""

    command: list[str]
    bucket: Bucket
    environment: dict[str, str]
    work: Path
    store: Path
    bodies: dict[str, str] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    effects: Effects = field(default_factory=dict)

    def put(self, key: str, body: bytes, **metadata: str) -> None:
        """Someone writes an object; `bodies` knows every version by its ETag."""
        self.bucket.put(key, body, **metadata)
        self.bodies[hashlib.md5(body, usedforsecurity=False).hexdigest()] = digest(body)


class Theatre:
    """Plays scenarios, again and again, on one place in the file system and one file manager."""

    def __init__(self, folder: Path, nursery: Nursery, manager: FileManager) -> None:
        self.folder, self.nursery, self.manager = folder, nursery, manager
        self.work, self.store = folder / "work", folder / "store"
        self.passed: set[str] = set()
        self._numbers = 0

    # ------------------------------------------------------------ starts

    def scenario(
        self, command: list[str], bucket: Bucket, environment: dict[str, str], lay: Callable[[Theatre, Scenario], None]
    ) -> Scenario:
        """A new scenario from empty folders; `lay` says what happens before its command. Played once undisturbed."""
        self._numbers += 1
        start = self.folder / f"start-{self._numbers}"
        made = Scenario(command, bucket, environment, start / "work", start / "store")
        self._enter(made.work, made.store)
        lay(self, made)
        self.manager.api.reset("counters")
        self.manager.shut()
        self.lay(made)
        life = self.live(made, made.command, CYCLE, CYCLE)
        assert life.codes == [0, 0, 0], life.said
        made.state, made.effects = self.manager.state(), self.manager.effects()
        assert {path: file["sha256"] for path, file in made.state.items()} == bucket.digests()
        return made

    def lay(self, scenario: Scenario, **switches: Any) -> None:
        """The scenario's start once more: nothing of an earlier case is left."""
        self.manager.shut()
        for start, place in ((scenario.work, self.work), (scenario.store, self.store)):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(start, place)
        self.manager.open(self.store, **switches)

    def _enter(self, work: Path, store: Path) -> None:
        work.mkdir(parents=True)
        self.manager.shut()
        self.manager.open(store)

    # ------------------------------------------------------------ lives

    def live(self, scenario: Scenario, *runs: Sequence[str], place: Path | None = None, **fate: Any) -> Life:
        """A new process, on what the last one has left."""
        environment = {**scenario.environment, "MOCK_API_URL": self.manager.api.url, "TMPDIR": str(self.folder)}
        life = self.nursery.run(place or self.work, environment, *runs, **fate)
        self.passed |= set(life.passed)
        self.manager.settle()
        return life

    def recovery(self, scenario: Scenario) -> list[list[str]]:
        """What brings a dead run to its end: cycles alone, but where first sync or scan had not come to their own end."""
        if scenario.command == INITIAL:
            return [INITIAL, CYCLE]
        if scenario.command == SCAN and not self._scanned(scenario):
            return [SCAN, CYCLE]
        return [CYCLE, CYCLE]

    def _scanned(self, scenario: Scenario) -> bool:
        return self._last_scan(self.work) != self._last_scan(scenario.work)

    def _last_scan(self, work: Path) -> str | None:
        with self.catalogue(work) as rows:
            found: str | None = rows.execute("SELECT finished_at FROM scans").fetchone()[0]
            return found

    @contextmanager
    def catalogue(self, work: Path | None = None) -> Iterator[sqlite3.Connection]:
        """A copy of the catalogue: a look at the file itself would tidy up what the dead have left."""
        copy = self.folder / "look"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in ((work or self.work) / "data").glob("sync.db*"):
            shutil.copy(file, copy)
        with closing(sqlite3.connect(copy / "sync.db")) as connection:
            yield connection

    # ------------------------------------------------------------ what must hold

    def check_dead(self, scenario: Scenario) -> None:
        """Nothing counts as delivered that is not there, and every file under its name is whole."""
        self._check_snapshots()
        held = self.manager.state()
        for path, etag in self._certain():
            assert path in held, f"{path} counts as delivered and is not there"
            assert held[path]["sha256"] == scenario.bodies[etag], f"{path} counts as delivered with other bytes"

    def check_recovered(self, scenario: Scenario, effects: bool = True) -> None:
        """The file manager holds what the source holds, by each effect once; nothing is left, and an idle cycle does nothing."""
        assert self.manager.state() == scenario.state
        self.check_at_rest()
        assert not effects or _once(self.manager.effects()) == _once(scenario.effects), "an effect under two keys"

    def check_at_rest(self) -> None:
        """Nothing is left to do or to tell, and the cycle that has just found nothing to do has done nothing."""
        assert not self.manager.idle_changes(), "an idle cycle changes something"
        with self.catalogue() as rows:
            for left in (
                "touched",
                "delivered WHERE doubt IS NOT NULL",
                "failures",
                "runs WHERE report IS NOT NULL AND reported = 0",
            ):
                assert not rows.execute(f"SELECT * FROM {left}").fetchall(), left
        self._check_snapshots()

    def _check_snapshots(self) -> None:
        for manifest in (self.work / "data" / "snapshots").glob("*-manifest.json"):
            for file in json.loads(manifest.read_text())["files"]:
                content = (manifest.parent / file["name"]).read_bytes()
                assert digest(content) == file["sha256"], f"{file['name']} is not what its manifest says"

    def _certain(self) -> list[tuple[str, str]]:
        """(path, ETag) of what the catalogue takes for delivered."""
        if not (self.work / "data" / "sync.db").exists():
            return []
        with self.catalogue() as rows:
            assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            if not rows.execute("SELECT 1 FROM sqlite_master WHERE name = 'delivered'").fetchone():
                return []
            settled = "SELECT file_path, etag FROM delivered WHERE doubt IS NULL AND etag NOT IN ('', '?')"
            return rows.execute(settled).fetchall()


def _once(effects: Effects) -> Effects:
    """A new path's permissions may be told before its content and again after it: one value, two calls by design."""
    return {
        path: counts | {"set_permissions": 1} if {"create", "set_permissions"} <= counts.keys() else counts
        for path, counts in effects.items()
    }
