"""What two listings of a bucket tell about the changes between them."""

from __future__ import annotations

from typing import Any

import pytest

from mock_api.bucket_changes import Entry, changed_keys, changes


def _entry(etag: str, time: str = "t1", **metadata: str) -> Entry:
    return Entry(etag, 1, time, "text/plain", metadata)


def _texts(before: dict[str, Entry], after: dict[str, Entry]) -> list[str]:
    found = changes(before, after)
    return [f"{c.event_type} {c.file_path}" + (f" -> {c.new_path}" if c.new_path is not None else "") for c in found]


A, B = _entry("A"), _entry("B")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": A}, {"a": A}, []),
        ({}, {"a": A}, ["create a"]),
        ({"a": A}, {}, ["delete a"]),
        ({"a": A}, {"a": B}, ["update a"]),
        ({"a": A}, {"a": _entry("A", "t2")}, ["update a"]),
        ({"a": A}, {"a": _entry("A", "t2", owner="o")}, ["change_permission a"]),
        ({"a": _entry("A", owner="o")}, {"a": _entry("A", "t2")}, ["change_permission a"]),
        ({"a": _entry("A", mode="1")}, {"a": _entry("A", "t2", mode="2")}, ["change_permission a"]),
        ({"a": _entry("A", colour="1")}, {"a": _entry("A", "t2", colour="2")}, ["update a"]),
        ({"a": A}, {"b": _entry("A", "t2")}, ["rename a -> b"]),
        ({"d/a": A}, {"d/b": _entry("A", "t2")}, ["rename d/a -> d/b"]),
        ({"d/a": A}, {"e/a": _entry("A", "t2")}, ["move d/a -> e/a"]),
        ({"a": A}, {"b": _entry("A", "t2"), "d/a": _entry("A", "t2")}, ["rename a -> b", "create d/a"]),
        ({"a": A, "b": A}, {"c": A}, ["rename a -> c", "delete b"]),
        ({"a": A, "b": B}, {"b": _entry("A", "t2")}, ["rename a -> b"]),
        ({"a": A}, {"b": Entry("A", 2, "t2")}, ["create b", "delete a"]),
        ({"a": A}, {"a": A, "b": A}, ["create b"]),
    ],
)
def test_changes(before: dict[str, Entry], after: dict[str, Entry], told: list[str]) -> None:
    """Each difference is told once, as what a person would call it."""
    assert _texts(before, after) == told


def test_unknown_metadata_may_have_changed() -> None:
    """Where no HEAD was made before, attributes that are there now are told as a change of permissions."""
    assert _texts({"a": Entry("A", 1, "t1")}, {"a": _entry("A", "t2", owner="o")}) == ["change_permission a"]
    assert _texts({"a": Entry("A", 1, "t1")}, {"a": _entry("A", "t2")}) == ["update a"]


def test_only_written_keys_are_worth_a_head() -> None:
    """What was not written since is not asked for."""
    assert changed_keys({"a": A, "b": B}, {"a": A, "b": _entry("B", "t2"), "c": A}) == ["b", "c"]


def test_events_have_stable_ids_and_the_attributes() -> None:
    """The same change told twice has one id, another change another; size, type and attributes are in the metadata."""
    events: list[dict[str, Any]] = [
        change.event("now") for after in ("A", "A", "B") for change in changes({}, {"a": _entry(after, mode="0600")})
    ]
    ids = [event["event_id"] for event in events]
    assert ids[0] == ids[1] != ids[2]
    assert events[0]["metadata"] == {"size": 1, "permissions": "0600", "file_type": "text/plain"}
