"""What every Destination promises, as one suite: a test class inherits it and gives the fixture `world`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Protocol

import pytest

from sync_service.models.data_models import Kind, Operation
from sync_service.models.errors import NotAtDestination, OutcomeUnknown, PathTaken, SourceMoved
from sync_service.ports import Destination
from tests.fakes.opened import FakeOpened

KEYS = [entry["key"] for entry in json.loads((Path(__file__).parents[1] / "data" / "keys.json").read_text())["keys"]]
LARGE = bytes(range(256)) * 4 * 1024 * 3


class World(Protocol):
    """A destination, and eyes that see what it holds without it."""

    destination: Destination

    def content(self, path: str) -> bytes | None: ...

    def attributes(self, path: str) -> tuple[str | None, str | None, str | None]: ...

    def effects(self) -> int:
        """How many changing operations have been applied so far."""
        ...


def operation(kind: Kind, path: str, new_path: str | None = None, **more: str) -> Operation:
    return Operation(kind, row_id=1, revision=1, file_path=path, new_path=new_path, **more)  # type: ignore[arg-type]


async def create(world: World, path: str, data: bytes = b"data", **more: str) -> None:
    key = hashlib.sha256(f"create {path}".encode()).hexdigest()
    await world.destination.apply(operation(Kind.CREATE, path, **more), key, FakeOpened(path, data))


class DestinationContract:
    """Holds for every destination."""

    @pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "small", "large"])
    async def test_a_created_file_holds_the_bytes_and_says_so(self, world: World, data: bytes) -> None:
        """Bytes arrive whole, and the receipt tells their size and digest."""
        content = FakeOpened("a.txt", data, piece=1024 * 1024)
        receipt = await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", content)
        assert world.content("a.txt") == data
        assert (receipt.size, receipt.sha256) == (len(data), hashlib.sha256(data).hexdigest())

    async def test_every_awkward_key_is_a_path_of_its_own(self, world: World) -> None:
        """All of keys.json come back byte for byte, none onto another."""
        for key in KEYS:
            await create(world, key, key.encode())
        assert {key: world.content(key) for key in KEYS} == {key: key.encode() for key in KEYS}

    async def test_a_new_file_takes_the_permissions_of_the_operation(self, world: World) -> None:
        """What the operation knows is set, and is in the receipt."""
        wanted = operation(Kind.CREATE, "a.txt", permissions="0640", owner="alice", group="staff")
        receipt = await world.destination.apply(wanted, "k", FakeOpened("a.txt", b"x"))
        assert world.attributes("a.txt") == ("0640", "alice", "staff")
        assert (receipt.permissions, receipt.owner, receipt.group) == ("0640", "alice", "staff")

    async def test_the_metadata_of_the_content_fills_what_the_operation_leaves_open(self, world: World) -> None:
        """An owner known from the operation stays, permissions come from the object."""
        content = FakeOpened("a.txt", b"x", metadata={"permissions": "0600", "owner": "bob"})
        await world.destination.apply(operation(Kind.CREATE, "a.txt", owner="alice"), "k", content)
        assert world.attributes("a.txt")[:2] == ("0600", "alice")

    async def test_an_update_replaces_the_bytes_only(self, world: World) -> None:
        """Permissions stay as they are."""
        await create(world, "a.txt", b"one", permissions="0640")
        await world.destination.apply(operation(Kind.UPDATE, "a.txt"), "u", FakeOpened("a.txt", b"two"))
        assert world.content("a.txt") == b"two"
        assert world.attributes("a.txt")[0] == "0640"

    async def test_creating_what_is_there_replaces_it(self, world: World) -> None:
        """A file that someone else put there is no obstacle for a small object."""
        await create(world, "a.txt", b"one")
        await world.destination.apply(operation(Kind.CREATE, "a.txt"), "other", FakeOpened("a.txt", b"two"))
        assert world.content("a.txt") == b"two"

    @pytest.mark.parametrize("kind", [Kind.RENAME, Kind.MOVE])
    async def test_a_path_changes_without_its_bytes_or_identity(self, world: World, kind: Kind) -> None:
        """The file is at the new path alone, under the same internal id."""
        before = await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", FakeOpened("a.txt", b"x"))
        after = await world.destination.apply(operation(kind, "a.txt", "dir/b.txt"), "m", None)
        assert (world.content("a.txt"), world.content("dir/b.txt")) == (None, b"x")
        assert before.internal_id == after.internal_id is not None

    async def test_a_taken_path_is_not_renamed_onto(self, world: World) -> None:
        """Both files stay as they are."""
        await create(world, "a.txt", b"a")
        await create(world, "b.txt", b"b")
        with pytest.raises(PathTaken):
            await world.destination.apply(operation(Kind.RENAME, "a.txt", "b.txt"), "m", None)
        assert (world.content("a.txt"), world.content("b.txt")) == (b"a", b"b")

    async def test_a_delete_ends_the_file(self, world: World) -> None:
        """Afterwards there is nothing at the path."""
        await create(world, "a.txt")
        await world.destination.apply(operation(Kind.DELETE, "a.txt"), "d", None)
        assert world.content("a.txt") is None

    async def test_permissions_change_alone(self, world: World) -> None:
        """What is named changes, the rest and the bytes stay."""
        await create(world, "a.txt", b"x", permissions="0640", owner="alice")
        wanted = operation(Kind.CHANGE_PERMISSION, "a.txt", permissions="0600")
        receipt = await world.destination.apply(wanted, "p", None)
        assert world.attributes("a.txt")[:2] == ("0600", "alice")
        assert (receipt.permissions, receipt.owner) == ("0600", "alice")
        assert world.content("a.txt") == b"x"

    @pytest.mark.parametrize(
        "missing",
        [
            operation(Kind.UPDATE, "no.txt"),
            operation(Kind.RENAME, "no.txt", "b.txt"),
            operation(Kind.MOVE, "no.txt", "b/c.txt"),
            operation(Kind.DELETE, "no.txt"),
            operation(Kind.CHANGE_PERMISSION, "no.txt", permissions="0600"),
        ],
        ids=lambda missing: missing.kind,
    )
    async def test_what_is_not_there_cannot_be_changed(self, world: World, missing: Operation) -> None:
        """Everything but a create needs the path, and says so."""
        content = FakeOpened("no.txt", b"x") if missing.kind is Kind.UPDATE else None
        with pytest.raises(NotAtDestination):
            await world.destination.apply(missing, "k", content)

    async def test_get_tells_what_is_there(self, world: World) -> None:
        """Size and identity of the file, or None."""
        receipt = await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", FakeOpened("a.txt", b"abc"))
        found = await world.destination.get("a.txt")
        assert found is not None
        assert (found.size, found.internal_id) == (3, receipt.internal_id)
        assert await world.destination.get("b.txt") is None

    async def test_attributes_are_told_and_asking_changes_nothing(self, world: World) -> None:
        """Permissions, owner and group of the file as they are, or None where there is none."""
        await create(world, "a.txt", b"abc", permissions="0640", owner="alice")
        before = world.effects()
        found = await world.destination.attributes("a.txt")
        assert found is not None
        assert (found.permissions, found.owner, found.group) == world.attributes("a.txt")
        assert await world.destination.attributes("b.txt") is None
        assert world.effects() == before

    async def test_a_repeated_key_has_one_effect(self, world: World) -> None:
        """The second call answers as the first did, and changes nothing."""
        await create(world, "a.txt", b"x")
        await world.destination.apply(operation(Kind.RENAME, "a.txt", "b.txt"), "m", None)
        before = world.effects()
        again = await world.destination.apply(operation(Kind.RENAME, "a.txt", "b.txt"), "m", None)
        assert again.internal_id is not None
        assert (world.effects(), world.content("b.txt")) == (before, b"x")

    @pytest.mark.parametrize("data", [b"half", LARGE], ids=["small", "large"])
    async def test_the_error_of_the_source_is_what_comes_out(self, world: World, data: bytes) -> None:
        """A source that fails in the middle leaves nothing behind, and its own error is raised."""
        problem = SourceMoved("the object changed", subject="a.txt")
        content = FakeOpened("a.txt", data, size=len(data) * 2, error=problem)
        with pytest.raises(SourceMoved) as raised:
            await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", content)
        assert raised.value is problem
        assert world.content("a.txt") is None

    @pytest.mark.parametrize("data", [b"half", LARGE], ids=["small", "large"])
    async def test_a_short_source_stores_nothing(self, world: World, data: bytes) -> None:
        """A body that ends early, without an error of its own, never looks complete."""
        content = FakeOpened("a.txt", data, size=len(data) + 1)
        with pytest.raises(OutcomeUnknown):
            await world.destination.apply(operation(Kind.CREATE, "a.txt"), "k", content)
        assert world.content("a.txt") is None

    async def test_a_report_and_a_ping_go_through(self, world: World) -> None:
        """A healthy destination takes both."""
        await world.destination.ping()
        await world.destination.report({"run_id": "r1", "success": True})
