"""The state of a route in one word, and why."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sync_service.catalogue.lock import Holder
from sync_service.catalogue.repairing import put_check
from sync_service.models.changes import Held, RunRecord, Totals
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueUnusable
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.requests import leave_approval, take_approvals
from sync_service.services.status import State, judge_state, read_status
from tests.contracts.catalogue_contract import failure
from tests.fakes.catalogues import LATER, NOW, deliver_all, event_commit, ids, scan
from tests.real_postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

MOMENT = datetime(2026, 11, 21, 8, 10, tzinfo=UTC)
HOLDER = Holder(1, "host", NOW)
DONE = Totals(initial_done=True)
SIGNAL = {"errors": [{"operation": None, "kind": "stopped", "message": "stopped by SIGTERM"}]}
LOG_DOWN = {"errors": [{"operation": None, "kind": "unreachable", "message": "log down"}]}


def run(*, ended: bool = True, success: bool | None = True, **more: object) -> RunRecord:
    finished = NOW if ended else None
    return RunRecord("r", "customer", "incremental", NOW, finished, success if ended else None, 0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("totals", "runs", "holder", "state", "why"),
    [
        (Totals(), [], None, State.NEVER_SYNCED, "no initial sync"),
        (Totals(), [run()], None, State.NEVER_SYNCED, "run initial-sync to go on"),
        (Totals(), [run(ended=False)], HOLDER, State.SYNCING, "under way"),
        (DONE, [run(ended=False)], HOLDER, State.SYNCING, "incremental"),
        (DONE, [run(ended=False)], None, State.DEGRADED, "was cut off"),
        (DONE, [run()], HOLDER, State.UP_TO_DATE, "everything"),
        (DONE, [], HOLDER, State.UP_TO_DATE, "everything"),
        (Totals(initial_done=True, pending=2), [run()], HOLDER, State.UP_TO_DATE, "2 changes wait"),
        (Totals(initial_done=True, failed=2), [run()], HOLDER, State.DEGRADED, "2 operations failed"),
        (Totals(initial_done=True, quarantined=2), [run()], HOLDER, State.DEGRADED, "quarantine"),
        (
            Totals(initial_done=True, held=Held(7, "too many", NOW)),
            [run()],
            HOLDER,
            State.DEGRADED,
            "7 deletes are held",
        ),
        (DONE, [run(success=False)], HOLDER, State.DEGRADED, "see runs show"),
        (
            DONE,
            [run(success=False, report={"errors": [{"message": "API down"}]})],
            HOLDER,
            State.DEGRADED,
            "API down",
        ),
        (
            Totals(initial_done=True, quarantined=1),
            [run(success=False, report=LOG_DOWN)],
            HOLDER,
            State.DEGRADED,
            "in quarantine (refused, or failed too often); the last run failed: log down",
        ),
        (
            Totals(),
            [run(success=False, report=LOG_DOWN)],
            HOLDER,
            State.NEVER_SYNCED,
            "(the last run failed: log down)",
        ),
        (Totals(), [run()], replace(HOLDER, command="daemon"), State.NEVER_SYNCED, "the daemon goes on with it"),
        (DONE, [run(success=False, report=SIGNAL)], None, State.STOPPED, "did not come to its end: stopped by SIGTERM"),
        (
            Totals(initial_done=True, failed=1),
            [run(success=False, report=SIGNAL)],
            None,
            State.DEGRADED,
            "1 operation failed",
        ),
    ],
)
def test_each_situation_has_its_word(
    totals: Totals, runs: list[RunRecord], holder: Holder | None, state: State, why: str
) -> None:
    """And says in people's words why."""
    found, reason = judge_state(totals, runs, holder, MOMENT, 300)
    assert found is state
    assert why in reason


def test_without_a_daemon_it_stops_after_three_intervals() -> None:
    """Not at once: commands may do the daemon's work."""
    ended = datetime.fromisoformat(NOW)
    just = judge_state(DONE, [run()], None, ended + timedelta(seconds=900), 300)
    later = judge_state(DONE, [run()], None, ended + timedelta(seconds=901), 300)
    assert (just[0], later[0]) == (State.UP_TO_DATE, State.STOPPED)
    assert judge_state(DONE, [run()], HOLDER, ended + timedelta(days=9), 300)[0] is State.UP_TO_DATE


@pytest.mark.parametrize(
    ("totals", "why"),
    [
        (Totals(initial_done=True, pending=1), "1 change waits for the next run"),
        (Totals(initial_done=True, archived=1, quarantined=1), "1 object is archived at the source and waits"),
        (Totals(initial_done=True, failed=1), "1 operation failed and is tried again"),
        (Totals(initial_done=True, quarantined=1), "1 object is in quarantine"),
        (Totals(initial_done=True, held=Held(1, "too many", NOW)), "1 delete is held"),
        (Totals(initial_done=True, held=Held(1, "too many", NOW), approved_at=LATER), "an approval waits for"),
        (Totals(initial_done=True, held=Held(1, "too many", NOW), approved_at=NOW), "approve-deletes lets them go"),
    ],
)
def test_one_of_a_kind_is_said_so(totals: Totals, why: str) -> None:
    """In the singular."""
    assert why in judge_state(totals, [run()], HOLDER, MOMENT, 300)[1]


