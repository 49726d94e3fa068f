"""What becomes of a check's findings: kept in a file while it runs, told in people's words, handed to the catalogue."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

from sync_service.catalogue import repairing
from sync_service.models.findings import DIFFERENCES, CheckResult, Finding, FindingKind, Remedy, Repair
from sync_service.models.text import counted
from sync_service.services.check_streams import chunks
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.requests import Tell, leave_check, leave_repairs, take_checks, take_repairs
from sync_service.services.snapshot_files import storage_error

SHOWN = 100
"""Findings that people are shown; --json has them all."""

CHUNK = 5_000
"""Findings that are repaired in one transaction, or left for the daemon in one file."""

MOST_LOOKS = 10_000
"""Keys that one repair has looked at again; for more than that a scan is the better way."""

_IN_MEMORY = 1 << 20


class FindingsFile:
    """Findings in the order in which they came, however many: in memory while they are few, else in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[str] = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115
        self._shown: list[Finding] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, finding: Finding) -> None:
        """Raises StorageFull where the temporary folder has no room."""
        if finding.kind is not FindingKind.PENDING and len(self._shown) < SHOWN:
            self._shown.append(finding)
        try:
            self._file.write(json.dumps(asdict(finding)) + "\n")
        except OSError as error:
            raise storage_error(error, Path(tempfile.gettempdir())) from error

    @property
    def first(self) -> list[Finding]:
        """The first hundred that are not just pending."""
        return self._shown

    def __iter__(self) -> Iterator[Finding]:
        self._file.seek(0)
        for line in self._file:
            told = json.loads(line)
            remedies = tuple(Remedy(remedy) for remedy in told.pop("remedies"))
            yield Finding(FindingKind(told.pop("kind")), remedies=remedies, **told)


def repairs_of(findings: Iterable[Finding], result: CheckResult) -> Iterator[list[Repair]]:
    """What `findings` ask for, in bounded lists; the remedies of one row stay together, since they need its revision.

    After an empty listing no lost key is looked at: a scan holds the deletes of an emptied bucket, and it is to judge them.
    """
    looks = 0
    for part in chunks(findings, CHUNK):
        wanted: list[Repair] = []
        for one in (repair for finding in part for repair in finding.repairs):
            if one.remedy is Remedy.LOOK:
                looks += 1
                if result.empty_listing or looks > MOST_LOOKS:
                    continue
            wanted.append(one)
        if wanted:
            yield wanted


def keep_result(catalogue: DatabaseManager, result: Mapping[str, Any]) -> None:
    """Keeps what `status` shows of the last check."""
    catalogue.within(repairing.put_check, result)


def make_pending(catalogue: DatabaseManager, repairs: list[Repair], now: str) -> int:
    """Makes these pending; how many."""
    return catalogue.within(repairing.repair, repairs, now)


def leave_for_daemon(folder: Path, name: str, result: CheckResult, repairs: Iterable[list[Repair]]) -> int:
    """Leaves the result and the repairs for the process that is the writer; how many repairs."""
    left = 0
    for number, part in enumerate(repairs):
        leave_repairs(folder, f"{name}-{number:06}", part)
        left += len(part)
    leave_check(folder, name, result.as_json())
    return left


def take_check_requests(catalogue: DatabaseManager, folder: Path, now: str, tell: Tell) -> None:
    """Takes up what checks beside this writer have left: results to keep, and repairs."""
    take_repairs(folder, lambda repairs: make_pending(catalogue, repairs, now), tell)
    take_checks(folder, lambda result: keep_result(catalogue, result), tell)


def verdict_of(result: CheckResult) -> str:
    """The outcome in one sentence."""
    counts = result.counts
    if counts.differences:
        told = ", ".join(f"{counts.kinds[kind]:,} {kind}" for kind in DIFFERENCES if counts.kinds[kind])
        return f"{counted(counts.differences, 'difference')}: {told}"
    if counts.unsure:
        return f"no difference was found, but {counted(counts.unsure, 'object')} could not be verified"
    if result.missed:
        return f"nothing was compared: the sample of {result.options.share * 100:g} % has none of {counts.skipped:,} objects"
    some = "" if result.options.share >= 1 else " in the sample"
    return f"no difference: the destination holds {_all(counts.compared)} compared{some}"


def _all(number: int) -> str:
    return "the one object that was" if number == 1 else f"all {number:,} objects that were"


def scope_of(result: CheckResult) -> str:
    """What was compared, and what was not: no word of bytes that nobody has read."""
    counts, options = result.counts, result.options
    share = "" if options.share >= 1 else f" (a sample of {options.share * 100:g} %, --seed {options.seed})"
    parts = [
        f"{counted(counts.listed, 'key')} of the source with {counted(counts.tracked, 'row')} of the catalogue",
        f"the sizes of {counted(counts.compared, 'object')}{share} and the permissions of {counts.permissions:,}",
    ]
    if options.read_data:
        parts.append(f"the bytes (sha256) of {counts.bodies:,}")
    unread = "" if options.read_data else "bytes (--read-data reads them) and "
    return f"compared: {', '.join(parts)}; not compared: {unread}files at the destination that were never ours"
