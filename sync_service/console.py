"""What commands print: results for people or as JSON on the standard output, errors on the other one.

Whatever is printed for people has its control and bidi characters escaped here once more, wherever it came from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sync_service.models.errors import ConfigurationError, SyncError
from sync_service.models.text import KEY_LENGTH, counted, escaped, shown
from sync_service.reporting.secrets import PROCESS


class OutputLost(OSError):
    """The standard output takes nothing: its reader has gone, or its disk is full."""


def result(value: object) -> None:
    """A JSON result. Raises OutputLost, as everything here that prints a result."""
    _print([json.dumps(value, indent=2, ensure_ascii=True, default=str) + "\n"])


def result_listing(head: Mapping[str, Any], name: str, items: Iterable[object]) -> None:
    """A JSON result whose last part is a list that is written as it is read: there may be as many items as objects."""
    text = json.dumps(head, indent=2, ensure_ascii=True, default=str)[:-1].rstrip()
    _print([f'{text}{"," if head else ""}\n  "{name}": ['])
    _print(
        ("," if number else "") + "\n    " + json.dumps(item, ensure_ascii=True, default=str)
        for number, item in enumerate(items)
    )
    _print(["\n  ]\n}\n"])


def lines(texts: Iterable[str]) -> None:
    """A result for people."""
    _print(escaped(text) + "\n" for text in texts)


def message(text: str) -> None:
    """Something beside the result, one line. What it tells may be another's words: no secret and no control leaves in it."""
    with suppress(OSError, ValueError):
        sys.stderr.write(escaped(PROCESS(text)) + "\n")
        sys.stderr.flush()


def _print(texts: Iterable[str]) -> None:
    for text in texts:
        _written(sys.stdout.write, text)
    _written(sys.stdout.flush)


def _written(write: Callable[..., object], *text: str) -> None:
    try:
        write(*text)
    except OSError as error:
        raise OutputLost(*error.args) from error


def notice(text: str, level: str = "info") -> None:
    """Something that happens while a command runs: a line of its JSON log where it writes one, else a message."""
    from sync_service.reporting.logs import tell_json

    if not tell_json(level, text):
        message(text if level == "info" else f"{level}: {text}")


def error(problem: SyncError) -> None:
    """An error: what, which object, why, what to do. Settings have one line a problem."""
    if isinstance(problem, ConfigurationError):
        for line in problem.problems:
            message(f"error: {line}")
        if problem.hint:
            message(problem.hint)
    else:
        message(f"error: {problem}")


def error_json(problem: SyncError) -> dict[str, Any]:
    """An error as `--json` prints it."""
    return {
        "error": {
            "kind": problem.kind,
            "message": PROCESS(str(problem)),
            "subject": PROCESS(problem.subject),
            "exit_code": int(problem.exit_code),
        }
    }


def status_lines(status: Mapping[str, Any], failing: Iterable[Mapping[str, Any]] | None = None) -> Iterator[str]:
    """The status in people's words: state and why first. `failing`: every failing object, not the first ones alone."""
    for route in status["routes"]:
        yield f"{route['route']}: {route['state']} - {shown(route['reason'], 500)}"
        yield from _route_facts(route)
        yield from _failing(route) if failing is None else map(_error_line, failing)
        yield ""
    yield f"version {status['version']}"


def _route_facts(route: Mapping[str, Any]) -> list[str]:
    from sync_service.reporting.words import check_words, holder_words, kind_words, size_text

    facts = {
        "last run": route["last_run"],
        "last success": route["last_success"],
        "last full check": route["last_check"],
        "check": check_words(route.get("check")),
        "next run": route["next_run"],
        "tracked": f"{counted(route['files'], 'file')}, {size_text(route['bytes'])}",
        "pending": _pending(route),
        "last run did": _did(route),
        "errors": ", ".join(f"{kind_words(kind)} {count}" for kind, count in route["error_counts"].items()) or None,
        "writer": holder_words(route["lock_holder"]) or "no process",
    }
    return [f"  {name:<16} {value}" for name, value in facts.items() if value is not None]


