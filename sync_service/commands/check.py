"""check: compares source, catalogue and destination, says what it found, and makes it pending where that is wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from sync_service import bootstrap, console
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ConfigurationError, StorageDenied, StorageFull
from sync_service.models.findings import CheckOptions, CheckResult, Finding, FindingKind, Remedy, Repair
from sync_service.models.text import shown
from sync_service.runner import run
from sync_service.services.check_results import (
    FindingsFile,
    keep_result,
    leave_for_daemon,
    make_pending,
    repairs_of,
    scope_of,
    verdict_of,
)
from sync_service.services.retry import Halt

if TYPE_CHECKING:
    from sync_service.reporting.many import Observers

_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?) ?%", re.ASCII)

_DOES = {
    Remedy.SEND: "sends {} that are missing",
    Remedy.SEND_AGAIN: "sends {} again",
    Remedy.PERMIT: "sets the permissions of {}",
    Remedy.DELETE: "deletes {}, as far as the guard lets it",
    Remedy.LOOK: "looks at {} in the source",
    Remedy.MARK: "compares {} of the catalogue",
}


def options_of(sample: str, seed: str, read_data: bool) -> CheckOptions:
    """How much is to be compared; without a `seed` each check draws another sample."""
    return CheckOptions(share_of(sample), seed or bootstrap.new_run_id(), read_data)


def share_of(text: str) -> float:
    """`1%` as 0.01. Raises ConfigurationError for what is no share of 0 (excluded) to 100 %."""
    found = _SHARE.fullmatch(text.strip())
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        raise ConfigurationError(f"--sample {shown(text)}: expected a share such as 1% (more than 0, at most 100)")
    return share


def check_route(
    config: SyncConfig,
    options: CheckOptions,
    *,
    repair: bool,
    as_json: bool,
    quiet: bool = False,
    verbose: bool = False,
) -> int:
    """Runs the check, keeps its result for `status`, and prints it. Raises what Checker.run raises."""
    config.require_route()
    observer = bootstrap.make_observer(config, quiet=quiet, verbose=verbose)
    with FindingsFile() as findings:
        result = _compared(config, observer, options, findings)
        done = _record(config, result, repairs_of(findings, result) if repair else iter(()), repair)
        if as_json:
            _print_json(result, findings, done)
        elif not quiet or result.exit_code:
            console.lines(_lines(result, findings.first, done))
    return int(result.exit_code)


def _compared(config: SyncConfig, observer: Observers, options: CheckOptions, findings: FindingsFile) -> CheckResult:
    catalogue = bootstrap.read_catalogue(config)

    async def compared(halt: Halt) -> CheckResult:
        async with bootstrap.customer_checker(config, catalogue, observer, halt, options) as checker:
            return await checker.run(findings.add)

    try:
        catalogue.get_record_count()
        return run(compared)
    finally:
        observer.close()
        catalogue.close()


def _record(config: SyncConfig, result: CheckResult, repairs: Iterator[list[Repair]], repair: bool) -> str | None:
    """Writes the result and the repairs, or leaves them for the process that is the writer. What a repair did, in words."""
    tally: Counter[Remedy] = Counter()
    counted = _counted(repairs, tally)
    try:
        catalogue = bootstrap.open_catalogue(config, "check", thorough=False)
    except CatalogueLocked as locked:
        leave_for_daemon(config.requests_dir, bootstrap.new_run_id(), result, counted)
        return _words(tally, f"left for the writer's next run ({locked.what})") if repair else None
    except (StorageDenied, StorageFull) as error:
        if repair:
            raise
        console.message(f"warning: `status` will not know of this check: {error}")
        return None
    try:
        for part in counted:
            make_pending(catalogue, part, bootstrap.utc_now())
        keep_result(catalogue, result.as_json())
    finally:
        catalogue.close()
    return _words(tally, "made pending") if repair else None


def _counted(repairs: Iterable[list[Repair]], tally: Counter[Remedy]) -> Iterator[list[Repair]]:
    for part in repairs:
        tally.update(one.remedy for one in part)
        yield part


def _words(tally: Counter[Remedy], how: str) -> str:
    """What the next run will do; nothing was sent."""
    if not tally:
        return "nothing to repair"
    will = ", ".join(_DOES[remedy].format(f"{tally[remedy]:,}") for remedy in Remedy if tally[remedy])
    return f"{how}: the next run (incremental-sync, or the daemon's) {will}"


def _lines(result: CheckResult, first: list[Finding], done: str | None) -> list[str]:
    counts = result.counts
    found = [verdict_of(result), f"  {scope_of(result)}"]
    found += [f"  pending: {number:,} {state}" for state, number in sorted(counts.states.items())]
    found += [f"  {one.kind:<12} {shown(one.file_path, 1024)}: {shown(one.detail, 500)}" for one in first]
    left = counts.differences + counts.kinds[FindingKind.UNVERIFIABLE] - len(first)
    if left > 0:
        found.append(f"  and {left:,} more; --json has them all")
    return [*found, f"  {shown(done, 1000)}"] if done else found


def _print_json(result: CheckResult, findings: Iterable[Finding], done: str | None) -> None:
    head = {"route": bootstrap.CUSTOMER, "verdict": verdict_of(result), "compared": scope_of(result)}
    told = (
        {name: value for name, value in asdict(one).items() if name not in ("row_id", "revision")} for one in findings
    )
    console.result_listing({**head, **result.as_json(), "repair": done}, "findings", told)
