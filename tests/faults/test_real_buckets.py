"""Versioned, suspended and archived buckets, folder markers, and keys that a server hides: on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sync_service.models.errors import Refused
from tests import real_s3
from tests.faults.real_bucket import World, world_on
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real


@pytest.fixture
def world(tmp_path: Path, s3_server: S3Server) -> Iterator[World]:
    with world_on(s3_server, tmp_path) as made:
        yield made


async def learn(world: World, told: bool, *event: Any) -> None:
    """The route hears of a change by an event, or finds it by a scan."""
    if told:
        world.tell(*event)
    await world.route.run("cycle" if told else "scan")


by_event_and_by_scan = pytest.mark.parametrize("told", [True, False], ids=["event", "scan"])


# ---------------------------------------------------------------- versions


@by_event_and_by_scan
async def test_a_delete_marker_and_its_removal(world: World, told: bool) -> None:
    """A marker deletes the file; its removal, which MinIO tells in the same words, brings it back."""
    world.version("Enabled")
    world.put("a", b"one")
    world.put("b", b"other")
    await world.route.run("initial")
    marker = world.delete("a")
    await learn(world, told, "ObjectRemoved:DeleteMarkerCreated", "a", marker)
    assert world.held == {"b": b"other"}
    world.delete("a", marker)
    await learn(world, told, "ObjectRemoved:DeleteMarkerCreated", "a", marker)
    assert world.held == {"a": b"one", "b": b"other"}


@by_event_and_by_scan
async def test_the_end_of_an_old_version(world: World, told: bool) -> None:
    """It is no delete of the object: nothing is sent."""
    world.version("Enabled")
    old = world.put("a", b"one")
    world.put("a", b"two")
    await world.route.run("initial")
    world.delete("a", old)
    await learn(world, told, "ObjectRemoved:Delete", "a", old)
    assert (world.held, world.effects) == ({"a": b"two"}, ["create a"])


@by_event_and_by_scan
async def test_the_end_of_the_newest_version(world: World, told: bool) -> None:
    """The one before it is the object again; with the last one the file goes."""
    world.version("Enabled")
    old = world.put("a", b"one")
    world.put("b", b"other")
    new = world.put("a", b"two")
    await world.route.run("initial")
    world.delete("a", new)
    await learn(world, told, "ObjectRemoved:Delete", "a", new)
    assert world.held == {"a": b"one", "b": b"other"}
    world.delete("a", old)
    await learn(world, told, "ObjectRemoved:Delete", "a", old)
    assert world.held == {"b": b"other"}


@by_event_and_by_scan
async def test_suspended_versions(world: World, told: bool) -> None:
    """The null version comes, is replaced, gives way to a marker, and with the marker's end is not what comes back."""
    world.version("Enabled")
    world.put("a", b"kept")
    world.put("b", b"other")
    await world.route.run("initial")
    world.version("Suspended")
    for body in (b"null one", b"null two"):
        world.put("a", body)
        await learn(world, told, "ObjectCreated:Put", "a", "null")
        assert world.held["a"] == body
    world.delete("a")
    await learn(world, told, "ObjectRemoved:DeleteMarkerCreated", "a", "null")
    assert world.held == {"b": b"other"}
    world.delete("a", "null")
    if "a" not in world.listed():
        pytest.skip("this server forgets the versions before a suspension")
    await learn(world, told, "ObjectRemoved:Delete", "a", "null")
    assert world.held == {"a": b"kept", "b": b"other"}


async def test_the_whole_story_told_backwards(world: World) -> None:
    """Events of versions that came and went, late and in the wrong order: the bucket is asked, and only it counts."""
    world.version("Enabled")
    first = world.put("a", b"one")
    await world.route.run("initial")
    second = world.put("a", b"two")
    marker = world.delete("a")
    world.delete("a", marker)
    world.delete("a", first)
    for name, version in (
        ("ObjectRemoved:Delete", first),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectCreated:Put", second),
    ):
        world.tell(name, "a", version)
        await world.route.run("cycle")
    assert (world.held, world.effects) == ({"a": b"two"}, ["create a", "update a"])


# ---------------------------------------------------------------- keys that hide and folders


async def test_a_key_that_hides_others_from_the_listing(world: World) -> None:
    """On MinIO an object `a` hides `a/...`: a scan looks before it deletes, and events reach the hidden ones."""
    world.put("a/b", b"hidden soon")
    world.put("z", b"last")
    await world.route.run("initial")
    try:
        world.put("a", b"the one in front")
    except ClientError:
        pytest.skip("this server takes no object `a` beside `a/b`")
    hides = "a/b" not in world.listed()
    real_s3.note(f"an object `a` {'hides' if hides else 'does not hide'} `a/b` from the listing of this server")
    await world.route.run("scan")
    assert world.held == {"a": b"the one in front", "a/b": b"hidden soon", "z": b"last"}
    world.put("a/b", b"changed while hidden")
    world.put("a/c", b"made while hidden")
    world.tell("ObjectCreated:Put", "a/b")
    world.tell("ObjectCreated:Put", "a/c")
    await world.route.run("cycle")
    assert (world.held["a/b"], world.held["a/c"]) == (b"changed while hidden", b"made while hidden")
    world.delete("a/b")
    world.tell("ObjectRemoved:Delete", "a/b")
    await world.route.run("cycle")
    world.delete("a/c")
    await world.route.run("scan")
    assert world.held == {"a": b"the one in front", "z": b"last"}
    world.delete("a")
    await world.route.run("scan")
    assert world.held == {"z": b"last"}


