"""Every proof at full size, and docs/reliability.md from what it showed: tests, random kills, the state machine. Run: make chaos.

The end is 0 where every part passed. A part that fails is written down as failing, with how to repeat it; the others still run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from scripts.reliability import proof_files, record, short
from tests.faults.kills import Tally, play
from tests.real_s3 import running_server

ROOT = Path(__file__).resolve().parent.parent
KILLS_EACH = 25
"""Kills of one history."""

PIECE = 250
"""Examples of the state machine that one process tries; each piece has a seed of its own."""

AT_ONCE = 2


FULL = {"kills": 2_000, "machine": 10_000}
"""What is wanted of a whole run, however much of it is asked for."""


@dataclass(slots=True)
class Part:
    """What one part came to: how many cases of how many, what was found, and what there is to tell."""

    wanted: int
    seed: int | None = None
    done: int = 0
    failures: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is wanted, from which seed, and when a part has to stop (seconds, None: when it is through)."""

    kills: int
    examples: int
    seed: int
    seconds: float | None

    def share(self) -> float:
        """The moment at which the part that begins now has to stop taking on more."""
        return time.monotonic() + (self.seconds if self.seconds is not None else float("inf"))


# ---------------------------------------------------------------- random kills


def random_kills(limits: Limits) -> Part:
    part, until, tallies = Part(FULL["kills"], limits.seed), limits.share(), list[Tally]()
    began = time.monotonic()
    seeds = _seeds(limits.seed, -(-limits.kills // KILLS_EACH), until)
    with running_server() as server:
        try:
            for tally in play(server, seeds, KILLS_EACH):
                tallies.append(tally)
                part.done += tally.kills
                part.failures += [f"{finding}; {_again(tally.seed)}" for finding in short(tally.findings)]
                _say(f"random kills: {part.done:,} of {part.wanted:,}, {len(part.failures)} findings", began)
        except Exception as error:
            part.failures.append(f"the random kills broke off after seed {_last(tallies)}: {error!r}"[:500])
    part.facts = _facts(tallies, server.name)
    return part


def _seeds(first: int, count: int, until: float) -> Iterator[int]:
    for seed in range(first, first + count):
        if time.monotonic() > until:
            return
        yield seed


def _again(seed: int) -> str:
    return f"again with: python -m tests.faults.kills {seed} {KILLS_EACH}"


def _last(tallies: list[Tally]) -> int | None:
    return tallies[-1].seed if tallies else None


def _facts(tallies: list[Tally], server: str) -> list[str]:
    killed, effects = Counter[str](), Counter[str]()
    for tally in tallies:
        killed.update(tally.killed)
        effects.update(tally.effects)
    findings = [word for tally in tallies for word in (finding.partition(":")[0] for finding in tally.findings)]
    counted = ", ".join(f"{word} {findings.count(word)}" for word in ("lost", "extra", "wrong", "mixed", "duplicated"))
    return [
        f"random kills: {len(tallies)} histories, {sum(t.lives for t in tallies):,} processes, {sum(t.kills for t in tallies):,} "
        f"killed ({_list(killed)}), on {server}",
        f"their effects at the file manager: {_list(effects)}; {sum(t.replays for t in tallies):,} repeated calls answered from "
        f"memory, {sum(t.faults for t in tallies):,} calls spoiled; "
        f"compared with the model {sum(t.settled for t in tallies):,} times",
        f"lost, wrong and duplicated effects: {counted}",
    ]


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


# ---------------------------------------------------------------- state machine


def state_machine(limits: Limits) -> Part:
    part, until = Part(FULL["machine"], limits.seed), limits.share()
    began = time.monotonic()
    piece = PIECE if limits.seconds is None else 60
    seeds = _seeds(limits.seed, -(-limits.examples // piece), until)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for seed, words in _in_order(pool, seeds, piece):
            part.done += 0 if words else piece
            if words:
                part.failures.append(f"the state machine failed; again with: {_machine_line(seed, piece)}: {words}")
            _say(f"state machine: {part.done:,} of {part.wanted:,}, {len(part.failures)} failed pieces", began)
    return part


def _in_order(pool: ThreadPoolExecutor, seeds: Iterator[int], piece: int) -> Iterator[tuple[int, str]]:
    """Pieces as they end, `AT_ONCE` at a time, and the next seed only when one is free."""
    under_way = [(seed, pool.submit(_histories, seed, piece)) for seed in _some(seeds, AT_ONCE)]
    while under_way:
        seed, future = under_way.pop(0)
        yield seed, future.result()
        under_way += [(seed, pool.submit(_histories, seed, piece)) for seed in _some(seeds, 1)]


def _some(seeds: Iterator[int], count: int) -> list[int]:
    return [seed for _, seed in zip(range(count), seeds, strict=False)]


def _histories(seed: int, examples: int) -> str:
    """The last words of a piece that failed, else nothing."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "tests/property/test_state_machine.py",
        f"--hypothesis-seed={seed}",
    ]
    env = {**os.environ, "EXAMPLES": str(examples)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    kept = ROOT / "build" / f"chaos-machine-{seed}.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(done.stdout + done.stderr, "utf-8")
    return f"all of it in {kept.relative_to(ROOT)}"


def _machine_line(seed: int, examples: int) -> str:
    return f"EXAMPLES={examples} python -m pytest tests/property/test_state_machine.py --hypothesis-seed={seed}"


# ---------------------------------------------------------------- tests


def tests(limits: Limits) -> Part:
    files, began = proof_files(), time.monotonic()
    _say(f"the tests that prove a promise: {len(files)} files", began)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--junitxml", str(report), *files]
        env = {**os.environ, **({"FULL": "1"} if limits.seconds is None else {})}
        done = subprocess.run(command, cwd=ROOT, env=env, check=False)
        counted, failures = _counted(ElementTree.parse(report)) if report.exists() else ({}, [])
    failures += [f"{name} has no case" for name in files if name not in counted]
    if done.returncode and not failures:
        failures.append(f"pytest ended with {done.returncode}")
    cases = sum(file["cases"] for file in counted.values())
    return Part(cases, None, cases, failures, files=counted)


def _counted(report: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    files: dict[str, dict[str, Any]] = {}
    failures = []
    for case in report.iter("testcase"):
        name = _file_of(case.get("classname", ""))
        file = files.setdefault(name, {"cases": 0, "failed": 0, "skipped": 0, "seconds": 0.0})
        failed = case.find("failure") is not None or case.find("error") is not None
        file["cases"] += 1
        file["failed"] += failed
        file["skipped"] += case.find("skipped") is not None
        file["seconds"] = round(file["seconds"] + float(case.get("time", 0)), 2)
        if failed:
            failures.append(f"again with: python -m pytest {name} -k '{case.get('name')}'")
    return dict(sorted(files.items())), failures


def _file_of(classname: str) -> str:
    """The test file of a case, which for a case that is inherited is not the one where it is written."""
    words = classname.split(".")
    files = ["/".join(words[:end]) + ".py" for end in range(len(words), 0, -1)]
    return next((name for name in files if (ROOT / name).exists()), files[0])


# ---------------------------------------------------------------- all of it


RUNS: dict[str, Callable[[Limits], Part]] = {"tests": tests, "kills": random_kills, "machine": state_machine}


def run(names: Sequence[str], limits: Limits) -> list[str]:
    """Runs these parts, each written down as soon as it is through; all their failures."""
    failures = []
    for name in names:
        began = time.monotonic()
        part = RUNS[name](limits)
        figures = asdict(part) | {"date": time.strftime("%Y-%m-%d", time.gmtime()), "seconds": time.monotonic() - began}
        record(name, figures)
        failures += part.failures
    return failures


def _say(line: str, began: float) -> None:
    print(f"[{(time.monotonic() - began) / 60:5.1f} min] {line}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=FULL["kills"])
    parser.add_argument("--examples", type=int, default=FULL["machine"], help="histories of the state machine")
    parser.add_argument("--minutes", type=float, help="for all but the tests; the page says how far they came")
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS), help="these parts alone")
    parser.add_argument("--seed", type=int, default=int(time.time() // 86_400), help="the first one; default: today's")
    options = parser.parse_args()
    seconds = options.minutes * 60 / 2 if options.minutes else None
    failures = run(options.only, Limits(options.kills, options.examples, options.seed, seconds))
    for line in failures:
        print(f"FAILED: {line}")
    print(f"docs/reliability.md is written: {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