def test_an_approval_that_waits_is_told(tmp_path: Path) -> None:
    """Beside a daemon it is taken up by the next run; until then nobody is to be asked a second time."""
    config = SyncConfig(database_path=tmp_path / "sync.db")
    manager = fill(config.database_path)
    manager.put_held(1, "too many", NOW)
    assert "approve-deletes lets them go" in read_status(config, MOMENT)["routes"][0]["reason"]
    leave_approval(config.requests_dir, "r1", [(1, "a")])
    assert "1 delete is held: too many (an approval waits for" in read_status(config, MOMENT)["routes"][0]["reason"]
    take_approvals(config.requests_dir, lambda deletes: manager.approve(deletes, LATER), lambda _trouble: None)
    assert "an approval waits for" in read_status(config, MOMENT)["routes"][0]["reason"]
    manager.close()


def test_no_catalogue_is_a_state(tmp_path: Path) -> None:
    """Neither a file nor its folder is made for asking."""
    (route,) = read_status(SyncConfig(database_path=tmp_path / "none" / "sync.db"))["routes"]
    assert (route["state"], route["files"], route["last_run"]) == ("NEVER_SYNCED", 0, None)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "sync.db").write_bytes(b"")
    (route,) = read_status(SyncConfig(database_path=tmp_path / "sync.db"))["routes"]
    assert route["state"] == "NEVER_SYNCED"


def fill(target: str | Path) -> DatabaseManager:
    manager = DatabaseManager(target).open_writer(NOW, "daemon")
    scan(manager, "a", "b", "c")
    deliver_all(manager)
    manager.finish_initial()
    manager.commit_events(event_commit(removed=[ids(manager)["a"]]), NOW)
    manager.confirm([], [failure(ids(manager)["b"])])
    record = RunRecord("r1", "customer", "scan", NOW)
    manager.begin_run(record)
    report = {"statistics": {"events_processed": 4, "operations_processed": 5}, "duration_seconds": 1.5}
    manager.end_run(RunRecord("r1", "customer", "scan", NOW, NOW, True, 0, report))
    manager.set_next_run("2026-11-21T09:00:00+00:00")
    return manager


def expect(route: dict[str, Any], *, running: bool) -> None:
    failing = {"file_path": "k2", "operation": "create", "kind": "refused", "next_attempt": "next run"}
    assert [{name: error[name] for name in failing} for error in route["errors"]] == [failing]
    expected = {
        "route": "customer",
        "state": "DEGRADED",
        "last_run": NOW,
        "last_success": NOW,
        "last_check": NOW,
        "files": 2,
        "bytes": 2,
        "pending": 1,
        "failed": 1,
        "quarantined": 0,
        "oldest_pending": NOW,
        "events_processed": 4,
        "operations_executed": 5,
        "duration_seconds": 1.5,
        "error_counts": {"refused": 1},
        "held_deletes": 0,
        "next_run": "2026-11-21T09:00:00+00:00" if running else None,
    }
    assert {name: route[name] for name in expected} == expected
    assert (route["lock_holder"] is not None) == running


def test_the_figures_are_those_of_the_catalogue(tmp_path: Path) -> None:
    """The whole of the contract's JSON, beside the writer and after it; the next run is told only while one will come."""
    config = SyncConfig(database_path=tmp_path / "sync.db")
    manager = fill(config.database_path)
    (route,) = read_status(config, MOMENT)["routes"]
    expect(route, running=True)
    manager.close()
    (route,) = read_status(config, MOMENT)["routes"]
    expect(route, running=False)


def test_a_sqlite_url_is_read_as_a_file(tmp_path: Path) -> None:
    """DATABASE_URL may name a file, too."""
    fill(tmp_path / "sync.db").close()
    config = SyncConfig(database_url=SecretStr(f"sqlite:///{tmp_path}/sync.db"))
    expect(read_status(config, MOMENT)["routes"][0], running=False)


@pytest.mark.real
def test_the_figures_are_the_same_from_postgresql(postgres_url: str) -> None:
    """By the other way of reading, and who holds the server's lock."""
    config = SyncConfig(database_url=SecretStr(postgres_url))
    assert read_status(config)["routes"][0]["state"] == "NEVER_SYNCED"
    manager = fill(postgres_url)
    expect(read_status(config, MOMENT)["routes"][0], running=True)
    manager.close()


def test_damage_is_an_error_and_no_state(tmp_path: Path) -> None:
    """A file that is no catalogue."""
    (tmp_path / "sync.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(CatalogueUnusable):
        read_status(SyncConfig(database_path=tmp_path / "sync.db"))


def test_status_loads_neither_the_database_toolkit_nor_pandas(tmp_path: Path) -> None:
    """Their import takes longer than the answer."""
    fill(tmp_path / "sync.db").close()
    code = (
        "import sys; from sync_service.main import main; main(['status']); "
        "print([m for m in ('sqlalchemy', 'alembic', 'pandas', 'aiohttp', 'boto3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"DATABASE_PATH": str(tmp_path / "sync.db"), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_clean_full_check_counts_as_the_last_one(tmp_path: Path) -> None:
    """The later of scan and clean full check; a sample, or one that found something, is told and does not count."""
    config = SyncConfig(database_path=tmp_path / "sync.db")
    manager = fill(config.database_path)
    counted = []
    for at, clean, full in (("07", True, True), ("09", True, False), ("10", False, True), ("11", True, True)):
        result = {"time": f"2026-11-21T{at}:00:00.000Z", "clean": clean, "full": full}
        manager.within(put_check, result)
        (route,) = read_status(config, MOMENT)["routes"]
        assert route["check"]["time"] == result["time"]
        counted.append(route["last_check"])
    assert counted == [NOW, NOW, NOW, "2026-11-21T11:00:00.000Z"]
    manager.close()
