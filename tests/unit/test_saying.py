"""What commands say: nothing in it acts on a terminal, and nothing in it is a secret."""

from __future__ import annotations

import json

import pytest

from sync_service import cli, console, main
from sync_service.models.errors import ConfigurationError, Refused
from sync_service.models.text import escaped
from sync_service.reporting import secrets

HOSTILE = "a\x1b[2J\u202eb\r\nerror: forged\u2028\x9b\udc80"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that knows one secret."""
    monkeypatch.setattr(console, "PROCESS", secrets.Mask(["the-secret-of-it"]))


def test_lines_and_messages_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a text holds, it stays the line that it is."""
    console.lines([HOSTILE, "plain ü"])
    console.message(HOSTILE)
    console.error(Refused(f"422: {HOSTILE}", subject=HOSTILE, hint=HOSTILE))
    console.error(ConfigurationError([HOSTILE, HOSTILE], hint=HOSTILE))
    said = capsys.readouterr()
    assert (said.out.count("\n"), said.err.count("\n")) == (2, 5)
    assert [char for char in said.out + said.err if char != "\n" and escaped(char) != char] == []
    assert "plain ü" in said.out


def test_errors_show_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """In words and as JSON."""
    problem = Refused("401: the-secret-of-it", subject="the-secret-of-it", hint="the-secret-of-it")
    console.error(problem)
    console.result(console.error_json(problem))
    said = capsys.readouterr()
    assert "the-secret-of-it" not in said.out + said.err
    assert json.loads(said.out)["error"]["kind"] == "refused"


@pytest.mark.parametrize("verbose", [[], ["-v"]])
def test_an_unexpected_error_is_told_safely(
    verbose: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its traceback, chain and all, under -v; without secrets, and each line one line."""

    def broken(_: list[str]) -> None:
        try:
            raise ValueError(f"the-secret-of-it {HOSTILE}")
        except ValueError as error:
            raise RuntimeError(f"the-secret-of-it {HOSTILE}") from error

    monkeypatch.setattr(cli, "call", broken)
    assert main.main(["status", *verbose]) == 1
    said = capsys.readouterr().err
    assert ("Traceback" in said, "ValueError: *** a" in said) == (bool(verbose), bool(verbose))
    assert "unexpected RuntimeError: *** a" in said
    assert "the-secret-of-it" not in said
    assert [char for char in said if char != "\n" and escaped(char) != char] == []


@pytest.mark.parametrize("name", ["--no\u202eopt", "-\x1b[31m", "--plan\u2066=x"])
def test_an_option_made_of_a_key_is_told_escaped(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An option that cannot be one is a mistake of usage, and its name cannot move the terminal."""
    assert main.main(["explain", name]) == 2
    said = capsys.readouterr().err
    assert "no such option" in said
    assert [char for char in said if char != "\n" and escaped(char) != char] == []
