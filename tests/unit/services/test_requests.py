"""What a person leaves for the daemon: taken up once, whole, whatever else lies in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync_service.models.errors import StorageDenied, StorageFull
from sync_service.services.requests import leave_approval, leave_retry, take_approvals, take_retries


def approvals(folder: Path) -> list[tuple[int, str]]:
    """What a run would record now."""
    taken: list[tuple[int, str]] = []
    take_approvals(folder, taken.extend)
    return taken


def retries(folder: Path) -> list[list[str]]:
    """What a run would record now."""
    taken: list[list[str]] = []
    take_retries(folder, taken.extend)
    return taken


def test_approvals_are_taken_once(tmp_path: Path) -> None:
    """All that were left, in order of their names; then none."""
    folder = tmp_path / "requests"
    assert approvals(folder) == []
    leave_approval(folder, "b", [(3, "c")])
    leave_approval(folder, "a", [(1, "a"), (2, 'ü\n"')])
    assert approvals(folder) == [(1, "a"), (2, 'ü\n"'), (3, "c")]
    assert approvals(folder) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "5", '{"approve": 5}', '{"approve": [1]}', '{"approve": [["x", "y"]]}', "\xff"]
)
def test_a_damaged_request_counts_as_none(tmp_path: Path, content: str) -> None:
    """It is taken away, and the sound one beside it counts."""
    (tmp_path / "approve-0.json").write_bytes(content.encode("latin-1"))
    leave_approval(tmp_path, "1", [(1, "a")])
    assert approvals(tmp_path) == [(1, "a")]
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_cannot_be_left_says_why(tmp_path: Path) -> None:
    """A file in the folder's place."""
    (tmp_path / "requests").write_text("")
    with pytest.raises(StorageDenied):
        leave_approval(tmp_path / "requests", "a", [(1, "a")])


def test_a_request_that_cannot_be_taken_away_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agreeing twice to the same rows is harmless."""
    leave_approval(tmp_path, "a", [(1, "a")])

    def fails(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fails)
    assert approvals(tmp_path) == approvals(tmp_path) == [(1, "a")]


def test_retries_are_taken_once_beside_approvals(tmp_path: Path) -> None:
    """Each request is a list of paths, an empty one means all; approvals stay until they are asked for."""
    leave_retry(tmp_path, "b", [])
    leave_retry(tmp_path, "a", ["x", "ü"])
    leave_approval(tmp_path, "a", [(1, "a")])
    (tmp_path / "retry-c.json").write_text('{"retry": 5}')
    assert retries(tmp_path) == [["x", "ü"], []]
    assert retries(tmp_path) == []
    assert approvals(tmp_path) == [(1, "a")]


def test_a_request_that_was_not_recorded_stays(tmp_path: Path) -> None:
    """A full disk, or a death, in the middle of it: a person's yes counts with the next run."""
    leave_approval(tmp_path, "a", [(1, "a")])

    def fails(_: object) -> None:
        raise StorageFull("no space left")

    with pytest.raises(StorageFull):
        take_approvals(tmp_path, fails)
    assert approvals(tmp_path) == [(1, "a")]
