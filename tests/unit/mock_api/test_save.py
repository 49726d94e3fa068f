"""saveToDisk and updatePermissions of the strict server."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from tests.unit.mock_api.caller import BOUNDARY, Caller, multipart
from tests.unit.mock_api.conftest import Start

KEYS = [k["key"] for k in json.loads((Path(__file__).parents[2] / "data" / "keys.json").read_text("utf-8"))["keys"]]
FIELDS = {"internal_id", "file_path", "operation", "size", "saved_at", "status", "new_path", "metadata", "sha256"}


def _blobs(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "blobs").glob("*/*"))


async def test_create_answers_all_fields(api: Caller) -> None:
    """A create is answered with every field of the contract, null where there is nothing to say."""
    answer = await api.save("create", "a/b.txt", b"hello", size="5")
    assert answer.status == 200
    assert set(answer.json) == FIELDS
    assert answer.json | {"internal_id": "", "saved_at": ""} == {
        "internal_id": "",
        "file_path": "a/b.txt",
        "operation": "create",
        "size": 5,
        "saved_at": "",
        "status": "success",
        "new_path": None,
        "metadata": None,
        "sha256": hashlib.sha256(b"hello").hexdigest(),
    }


async def test_all_awkward_keys_round_trip(api: Caller, tmp_path: Path) -> None:
    """Every awkward key is a path byte for byte, in the answers and in the list, and never a path on disk."""
    for number, key in enumerate(KEYS):
        saved = await api.save("create", key, str(number).encode())
        changed = await api.permissions(key, owner=f"o{number}")
        assert (saved.status, saved.json["file_path"], changed.json["file_path"]) == (200, key, key)
    listed = [file["file_path"] for file in (await api.get("/_mock/files")).json]
    assert listed == sorted(KEYS, key=lambda key: key.encode())
    assert len(KEYS) == 102
    for number, key in enumerate(KEYS):
        assert await api.content(key) == str(number).encode()
        assert (await api.get("/_mock/permissions", file_path=key)).json["owner"] == f"o{number}"
    assert all(len(path.name) == 64 for path in (tmp_path / "data" / "blobs").glob("*/*"))


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
async def test_order_and_pieces_do_not_matter(api: Caller, piece: int) -> None:
    """The file part may come first, and the body in any pieces."""
    content = b"\r\n--a-boundary-of-the-test\r\n" * 20
    parts = [("file", content), ("size", str(len(content)).encode()), ("file_path", b"x"), ("operation", b"create")]
    answer = await api.send_parts(parts, piece=piece)
    assert (answer.status, answer.json["size"]) == (200, len(content))
    assert await api.content("x") == content


async def test_internal_id_lives_as_long_as_the_file(api: Caller) -> None:
    """Update, rename and move keep the internal id; a new file has a new one."""
    first = (await api.save("create", "a", b"1")).json["internal_id"]
    steps = [
        await api.save("update", "a", b"2"),
        await api.save("rename", "a", new_path="b"),
        await api.save("move", "b", new_path="c/b"),
        await api.save("create", "c/b", b"3"),
        await api.save("get", "c/b"),
        await api.save("delete", "c/b"),
    ]
    assert [step.json["internal_id"] for step in steps] == [first] * 6
    assert (await api.save("create", "a", b"1")).json["internal_id"] != first


async def test_rename_keeps_content_and_permissions(api: Caller, tmp_path: Path) -> None:
    """A rename moves the row and no bytes."""
    await api.save("create", "a", b"text", file_type="text/plain", metadata='{"k": [1]}')
    await api.permissions("a", permissions="0644", owner="o", group="g")
    answer = await api.save("rename", "a", new_path="b")
    assert (answer.json["file_path"], answer.json["new_path"]) == ("a", "b")
    files = await api.files()
    assert list(files) == ["b"]
    assert [files["b"][name] for name in ("permissions", "owner", "group", "file_type")] == [
        "0644",
        "o",
        "g",
        "text/plain",
    ]
    assert files["b"]["metadata"] == {"k": [1]}
    assert _blobs(tmp_path / "data") == [files["b"]["sha256"]]


async def test_blobs_go_with_their_last_file(api: Caller, tmp_path: Path) -> None:
    """Content is kept once, as long as a file refers to it."""
    await api.save("create", "a", b"same")
    await api.save("create", "b", b"same")
    assert len(_blobs(tmp_path / "data")) == 1
    await api.save("delete", "a")
    assert await api.content("b") == b"same"
    await api.save("update", "b", b"other")
    assert _blobs(tmp_path / "data") == [hashlib.sha256(b"other").hexdigest()]
    await api.save("delete", "b")
    assert _blobs(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("fields", "content", "status"),
    [
        ({"operation": "create", "file_path": ""}, b"", 400),
        ({"operation": "rename", "file_path": "a", "new_path": ""}, None, 400),
        ({"operation": "update", "file_path": "none"}, b"", 404),
        ({"operation": "rename", "file_path": "none", "new_path": "x"}, None, 404),
        ({"operation": "move", "file_path": "none", "new_path": "x"}, None, 404),
        ({"operation": "delete", "file_path": "none"}, None, 404),
        ({"operation": "get", "file_path": "none"}, None, 404),
        ({"operation": "rename", "file_path": "a", "new_path": "b"}, None, 409),
        ({"operation": "move", "file_path": "a", "new_path": "b"}, None, 409),
        ({"operation": "create", "file_path": "x"}, b"12345678901", 413),
        ({"operation": "upsert", "file_path": "x"}, b"", 422),
        ({"file_path": "x"}, b"", 422),
        ({"operation": "create"}, b"", 422),
        ({"operation": "create", "file_path": "x"}, None, 422),
        ({"operation": "update", "file_path": "a"}, None, 422),
        ({"operation": "rename", "file_path": "a"}, None, 422),
        ({"operation": "create", "file_path": "x", "metadata": "{"}, b"", 422),
        ({"operation": "create", "file_path": "x", "metadata": "NaN"}, b"", 422),
        ({"operation": "create", "file_path": "x", "size": "4"}, b"12345", 422),
        ({"operation": "create", "file_path": "x", "size": "five"}, b"12345", 422),
        ({"operation": "create", "file_path": "x", "size": "-5"}, b"12345", 422),
    ],
)
async def test_refusals(
    start: Start, tmp_path: Path, fields: dict[str, str], content: bytes | None, status: int
) -> None:
    """Each wrong request is refused as documented, changes nothing and leaves nothing on disk."""
    api = start(max_size=10)
    await api.save("create", "a", b"A")
    await api.save("create", "b", b"B")
    before, kept = await api.files(), _blobs(tmp_path / "data")
    parts = [(name, value.encode()) for name, value in fields.items()]
    answer = await api.send_parts(parts + ([] if content is None else [("file", content)]))
    assert answer.status == status
    assert (await api.files(), _blobs(tmp_path / "data")) == (before, kept)
    assert list((tmp_path / "data" / "incoming").iterdir()) == []
    assert (await api.counters())["calls"][-1]["status"] == status


async def test_create_on_an_existing_path_overwrites(api: Caller) -> None:
    """A create where a file is replaces its bytes and description and keeps its permissions."""
    await api.save("create", "a", b"1", file_type="t", metadata="1")
    await api.permissions("a", owner="o")
    assert (await api.save("create", "a", b"22")).status == 200
    file = (await api.files())["a"]
    assert (file["size"], file["file_type"], file["metadata"], file["owner"]) == (2, None, None, "o")


@pytest.mark.parametrize("damage", ["boundary", "cut", "not UTF-8", "twice", "nameless", "no form"])
async def test_broken_forms(api: Caller, tmp_path: Path, damage: str) -> None:
    """A form that cannot be read is refused with 422, without an effect."""
    parts = [("operation", b"create"), ("file_path", b"x"), ("file", b"12345")]
    parts += {"not UTF-8": [("file_type", b"\xff")], "twice": [("file_path", b"y")], "nameless": [("", b"")]}.get(
        damage, []
    )
    body = multipart(parts)
    body = body[:-12] if damage == "cut" else body
    boundary = "" if damage == "boundary" else f"; boundary={BOUNDARY}"
    kind = "application/json" if damage == "no form" else f"multipart/form-data{boundary}"
    answer = await api.ask("POST", "/saveToDisk", body=body, headers={"content-type": kind})
    assert answer.status == 422
    assert await api.files() == {}
    assert list((tmp_path / "data" / "incoming").iterdir()) == []


async def test_upload_that_breaks_off(api: Caller, tmp_path: Path) -> None:
    """An upload whose connection ends in the middle stores nothing and leaves nothing."""
    parts = [("operation", b"create"), ("file_path", b"x"), ("file", b"1" * 5_000_000)]
    await api.send_parts(parts, breaks=True)
    assert await api.files() == {}
    assert list((tmp_path / "data" / "incoming").iterdir()) == []
    assert (await api.counters())["broken_uploads"] == 1


async def test_permissions_are_set_and_read(api: Caller) -> None:
    """The path alone reads; what is given is set and the rest stays; an unknown path is 404, an empty one 400."""
    await api.save("create", "a", b"")
    await api.permissions("a", permissions="0644", owner="o")
    await api.permissions("a", group="g")
    read = (await api.permissions("a")).json
    assert (read["permissions"], read["owner"], read["group"]) == ("0644", "o", "g")
    assert set(read) == {"file_path", "permissions", "owner", "group", "last_updated"}
    assert (await api.permissions("none")).status == 404
    assert (await api.permissions("none", owner="x")).status == 404
    assert (await api.permissions("")).status == 400
    counted = await api.counters()
    assert counted["calls_per_endpoint"]["updatePermissions"] == {"set": 3, "read": 3}
    assert counted["effects_per_path"]["a"] == {"create": 1, "set_permissions": 2}


async def test_large_uploads_do_not_grow_memory(api: Caller) -> None:
    """An upload of many pieces goes to disk: what is held in memory stays far below its size."""
    content = b"0123456789abcdef" * (1 << 21)
    body = multipart([("operation", b"create"), ("file_path", b"big"), ("file", content)])
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    tracemalloc.start()
    try:
        answer = await api.ask("POST", "/saveToDisk", body=body, headers=headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.json["size"] == len(content)
    assert peak < len(body) * 1.3  # the client's own pieces are the body once; a second copy would be twice
