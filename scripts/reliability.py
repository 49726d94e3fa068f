"""docs/reliability.md: the promises, the proof of each, and the figures of the last runs, which are kept beside it as JSON.

Run by itself (python -m scripts.reliability) it writes the page anew from the figures.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "reliability.json"
Figures = Mapping[str, Any]

PARTS = {"kills": "random kills", "machine": "state machine", "tests": "tests", "soak": "soak, minutes"}
"""What there are figures of: each a date, a seed, how many cases of how many wanted, seconds, failures and facts in lines."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise of the design, and what proves it: test files (patterns), `kills`, `machine`, `soak`."""

    number: int
    text: str
    proofs: tuple[str, ...]


PROMISES = (
    Promise(
        1,
        "No acknowledged event is lost; after the last fault, cycles alone bring the destination to the source.",
        (
            "kills",
            "machine",
            "soak",
            "tests/property/test_once_failed.py",
            "tests/faults/test_crash*.py",
            "tests/faults/test_api*.py",
            "tests/faults/test_full_disk.py",
            "tests/e2e/test_restore.py",
            "tests/property/test_restored.py",
        ),
    ),
    Promise(
        2,
        "Replaying any part of a log, any number of times, in any order, gives the same state.",
        ("machine", "tests/property/test_replay_order.py", "tests/unit/services/test_event_*.py"),
    ),
    Promise(
        3,
        "`delivered` changes only after a verified answer; final bytes are those of one source version, never a mix.",
        (
            "kills",
            "machine",
            "tests/unit/services/test_courier.py",
            "tests/unit/services/delivery/test_*.py",
            "tests/unit/services/test_late_looks.py",
            "tests/unit/destinations/test_file_manager.py",
            "tests/contracts/test_destination_*.py",
            "tests/faults/test_s3*.py",
        ),
    ),
    Promise(
        4,
        "No delete after an incomplete or suspicious listing; no key names anything outside its destination's root.",
        (
            "tests/unit/services/test_scanner.py",
            "tests/unit/services/test_late_looks.py",
            "tests/unit/services/test_guard.py",
            "tests/e2e/test_keys.py",
            "tests/faults/test_s3*.py",
            "tests/faults/test_listings.py",
            "tests/faults/test_real_buckets.py",
        ),
    ),
    Promise(
        5,
        "Poison input affects itself alone: bounded attempts, quarantine, a named error, a command to retry.",
        (
            "machine",
            "tests/e2e/test_bad_input.py",
            "tests/faults/test_api*.py",
            "tests/unit/event_logs/test_*.py",
            "tests/unit/services/test_bad_objects.py",
            "tests/unit/services/test_endless_logs.py",
            "tests/unit/services/test_requests.py",
            "tests/unit/catalogue/test_problems.py",
        ),
    ),
    Promise(
        6,
        "One writer per catalogue; clock jumps change scheduling only.",
        (
            "tests/unit/catalogue/test_lock.py",
            "tests/unit/catalogue/test_server_lock.py",
            "tests/unit/services/test_scheduler.py",
            "tests/unit/catalogue/test_damage.py",
            "tests/faults/test_catalogue_damage.py",
        ),
    ),
    Promise(
        7,
        "Memory and disk are bounded, whatever the number and size of objects; what is kept has a retention.",
        ("soak", "tests/unit/services/test_snapshot_files.py", "tests/unit/services/test_cycle_cost.py"),
    ),
    Promise(
        8,
        "No secret in a log, a traceback, a CSV, a label, an argument list or a page.",
        (
            "tests/faults/test_canary.py",
            "tests/faults/test_text_safety.py",
            "tests/unit/reporting/test_*.py",
            "tests/unit/models/test_config.py",
            "tests/unit/web/test_*.py",
            "tests/e2e/test_main_job.py",
        ),
    ),
    Promise(
        9,
        "SIGTERM: what is in flight is finished or handed back within 30 s, then a clean exit; a second one leaves at once.",
        ("soak", "tests/e2e/test_daemon.py", "tests/faults/test_crash*.py"),
    ),
)


