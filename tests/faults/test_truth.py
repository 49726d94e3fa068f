"""The judge of the random kills: it sees what it is there to see."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.truth import Truth, digest

ONE, TWO = b"one version", b"two versions"


@pytest.fixture
def truth() -> Truth:
    """An object `a` that was `b` before, and an object `c` that is gone."""
    truth = Truth()
    truth.put("b", ONE, "600")
    truth.put("c", TWO, "644")
    truth.rename("b", "a")
    truth.delete("c")
    return truth


def file(body: bytes, permissions: str = "600") -> dict[str, Any]:
    return {"sha256": digest(body), "permissions": permissions}


def effects(*told: tuple[str, str, bytes | str]) -> list[dict[str, Any]]:
    """Effects under keys of their own: (operation, path, content or new path)."""
    return [
        {
            "n": number, "endpoint": "saveToDisk", "operation": operation, "file_path": path, "key": f"key-{number}",
            "new_path": rest if isinstance(rest, str) else None,
            "sha256": digest(rest) if isinstance(rest, bytes) else None,
        }
        for number, (operation, path, rest) in enumerate(told, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a": file(ONE)}, []),
        ({}, ["lost: a"]),
        ({"a": file(ONE), "c": file(TWO)}, ["extra: c"]),
        ({"a": file(TWO)}, ["wrong: a holds other bytes"]),
        ({"a": file(ONE, "644")}, ["wrong: a has permissions 644, not 600"]),
    ],
)
def test_differences_are_named(truth: Truth, files: dict[str, Any], found: list[str]) -> None:
    """Lost, extra and wrong files are told apart."""
    assert truth.differences(files) == found


def test_bytes_that_no_object_ever_had_are_seen(truth: Truth) -> None:
    """Old versions and what a server stored short may be there for a while, a mix may not."""
    assert truth.unknown({"x": file(TWO), "y": file(TWO[:3])}) == []
    assert truth.unknown({"x": file(b"one versions")}) == ["mixed: x holds bytes that no object ever had"]


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ([("create", "b", ONE), ("move", "b", "a")], 0),
        ([("create", "b", ONE), ("create", "b", ONE)], 1),
        ([("create", "b", ONE), ("rename", "b", "a"), ("update", "a", ONE)], 0),
        ([("create", "b", ONE), ("rename", "b", "a"), ("update", "a", ONE), ("update", "a", ONE)], 1),
        ([("create", "c", TWO), ("delete", "c", ""), ("create", "c", TWO)], 0),
    ],
)
def test_bytes_that_are_sent_to_where_they_are_count_as_twice(
    truth: Truth, told: list[tuple[str, str, bytes | str]], count: int
) -> None:
    """An upload of what is there already is a duplicate, unless the object came to be there that often."""
    assert len(truth.duplicates(effects(*told))) == count


def test_versions_that_come_back_may_be_sent_again(truth: Truth) -> None:
    """v1, v2, v1 in doubt: v1 may be sent twice in a row, but not three times."""
    truth.put("b", ONE, "600")
    again = [("create", "b", ONE), ("update", "b", ONE)]
    assert truth.duplicates(effects(*again)) == []
    assert len(truth.duplicates(effects(*again, ("update", "b", ONE)))) == 1


def test_one_key_is_one_effect(truth: Truth) -> None:
    """A key under which two things were done is seen, whatever they were."""
    found = effects(("create", "b", ONE), ("delete", "b", ""))
    found[1]["key"] = found[0]["key"]
    assert truth.duplicates(found) == ["duplicated: key key-1 had 2 effects"]
