"""The ways of servers in the field."""

from __future__ import annotations

from pathlib import Path

from tests.unit.mock_api.caller import Answer, Caller
from tests.unit.mock_api.conftest import Start


async def test_field_server_agrees_to_everything(start: Start, tmp_path: Path) -> None:
    """A field server takes any operation on any path, keeps nothing, and makes a new id on every call."""
    api = start(field=True)
    answers = [
        await api.save("create", "a", b"12345"),
        await api.save("update", "b", b"12345"),
        await api.save("rename", "c", new_path="d"),
        await api.save("move", "c", new_path="d"),
        await api.save("get", "e"),
    ]
    assert [answer.status for answer in answers] == [200] * 5
    assert len({answer.json["internal_id"] for answer in answers}) == 5
    assert all("sha256" not in answer.json for answer in answers)
    assert (await api.save("delete", "f")).json["internal_id"] is None
    assert (await api.permissions("g")).status == 200
    assert await api.files() == {}
    assert list((tmp_path / "data" / "blobs").glob("*/*")) == []


async def test_field_server_answers_500_to_bad_requests(start: Start) -> None:
    """A missing file or new path, and any other bad request, is a 500 there."""
    api = start(field=True)
    answers = [
        await api.save("create", "a"),
        await api.save("rename", "a"),
        await api.save("wrong", "a"),
        await api.permissions(""),
        await api.get("/pubSubFullList", count="0"),
    ]
    assert [answer.status for answer in answers] == [500] * 5


async def test_field_server_tells_the_same_events_with_new_times(start: Start) -> None:
    """The same eight paths come on every call, without id and cursor, with fresh naive times."""
    api = start(field=True)
    await api.post("/_mock/events", [1])
    pages = [(await api.get("/pubSubFullList", count="100")).json for _ in range(2)]
    assert all(set(page) == {"events", "total_count", "generated_at"} for page in pages)
    first, second = (page["events"] for page in pages)
    assert [event["file_path"] for event in first] == [event["file_path"] for event in second]
    assert (len(first), len({event["file_path"] for event in first})) == (8, 8)
    assert {event["event_type"] for event in first} == {
        "create",
        "update",
        "delete",
        "rename",
        "move",
        "change_permission",
    }
    assert all(event["file_path"].startswith("/") and "event_id" not in event for event in first)
    assert not any(event["timestamp"].endswith("Z") for event in first)
    assert not {event["timestamp"] for event in first} & {event["timestamp"] for event in second}
    told = [event.get("metadata", {}) for event in first]
    assert any("new_permissions" in metadata for metadata in told)
    assert any("mime_type" in metadata for metadata in told)


async def test_field_server_has_no_memory_for_keys(start: Start) -> None:
    """The same key gets a new id there, and a key of another request is no conflict."""
    api = start(field=True)
    ids = [(await api.save("create", path, b"1", key="k")).json["internal_id"] for path in ("a", "a", "b")]
    assert len(set(ids)) == 3


async def test_single_switches(start: Start) -> None:
    """Each way can be had alone on a server that is strict otherwise."""
    api = start(null_internal_id=True, no_sha256=True, bad_request_500=True)
    answer = await api.save("create", "a", b"1")
    assert (answer.json["internal_id"], "sha256" in answer.json) == (None, False)
    assert (await api.save("create", "a")).status == 500
    assert (await api.save("get", "none")).status == 404
    assert (await _refused_form(api)).status == 500


async def _refused_form(api: Caller) -> Answer:
    return await api.ask("POST", "/saveToDisk", body=b"x", headers={"content-type": "text/plain"})
