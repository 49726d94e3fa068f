"""The run report: what the contract says it holds, kept in a folder that does not grow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sync_service.models.changes import Failing, FailureRecord
from sync_service.models.errors import Denied, ExitCode, StorageDenied, Throttled, Unreachable
from sync_service.services import reports
from sync_service.services.reports import ERRORS_SHOWN, RunFacts, build_report, keep_report
from sync_service.services.sync_service import exit_code_of
from tests.unit.services.rig import Rig

AT = "2026-11-21T08:00:00.000Z"


def facts() -> RunFacts:
    return RunFacts("r1", "scan", "customer", AT)


def failure(number: int, *, quarantined: bool = False, at: str = AT) -> FailureRecord:
    return FailureRecord(number, f"k{number}", "create", 1, "refused", "403 no", 3, 1, at, at, quarantined)


def test_an_uneventful_run_reports_zeros() -> None:
    """Every field of the contract is there."""
    report = build_report(facts(), True, 1.23456, {"record_count": 3})
    assert (report["sync_type"], report["run_id"], report["route"], report["timestamp"]) == (
        "scan",
        "r1",
        "customer",
        AT,
    )
    assert (report["success"], report["duration_seconds"], report["errors"], report["errors_total"]) == (
        True,
        1.235,
        [],
        0,
    )
    names = {
        "events_processed",
        "operations_processed",
        "operations_failed",
        "files_processed",
        "files_failed",
        "total_size",
    }
    assert names <= set(report["statistics"])
    assert set(report["statistics"].values()) == {0}
    assert report["event_counts"] == {"errors": 0}
    assert report["service_info"] == {"record_count": 3}
    assert "held_reason" not in report
    json.dumps(report)


def test_what_happened_is_counted() -> None:
    """Events by type, operations by kind, bytes, keys, held deletes."""
    run = facts()
    run.events.by_type.update({"create": 2})
    run.delivery.done.update(Counter(create=2, delete=1))
    run.failing = Failing(9, {"update": 1, "delete": 2})
    run.delivery.files, run.delivery.size = 2, 77
    run.held, run.held_reason, run.keys_scanned = 5, "too many", 9
    report = build_report(run, False, 0.0, {})
    figures = report["statistics"]
    assert (figures["operations_processed"], figures["operations_failed"], figures["total_size"]) == (3, 3, 77)
    assert (figures["files_failed"], report["errors_total"]) == (1, 9)
    assert (figures["deletes_held"], figures["keys_scanned"], report["held_reason"]) == (5, 9, "too many")
    assert report["operation_counts"] == {"create": 2, "delete": 1}
    assert report["event_counts"] == {"create": 2, "errors": 0}


def test_problems_come_before_objects_and_the_list_is_cut() -> None:
    """Steps that failed first, then objects with what happens next to each; the rest is a count."""
    run = facts()
    run.problems = [Unreachable("no connection", subject="http://api"), Denied("wrong key")]
    run.still_failing = [failure(n, quarantined=n == 0) for n in range(ERRORS_SHOWN)]
    run.failing = Failing(150)
    report = build_report(run, False, 0.0, {})
    errors = report["errors"]
    assert len(errors) == ERRORS_SHOWN
    assert report["errors_total"] == 152
    assert [(e["kind"], e["file_path"], e["next_attempt"]) for e in errors[:2]] == [
        ("unreachable", "http://api", "next run"),
        ("denied", None, "next run"),
    ]
    assert errors[2]["next_attempt"].startswith("when the object changes")
    assert (errors[3]["file_path"], errors[3]["attempts"], errors[3]["next_attempt"]) == ("k1", 3, "next run")


def test_reports_are_kept_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As files that people can read, the newest ones."""
    monkeypatch.setattr(reports, "REPORTS_KEPT", 2)
    for number in range(4):
        keep_report(tmp_path / "reports", f"t{number}", {"run_id": f"r{number}", "text": "ü"})
    names = sorted(path.name for path in (tmp_path / "reports").iterdir())
    assert names == ["t2-r2.json", "t3-r3.json"]
    assert '"text": "ü"' in (tmp_path / "reports" / "t3-r3.json").read_text("utf-8")


def test_a_report_that_cannot_be_kept_says_why(tmp_path: Path) -> None:
    """A file in the folder's place."""
    (tmp_path / "reports").write_text("")
    with pytest.raises(StorageDenied):
        keep_report(tmp_path / "reports", "t", {"run_id": "r"})


async def test_an_object_that_fails_in_both_rounds_of_a_first_sync_counts_once(rig: Rig) -> None:
    """A first sync delivers twice, and what failed in between has not become two objects."""
    for key in ("a", "bad", "worse"):
        rig.source.put(key, b"body")
    rig.destination.fail(Throttled("429: later"), path="bad", times=100)
    rig.destination.fail(Throttled("429: later"), path="worse", times=100)
    result = await rig.service.run_initial()
    assert [operation.file_path for operation, _ in rig.destination.calls].count("bad") == 2
    figures = result.report["statistics"]
    assert (figures["operations_failed"], figures["files_failed"], result.report["errors_total"]) == (2, 2, 2)
    assert (result.exit_code, result.report["success"]) == (ExitCode.PARTLY, False)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ExitCode.DONE),
        ({"failing": Failing(1, {"create": 1})}, ExitCode.PARTLY),
        ({"still_failing": [failure(1)]}, ExitCode.PARTLY),
        ({"held": 2}, ExitCode.GUARDED),
        ({"held": 2, "failing": Failing(1, {"create": 1}), "still_failing": [failure(1)]}, ExitCode.GUARDED),
        ({"held": 2, "silent": True}, ExitCode.TEMPORARY),
        ({"held": 2, "problems": [Denied("no")]}, ExitCode.DENIED),
    ],
)
def test_what_a_person_has_to_decide_is_not_hidden_by_failed_objects(changes: dict[str, Any], code: ExitCode) -> None:
    """Held deletes are exit 6, whatever objects failed besides; only a run that did not come to its end says otherwise."""
    assert exit_code_of(RunFacts("r1", "scan", "customer", AT, **changes)) is code
