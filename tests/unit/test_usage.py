"""How commands are called: options without a command, mistakes of usage, and --json wherever something is printed."""

from __future__ import annotations

import json
import runpy
import sys
from typing import Any

import pytest

from sync_service import cli
from sync_service.cli_options import Common
from sync_service.main import main


@pytest.fixture
def daemons(monkeypatch: pytest.MonkeyPatch) -> list[Common]:
    """The options with which a daemon was to be started."""
    begun: list[Common] = []

    def daemon(common: Common) -> int:
        begun.append(common)
        return 0

    monkeypatch.setattr(cli, "daemon", daemon)
    return begun


@pytest.mark.parametrize(
    ("arguments", "common"),
    [
        (["-v"], Common(verbose=True)),
        (["--json", "-q"], Common(as_json=True, quiet=True)),
        (["--route", "customer"], Common(route="customer")),
    ],
)
def test_without_a_command_the_daemon_takes_its_options(
    daemons: list[Common], arguments: list[str], common: Common
) -> None:
    """No command means the daemon, so its options are known there."""
    assert main(arguments) == 0
    assert daemons == [common]


def test_options_before_a_command_are_refused(daemons: list[Common], capsys: pytest.CaptureFixture[str]) -> None:
    """They would be taken for the daemon's and change nothing; it is said where they belong."""
    assert main(["-v", "status"]) == 2
    assert "options go behind the command: status" in capsys.readouterr().err
    assert daemons == []


@pytest.mark.parametrize(
    "arguments", [["status", "--nope", "--json"], ["nope", "--json"], ["--json", "explain"], ["runs", "x", "--json"]]
)
def test_a_mistake_of_usage_is_json_where_that_is_asked_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same error as any other, beside the words for people."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert (error["exit_code"], error["message"] in said.err) == (2, True)


def test_a_mistake_of_usage_is_words_alone_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    """Usage, what is wrong, nothing on the standard output; what stands behind -- is no option."""
    assert main(["status", "--nope", "--", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: python -m sync_service.main status [OPTIONS]\n")
    assert "No such option: --nope" in said.err


def test_help_is_json_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with its help and options, or one of them."""
    assert main(["help", "--json"]) == 0
    commands = {one["name"]: one for one in json.loads(capsys.readouterr().out)["commands"]}
    assert {"daemon", "status", "help", "demo"} <= set(commands)
    assert main(["help", "retry-failed", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["commands"]
    assert one["help"].startswith("Try again what was refused")
    assert ["-v", "--verbose"] in [parameter["names"] for parameter in one["parameters"]]
    assert main(["help", "nope", "--json"]) == 2
    assert "no such command: nope" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize("code", [0, 1])
def test_the_demo_as_json_tells_how_it_ended(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its story goes to the standard error then."""

    def told(*_: Any, **__: Any) -> None:
        sys.stdout.write("the story\n")
        raise SystemExit(code)

    monkeypatch.setattr(runpy, "run_path", told)
    assert main(["demo", "--json"]) == code
    said = capsys.readouterr()
    assert json.loads(said.out) == {"success": code == 0, "exit_code": code}
    assert said.err == "the story\n"


def test_help_tells_every_command_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A summary that is cut in the middle helps nobody."""
    assert main(["help"]) == 0
    said = capsys.readouterr().out
    assert "..." not in said.replace("[ARGS]...", "")
    assert "connections, a sync, the CSV export, the final state." in " ".join(said.split())


@pytest.mark.parametrize("arguments", [["explain", "-1"], ["retry-failed", "-x.txt"]])
def test_a_key_like_an_option_is_helped_with(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Behind -- it is a key."""
    assert main(arguments) == 2
    assert "A key that begins with - goes behind --" in capsys.readouterr().err
    assert main(["status", "-1"]) == 2
    assert "goes behind --" not in capsys.readouterr().err
