"""The front doors' own words: sync_cli.sh and sync_cli.ps1 name what there is."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from typer.main import get_command

from scripts.local_stack import ROOT
from sync_service import cli_options

importlib.import_module("sync_service.cli")
COMMANDS = set(getattr(get_command(cli_options.app), "commands", ()))


def named(text: str) -> set[str]:
    """The words of the lines that list the commands."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("initial-sync"))
    last = next(number for number, line in enumerate(lines) if line.startswith("help lists them"))
    return {*" ".join(lines[first:last]).split(), "help"}


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_shell_names_every_command(option: str) -> None:
    """`sync_cli.sh --help` lists the commands that there are, no more and no less, and where their options are told."""
    done = subprocess.run(["bash", str(ROOT / "sync_cli.sh"), option], capture_output=True, text=True, check=True)
    assert named(done.stdout) == COMMANDS
    assert "help COMMAND" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Exit codes")


def test_powershell_says_the_same() -> None:
    """The head of sync_cli.ps1, which is its help, is that of sync_cli.sh but for what is PowerShell's own."""
    shell = [line.removeprefix("# ") for line in (ROOT / "sync_cli.sh").read_text().splitlines()[1:9]]
    powershell = [line.removeprefix("# ") for line in (ROOT / "sync_cli.ps1").read_text().splitlines()[:9]]
    assert named("\n".join(powershell)) == COMMANDS
    assert [line for line in shell if line not in powershell] == [shell[2], shell[7]]
