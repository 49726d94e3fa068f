"""The file manager destination on servers with ways of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sync_service.clients.api_upload import SMALL
from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.destinations.file_manager import BELIEVED_FOR, FileManagerDestination
from sync_service.models.data_models import Kind, Operation, Receipt
from sync_service.models.errors import Denied, NotAtDestination, OutcomeUnknown
from tests.fakes.opened import FakeOpened
from tests.fakes.raw_server import RawServer, Seen, http, ok, raw_server

SAID = ok(file_path="a.txt", permissions="rw-r--r--", owner="root", group="root")
STORED = ok(status="success", internal_id="i1", size=1)
MISSING = http(404, b'{"detail": "no such file"}')
WELL = ok(message="file manager", timestamp="2026-11-21T08:00:00Z")
TAKEN = http(409, b'{"detail": "there is a file"}')


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(STORED) as running:
        yield running


@pytest.fixture
async def destination(server: RawServer) -> AsyncIterator[FileManagerDestination]:
    made = FileManagerDestination(InfrastructureAPI(server.url, server.url))
    yield made
    await made.close()


def operation(kind: Kind, **more: str) -> Operation:
    return Operation(kind, row_id=1, revision=1, file_path="a.txt", **more)  # type: ignore[arg-type]


def told(seen: Seen) -> str:
    """A call in short: `updatePermissions`, `saveToDisk create`."""
    name = seen.target.removeprefix("/")
    return f"{name} {seen.parts()['operation'].decode()}" if name == "saveToDisk" else name


async def create(destination: FileManagerDestination, data: bytes = b"x", **more: str) -> Receipt:
    return await destination.apply(operation(Kind.CREATE, **more), "k", FakeOpened("a.txt", data))


async def test_permissions_go_before_the_content(server: RawServer, destination: FileManagerDestination) -> None:
    """So that content never lies open under wrong ones."""
    server.replies = [SAID, STORED]
    await create(destination, permissions="0600")
    assert [told(seen) for seen in server.seen] == ["updatePermissions", "saveToDisk create"]


async def test_where_nothing_is_known_the_server_is_asked(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """The path alone goes out, and the answer is in the receipt."""
    server.replies = [SAID, STORED]
    receipt = await create(destination)
    assert server.seen[0].form == {"file_path": "a.txt"}
    assert (receipt.permissions, receipt.owner, receipt.group) == ("rw-r--r--", "root", "root")
    assert receipt.internal_id == "i1"


async def test_what_was_asked_for_is_confirmed_in_our_own_words(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """A server that words `0644` in its own way is not asked again for ever."""
    server.replies = [SAID]
    receipt = await destination.apply(operation(Kind.CHANGE_PERMISSION, permissions="0644"), "k", None)
    assert (receipt.permissions, receipt.owner) == ("0644", "root")


async def test_a_server_without_permissions_of_its_own_takes_new_files(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """A question that is answered by 404 even after the content is no failure of the upload."""
    server.replies = [MISSING, STORED, MISSING]
    receipt = await create(destination)
    assert (receipt.internal_id, receipt.permissions) == ("i1", None)


async def test_permissions_that_cannot_be_set_after_the_content_are_a_failure(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """What was wanted was not done."""
    server.replies = [MISSING, STORED, MISSING, WELL]
    with pytest.raises(NotAtDestination):
        await create(destination, permissions="0600")


async def test_permissions_that_are_denied_stop_the_content(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """Nothing is sent after them."""
    server.replies = [http(403)]
    with pytest.raises(Denied):
        await create(destination, permissions="0600")
    assert len(server.seen) == 1


async def test_a_small_new_file_on_a_taken_path_is_an_update_at_once(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """Its bytes are still here; the update has a key of its own."""
    server.replies = [SAID, TAKEN, STORED]
    await create(destination)
    assert [told(seen) for seen in server.seen][1:] == ["saveToDisk create", "saveToDisk update"]
    keys = [seen.headers["Idempotency-Key"] for seen in server.seen[1:]]
    assert keys[0] == "k" != keys[1]


async def test_a_large_new_file_on_a_taken_path_is_an_update_in_the_next_attempt(
    server: RawServer, destination: FileManagerDestination
) -> None:
    """Its stream is used up: a second attempt brings it anew."""
    data = b"x" * (SMALL + 1)
    stored = ok(status="success", size=len(data))
    server.replies = [SAID, TAKEN, SAID, stored]
    with pytest.raises(OutcomeUnknown) as raised:
        await create(destination, data)
    assert raised.value.retry_after == 0
    receipt = await create(destination, data)
    assert receipt.size == len(data)
    assert [told(seen) for seen in server.seen][-1] == "saveToDisk update"
    assert server.last.parts()["file"] == data


async def test_keys_are_the_same_in_every_attempt(server: RawServer, destination: FileManagerDestination) -> None:
    """And differ with what is asked for."""
    server.replies = [SAID]
    for permissions in ("0600", "0600", "0644"):
        await destination.apply(operation(Kind.CHANGE_PERMISSION, permissions=permissions), "k", None)
    first, again, other = (seen.headers["Idempotency-Key"] for seen in server.seen)
    assert first == again != other


async def test_get_reads_without_a_key(server: RawServer, destination: FileManagerDestination) -> None:
    """A remembered answer would be an old one; 404 is None, and any other error is an error."""
    assert await destination.get("a.txt") == Receipt("i1", 1)
    assert "Idempotency-Key" not in server.last.headers
    server.replies = [MISSING, WELL, http(500)]
    assert await destination.get("a.txt") is None
    with pytest.raises(OutcomeUnknown):
        await destination.get("a.txt")


@pytest.mark.parametrize("body", [b'{"detail": "Not Found"}', b"<html>404 page not found</html>", b""])
async def test_a_404_of_somebody_else_is_not_believed(
    server: RawServer, destination: FileManagerDestination, body: bytes
) -> None:
    """A wrong address, or a proxy that has lost its server, says 404 to everything, also to the question how it is."""
    server.replies = [http(404, body)]
    for call in (
        destination.get("a.txt"),
        destination.attributes("a.txt"),
        destination.apply(operation(Kind.DELETE), "k", None),
        create(destination),
    ):
        with pytest.raises(OutcomeUnknown, match="not believed"):
            await call


async def test_a_404_is_believed_for_a_while(server: RawServer) -> None:
    """The file manager is not asked how it is for each path that it does not have; later it is asked anew."""
    now = [100.0]
    destination = FileManagerDestination(InfrastructureAPI(server.url, server.url), lambda: now[0])
    server.replies = [MISSING, WELL, MISSING, MISSING, http(502)]
    assert [await destination.get(path) for path in "ab"] == [None, None]
    now[0] += BELIEVED_FOR
    with pytest.raises(OutcomeUnknown, match="not believed"):
        await destination.get("c")
    assert [seen.target for seen in server.seen] == ["/saveToDisk", "/", "/saveToDisk", "/saveToDisk", "/"]
    await destination.close()


async def test_paths_and_deletes_send_no_content(server: RawServer, destination: FileManagerDestination) -> None:
    """One small call each, of that name."""
    await destination.apply(operation(Kind.RENAME, new_path="b.txt"), "k1", None)
    await destination.apply(operation(Kind.MOVE, new_path="d/b.txt"), "k2", None)
    await destination.apply(operation(Kind.DELETE), "k3", None)
    assert [told(seen) for seen in server.seen] == ["saveToDisk rename", "saveToDisk move", "saveToDisk delete"]
    assert server.seen[0].parts().keys() == {"operation", "file_path", "new_path"}
    assert server.seen[2].parts().keys() == {"operation", "file_path"}


async def test_a_report_that_fails_says_so(server: RawServer, destination: FileManagerDestination) -> None:
    """Whoever reports decides that it is not fatal."""
    server.replies = [http(500)]
    with pytest.raises(OutcomeUnknown):
        await destination.report({"run_id": "r"})
    with pytest.raises(OutcomeUnknown):
        await destination.ping()