def proof_files() -> list[str]:
    """Every test file that proves a promise, and all of tests/faults and tests/property, but for what runs by itself."""
    alone = {"tests/faults/test_random_kills.py", "tests/property/test_state_machine.py"}
    wanted = [pattern for promise in PROMISES for pattern in promise.proofs if "/" in pattern]
    wanted += ["tests/faults/**/test_*.py", "tests/property/test_*.py"]
    found = {str(path.relative_to(ROOT)) for pattern in wanted for path in ROOT.glob(pattern)}
    return sorted(found - alone)


def record(part: str, figures: Figures) -> None:
    """Puts the figures of one part (of `PARTS`) in the place of its last ones, and writes the page anew."""
    known = {**_known(), part: figures}
    FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
    PAGE.write_text(page(known), "utf-8")


def _known() -> dict[str, Any]:
    known: dict[str, Any] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    return known


# ---------------------------------------------------------------- the page


def page(known: Figures) -> str:
    """The whole page from the figures, without asking anything else."""
    parts = [HEAD, _verdict(known), _promises(known), _parts(known), _failures(known), _soak(known.get("soak"))]
    return "\n".join([*parts, HOLES, TAIL, _files(known)]) + "\n"


HEAD = """# Reliability: the promises, and the proof of each

Written by `make chaos` and `make soak ARGS=--write`; not by hand. The figures are those of the last runs, whatever they showed.
"""

HOLES = """## Holes that these proofs have found, and how they were closed

- *Random kills, with one worker.* Ten objects in a row that had changed since they were listed ended the run: "the
  destination does not answer". Now a source that has moved on counts neither as an answer of the destination nor as its
  silence.
- *Random kills.* An object that was deleted and put again, its second event lost, kept the permissions of the old one
  for ever: the scan listed it, a listing tells no attributes, and its old id made it an update, which sends none. Now a
  scan looks at each listed key that is new to it and that the destination holds.
- *State machine.* A row whose delete was to make room for a rename was planned again while that delete was in doubt,
  and the second attempt's failure took the doubt away: the catalogue held a path that the file manager did not. Nothing
  new is planned for a row in doubt, and each row is tried once a round.
- *State machine.* A row that had looked at a later object under its old path took that object's permissions to the new
  one. What only the metadata of another object said stays behind.
- *Replay.* A log without ids and cursor, with the same permissions set twice in it, ended at the older value when it
  was read again; permissions for an object whose HEAD failed were lost; where events are trusted, an event about an
  object that could not be looked at counted as a delete. Each telling is remembered, wishes wait with their key,
  silence is no word.
- *Deaths at named moments.* A snapshot's CSVs went before its manifest; a person's request was taken away before it was
  recorded. Manifests go first, requests last.
- *S3 faults.* A bare 404 to a HEAD was believed, so a proxy without its server deleted rows; a listing that
  contradicted itself was gone on with; wrong bytes of the right length were confirmed. A 404 needs S3's own word, such
  a scan begins anew, and bodies are compared with the MD5 that their ETag is.
- *Canary, beside a run.* A reload of the settings met the transaction of the run that was under way, and was refused.
  The catalogue's id is asked for once. Tokens were masked after a message was cut, which left their beginning: they are
  taken out first.
- *Disk faults.* On a full disk the state was still UP_TO_DATE, since the run could not be recorded. The reason goes
  into the lock file's room, which is there already.
- *Tests from outside, by the contract alone, and a reading of the core by others.* Objects that failed, at the source or at
  the destination, were taken for silence: twenty of them at the head of a cycle starved everything behind them, for ever,
  and were never set aside. Now what has failed goes last, the destination is asked whether it is well, and failures count
  once anything of that run was answered.
- *The same.* A look at a changed object overwrote what an event had recorded meanwhile, and a plan named a path that the row
  had just left: one lost object and wrong deletes, without any fault. Whoever came later keeps the word.
- *The same.* A 404 was believed of anybody: a wrong address made a first sync of nothing a success, and an hour of it
  forgot deletes and renames. Now the file manager has to be there, and to have what it has confirmed.
- *The same.* A scan of another bucket that failed had found nothing to delete, so that bucket was accepted, and its next
  scan deleted without a guard. A source is accepted by a complete scan alone; suspicion is noted before events are read.
- *The same.* Deletes that were held for days went out although the object had come back untold: each is looked at again.
- *The same.* A person's yes given twice stopped every later run; a cursor that the log had forgotten, and a log without
  an end, ended the reading for good; a row that was missing twice ended every scan; PostgreSQL's lock could be lost in silence.
- *Tried from outside once more.* A key whose HEAD failed in eleven cycles was forgotten, with exit 0 and UP_TO_DATE; one such
  key ended every scan. It is looked at until there is an answer, and counts as failed; a scan notes it and goes on.
- *The same.* What a server stored wrong each time was sent up to ten times a run, for ever: each repair is a new revision, and
  its failures were those of another one. They are counted on; a catalogue that was emptied was taken for a new one.
- *Tried from outside a third time.* Held deletes went out by themselves as soon as they were few enough, or the emptied bucket
  had one object again. What was held once waits for a person's yes, or for its objects.
- *The same.* Permissions that a log with cursors had told of before the first sync, or that were not read when the catalogue was
  lost, were never sent. The log is read up to its position for what it has asked.
- *The same.* `plan FILE` overwrote any file, the catalogue too; closed standard streams ended commands with an abort; events
  of our own dialect about keys that begin with a slash lost the file until the next scan; a stopped run was called failed.
- *Random kills.* A death while SQLite made the file, before its WAL, left a journal, and every later start ended with "the
  catalogue cannot be written": it is read in a way that lets SQLite take back what was begun.
- *Random kills.* One file in 2,000 deaths was created once more although it was there (nothing lost or wrong). A rename in
  doubt was looked for at its new path and then at its old one; when the call of the process that had died arrived between
  the two, it was on neither, and its row was forgotten. The old path is asked first now. (That this was the cause is
  concluded from the code; the finding itself did not show again.)
"""

