"""Our own event vocabulary: strict in paths and types, lenient in everything that only helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync_service.event_logs.decode import MAX_RECORDS, decode_item, decode_text
from sync_service.event_logs.fields import RAW_CHARACTERS
from sync_service.models.data_models import Event, EventType, Poison

KEYS = [entry["key"] for entry in json.loads((Path(__file__).parents[2] / "data" / "keys.json").read_text())["keys"]]


def decoded(**members: Any) -> Event:
    (entry,) = decode_item({"event_type": "update", "file_path": "a.txt", **members})
    assert isinstance(entry, Event), entry
    return entry


def refused(**members: Any) -> str:
    (entry,) = decode_item({"event_type": "update", "file_path": "a.txt", **members})
    assert isinstance(entry, Poison), entry
    return entry.reason


def test_every_member_of_a_full_event_arrives() -> None:
    """The contract's own example."""
    metadata = {"new_permissions": "0640", "owner": "alice", "group": "staff", "size": 5, "mime_type": "text/plain"}
    event = decoded(
        event_id="e1",
        sequencer="0A",
        event_type="rename",
        new_path="b.txt",
        timestamp="2026-11-21T06:00:00Z",
        metadata=metadata,
    )
    assert (event.event_type, event.file_path, event.new_path) == (EventType.RENAME, "a.txt", "b.txt")
    assert (event.event_id, event.sequencer, event.timestamp) == ("e1", "0A", "2026-11-21T06:00:00Z")
    assert (event.permissions, event.owner, event.group) == ("0640", "alice", "staff")
    assert (event.size, event.file_type, event.bucket) == (5, "text/plain", None)


@pytest.mark.parametrize("kind", ["create", "update", "delete", "rename", "move", "change_permission", " CREATE "])
def test_the_six_types_are_known(kind: str) -> None:
    """In any case."""
    assert decoded(event_type=kind, new_path="b.txt").event_type == kind.strip().lower()


@pytest.mark.parametrize("kind", ["ignore", "explode", "", None, 5, ["create"], {}])
def test_any_other_type_is_poison(kind: object) -> None:
    """`ignore` is ours alone."""
    assert "event_type" in refused(event_type=kind)