def _failing(route: Mapping[str, Any]) -> list[str]:
    errors = route.get("errors") or []
    total = route["failed"] + route["quarantined"] if errors else 0
    return _error_lines(errors, total, "status -v names all, explain KEY tells of one", most=5)


def _pending(route: Mapping[str, Any]) -> str:
    words = f"{route['pending']:,} pending, {route['failed']:,} failed, {route['quarantined']:,} in quarantine"
    if route["held_deletes"]:
        words += f", {counted(route['held_deletes'], 'delete')} held"
    return words if not route["oldest_pending"] else f"{words} (oldest since {route['oldest_pending']})"


def _did(route: Mapping[str, Any]) -> str | None:
    if route["duration_seconds"] is None:
        return None
    events, operations = route["events_processed"], route["operations_executed"]
    return f"{counted(events, 'event')}, {counted(operations, 'operation')} in {route['duration_seconds']:.1f} s"


def report_lines(report: Mapping[str, Any], most: int = 20) -> list[str]:
    """A run report in people's words, with at most so many of its errors."""
    from sync_service.reporting.words import size_text

    figures = report["statistics"]
    done = ", ".join(f"{kind} {count}" for kind, count in report["operation_counts"].items())
    operations = done or ("nothing to do" if report["success"] else "nothing was sent")
    found = [
        _headline(report),
        f"  operations   {figures['operations_processed']:,} done ({operations}), {figures['operations_failed']:,} failed",
        f"  files        {figures['files_processed']:,} sent, {size_text(figures['total_size'])}",
        f"  events       {figures['events_processed']:,} applied, {figures['events_skipped']:,} skipped{_reasons(report)}",
        f"  tracked      {counted(report['service_info']['record_count'], 'file')}",
    ]
    return found + _trouble(report, most)


def trouble_lines(report: Mapping[str, Any]) -> list[str]:
    """Of a run report only what failed or was held."""
    return [_headline(report), *_trouble(report, 20)]


def _headline(report: Mapping[str, Any]) -> str:
    done = "done" if report["success"] else "NOT COMPLETE"
    return f"{report['sync_type']} run {report['run_id']} {done} in {report['duration_seconds']:.1f} s"


def _trouble(report: Mapping[str, Any], most: int) -> list[str]:
    """Deletes that were held, a plan that was not kept, the first errors that the report names and where the rest is told."""
    found = []
    if held := report["statistics"]["deletes_held"]:
        found.append(f"  held         {counted(held, 'delete')}: {report['held_reason']}; approve-deletes lets them go")
    errors, run_id = report["errors"], report["run_id"]
    more = "status -v names all that fail now" if most >= len(errors) else f"see runs show {run_id}"
    return found + _plan_lines(report) + _error_lines(errors, report.get("errors_total", len(errors)), more, most)


def _plan_lines(report: Mapping[str, Any]) -> list[str]:
    """Where a run and the plan that it was to keep to were apart."""
    told = report.get("plan") or {}
    found = []
    for name, words in (("only_in_plan", "only in the plan"), ("only_now", "only now")):
        lines = told.get(name, ())
        found += [f"  {words + ':':<18} {line}" for line in lines]
        if (left := told.get(f"{name}_total", 0) - len(lines)) > 0:
            found.append(f"  {words}: and {left:,} more")
    return found


def _reasons(report: Mapping[str, Any]) -> str:
    skipped = ", ".join(f"{shown(reason)}: {count}" for reason, count in report["events_skipped"].items())
    return f" ({skipped})" if skipped else ""


def _error_line(entry: Mapping[str, Any]) -> str:
    if not entry["operation"]:
        return f"  problem      {shown(entry['message'], 800)}"
    from sync_service.reporting.words import error_words

    where = f"{shown(entry['operation'])} {shown(entry['file_path'], KEY_LENGTH)}"
    return f"  failed       {where}: {error_words(entry, 500)} [next: {entry['next_attempt']}]"


def _error_lines(errors: Sequence[Mapping[str, Any]], total: int, more: str, most: int) -> list[str]:
    found = [_error_line(entry) for entry in errors[:most]]
    left = total - len(found)
    return found if left <= 0 else [*found, f"  and {left:,} more; {more}"]
