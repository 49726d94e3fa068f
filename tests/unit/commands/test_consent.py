"""Commands that ask first: where the question goes, what counts as a no, and what --json prints then."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service import bootstrap
from sync_service.commands import approvals
from sync_service.commands.approvals import approve
from sync_service.main import main
from sync_service.models.config import SyncConfig
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import NOW, deliver_all, event_commit, ids, scan


class Terminal(io.StringIO):
    """What a person types, at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SyncConfig:
    monkeypatch.chdir(tmp_path)
    for name, value in (("DATABASE_PATH", str(tmp_path / "sync.db")), ("CUSTOMER_S3_BUCKET", "bucket")):
        monkeypatch.setenv(name, value)
    return SyncConfig.from_env(dotenv=None)


@pytest.fixture(autouse=True)
def catalogue(config: SyncConfig) -> Iterator[DatabaseManager]:
    """Two held deletes; nobody is the writer."""
    manager = bootstrap.open_catalogue(config, "test")
    scan(manager, "a", "b", "c")
    deliver_all(manager)
    gone = ids(manager)
    manager.commit_events(event_commit(removed=[gone["a"], gone["b"]]), NOW)
    manager.put_held(2, "too many", NOW)
    manager.close()
    yield manager


def types(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """None: there is no terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n") if text is None else Terminal(text))


@pytest.mark.parametrize("typed", ["yes\n", " YES \n"])
def test_the_question_is_no_part_of_the_result(
    typed: str, config: SyncConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to the standard error, so that --json can go into a file."""
    types(monkeypatch, typed)
    assert approve(config, yes=False, as_json=True) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["approved"] == 2
    assert said.err == "Let these 2 deletes through? Type yes: "


@pytest.mark.parametrize("typed", ["", "no\n", "yes, but\n", None])
def test_a_no_is_told_as_json(
    typed: str | None, config: SyncConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end of the input and a missing terminal are a no, too: exit 6, and what is held."""
    types(monkeypatch, typed)
    assert approve(config, yes=False, as_json=True) == 6
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["approved"], told["held"], told["message"]) == (0, 2, "nothing was approved")
    assert told["held_deletes"] == [{"file_path": "a"}, {"file_path": "b"}]
    assert said.err.endswith("nothing was approved\n")


def test_every_delete_can_be_seen_before_it_is_agreed_to(
    config: SyncConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first ones, or all with -v: a catalogue in PostgreSQL has no plan that would name them."""
    monkeypatch.setattr(approvals, "SHOWN", 1)
    types(monkeypatch, "no\n")
    assert main(["approve-deletes"]) == 6
    assert capsys.readouterr().out.splitlines() == ["delete a", "and 1 more; -v shows all, and so does plan"]
    assert main(["approve-deletes", "-v"]) == 6
    assert capsys.readouterr().out.splitlines() == ["delete a", "delete b"]


@pytest.mark.parametrize("command", ["approve-deletes", "restore", "rebuild"])
@pytest.mark.parametrize("typed", ["", None])
def test_every_command_that_asks_takes_the_end_of_the_input_for_a_no(
    command: str,
    typed: str | None,
    config: SyncConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit 6, with a JSON result; nothing is aborted."""
    assert main(["backup", "kept.db"]) == 0
    capsys.readouterr()
    types(monkeypatch, typed)
    assert main([command, *(["kept.db"] if command == "restore" else []), "--json"]) == 6
    said = capsys.readouterr()
    assert json.loads(said.out)["message"].startswith("nothing was")
    assert "Aborted" not in said.err
