"""The daemon for a long while under constant changes, faults and kills: what grows, and whether it converges. Run: make soak.

The end is 0 where the file manager holds in the end what the bucket holds, nothing was sent twice, and nothing grew too fast.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scripts import processes
from scripts.processes import Process
from scripts.reliability import record
from scripts.soak_figures import MB, Sample, sample, slopes
from tests.e2e.world import Bucket, s3_client, settings_for
from tests.faults.kills import FAULTS, SETTINGS
from tests.faults.lethal_api import LethalApi, lethal_api
from tests.faults.people import People
from tests.faults.truth import Truth
from tests.real_s3 import S3Server, running_server

ROOT = Path(__file__).resolve().parent.parent
WHOLE = 30.0
"""Minutes of a soak that counts as whole."""

TICK = 0.5
SAMPLED_EVERY = 5.0
TOLD_EVERY = 30.0
SHARE = 0.05
"""Of the calls of the mock API, those that are to go wrong."""

OBJECTS = 25
CONVERGED_WITHIN = 120.0
LEAVES_WITHIN = 30.0
OWN = {"SYNC_INTERVAL": "2", "SCAN_INTERVAL": "30", "STATUS_PORT": "0", "SNAPSHOT_RETENTION": "10"}
DEFECTS = ("Traceback", "an error of the program itself")
KILLED_UNTIL = 0.45
"""Share of the time in which the daemon is killed now and then; later it lives on, so that growth can be seen."""


@dataclass(slots=True)
class Outcome:
    """What the soak came to."""

    samples: list[Sample] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    kills: int = 0
    calls: int = 0
    faults: int = 0
    converged_in: float | None = None


class Soak:
    """One soak on servers that run. `endpoint` is where the daemon finds the S3 server, if a proxy stands before it."""

    def __init__(self, server: S3Server, api: LethalApi, folder: Path, seed: int, endpoint: str | None = None) -> None:
        self._api, self._folder = api, folder
        self._chance = random.Random(seed)
        self._client = s3_client(server)
        self._bucket = Bucket(self._client, f"soak-{time.monotonic_ns()}")
        self._truth = Truth()
        self._people = People(self._chance, self._bucket, api, self._truth)
        self._env = settings_for(server, self._bucket.name, api.url) | SETTINGS | OWN
        if endpoint is not None:
            self._env["CUSTOMER_S3_ENDPOINT"] = endpoint
        self._log = folder / "daemon.log"
        self._daemon: Process | None = None
        self._life = 0
        self._born = self._began = 0.0
        self.outcome = Outcome()

    def run(self, minutes: float, kills: int) -> Outcome:
        self._client.create_bucket(Bucket=self._bucket.name)
        self._people.settle_in(OBJECTS)
        self._began = time.monotonic()
        self._start()
        try:
            self._endure(minutes * 60, self._moments(minutes * 60, kills))
            self._kill()
            self._converge()
        finally:
            self._leave()
        self._judge()
        self._bucket.drop()
        self._client.close()
        return self.outcome

    def _moments(self, seconds: float, kills: int) -> list[float]:
        """When the daemon is killed, the last one first."""
        return sorted((self._chance.uniform(10, seconds * KILLED_UNTIL) for _ in range(kills)), reverse=True)

    # ------------------------------------------------------------ the daemon

    def _start(self) -> None:
        command = [sys.executable, "-m", "sync_service.main", "daemon", "-q"]
        passed = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._daemon = processes.start(
            command, self._log, {**passed, **self._env, "PYTHONPATH": str(ROOT), **self._place}
        )
        self._life += 1
        self._born = time.monotonic()

    @property
    def _place(self) -> dict[str, str]:
        return {"DATABASE_PATH": str(self._folder / "data" / "sync.db")}

    def _kill(self) -> None:
        """SIGKILL, and a new daemon at once."""
        assert self._daemon is not None
        os.kill(self._daemon.pid, signal.SIGKILL)
        processes.end(self._daemon, LEAVES_WITHIN)
        self.outcome.kills += 1
        self._start()

    def _leave(self) -> None:
        assert self._daemon is not None
        asked = time.monotonic()
        if not processes.end(self._daemon, LEAVES_WITHIN):
            self._find("the daemon had ended by itself")
        elif time.monotonic() - asked > LEAVES_WITHIN:
            self._find(f"the daemon did not leave within {LEAVES_WITHIN:.0f} s of SIGTERM")

    # ------------------------------------------------------------ the load

    def _endure(self, seconds: float, moments: list[float]) -> None:
        sampled = told = calls = 0.0
        while (now := time.monotonic() - self._began) < seconds:
            calls = self._disturb(calls)
            for _ in range(self._chance.randrange(4)):
                self._people.change()
            if moments and now >= moments[-1]:
                moments.pop()
                self._kill()
            if now - sampled >= SAMPLED_EVERY:
                sampled = now
                self._sample(now)
            if now - told >= TOLD_EVERY:
                told = now
                self._tell(now)
            time.sleep(TICK)

    def _disturb(self, before: float) -> float:
        """Faults for about `SHARE` of the calls that are to come, as many as have come since the last time; all calls so far."""
        counters = self._api.counters()
        self.outcome.calls = sum(sum(counts.values()) for counts in counters["calls_per_endpoint"].values())
        self.outcome.faults = counters["faults_fired"]
        recent = max(1, int(self.outcome.calls - before))
        owed = SHARE * (self.outcome.calls + recent) - self.outcome.faults
        self._api.remove_faults()
        for _ in range(min(10, max(0, round(owed)))):
            self._api.add_fault("*", nth=self._chance.randrange(1, recent + 1), **self._chance.choice(FAULTS))
        return self.outcome.calls

    def _sample(self, now: float) -> None:
        assert self._daemon is not None
        seen = sample(self._daemon.pid, self._folder / "data", now, self._life, time.monotonic() - self._born)
        if seen is not None:
            self.outcome.samples.append(seen)
        elif not self._daemon.alive:
            self._find(f"the daemon ended by itself: {self._log.read_text('utf-8', 'replace')[-2000:]}")
            self._start()

    def _tell(self, now: float) -> None:
        if not self.outcome.samples:
            return
        seen, outcome = self.outcome.samples[-1], self.outcome
        print(
            f"{now / 60:5.1f} min  life {self._life}  memory {seen.rss / MB:.1f} MB  handles {seen.handles}  "
            f"database {seen.database / MB:.2f} MB  snapshots {seen.snapshots / MB:.2f} MB  calls {outcome.calls:,}  "
            f"faults {outcome.faults / max(1, outcome.calls):.1%}",
            flush=True,
        )

    # ------------------------------------------------------------ the end

    def _converge(self) -> None:
        """Without further faults the daemon alone brings the file manager to the truth."""
        self._api.remove_faults()
        self._people.publish()
        began = time.monotonic()
        while left := self._truth.differences(self._api.files()):
            if time.monotonic() - began > CONVERGED_WITHIN:
                self.outcome.findings += left
                return
            time.sleep(TICK)
        self.outcome.converged_in = time.monotonic() - began

    def _judge(self) -> None:
        self.outcome.findings += self._truth.unknown(self._api.files())
        self.outcome.findings += self._truth.duplicates(self._api.effects_in_order())
        words = self._log.read_text("utf-8", "replace")
        self.outcome.findings += [f"the log has {defect!r}" for defect in DEFECTS if defect in words]
        if conflicts := self._api.counters()["key_conflicts"]:
            self._find(f"{conflicts} keys were used for another effect")

    def _find(self, finding: str) -> None:
        self.outcome.findings.append(finding)


def told(outcome: Outcome, minutes: float) -> tuple[list[str], bool]:
    """The end of it in lines, and whether all is well."""
    found = slopes(outcome.samples)
    lines = [f"after {minutes:g} minutes, {outcome.kills} kills, {outcome.calls:,} calls, "
             f"{outcome.faults / max(1, outcome.calls):.1%} of them spoiled:"]  # fmt: skip
    lines += [f"  {slope.line()}" for slope in found]
    done = outcome.converged_in
    lines.append("  NOT CONVERGED" if done is None else f"  converged {done:.0f} s after the last fault")
    lines += [f"  FOUND: {finding}" for finding in outcome.findings]
    return lines, done is not None and not outcome.findings and all(slope.well for slope in found)


def figures(outcome: Outcome, minutes: float, seed: int, lines: list[str]) -> dict[str, Any]:
    """What the page of figures keeps of it."""
    found = slopes(outcome.samples)
    steep = [slope.line() for slope in found if not slope.well]
    left = [] if outcome.converged_in is not None else ["it did not converge"]
    peak = max(one.rss for one in outcome.samples) / MB
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "seed": seed, "seconds": minutes * 60,
        "done": minutes, "wanted": WHOLE, "failures": [*outcome.findings[:20], *steep, *left],
        "facts": [f"soak {lines[0].rstrip(':')}; peak of resident memory {peak:.0f} MB; {lines[5].strip()}"],
        "slopes": [asdict(slope) | {"well": slope.well} for slope in found],
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=WHOLE)
    parser.add_argument("--kills", type=int, default=8, help="of the daemon, in the first half; one more at the end")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--write", action="store_true", help="put the figures into docs/reliability.md")
    parser.add_argument("--samples", type=Path, help="a file for every sample, as lines of JSON")
    options = parser.parse_args()
    print(f"soak of {options.minutes:g} minutes, seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="sync-soak-"))
    with running_server() as server, lethal_api(folder / "api") as api:
        outcome = Soak(server, api, folder, options.seed).run(options.minutes, options.kills)
    lines, well = told(outcome, options.minutes)
    print("\n".join(lines), flush=True)
    if options.samples:
        options.samples.write_text("".join(json.dumps(asdict(one)) + "\n" for one in outcome.samples))
    if options.write:
        record("soak", figures(outcome, options.minutes, options.seed, lines))
    if well:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
