"""Idempotency keys of the strict server."""

from __future__ import annotations

import hashlib

from tests.unit.mock_api.caller import Caller
from tests.unit.mock_api.conftest import Start


async def test_repeated_effect_is_answered_and_not_applied(api: Caller) -> None:
    """The same request under the same key gets the stored answer, and nothing is done a second time."""
    first = await api.save("create", "a", b"1", key="k")
    await api.save("delete", "a")
    again = await api.save("create", "a", b"1", key="k")
    assert (again.status, again.json) == (200, first.json)
    assert await api.files() == {}
    counted = await api.counters()
    assert (counted["idempotent_replays"], counted["effects"]) == (1, {"create": 1, "delete": 1})
    assert [call["replay"] for call in counted["calls"]] == [False, False, True]


async def test_keys_cover_permissions_and_renames(api: Caller) -> None:
    """A repeated rename is 200 under its key and 404 without; permissions set under a key are set once."""
    await api.save("create", "a", b"1")
    await api.save("rename", "a", new_path="b", key="r")
    assert (await api.save("rename", "a", new_path="b", key="r")).status == 200
    assert (await api.save("rename", "a", new_path="b")).status == 404
    await api.permissions("b", owner="one", key="p")
    await api.permissions("b", owner="two")
    assert (await api.permissions("b", owner="one", key="p")).json["owner"] == "one"
    assert (await api.files())["b"]["owner"] == "two"


async def test_key_of_another_request_is_a_conflict(api: Caller) -> None:
    """A key with another path, operation, new path or endpoint is refused and counted."""
    await api.save("create", "a", b"1", key="k")
    answers = [
        await api.save("create", "b", b"1", key="k"),
        await api.save("update", "a", b"1", key="k"),
        await api.save("rename", "a", new_path="c", key="k"),
        await api.permissions("a", owner="o", key="k"),
    ]
    assert [answer.status for answer in answers] == [422] * 4
    assert (await api.counters())["key_conflicts"] == 4


async def test_refused_effects_are_not_remembered(api: Caller) -> None:
    """Only a 200 is remembered: what was refused is tried anew."""
    assert (await api.save("update", "a", b"1", key="k")).status == 404
    await api.save("create", "a", b"0")
    assert (await api.save("update", "a", b"1", key="k")).status == 200


async def test_keys_survive_a_restart_and_are_bounded(start: Start) -> None:
    """Answers are remembered across a restart, the newest ones only."""
    api = start(keys_kept=2)
    for name in "abc":
        await api.save("create", name, b"1", key=name)
    api = start(keys_kept=2)
    for name in "bca":
        await api.save("create", name, b"1", key=name)
    assert (await api.counters())["idempotent_replays"] == 2


async def test_server_without_a_memory_for_keys(start: Start) -> None:
    """The switch no_idempotency applies every repetition."""
    api = start(no_idempotency=True)
    await api.save("create", "a", b"1", key="k")
    await api.save("delete", "a", key="d")
    assert (await api.save("delete", "a", key="d")).status == 404


async def test_effects_are_told_in_order_whatever_was_answered(api: Caller) -> None:
    """The list of effects has each one once with its digest, also where the answer was a fault, and no replay."""
    await api.post("/_mock/faults", {"endpoint": "saveToDisk", "status": 500, "apply": True})
    await api.save("create", "a", b"1", key="k")
    await api.save("create", "a", b"1", key="k")
    await api.permissions("a", permissions="600", key="p")
    await api.save("delete", "missing")
    told = (await api.get("/_mock/effects")).json
    assert [(e["n"], e["operation"], e["file_path"], e["key"], e["permissions"]) for e in told] == [
        (1, "create", "a", "k", None),
        (2, "set", "a", "p", "600"),
    ]
    assert told[0]["sha256"] == hashlib.sha256(b"1").hexdigest()
