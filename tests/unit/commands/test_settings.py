"""config: what is in force, also where some of it cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sync_service import console
from sync_service.main import main
from sync_service.reporting import secrets


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a .env, and a secret in a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "PROCESS", secrets.Mask([]))
    (tmp_path / ".env").write_text("SYNC_INTERVAL=60\nMOCK_API_TOKEN=tell-nobody\n")
    (tmp_path / "token").write_text("tell-nobody-either\n")
    monkeypatch.setenv("STATUS_TOKEN_FILE", "token")


def shown(lines: list[str]) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}


def test_the_settings_in_force_are_told_with_their_origin(capsys: pytest.CaptureFixture[str]) -> None:
    """Secrets masked, exit 0."""
    assert main(["config"]) == 0
    found = shown(capsys.readouterr().out.splitlines())
    assert (found["SYNC_INTERVAL"], found["MAX_WORKERS"]) == ("60 (.env)", "10 (default)")
    assert found["STATUS_TOKEN"].startswith("******** (file token")


def test_a_wrong_value_hides_no_other_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be used is told as ever, each problem has its line, and the exit code is 2."""
    monkeypatch.setenv("MAX_WORKERS", "many")
    monkeypatch.setenv("TARGET_S3_REGION", "eu-central-1")
    monkeypatch.setenv("CUSTOMER_S3_BUCKT", "misspelt")
    assert main(["config"]) == 2
    said = capsys.readouterr()
    found = shown(said.out.splitlines())
    assert (found["SYNC_INTERVAL"], found["MAX_WORKERS"]) == ("60 (.env)", "cannot be used (environment)")
    assert found["TARGET_S3_REGION"] == "cannot be used (environment)"
    assert found["STATUS_TOKEN"].startswith("******** (file token")
    for problem in (
        "MAX_WORKERS: 'many' cannot be used",
        "TARGET_S3_BUCKET is not set",
        "did you mean CUSTOMER_S3_BUCKET",
    ):
        assert problem in said.err
    assert "tell-nobody" not in said.out + said.err


def test_wrong_settings_are_one_json_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The settings, and the error beside them."""
    monkeypatch.setenv("MAX_WORKERS", "many")
    assert main(["config", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["exit_code"] == 2
    values = {setting["name"]: setting["value"] for setting in told["settings"]}
    assert (values["MAX_WORKERS"], values["SYNC_INTERVAL"], values["MOCK_API_TOKEN"]) == (
        "cannot be used",
        "60",
        "********",
    )