async def test_what_was_hidden_stays_when_what_hid_it_goes(world: World) -> None:
    """The delete of `a` is no delete of `a/b`."""
    world.put("a/b", b"below")
    world.put("a", b"front")
    await world.route.run("initial")
    world.tell("ObjectCreated:Put", "a/b")
    await world.route.run("cycle")
    world.delete("a")
    world.tell("ObjectRemoved:Delete", "a")
    await world.route.run("cycle")
    await world.route.run("scan")
    assert world.held == {"a/b": b"below"}


@by_event_and_by_scan
async def test_folder_markers(world: World, told: bool) -> None:
    """Keys that end in a slash, of no bytes and of some, are objects like others, beside those below them."""
    world.put("dir/", b"")
    world.put("dir/file", b"file")
    markers = {"dir/": b""}
    try:
        world.put("full/", b"not empty")
        markers["full/"] = b"not empty"
    except ClientError:
        real_s3.note("this server takes no key that ends in a slash and has bytes")
    await world.route.run("initial")
    assert world.held == {**markers, "dir/file": b"file"}
    for key in markers:
        world.delete(key)
        await learn(world, told, "ObjectRemoved:Delete", key)
    assert world.held == {"dir/file": b"file"}


# ---------------------------------------------------------------- archives


@pytest.fixture(scope="module")
def moto_server() -> Iterator[S3Server]:
    """The embedded server, whatever else there is: MinIO has no archive."""
    with real_s3._moto() as server:
        yield server


@pytest.fixture
def archive(tmp_path: Path, moto_server: S3Server) -> Iterator[World]:
    with world_on(moto_server, tmp_path) as made:
        yield made


def restore(world: World) -> None:
    world.client.restore_object(Bucket=world.name, Key="cold", RestoreRequest={"Days": 1})


def write_anew(world: World) -> None:
    """The same bytes in a class that can be read, as a copy over itself leaves them."""
    world.put("cold", b"frozen")


async def test_an_archived_object_is_seen_and_is_no_failure_for_ever(archive: World) -> None:
    """The run that meets it says so; afterwards the route is in step with all that can be read, and names the rest."""
    archive.put("cold", b"frozen", StorageClass="GLACIER")
    archive.put("warm", b"here")
    result = await archive.route.run("initial")
    assert (int(result.exit_code), archive.route.kinds) == (3, {"archived"})
    assert result.report["errors"][0]["next_attempt"] == "when it is restored"
    for kind in ("cycle", "scan", "cycle"):
        result = await archive.route.run(kind)
        assert (int(result.exit_code), result.report["success"]) == (0, True)
    status = archive.route.status()
    assert (status["state"], status["quarantined"], status["failed"]) == ("UP_TO_DATE", 1, 0)
    assert status["error_counts"] == {"archived": 1}
    assert "1 object is archived" in status["reason"]
    assert archive.held == {"warm": b"here"}


@by_event_and_by_scan
@pytest.mark.parametrize("thaw", [restore, write_anew])
async def test_a_restored_object_is_taken_up(archive: World, thaw: Callable[[World], None], told: bool) -> None:
    """It has the same size and ETag as before; a look tells that it can be read now."""
    archive.put("cold", b"frozen", StorageClass="DEEP_ARCHIVE")
    await archive.route.run("initial")
    await learn(archive, True, "ObjectTagging:Put", "cold")
    assert archive.held == {}
    thaw(archive)
    await learn(archive, told, "ObjectRestore:Completed", "cold")
    assert archive.held == {"cold": b"frozen"}
    assert archive.route.status()["error_counts"] == {}


async def test_an_archived_object_does_not_hide_other_failures(archive: World) -> None:
    """A refused object beside it makes the route DEGRADED, and the run partly failed, as ever."""
    archive.put("cold", b"frozen", StorageClass="GLACIER")
    archive.put("warm", b"here")
    archive.route.files.fail(Refused("no", status=422), kind="create", path="warm")
    await archive.route.run("initial")
    result = await archive.route.run("cycle")
    assert (int(result.exit_code), archive.route.status()["state"]) == (3, "DEGRADED")
    assert "1 object is in quarantine" in archive.route.status()["reason"]


async def test_an_object_that_is_archived_after_its_delivery(archive: World) -> None:
    """Its file stays, and an event about it changes nothing."""
    archive.put("cold", b"frozen")
    await archive.route.run("initial")
    archive.put("cold", b"frozen", StorageClass="GLACIER")
    await learn(archive, True, "ObjectTransition", "cold")
    await learn(archive, False)
    assert (archive.held, archive.effects) == ({"cold": b"frozen"}, ["create cold"])
