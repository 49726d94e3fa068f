"""What a person leaves for the daemon: taken up once, whole, whatever else lies in the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sync_service.models.errors import ExitCode, StorageDenied, StorageFull, SyncError, Temporary
from sync_service.services.requests import Trouble, leave_approval, leave_retry, take_approvals, take_retries
from tests.unit.services.rig import Rig


class Desk:
    """Takes up what was left in `folder`, as a run would now; `told` is what a run would tell of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Trouble] = []
        self.error: Exception | None = None

    def approvals(self) -> list[tuple[int, str]]:
        taken: list[tuple[int, str]] = []

        def record(deletes: list[tuple[int, str]]) -> None:
            if self.error is not None:
                raise self.error
            taken.extend(deletes)

        take_approvals(self.folder, record, self.told.append)
        return taken

    def retries(self) -> list[list[str]]:
        taken: list[list[str]] = []
        take_retries(self.folder, taken.append, self.told.append)
        return taken

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_approvals_are_taken_once(tmp_path: Path) -> None:
    """All that were left, in order of their names; then none."""
    desk = Desk(tmp_path / "requests")
    assert desk.approvals() == []
    leave_approval(desk.folder, "b", [(3, "c")])
    leave_approval(desk.folder, "a", [(1, "a"), (2, 'ü\n"')])
    assert desk.approvals() == [(1, "a"), (2, 'ü\n"'), (3, "c")]
    assert desk.approvals() == []
    assert (desk.files, desk.told) == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "5", '{"approve": 5}', '{"approve": [1]}', '{"approve": [["x", "y"]]}', "\xff", "[" * 200_000,
        '{"approve": [[18446744073709551616, "a"]]}', '{"approve": [[-1, "a"]]}', '{"approve": [[Infinity, "a"]]}',
        '{"approve": [[1, "\\ud800"]]}',
    ],
)  # fmt: skip
def test_a_damaged_request_counts_as_none(desk: Desk, content: str) -> None:
    """It is told once and kept under another name, and the sound one beside it counts."""
    (desk.folder / "approve-0.json").write_bytes(content.encode("latin-1"))
    leave_approval(desk.folder, "1", [(1, "a")])
    assert desk.approvals() == [(1, "a")]
    assert desk.approvals() == []
    assert [trouble.file.name for trouble in desk.told] == ["approve-0.bad"]
    assert desk.files == ["approve-0.bad"]


def test_a_request_that_cannot_be_left_says_why(tmp_path: Path) -> None:
    """A file in the folder's place."""
    (tmp_path / "requests").write_text("")
    with pytest.raises(StorageDenied):
        leave_approval(tmp_path / "requests", "a", [(1, "a")])


def test_a_request_that_cannot_be_deleted_counts_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept under another name instead."""
    leave_approval(desk.folder, "a", [(1, "a")])
    monkeypatch.setattr(Path, "unlink", not_permitted)
    assert desk.approvals() == [(1, "a")]
    assert desk.approvals() == []
    assert [trouble.file.name for trouble in desk.told] == ["approve-a.bad"]


def test_a_request_that_cannot_be_taken_away_is_not_taken_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would count again in every run; it does once the folder can be written."""
    leave_approval(desk.folder, "a", [(1, "a")])
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", not_permitted)
        assert desk.approvals() == []
    assert "cannot be taken away" in desk.told[0].why
    assert desk.approvals() == [(1, "a")]


def test_retries_are_taken_once_beside_approvals(desk: Desk) -> None:
    """Each request is a list of paths, an empty one means all; approvals stay until they are asked for."""
    leave_retry(desk.folder, "b", [])
    leave_retry(desk.folder, "a", ["x", "ü"])
    leave_approval(desk.folder, "a", [(1, "a")])
    (desk.folder / "retry-c.json").write_text('{"retry": 5}')
    assert desk.retries() == [["x", "ü"], []]
    assert desk.retries() == []
    assert desk.approvals() == [(1, "a")]


def test_a_request_that_the_disk_refuses_waits(desk: Desk) -> None:
    """A full disk in the middle of it: it is told, and a person's yes counts with the next run."""
    leave_approval(desk.folder, "a", [(1, "a")])
    desk.error = StorageFull("no space left")
    assert desk.approvals() == []
    assert "no space left" in desk.told[0].why
    desk.error = None
    assert desk.approvals() == [(1, "a")]


@pytest.mark.parametrize("error", [Temporary("UNIQUE constraint failed"), SyncError("no"), KeyError("defect")])
def test_a_request_that_cannot_be_recorded_is_set_aside(desk: Desk, error: Exception) -> None:
    """Whatever it raises stops nothing, and is not tried again in every run."""
    leave_approval(desk.folder, "a", [(1, "a")])
    desk.error = error
    assert desk.approvals() == []
    desk.error = None
    assert desk.approvals() == []
    assert [trouble.file.name for trouble in desk.told] == ["approve-a.bad"]


def test_a_death_in_between_loses_no_request(desk: Desk) -> None:
    """What a process had begun to take up is taken up by the next one."""
    leave_approval(desk.folder, "a", [(1, "a")])

    def dies(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_approvals(desk.folder, dies, desk.told.append)
    assert desk.approvals() == [(1, "a")]


async def test_deletes_may_be_agreed_to_twice(make_rig: Callable[..., Rig]) -> None:
    """Two approvals of the same rows are one, and a request that says nothing sensible stops no run: it is told."""
    rig = make_rig(settings={"max_delete": 1, "max_delete_percent": 0.0})
    for key in "abc":
        rig.source.put(key, key.encode())
    await rig.service.run_initial()
    for key in "ab":
        rig.source.delete(key)
        rig.tell("delete", key)
    assert (await rig.service.run_cycle()).exit_code is ExitCode.GUARDED
    deletes = [(row, path) for row, path, _ in rig.open_catalogue.pending_deletes()]
    for name in ("one", "two"):
        leave_approval(rig.config.requests_dir, name, deletes)
    (rig.config.requests_dir / "retry-x.json").write_text('{"retry": ["\\ud800"]}')
    assert (await rig.service.run_cycle()).exit_code is ExitCode.DONE
    assert rig.in_step()
    assert [Path(facts["file"]).name for _, facts in rig.observer.problems[-1:]] == ["retry-x.bad"]
    assert rig.files("requests") == ["retry-x.bad"]


def not_permitted(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")
