"""explain: the story of one object, newest first, for people and as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sync_service import bootstrap
from sync_service.commands import explain
from sync_service.commands.explain import explain_key, verdict_of
from sync_service.models.changes import EventRecord, EventState, Relook
from sync_service.models.config import SyncConfig
from sync_service.models.data_models import Kind, Operation, Result
from sync_service.services.comparison import Comparison
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.outcome_records import record_of
from tests.fakes.catalogues import LATER, NOW, create_of, event_commit, ids, observation, observe, outcome, scan


@pytest.fixture
def config(tmp_path: Path) -> SyncConfig:
    return SyncConfig.from_env({"DATABASE_PATH": str(tmp_path / "sync.db"), "CUSTOMER_S3_BUCKET": "bucket"}, None)


@pytest.fixture
def catalogue(config: SyncConfig) -> Iterator[DatabaseManager]:
    """One object, created as `a` and renamed to `b`, the second time successfully."""
    made = bootstrap.open_catalogue(config, "test")
    scan(made, "a")
    confirm(made, create_of(made, "a"), NOW)
    row_id = ids(made)["a"]
    event = EventRecord("k", "same", "rename", "a", "b", NOW, EventState.APPLIED)
    made.commit_events(event_commit(observation("b", row_id, revision=2), events=[event]), LATER)
    rename = Operation(Kind.RENAME, row_id, 2, "a", "b", size=1, etag="e1")
    confirm(made, rename, LATER, Result.NOT_DONE, "503: busy\x1b[31m")
    confirm(made, rename, LATER)
    yield made
    made.close()


def confirm(
    made: DatabaseManager, operation: Operation, at: str, result: Result = Result.DONE, error: str | None = None
) -> None:
    made.mark([operation])
    ended = outcome(operation, result, internal_id="id\u202e1")
    ended = replace(ended, error=error, attempts=1 + bool(error))
    made.confirm([ended], [], [record_of(ended, at, "r1")])


def printed(config: SyncConfig, key: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert explain_key(config, key, as_json=False) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("asked", "begins"), [("b", "b: in step"), ("a", "a: now at b: in step")])
def test_the_story_is_told_newest_first(
    catalogue: DatabaseManager, config: SyncConfig, capsys: pytest.CaptureFixture[str], asked: str, begins: str
) -> None:
    """Verdict, both states, then operations and events as one story; hostile words of the server are escaped."""
    lines = printed(config, asked, capsys)
    assert lines[0].startswith(begins)
    story = [line.split()[0] for line in lines if line.startswith(("  operation", "  event"))]
    assert story == ["operation", "operation", "event", "operation"]
    assert r"rename a -> b: not done: 503: busy\x1b[31m (internal id id\u202e1, 2 attempts, 0.0 s, run r1)" in lines[-3]
    assert lines[-1].endswith(r"create a: done (internal id id\u202e1, 1 attempt, 0.0 s, run r1)")


def test_a_long_story_is_cut_for_people_only(
    catalogue: DatabaseManager,
    config: SyncConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """People get the newest part and the number of the rest; --json has everything."""
    monkeypatch.setattr(explain, "HISTORY_SHOWN", 2)
    assert printed(config, "b", capsys)[-1] == "  and 2 older ones; --json has all of them"
    explain_key(config, "b", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (len(told["operations"]), len(told["events"])) == (3, 1)
    assert told["operations"][0]["internal_id"] == "id\u202e1"


def test_a_deleted_object_is_said_to_be_gone(catalogue: DatabaseManager) -> None:
    """What was deleted on both sides is not merely unknown."""
    row_id = ids(catalogue)["b"]
    observe(catalogue, [], [row_id], LATER)
    confirm(catalogue, Operation(Kind.DELETE, row_id, 2, "b"), LATER)
    assert verdict_of(catalogue.explain("b"), "b").startswith("gone: the source no longer has it")


def test_a_key_never_seen_is_said_so(
    catalogue: DatabaseManager, config: SyncConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that nothing ever named is no error."""
    assert "not tracked: no event, scan or run has ever named it" in printed(config, "nowhere\x07", capsys)[0]


def test_a_key_that_the_source_did_not_answer_for(catalogue: DatabaseManager) -> None:
    """An event named it, and the source could not be asked: that is not the same as absent."""
    catalogue.commit_events(event_commit(relooks={"lost": Relook(1, "no answer in time")}), LATER)
    assert "the source did not answer for it (no answer in time)" in verdict_of(catalogue.explain("lost"), "lost")


def test_after_a_restore_nothing_is_said_to_be_in_step(
    catalogue: DatabaseManager, config: SyncConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the destination holds is not known before the next run, and a mark for that is no version."""
    Comparison(catalogue).distrust("another", False)
    lines = printed(config, "b", capsys)
    assert lines[0].startswith("b: not known: the catalogue was restored; the next run asks the destination")
    assert "etag not known" in next(line for line in lines if line.startswith("  delivered"))
    explain_key(config, "b", as_json=True)
    assert json.loads(capsys.readouterr().out)["unverified"] == "restored"
