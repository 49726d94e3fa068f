"""Which events are the same, and which of two is later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_service.event_logs.decode import decode_item
from sync_service.models.data_models import Event, Poison
from sync_service.models.event_identity import content_hash, identity, sequencer_order, told_apart

PAIRS = json.loads((Path(__file__).parents[2] / "data" / "events" / "sequencers.json").read_text())["pairs"]


def one(**members: Any) -> Event | Poison:
    (entry,) = decode_item(
        {"event_type": "update", "file_path": "a.txt", "timestamp": "2026-11-21T06:00:00Z"} | members
    )
    return entry


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["why"] for pair in PAIRS])
def test_documented_pairs_compare_as_documented(pair: dict[str, Any]) -> None:
    """All of sequencers.json."""
    a, b = sequencer_order(pair["a"]), sequencer_order(pair["b"])
    assert (a > b) - (a < b) == pair["compare"]


@given(st.from_regex(r"[0-9A-Za-z]{1,20}", fullmatch=True), st.from_regex(r"[0-9A-Za-z]{1,20}", fullmatch=True))
def test_cutting_zeros_compares_as_padding_with_them(a: str, b: str) -> None:
    """The documented rule, word for word."""
    width = max(len(a), len(b))
    padded = [text.upper().ljust(width, "0") for text in (a, b)]
    assert (sequencer_order(a) < sequencer_order(b)) == (padded[0] < padded[1])


def test_a_fresh_timestamp_is_another_delivery_of_the_same_content() -> None:
    """Servers in the field repeat their list with new times."""
    first, again = one(), one(timestamp="2026-11-21T07:00:00Z")
    assert identity(first) != identity(again)
    assert content_hash(first) == content_hash(again)


def test_the_same_event_is_the_same_delivery() -> None:
    """Whatever the order of its members."""
    entry = {"event_type": "update", "file_path": "a.txt", "metadata": {"owner": "x", "group": "y"}}
    turned = {"metadata": {"group": "y", "owner": "x"}, "file_path": "a.txt", "event_type": "update"}
    (first,), (again,) = decode_item(entry), decode_item(turned)
    assert identity(first) == identity(again)
    assert content_hash(first) == content_hash(again)


def test_an_id_of_the_log_is_the_identity() -> None:
    """Whatever else the delivery says."""
    assert identity(one(event_id="e1")) == identity(one(event_id="e1", timestamp=None))
    assert identity(one(event_id="e1")) != identity(one(event_id="e2"))


@pytest.mark.parametrize(
    "members",
    [
        {"event_type": "delete"},
        {"file_path": "b.txt"},
        {"event_type": "rename", "new_path": "b.txt"},
        {"sequencer": "1"},
        {"metadata": {"size": 1}},
        {"metadata": {"permissions": "0600"}},
        {"metadata": {"owner": "x"}},
        {"metadata": {"group": "x"}},
        {"metadata": {"etag": "x"}},
        {"metadata": {"file_type": "x"}},
    ],
)
def test_other_content_is_another_event(members: dict[str, Any]) -> None:
    """Everything that a decoder reads counts."""
    assert content_hash(one()) != content_hash(one(**members))


def test_values_do_not_run_into_each_other() -> None:
    """An owner is no group."""
    assert content_hash(one(metadata={"owner": "x"})) != content_hash(one(metadata={"group": "x"}))


def test_repeated_poison_is_known_by_its_content() -> None:
    """Fresh times in damaged events do not fill the quarantine."""
    first, again = one(event_type="explode"), one(event_type="explode", timestamp="2026-11-21T07:00:00.5+01:00")
    assert isinstance(first, Poison)
    assert identity(first) != identity(again)
    assert content_hash(first) == content_hash(again)
    assert content_hash(first) != content_hash(one(event_type="explode", file_path="b.txt"))


def chmods(*told: str) -> list[Event | Poison]:
    """Changes of permissions as `600@1`: the value, and the second at which it was told."""
    pairs = [line.split("@") for line in told]
    return [
        one(event_type="change_permission", metadata={"permissions": value}, timestamp=f"2026-11-21T06:00:0{second}Z")
        for value, second in pairs
    ]


@pytest.mark.parametrize(
    ("told", "again"),
    [
        pytest.param(["600@1", "644@1", "600@1"], [0, 0, 1], id="back within a second"),
        pytest.param(["600@1", "644@1", "600@1", "644@1", "600@1"], [0, 0, 1, 1, 2], id="to and fro"),
        pytest.param(["600@1", "644@1", "600@2"], [0, 0, 0], id="another second"),
        pytest.param(["600@1", "600@1"], [0, 0], id="the same twice"),
        pytest.param(["600@1", "600@1", "644@1", "600@1", "600@1"], [0, 0, 0, 1, 1], id="the same twice, and back"),
        pytest.param(["600@1", "644@2", "600@1"], [0, 0, 0], id="an old one behind a later one"),
        pytest.param(["644@1", "600@1"], [0, 0], id="the list without its beginning"),
    ],
)
def test_equal_events_of_one_answer_are_told_apart(told: list[str], again: list[int]) -> None:
    """Where something else happened in between, and nothing later, it happened once more."""
    found = told_apart(chmods(*told))
    assert [entry.again for entry in found if isinstance(entry, Event)] == again
    assert len({identity(entry) for entry in found}) == len(set(zip(told, again, strict=True)))
    assert [content_hash(entry) for entry in found] == [content_hash(entry) for entry in chmods(*told)]


def test_ids_and_sequencers_tell_events_apart_themselves() -> None:
    """An event that bears one, and poison, is the same however often it comes."""
    entries = [one(event_id="1"), one(sequencer="0A"), one(event_type="explode")]
    assert told_apart([*entries, *entries]) == [*entries, *entries]