TAIL = """## What mutations of the core have shown

mutmut 3.8.1 changed the five modules that decide what is sent, one place at a time; the share is of all mutants of the file.
Measured on 26 November 2026, before the modules were divided anew on the same day.

| module | mutants | killed | share |
|---|---|---|---|
| `guard.py` | 34 | 34 | 100 % |
| `planner.py` | 294 | 288 | 98.0 % |
| `csv_processor.py` | 286 | 273 | 95.5 % |
| `event_processor.py` | 421 | 396 | 94.1 % |
| `delivery.py` | 537 | 493 | 91.8 % |

Those that survive change names of moments of death, words of messages, start values that a run sets anew, and sizes of
buffers. After the division, and with tests of their own: `settling.py` 100 of 100, `hearing.py` 76 of 76, `failing.py` 128 of
132, `looking.py` 34 of 39; of the rest samples were tried: delivery 122 of 131, planner 146 of 151, event_processor 59 of 64
killed; `looked.py` not yet. On 27 November, after held deletes came to stay held and permissions from before the first sync to
be sent: `guard.py` 52 of 52, `asked_before.py` 45 of 52, of `event_processor.py` a sample, 246 of 271.

    pip install mutmut==3.8.1         # with source_paths, only_mutate and the unit tests of services/ in setup.cfg
    mutmut run 'sync_service.services.planner*'

## How to repeat it

    make chaos                        # about an hour; ARGS="--minutes 10" shortens it, and the page says so
    make soak                         # 30 minutes; ARGS="--minutes 5"
    python -m tests.faults.kills 17   # one history of random kills, by its seed
    EXAMPLES=500 python -m pytest tests/property/test_state_machine.py --hypothesis-seed=17

A history of kills draws its changes, faults and deaths from its seed; at which instruction a process dies is up to the machine,
so a finding may need a few runs to show again. The state machine repeats exactly.

What is counted. *Lost*, *extra*, *wrong*: the file manager differs from a model that was told of each change of the bucket, in
paths, digests or permissions, after the faults have ended and runs have had their say. *Mixed*: bytes that no version of any
object ever had, looked for after each death. *Duplicated*: one idempotency key with two effects, or bytes sent to where they are
already and oftener than they came to be there. Each settlement ends with an idle run, which must have no effect.

A process that is killed is forked from a parent that has loaded the product's code and has neither a thread nor an event loop;
what it saves is the start of Python. It runs the command from its first line, with an environment and a folder of its own, and
dies at a random moment of its usual length, or at the n-th request that the mock API sees: before it, with its first bytes, once
it is there, or when its effect is done and its answer is not sent.
"""