@pytest.mark.parametrize("key", KEYS)
def test_every_awkward_key_is_taken_as_it_is(key: str) -> None:
    """No decoding, no slash added or taken away."""
    assert decoded(event_type="move", file_path=key, new_path=key).new_path == key
    assert decoded(file_path=key).file_path == key


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "missing"),
        ("", "empty"),
        (5, "not text"),
        (True, "not text"),
        (["a"], "not text"),
        ({"a": 1}, "not text"),
        ("a\0b", "NUL"),
        ("\ud800.txt", "surrogate"),
        ("x" * 1025, "1025 bytes"),
        ("é" * 513, "1026 bytes"),
        ("/" + "x" * 1025, "1025 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["file_path", "new_path"])
def test_a_path_that_cannot_be_a_key_is_poison(name: str, path: object, reason: str) -> None:
    """And the reason names the member."""
    told = refused(**{"event_type": "rename", "new_path": "b.txt", name: path})
    assert name in told
    assert reason in told


def test_a_slash_before_the_longest_key_is_not_counted() -> None:
    """Some servers put one before every path."""
    assert decoded(file_path="/" + "x" * 1024).file_path == "/" + "x" * 1024


@pytest.mark.parametrize("kind", ["rename", "move"])
def test_a_path_change_without_a_new_path_is_poison(kind: str) -> None:
    """It says nothing that could be done."""
    assert "new_path" in refused(event_type=kind)


def test_a_new_path_of_another_type_of_event_is_left_out() -> None:
    """Damaged or not, it means nothing there."""
    assert decoded(new_path=["x"]).new_path is None


@pytest.mark.parametrize("name", ["new_permissions", "permissions", "permission", "perms", "access", "mode"])
def test_permissions_go_by_six_names(name: str) -> None:
    """In the metadata, or beside it."""
    assert decoded(metadata={name: "0600"}).permissions == "0600"
    assert decoded(**{name: "0600"}).permissions == "0600"


def test_the_first_usable_name_wins() -> None:
    """New permissions before old ones, and empty or damaged ones are passed over."""
    assert decoded(metadata={"permissions": "old", "new_permissions": "new"}).permissions == "new"
    assert decoded(metadata={"new_permissions": "", "perms": ["x"], "access": 640}).permissions == "640"


@pytest.mark.parametrize("value", [None, "", True, 1.5, [], {}, "a\0b", "\ud800", "x" * 5000])
def test_a_value_that_only_helps_costs_no_event_when_it_is_damaged(value: object) -> None:
    """Losing a good hint would lose a change."""
    metadata = dict.fromkeys(("permissions", "owner", "group", "size", "file_type", "mime_type", "etag"), value)
    event = decoded(metadata=metadata, event_id=value, sequencer=value, timestamp=value)
    assert (event.permissions, event.owner, event.group, event.size, event.file_type) == (None,) * 5
    assert (event.event_id, event.etag, event.timestamp) == (None,) * 3 if value != 1.5 else event.etag is None


@pytest.mark.parametrize("metadata", [None, [], "text", 5])
def test_metadata_of_another_shape_is_none(metadata: object) -> None:
    """The event is whole without it."""
    assert decoded(metadata=metadata).permissions is None


@pytest.mark.parametrize(
    ("given_time", "canonical"),
    [
        ("2026-11-21T06:00:00Z", "2026-11-21T06:00:00Z"),
        ("2026-11-21T06:00:00", "2026-11-21T06:00:00Z"),
        ("2026-11-21 06:00:00.123456", "2026-11-21T06:00:00.123Z"),
        ("2026-11-21T06:00:00.5+02:00", "2026-11-21T04:00:00.500Z"),
        ("2026-11-21T06:00:00-0530", "2026-11-21T11:30:00Z"),
        ("2026-11-21t06:00:00z", "2026-11-21T06:00:00Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        (1_800_000_000, "2027-01-15T08:00:00Z"),
        (1_800_000_000_500, "2027-01-15T08:00:00.500Z"),
        ("yesterday", None),
        ("2026-13-45T99:99:99Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        (1e30, None),
        (float("nan"), None),
        (True, None),
    ],
)
def test_times_are_utc_and_an_unreadable_one_is_left_out(given_time: object, canonical: str | None) -> None:
    """Naive is UTC, zones are converted, and naive and zoned times in one batch are no trouble."""
    assert decoded(timestamp=given_time).timestamp == canonical


@pytest.mark.parametrize(
    ("sequencer", "taken"), [("0a9F", "0a9F"), ("zz9", "zz9"), ("a-b", None), ("", None), (5, None)]
)
def test_a_sequencer_of_letters_and_digits_orders(sequencer: object, taken: str | None) -> None:
    """Anything else would compare wrongly."""
    assert decoded(sequencer=sequencer).sequencer == taken


@pytest.mark.parametrize(
    "value", [None, True, 5, "text", [], ["create"], {}, {"Type": "x"}, {"Type": [], "Message": 1}]
)
def test_what_is_no_event_at_all_is_one_poison(value: object) -> None:
    """Whatever a list of events holds."""
    (entry,) = decode_item(value)
    assert isinstance(entry, Poison)


def test_the_record_of_an_event_is_cut_and_storable() -> None:
    """However large the event, and whatever is in it."""
    event = decoded(metadata={"note": "x" * 100_000, "bad": "\ud800\0"})
    assert len(event.raw) <= RAW_CHARACTERS * 6
    event.raw.encode("utf-8")
    assert "\0" not in event.raw


def test_an_event_nested_too_deeply_is_poison() -> None:
    """Before anything walks it."""
    nested: Any = "x"
    for _ in range(900):
        nested = [nested]
    assert "deep" in refused(metadata={"x": nested})


def test_our_own_events_may_come_through_a_queue() -> None:
    """Bare, or wrapped by SNS."""
    text = json.dumps({"event_type": "delete", "file_path": "a.txt"})
    for payload in (text, "\ufeff" + text, json.dumps({"Type": "Notification", "TopicArn": "t", "Message": text})):
        (entry,) = decode_text(payload)
        assert isinstance(entry, Event)
        assert (entry.event_type, entry.file_path) == (EventType.DELETE, "a.txt")


def test_a_message_of_endless_records_is_one_poison() -> None:
    """So that quarantine does not grow by it."""
    assert len(decode_text('{"Records":[' + "{}," * MAX_RECORDS + "{}]}")) == 1
    assert len(decode_text('{"Records":[{},{}]}')) == 2


TEXT = st.text(alphabet="a/%\0\ud800é\n", max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OURS = ["event_type", "file_path", "new_path", "metadata", "timestamp", "event_id", "Event", "EventName", "Key"]
BRIDGE = ["detail-type", "detail", "source", "object", "key", "bucket", "name", "size", "sequencer", "deletion-type"]
RECORD = ["Records", "eventName", "eventVersion", "eventTime", "s3", "Type", "Message", "TopicArn", "Body"]
NAMES = st.sampled_from([*OURS, *BRIDGE, *RECORD])
VALUES = st.sampled_from(
    ["create", "rename", "2.1", "ObjectCreated:Put", "Notification", "aws.s3", "Object Created", "a"]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(NAMES, JSON | VALUES | st.dictionaries(NAMES, JSON | VALUES, max_size=4), max_size=8))
def test_no_object_makes_the_decoder_raise(value: dict[str, Any]) -> None:
    """Events or poison, whatever comes; and the record is always storable."""
    for entry in [*decode_item(value), *decode_text(json.dumps(value))]:
        assert isinstance(entry, Event | Poison)
        entry.raw.encode("utf-8")


@given(st.binary() | st.text())
def test_no_bytes_make_the_decoder_raise(payload: bytes | str) -> None:
    """Noise is poison."""
    assert all(isinstance(entry, Event | Poison) for entry in decode_text(payload))
