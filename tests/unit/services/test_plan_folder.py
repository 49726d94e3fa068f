"""Copies of the catalogue that killed plans have left: removed by the next one, and nothing else with them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from sync_service.catalogue import lock
from sync_service.catalogue.lock import WriterLock
from sync_service.services.plan_folder import PREFIX, plan_folder
from tests.fakes.catalogues import NOW


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(lock, "pause", lambda: False)
    return tmp_path


def left(temporary: Path, name: str) -> Path:
    """What a plan that was killed leaves."""
    folder = temporary / f"{PREFIX}{name}"
    folder.mkdir()
    (folder / "plan.lock").write_text("{}")
    (folder / "sync.db").write_text("a copy")
    return folder


def test_the_folder_goes_with_its_plan(temporary: Path) -> None:
    """Also when the plan fails."""
    with pytest.raises(KeyError), plan_folder(NOW) as folder:
        assert (folder.parent, list(temporary.iterdir())) == (temporary, [folder])
        raise KeyError("defect")
    assert list(temporary.iterdir()) == []


def test_copies_of_killed_plans_go(temporary: Path) -> None:
    """Those whose process is gone; one that lives keeps its own."""
    left(temporary, "killed")
    alive = left(temporary, "alive")
    held = WriterLock(alive / "plan")
    held.acquire(NOW)
    with plan_folder(NOW), plan_folder(NOW) as second:
        assert second.is_dir()
        assert len(list(temporary.iterdir())) == 3
    assert list(temporary.iterdir()) == [alive]
    held.release()


def test_nothing_else_is_touched(temporary: Path) -> None:
    """Neither folders that are no plan's, nor what a link points to."""
    elsewhere = temporary / "elsewhere"
    left(temporary, "x").rename(elsewhere)
    (temporary / f"{PREFIX}link").symlink_to(elsewhere, target_is_directory=True)
    (temporary / f"{PREFIX}other").mkdir()
    (temporary / f"{PREFIX}file").write_text("")
    before = sorted(temporary.rglob("*"))
    with plan_folder(NOW):
        pass
    assert sorted(temporary.rglob("*")) == before
