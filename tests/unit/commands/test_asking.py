"""explain and retry-failed: what is told of one object, and how a given-up one is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service import bootstrap
from sync_service.commands.explain import explain_key, verdict_of
from sync_service.commands.retry import retry
from sync_service.models.changes import FailureRecord, Observation
from sync_service.models.config import SyncConfig
from sync_service.models.data_models import Kind, Operation, Outcome, Receipt, Result, Row, Seen
from sync_service.models.errors import CatalogueMissing, ConfigurationError
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.requests import take_retries
from tests.fakes.catalogues import observe

NOW = "2026-11-21T08:00:00Z"
KEY = "a[/b].txt"


@pytest.fixture
def config(tmp_path: Path) -> SyncConfig:
    return SyncConfig.from_env({"DATABASE_PATH": str(tmp_path / "sync.db"), "CUSTOMER_S3_BUCKET": "bucket"}, None)


@pytest.fixture
def catalogue(config: SyncConfig) -> Iterator[DatabaseManager]:
    manager = bootstrap.open_catalogue(config, "test")
    observe(manager, [Observation(Row(0, "a[/b].txt", 3, "e1", NOW), Seen())], [], NOW)
    yield manager
    manager.close()


def create_of(catalogue: DatabaseManager) -> Operation:
    row = catalogue.observations_at(["a[/b].txt"])["a[/b].txt"].row
    return Operation(Kind.CREATE, row.id, row.revision, row.file_path, size=row.size, etag=row.etag)


def refuse(catalogue: DatabaseManager) -> Operation:
    operation = create_of(catalogue)
    catalogue.mark([operation])
    outcome = Outcome(operation, Result.REFUSED, error_kind="refused", error="413 too large")
    failure = FailureRecord(
        operation.row_id,
        operation.file_path,
        "create",
        operation.revision,
        "refused",
        "413 too large",
        1,
        1,
        NOW,
        NOW,
        True,
    )
    catalogue.confirm([outcome], [failure])
    return operation


def test_an_unknown_key_is_not_tracked(catalogue: DatabaseManager) -> None:
    """A key that nothing is known of is said not to be tracked."""
    assert verdict_of(catalogue.explain("nope"), "nope").startswith("not tracked")


def test_a_new_object_is_not_in_step(catalogue: DatabaseManager) -> None:
    """What was observed and not delivered waits for the next run."""
    assert verdict_of(catalogue.explain(KEY), KEY) == "not in step; the next run sends what differs"


def test_an_attempt_in_doubt_is_named(catalogue: DatabaseManager) -> None:
    """A marked attempt without an outcome is told as in doubt."""
    catalogue.mark([create_of(catalogue)])
    assert "in doubt" in verdict_of(catalogue.explain(KEY), KEY)


def test_a_delivered_object_is_in_step(catalogue: DatabaseManager) -> None:
    """After a verified answer both sides hold the same."""
    operation = create_of(catalogue)
    catalogue.mark([operation])
    catalogue.confirm([Outcome(operation, Result.DONE, Receipt("id-1", 3))], [])
    assert verdict_of(catalogue.explain(KEY), KEY).startswith("in step")


def test_a_lost_object_is_to_be_deleted(catalogue: DatabaseManager) -> None:
    """What the source no longer has and the destination still holds goes with the next run."""
    operation = create_of(catalogue)
    catalogue.mark([operation])
    catalogue.confirm([Outcome(operation, Result.DONE, Receipt("id-1", 3))], [])
    observe(catalogue, [], [operation.row_id], NOW)
    assert verdict_of(catalogue.explain(KEY), KEY).endswith("the next run deletes it")


def test_explain_prints_json(
    catalogue: DatabaseManager, config: SyncConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json the rows, failures and events are there as data."""
    refuse(catalogue)
    assert explain_key(config, "a[/b].txt", as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"].startswith("in quarantine")
    assert told["observed"]["etag"] == "e1"
    assert told["failures"][0]["message"] == "413 too large"


def test_explain_prints_for_people(
    catalogue: DatabaseManager, config: SyncConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people the verdict comes first, then the rows."""
    assert explain_key(config, "a[/b].txt", as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a[/b].txt: not in step")
    assert lines[2].strip() == "delivered  no row"


def test_retry_makes_a_new_effect(catalogue: DatabaseManager, config: SyncConfig) -> None:
    """A refused object leaves quarantine with a higher revision, so that no server takes it for the refused call."""
    refused = refuse(catalogue)
    catalogue.close()
    assert retry(config, [], as_json=False) == 0
    after = bootstrap.read_catalogue(config)
    assert after.totals().quarantined == 0
    assert after.observations_at(["a[/b].txt"])["a[/b].txt"].row.revision == refused.revision + 1
    after.close()


def test_retry_of_another_key_changes_nothing(catalogue: DatabaseManager) -> None:
    """Only the named keys are tried again."""
    refuse(catalogue)
    assert catalogue.try_again(["other"], NOW) == 0
    assert catalogue.totals().quarantined == 1


def test_retry_beside_a_daemon_is_left_for_it(catalogue: DatabaseManager, config: SyncConfig) -> None:
    """Where another process is the writer, the wish is left in the folder that its next run reads."""
    refuse(catalogue)
    assert retry(config, ["a[/b].txt"], as_json=False) == 0
    asked: list[list[str]] = []
    take_retries(config.requests_dir, asked.append, print)
    take_retries(config.requests_dir, asked.append, print)
    assert asked == [["a[/b].txt"]]


def test_retry_without_a_catalogue(config: SyncConfig) -> None:
    """Before the first sync there is nothing to try again, and it is said so."""
    with pytest.raises(CatalogueMissing):
        retry(config, [], as_json=False)


def test_a_key_that_is_not_set_aside_is_a_mistake(
    catalogue: DatabaseManager, config: SyncConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 where none of the named keys is in quarantine; else the others are named and those that are go."""
    refuse(catalogue)
    with pytest.raises(ConfigurationError, match="none of the named keys is in quarantine"):
        retry(config, ["other", "other"], as_json=False)
    catalogue.close()
    assert retry(config, ["other\x1b", KEY], as_json=True) == 0
    said = capsys.readouterr()
    assert "other\\x1b: not in quarantine" in said.err
    told = json.loads(said.out)
    assert (told["retried"], told["not_in_quarantine"]) == (1, ["other\x1b"])
    assert told["message"] == "1 object is tried again with the next run"