def _verdict(known: Figures) -> str:
    missing = [name for part, name in PARTS.items() if part not in known]
    failing = [name for part, name in PARTS.items() if part in known and known[part]["failures"]]
    short = [name for part, name in PARTS.items() if part in known and _is_short(known[part])]
    told = [
        f"**FAILED: {', '.join(failing)}.**" if failing else "No hole is open." if len(missing) < len(PARTS) else ""
    ]
    told += [f"Shortened runs, smaller than what is wanted: {', '.join(short)}." if short else ""]
    told += [f"Not run yet: {', '.join(missing)}." if missing else ""]
    return " ".join(word for word in told if word) + "\n"


def _is_short(part: Figures) -> bool:
    return bool(part["done"] < part["wanted"])


def _promises(known: Figures) -> str:
    lines = ["## The promises", "", "| | promise | proof, with the cases of the last run |", "|---|---|---|"]
    for promise in PROMISES:
        proofs = [_proof(pattern, known) for pattern in promise.proofs]
        lines.append(f"| {promise.number} | {promise.text} | {'<br>'.join(p for p in proofs if p)} |")
    return "\n".join(lines) + "\n"


def _proof(pattern: str, known: Figures) -> str:
    """One proof and how it went; empty for a pattern that meets no file."""
    if "/" not in pattern:
        return f"{PARTS[pattern]}: {_reached(known[pattern])}" if pattern in known else f"{PARTS[pattern]}: not run yet"
    files = known.get("tests", {}).get("files", {})
    return "<br>".join(f"`{name}`: {_cases(files[name])}" for name in files if fnmatch.fnmatch(name, pattern))


def _parts(known: Figures) -> str:
    lines = ["## The last runs", "", "| part | cases | wanted | took | when | result |", "|---|---|---|---|---|---|"]
    for part, name in PARTS.items():
        if part in known:
            lines.append(f"| {name} | {_row(known[part])} |")
    facts = [f"- {line}" for part in PARTS for line in known.get(part, {}).get("facts", [])]
    return "\n".join([*lines, "", *facts]) + "\n"


def _row(part: Figures) -> str:
    when = f"{part['date']}, seed {part['seed']}" if part["seed"] is not None else part["date"]
    return f"{part['done']:,} | {part['wanted']:,} | {_time(part['seconds'])} | {when} | {_word(not part['failures'])}"


def _files(known: Figures) -> str:
    files = known.get("tests", {}).get("files", {})
    lines = ["## The tests, file by file", "", "| file | cases | took |", "|---|---|---|"]
    lines += [f"| `{name}` | {_cases(file)} | {file['seconds']:.0f} s |" for name, file in files.items()]
    return "\n".join(lines)


def _failures(known: Figures) -> str:
    found = [f"- {PARTS[part]}: {line}" for part in PARTS for line in known.get(part, {}).get("failures", [])]
    return "\n".join(["## Failures of the last runs", "", *(found or ["None."])]) + "\n"


def _soak(soak: Figures | None) -> str:
    if soak is None:
        return "## The last soak\n\nNot run yet.\n"
    lines = ["## The last soak", "", "| | growth per hour | bound |", "|---|---|---|"]
    lines += [f"| {s['name']} | {_growth(s)} | {s['bound']:g} {s['unit']} |" for s in soak["slopes"]]
    return "\n".join(lines) + "\n"


def _growth(slope: Figures) -> str:
    if slope["per_hour"] is None:
        return "not measured: too short"
    return f"{slope['per_hour']:+.2f} {slope['unit']}{'' if slope['well'] else ' **too steep**'}"


def _reached(part: Figures) -> str:
    cut = f" of {part['wanted']:,}" if _is_short(part) else ""
    return f"{part['done']:,}{cut}, {_word(not part['failures'])}"


def _cases(file: Figures) -> str:
    skipped = f", {file['skipped']} skipped" if file["skipped"] else ""
    return f"{file['cases']:,}{skipped}, {_word(not file['failed'])}"


def _word(well: bool) -> str:
    return "passed" if well else "**FAILED**"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def short(texts: Iterable[str], each: int = 300) -> list[str]:
    """Findings as the page shows them: one line each, cut."""
    return [" ".join(text.split())[:each] for text in texts]


if __name__ == "__main__":
    PAGE.write_text(page(_known()), "utf-8")
