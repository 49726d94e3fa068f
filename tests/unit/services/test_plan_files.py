"""Plan files: written whole, read as they were, and refused in one line where they are anything else."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync_service.models.data_models import Kind, Operation
from sync_service.models.errors import ConfigurationError, ExitCode, StorageFull
from sync_service.services.plan_files import PlanFile, PlannedOperation, Preview, read_plan, write_plan
from tests.contracts.catalogue_contract import KEYS
from tests.fakes.catalogues import NOW

PLAN = PlanFile(
    "c" * 32,
    "customer",
    NOW,
    Preview(
        (
            PlannedOperation.of(Operation(Kind.UPDATE, 1, 2, "a", size=3, etag="e1", file_type="")),
            PlannedOperation.of(Operation(Kind.RENAME, 2, 2, "b\x1b", "c\u202e")),
        ),
        ("gone",),
    ),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "the.plan"


def test_a_plan_comes_back_as_it_was(path: Path) -> None:
    """Written and read again it is the same plan, with every awkward key; nothing else is left in the folder."""
    operations = tuple(PlannedOperation.of(Operation(Kind.DELETE, 1, 1, key)) for key in KEYS)
    for plan in (
        PLAN,
        PlanFile("id", "customer", NOW, Preview(operations, tuple(KEYS))),
        PlanFile("", "", "", Preview(())),
    ):
        write_plan(path, plan)
        assert read_plan(path) == plan
    assert list(path.parent.iterdir()) == [path]


def test_only_a_plan_is_overwritten(path: Path, tmp_path: Path) -> None:
    """Another file that was named by mistake keeps what it has; a folder is no place for a plan."""
    write_plan(path, PLAN)
    write_plan(path, PlanFile("", "", "", Preview(())))
    (tmp_path / "made-for-it").touch()
    write_plan(tmp_path / "made-for-it", PLAN)
    (tmp_path / "sync.db").write_bytes(b"SQLite format 3\0")
    (tmp_path / "list.json").write_text('{"kind": "s3-sync"}')
    for other in (tmp_path / "sync.db", tmp_path / "list.json", tmp_path, Path(), Path("/"), Path("..")):
        with pytest.raises(ConfigurationError):
            write_plan(other, PLAN)
    assert (tmp_path / "sync.db").read_bytes() == b"SQLite format 3\0"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["list.json", "made-for-it", "sync.db", "the.plan"]


def test_what_a_plan_is_read_by_people_as(path: Path) -> None:
    """The text of an operation names what is sent, escaped."""
    assert [line.text for line in PLAN.preview.operations] == [
        "update a (3 bytes, etag e1)",
        r"rename b\x1b -> c\u202e",
    ]
    change = Operation(Kind.CHANGE_PERMISSION, 1, 1, "a", permissions="rw\x07", owner="")
    assert PlannedOperation.of(change).text == r"change_permission a (permissions rw\x07)"


def changed(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: content | values


def an_operation(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: content | {"operations": [content["operations"][0] | values]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed(route="other"), "damaged"),
        (changed(operations=[]), "damaged"),
        (an_operation(file_path="b"), "damaged"),
        (changed(format=2), "has plan format 2, this version knows 1"),
        (changed(format=None), "has plan format None"),
        (changed(kind="shopping"), "is no plan"),
        (lambda _: [], "is no plan"),
        (lambda _: "text", "is no plan"),
    ],
)
def test_a_plan_that_was_changed_is_refused(path: Path, change: Callable[[Any], Any], words: str) -> None:
    """Edited, of a newer format, or no plan at all: exit 2 and one line that says which."""
    write_plan(path, PLAN)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_plan(path)
    assert (caught.value.exit_code, len(caught.value.problems)) == (ExitCode.USAGE, 1)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"kind": "s3-sync-plan", "format": 1}'])
def test_a_damaged_plan_is_refused(path: Path, content: bytes) -> None:
    """Cut, not UTF-8, nested without end, or hollow."""
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        read_plan(path)


@pytest.mark.parametrize(
    "change",
    [
        an_operation(operation="explode"),
        an_operation(file_path=None, etag=5),
        an_operation(size="many"),
        changed(operations=5),
        changed(operations=["x"]),
        changed(held_deletes=[5]),
        changed(made_at=None),
    ],
)
def test_a_plan_with_a_true_digest_and_false_values_is_refused(path: Path, change: Callable[[Any], Any]) -> None:
    """Whoever can make the digest still makes no operation that this version does not know."""
    from sync_service.services import plan_files

    write_plan(path, PLAN)
    content = change(json.loads(path.read_text()))
    content.pop("sha256")
    path.write_text(json.dumps({**content, "sha256": plan_files._digest(content)}))
    with pytest.raises(ConfigurationError, match="damaged"):
        read_plan(path)


def test_a_plan_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    """No such file, no such folder, a folder for a file: one line each."""
    for wrong in (tmp_path / "absent", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_plan(wrong)
    for wrong in (tmp_path / "no" / "folder", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            write_plan(wrong, PLAN)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_plan_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is replaced whole or not at all."""
    write_plan(path, PLAN)

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageFull):
        write_plan(path, PlanFile("other", "customer", NOW, Preview(())))
    assert read_plan(path) == PLAN


@pytest.mark.parametrize(("catalogue_id", "route"), [("c" * 32, "backup"), ("d" * 32, "customer")])
def test_a_plan_of_another_catalogue_is_refused(catalogue_id: str, route: str) -> None:
    """A plan belongs to one catalogue and one route."""
    PLAN.require("c" * 32, "customer")
    with pytest.raises(ConfigurationError, match="another catalogue"):
        PLAN.require(catalogue_id, route)
