"""Failing objects: all of them can be seen, each under its whole name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync_service import console
from sync_service.catalogue import intake
from sync_service.catalogue.failing import failing_since
from sync_service.commands import failing
from sync_service.main import main
from sync_service.models.changes import FailureRecord, RunRecord
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.reports import RunFacts, build_report
from tests.fakes.catalogues import NOW, create_of, ids, scan

LONG = "k" * 1020
KEYS = [f"k{number:03}" for number in range(119)] + [LONG]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_PATH", str(tmp_path / "sync.db"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[DatabaseManager]:
    """A hundred and twenty objects in quarantine, and the run that met them."""
    manager = DatabaseManager(tmp_path / "sync.db").open_writer(NOW)
    scan(manager, *KEYS)
    operations = [create_of(manager, key) for key in ids(manager)]
    failures = [
        FailureRecord(o.row_id, o.file_path, "create", 1, "refused", "422 no", 1, 1, NOW, NOW, True) for o in operations
    ]
    manager.confirm([], failures)
    manager.finish_initial()
    facts = RunFacts("r1", "initial", "customer", NOW, still_failing=manager.list_failures(100))
    report = build_report(facts, False, 1.0, {"record_count": len(KEYS)}) | {"errors_total": len(KEYS)}
    manager.begin_run(RunRecord("r1", "customer", "initial", NOW))
    manager.end_run(RunRecord("r1", "customer", "initial", NOW, NOW, False, 3, report))
    yield manager
    manager.close()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def failed(lines: list[str]) -> list[str]:
    return [line.split()[2].rstrip(":") for line in lines if line.startswith("  failed ")]


def test_a_run_shows_all_that_its_report_names(catalogue: DatabaseManager, capsys: pytest.CaptureFixture[str]) -> None:
    """And then points to a command that has the rest, not to itself."""
    lines = said(capsys, "runs", "show", "r1")
    assert len(failed(lines)) == 100
    assert lines[-1] == "  and 20 more; status -v names all that fail now"


def test_status_names_every_failing_object_when_asked(
    catalogue: DatabaseManager, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages, so that their number does not matter; as JSON, too. Without -v it says how."""
    monkeypatch.setattr(failing, "PAGE", 7)
    assert "status -v names all" in "".join(said(capsys, "status"))
    assert failed(said(capsys, "status", "-v")) == KEYS
    told: dict[str, Any] = json.loads("\n".join(said(capsys, "status", "-v", "--json")))
    assert [entry["file_path"] for entry in told["failing"]] == KEYS
    assert {entry["quarantined"] for entry in told["failing"]} == {True}
    assert len(told["routes"][0]["errors"]) == 20


def test_without_a_catalogue_nothing_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """status -v says the state, as status does."""
    assert said(capsys, "status", "-v")[0].startswith("customer: NEVER_SYNCED")


def test_a_key_is_told_whole() -> None:
    """A cut one names nothing, and cannot be given to another command."""
    report = build_report(RunFacts("r1", "scan", "customer", NOW), False, 1.0, {"record_count": 1})
    error = {"file_path": LONG, "operation": "create", "message": "no", "next_attempt": "next run"}
    assert LONG in console.report_lines({**report, "errors": [error], "errors_total": 1})[-1]


def test_the_catalogue_counts_what_failed_since(catalogue: DatabaseManager) -> None:
    """Each row once, by operation; what failed before that moment only in the total."""
    row_id = ids(catalogue)["k000"]
    late = FailureRecord(row_id, "k000", "delete", 1, "refused", "no", 1, 1, NOW, "2027", False)
    catalogue.confirm([], [late])
    found = catalogue.within(failing_since, "2026-12")
    assert (found.total, found.since) == (len(KEYS) + 1, {"delete": 1})
    assert catalogue.within(failing_since, NOW).since == {"create": len(KEYS), "delete": 1}


def test_status_names_keys_without_an_answer_too(
    catalogue: DatabaseManager, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the failed operations; since when they have none is not kept."""
    catalogue.within(intake.add_unanswered, {"silent": "answered 503"})
    found = json.loads("".join(said(capsys, "status", "-v", "--json")))["failing"]
    assert (len(found), found[0]) == (
        len(KEYS) + 1,
        {
            "file_path": "silent",
            "operation": "look",
            "kind": "unanswered",
            "message": "answered 503",
            "attempts": 1,
            "next_attempt": "next run",
            "quarantined": False,
            "first_at": None,
            "last_at": None,
        },
    )
