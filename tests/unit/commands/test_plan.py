"""plan as a command: what it says of operations and of deletes that the guard would hold."""

from __future__ import annotations

import json

import pytest

from sync_service import console
from sync_service.commands.dry_run import Plan
from sync_service.models.errors import ExitCode
from sync_service.services.plan_files import PlannedOperation, Preview

LONG = "k" * 1024


def planned(*held: str) -> Plan:
    figures = {"statistics": {"deletes_held": len(held)}, "held_reason": "too many", "errors": []}
    operation = PlannedOperation("create", "new.txt", None, 1, "e1", *[None] * 5)
    return Plan("c", Preview((operation,), held), figures, ExitCode.GUARDED)


def test_every_held_delete_has_its_line() -> None:
    """However many there are, with its whole key; what they are held for comes behind them."""
    paths = [f"d{number}" for number in range(60)] + [LONG, "a\x1b[2J"]
    lines = list(planned(*paths).lines())
    assert lines[1:63] == [*(f"held delete {path}" for path in paths[:61]), "held delete a\\x1b[2J"]
    assert lines[63:] == ["62 deletes would be held: too many", "1 operation; nothing was changed"]


def test_every_held_delete_is_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside their number; a plan without any has an empty list."""
    for held in (("d1", "d2"), ()):
        plan = planned(*held)
        console.result_listing(plan.as_json(), "held_deletes", plan.held_deletes())
        told = json.loads(capsys.readouterr().out)
        assert told["held_deletes"] == [{"file_path": path} for path in held]
        assert (told["deletes_held"], len(told["operations"])) == (len(held), 1)
