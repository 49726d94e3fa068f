"""Every recorded and documented payload decodes to what its record expects, and every poison case is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from sync_service.event_logs.decode import decode_item, decode_text
from sync_service.models.data_models import Event, Poison

FOLDER = Path(__file__).parents[2] / "data" / "events"
RECORDS = [
    (path.name, record)
    for path in sorted(FOLDER.glob("*.jsonl"))
    for record in map(json.loads, path.read_text(encoding="utf-8").strip().split("\n"))
    if "payload" in record
]
POISON = json.loads((FOLDER / "poison.json").read_text(encoding="utf-8"))["cases"]
FIELDS = {"mode": "permissions"}


def shape(entry: Event | Poison, expected: dict[str, Any] | str) -> dict[str, Any] | str:
    """The entry as the record words it: what the record speaks of, and `check_source`."""
    if isinstance(entry, Poison) or isinstance(expected, str):
        return "poison" if isinstance(entry, Poison) else str(entry)
    told = {name: getattr(entry, FIELDS.get(name, name)) for name in expected if name != "truth"}
    return {**told, "check_source": entry.check_source}


def wanted(expected: dict[str, Any] | str) -> dict[str, Any] | str:
    if isinstance(expected, str):
        return expected
    return {"check_source": False, **{name: value for name, value in expected.items() if name != "truth"}}


def payload_of(case: dict[str, Any]) -> str | bytes:
    if "payload_b64" in case:
        return base64.b64decode(case["payload_b64"])
    if "payload_repeat" in case:
        return "".join(text * times for text, times in case["payload_repeat"])
    return str(case["payload"])


def test_the_samples_are_all_here() -> None:
    """A copy that lost files would let everything pass."""
    assert len(RECORDS) == 399
    assert len(POISON) == 99


@pytest.mark.parametrize(("name", "record"), RECORDS, ids=[f"{name} {record['case']}" for name, record in RECORDS])
def test_a_sample_decodes_to_what_it_expects(name: str, record: dict[str, Any]) -> None:
    """Field by field, and as bytes of a queue just as well."""
    expected = record["expect"] if isinstance(record["expect"], list) else [record["expect"]]
    entries = decode_text(record["payload"].encode("utf-8"))
    assert [shape(entry, want) for entry, want in zip(entries, expected, strict=True)] == [*map(wanted, expected)]
    assert decode_item(json.loads(record["payload"])) == entries


@pytest.mark.parametrize("case", POISON, ids=[case["case"] for case in POISON])
def test_a_poison_case_is_refused_with_a_reason(case: dict[str, Any]) -> None:
    """As an entry, never as an exception, and with text that any database can keep."""
    entries = decode_text(payload_of(case))
    assert entries
    for entry in entries:
        assert isinstance(entry, Poison)
        assert entry.reason
        assert "\0" not in entry.raw
        assert len(entry.raw.encode("utf-8")) < 100_000


def damaged_records() -> list[Any]:
    """The poison cases whose damage is inside one record of a message that is whole."""
    found = []
    for case in POISON:
        try:
            (record,) = json.loads(payload_of(case))["Records"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        found.append(pytest.param(record, id=case["case"]))
    return found


@pytest.mark.parametrize("bad", damaged_records())
def test_a_poison_record_harms_no_record_beside_it(bad: object) -> None:
    """The records before and after it are good events."""
    good = next(
        record for name, record in RECORDS if record["case"] == "put (2.1)" and name == "aws-notification.jsonl"
    )
    (fine,) = json.loads(good["payload"])["Records"]
    before, middle, after = decode_text(json.dumps({"Records": [fine, bad, fine]}))
    assert isinstance(before, Event)
    assert before == after
    assert isinstance(middle, Poison)
