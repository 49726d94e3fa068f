"""The client of the infrastructure API against answers good, bad and hostile."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from sync_service.clients.api_transport import Request, Timeouts
from sync_service.clients.api_upload import SMALL, Upload
from sync_service.clients.infrastructure_api import CURSOR_LIMIT, Attributes, InfrastructureAPI, Saved
from sync_service.models.errors import (
    BadAnswer,
    Denied,
    NotAtDestination,
    OutcomeUnknown,
    PathTaken,
    Refused,
    SourceMoved,
    StoredWrong,
    SyncError,
    Temporary,
    Throttled,
    Unreachable,
)
from tests.fakes.opened import FakeOpened
from tests.fakes.raw_server import RESET, RawServer, http, ok, raw_server

NOW = 1_800_000_000.0
TOKEN = "s3cret-token"
DATA = b"some bytes"
LARGE = b"0123456789abcdef" * (SMALL // 4)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server(ok(status="success", internal_id="i1", size=len(DATA))) as running:
        yield running


@pytest.fixture
async def api(server: RawServer) -> AsyncIterator[InfrastructureAPI]:
    client = InfrastructureAPI(server.url, server.url, file_manager_token=TOKEN, clock=lambda: NOW)
    yield client
    await client.close()


async def save(api: InfrastructureAPI, data: bytes = DATA, path: str = "a.txt") -> Saved:
    return await api.save_to_disk("create", path, "key-1", upload=await Upload.of(FakeOpened(path, data)))


async def failure_of(api: InfrastructureAPI) -> SyncError:
    with pytest.raises(SyncError) as raised:
        await api.save_to_disk("delete", "dir/a.txt", "key-1")
    return raised.value


# ---------------------------------------------------------------- requests


async def test_an_upload_is_a_form_of_known_length(server: RawServer, api: InfrastructureAPI) -> None:
    """Fields, metadata as JSON, and a file part whose name is a constant."""
    upload = await Upload.of(FakeOpened("a.txt", DATA))
    await api.save_to_disk(
        "create", 'dir/"é\r\n.txt', "key-1", upload=upload, file_type="text/plain", metadata={"note": "é"}
    )
    parts = server.last.parts()
    assert parts["operation"] == b"create"
    assert parts["file_path"].decode() == 'dir/"é\r\n.txt'
    assert (parts["file"], parts["size"], parts["file_type"]) == (DATA, b"10", b"text/plain")
    assert json.loads(parts["metadata"]) == {"note": "é"}
    assert b'filename="content"' in server.last.body
    assert server.last.headers["Content-Length"] == str(len(server.last.body))
    assert "Transfer-Encoding" not in server.last.headers


async def test_a_large_upload_is_streamed_with_its_exact_length(server: RawServer, api: InfrastructureAPI) -> None:
    """No chunked encoding: a body that breaks off can never look complete."""
    server.replies = [ok(status="success", size=len(LARGE), sha256=hashlib.sha256(LARGE).hexdigest().upper())]
    saved = await save(api, LARGE)
    assert saved.size == len(LARGE)
    assert server.last.parts()["file"] == LARGE
    assert server.last.headers["Content-Length"] == str(len(server.last.body))


async def test_large_pieces_are_hashed_as_small_ones_are(server: RawServer, api: InfrastructureAPI) -> None:
    """Pieces that are hashed beside the loop give the same digest."""
    data = b"x" * (3 * 1024 * 1024)
    server.replies = [ok(status="success", size=len(data), sha256=hashlib.sha256(data).hexdigest())]
    upload = await Upload.of(FakeOpened("a.txt", data, piece=1024 * 1024))
    await api.save_to_disk("create", "a.txt", "k", upload=upload)
    assert upload.sha256 == hashlib.sha256(data).hexdigest()


async def test_changing_calls_carry_the_key_and_the_token(server: RawServer, api: InfrastructureAPI) -> None:
    """The key as it is given, and the bearer token of that server."""
    await api.save_to_disk("rename", "a.txt", "key-1", new_path="b.txt")
    assert server.last.headers["Idempotency-Key"] == "key-1"
    assert server.last.headers["Authorization"] == f"Bearer {TOKEN}"
    assert server.last.parts()["new_path"] == b"b.txt"


async def test_each_server_gets_its_own_token() -> None:
    """The file manager's token never goes to the server of events."""
    async with raw_server(ok(events=[])) as events, raw_server(ok(permissions=None)) as files:
        api = InfrastructureAPI(files.url, events.url, file_manager_token="f", mock_api_token="m")
        await api.pub_sub_full_list()
        await api.update_permissions("a.txt", Attributes())
        await api.close()
        assert events.last.headers["Authorization"] == "Bearer m"
        assert files.last.headers["Authorization"] == "Bearer f"


async def test_without_a_file_manager_the_mock_api_serves_all() -> None:
    """And with its own token."""
    async with raw_server(ok(permissions=None)) as events:
        api = InfrastructureAPI(None, events.url + "/", file_manager_token="f", mock_api_token="m")
        await api.update_permissions("a.txt", Attributes())
        await api.close()
        assert events.last.headers["Authorization"] == "Bearer m"
        assert events.last.target == "/updatePermissions"


async def test_asking_for_permissions_sends_the_path_alone(server: RawServer, api: InfrastructureAPI) -> None:
    """A question has no idempotency key: a remembered answer would be an old one."""
    server.replies = [ok(file_path="a b+c%.txt", permissions="0640", owner="alice", group=None)]
    answer = await api.update_permissions("a b+c%.txt", Attributes(), "key-1")
    assert server.last.form == {"file_path": "a b+c%.txt"}
    assert "Idempotency-Key" not in server.last.headers
    assert answer == Attributes("0640", "alice", None)


async def test_setting_permissions_sends_what_is_known(server: RawServer, api: InfrastructureAPI) -> None:
    """What is None is left out of the form."""
    server.replies = [ok(file_path="a.txt", permissions="0640", owner=7, group="g")]
    answer = await api.update_permissions("a.txt", Attributes(permissions="0640"), "key-1")
    assert server.last.form == {"file_path": "a.txt", "permissions": "0640"}
    assert server.last.headers["Idempotency-Key"] == "key-1"
    assert answer.owner == "7"


async def test_a_page_of_events_is_asked_for_after_the_cursor(server: RawServer, api: InfrastructureAPI) -> None:
    """A cursor is opaque: every character of it arrives."""
    server.replies = [ok(events=[{"a": 1}], next_cursor=17, has_more=True)]
    page = await api.pub_sub_full_list(50, "a+b/c=&é")
    assert server.last.query == {"count": "50", "after": "a+b/c=&é"}
    assert (page.events, page.next_cursor, page.has_more) == ([{"a": 1}], "17", True)


async def test_a_full_page_with_a_cursor_and_no_word_of_more_is_asked_again(
    server: RawServer, api: InfrastructureAPI
) -> None:
    """Without `has_more` a page is followed by another one until one is empty, however short it is."""
    server.replies = [ok(events=[{}, {}], next_cursor="b"), ok(events=[], next_cursor="b"), ok(events=[{}])]
    assert (await api.pub_sub_full_list(100)).has_more
    assert not (await api.pub_sub_full_list(100)).has_more
    assert not (await api.pub_sub_full_list(100)).has_more


async def test_a_report_is_sent_under_the_same_key_again(server: RawServer, api: InfrastructureAPI) -> None:
    """So a report that is sent again with the next run is one report."""
    server.replies = [ok(status="received")]
    await api.report_results({"run_id": "r1", "success": True})
    await api.report_results({"success": True, "run_id": "r1"})
    first, second = server.seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert json.loads(first.body) == {"run_id": "r1", "success": True}


async def test_closing_twice_is_quiet_and_a_later_call_works(server: RawServer, api: InfrastructureAPI) -> None:
    """Several ports share one client, and each closes it."""
    await api.save_to_disk("delete", "a.txt", "k")
    await api.close()
    await api.close()
    await api.save_to_disk("delete", "a.txt", "k")
    assert len(server.seen) == 2


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BadAnswer),
        (304, BadAnswer),
        (400, Refused),
        (401, Denied),
        (403, Denied),
        (404, NotAtDestination),
        (408, OutcomeUnknown),
        (409, PathTaken),
        (410, Refused),
        (413, Refused),
        (422, Refused),
        (425, Throttled),
        (429, Throttled),
        (451, Refused),
        (500, OutcomeUnknown),
        (502, OutcomeUnknown),
        (503, OutcomeUnknown),
        (504, OutcomeUnknown),
        (599, OutcomeUnknown),
    ],
)
async def test_each_status_has_its_kind_of_error(
    server: RawServer, api: InfrastructureAPI, status: int, kind: type[SyncError]
) -> None:
    """Final, not applied, or unknown: and nothing is asked twice."""
    server.replies = [http(status, b"" if status == 304 else b"because", Retry_After="7")]
    problem = await failure_of(api)
    assert type(problem) is kind
    assert problem.subject == "dir/a.txt"
    assert len(server.seen) == 1
    if isinstance(problem, Refused):
        assert problem.status == status
    if isinstance(problem, Temporary) and status >= 400:
        assert problem.retry_after == 7


async def test_a_message_names_endpoint_status_words_and_object(server: RawServer, api: InfrastructureAPI) -> None:
    """So that a person can act on it."""
    server.replies = [http(422, b'{"detail": "size: not a\\nnumber"}')]
    text = str(await failure_of(api))
    assert text == "dir/a.txt: saveToDisk delete answered 422: size: not a number"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "too big"}', "too big"),
        (b'{"error": {"code": 5}}', '{"code": 5}'),
        (b"<html>\n<b>502</b></html>", "<html> <b>502</b></html>"),
        (b"\x1b[31mred\xff", "\\x1b[31mred\ufffd"),
        (b"[" * 5000, "[" * 300 + "… (5000 characters)"),
        (b"", ""),
        (b'{"detail": "' + b"x" * 5000 + b'"}', "x" * 300 + "… (5000 characters)"),
    ],
)
async def test_the_words_of_the_server_are_cut_and_escaped(
    server: RawServer, api: InfrastructureAPI, body: bytes, words: str
) -> None:
    """Whatever it says, a terminal can show it."""
    server.replies = [http(400, body)]
    problem = await failure_of(api)
    assert problem.what == "saveToDisk delete answered 400" + (f": {words}" if words else "")


async def test_a_token_that_the_server_repeats_is_not_shown(server: RawServer, api: InfrastructureAPI) -> None:
    """Not in the message, and not in the exception behind it."""
    server.replies = [http(401, f'{{"detail": "bad header Bearer {TOKEN}"}}'.encode())]
    problem = await failure_of(api)
    assert "bad header Bearer ***" in str(problem)
    assert TOKEN not in repr(problem) + str(problem)


async def test_a_redirect_is_not_followed_and_is_named_without_its_query(
    server: RawServer, api: InfrastructureAPI
) -> None:
    """Neither the key nor the token goes to another host."""
    async with raw_server(ok(status="success")) as other:
        server.replies = [http(307, b"", Location=f"{other.url}/login?token=abc")]
        problem = await failure_of(api)
        assert other.seen == []
    assert "a redirect to http://127.0.0.1/login" in str(problem)
    assert "abc" not in str(problem)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("1.5", 1.5),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e9", 1e9),
        ("9" * 400, None),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 99 Jan 2027 08:00:30 GMT", None),
    ],
)
async def test_retry_after_is_seconds_from_now(
    server: RawServer, api: InfrastructureAPI, header: str, seconds: float | None
) -> None:
    """Seconds or a date, measured by the clock that was given; nonsense is no wish."""
    server.replies = [http(429, b"", Retry_After=header)]
    assert (await failure_of(api)).retry_after == seconds


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    "reply",
    [
        http(200, b"<html><body>Welcome</body></html>"),
        http(200, b""),
        http(204),
        http(200, b"[]"),
        http(200, b"null"),
        http(200, b'{"status": "success"'),
        http(200, b'{"status": "failed", "size": 10}'),
        http(200, b'{"size": 10}'),
        http(200, b'{"status": true, "size": 10}'),
        http(200, b'{"status": "success"}'),
        http(200, b'{"status": "success", "size": null}'),
        http(200, b'{"status": "success", "size": "10"}'),
        http(200, b'{"status": "success", "size": true}'),
        http(200, b'{"status": "success", "size": -10}'),
        http(200, b'{"status": "success", "size": 1' + b"0" * 5000 + b"}"),
        http(200, b'{"status": "success", "size": 10, "internal_id": []}'),
        http(200, b'{"status": "success", "size": 10, "internal_id": "\\ud800"}'),
        http(200, b'{"status": "success", "size": 10, "internal_id": "\\u0000"}'),
        http(200, b'{"status": "success", "size": 10, "sha256": 5, "internal_id": {}}'),
        http(200, b"[" * 100_000),
        http(200, b'{"status": "success", "size": 10, "x": "\xff"}'),
        http(200, b" " * (1024 * 1024 + 1)),
    ],
)
async def test_an_answer_that_breaks_the_contract_is_not_believed(
    server: RawServer, api: InfrastructureAPI, reply: bytes
) -> None:
    """The upload may have happened, so its outcome is unknown; the message names the object."""
    server.replies = [reply]
    with pytest.raises(BadAnswer) as raised:
        await save(api)
    assert raised.value.subject == "a.txt"


@pytest.mark.parametrize(
    "members",
    [{"size": 9}, {"size": 0}, {"size": 10, "sha256": "0" * 64}, {"size": 10, "sha256": "short"}],
)
@pytest.mark.parametrize("large", [False, True])
async def test_other_bytes_than_were_sent_are_noticed(
    server: RawServer, api: InfrastructureAPI, members: dict[str, object], large: bool
) -> None:
    """By size, and by digest where the server tells one."""
    data = LARGE if large else DATA
    told = {**members, "size": len(data)} if members["size"] == 10 else members
    server.replies = [ok(status="success", **told)]
    with pytest.raises(StoredWrong):
        await save(api, data)


async def test_a_null_internal_id_and_no_digest_are_fine(server: RawServer, api: InfrastructureAPI) -> None:
    """Servers in the field give neither."""
    server.replies = [ok(status="success", internal_id=None, size=10)]
    assert await save(api) == Saved(None, 10, None)


async def test_permissions_missing_from_the_answer_are_a_bad_answer(server: RawServer, api: InfrastructureAPI) -> None:
    """A 200 of some other server confirms nothing."""
    server.replies = [ok(hello="world")]
    with pytest.raises(BadAnswer):
        await api.update_permissions("a.txt", Attributes(owner="x"), "k")


async def test_a_compressed_answer_is_read(server: RawServer, api: InfrastructureAPI) -> None:
    """And one that is not what it says it is, is an unknown outcome."""
    body = gzip.compress(b'{"status": "success", "size": 10}')
    server.replies = [http(200, body, Content_Encoding="gzip"), http(200, b"not gzip", Content_Encoding="gzip")]
    assert (await save(api)).size == 10
    with pytest.raises(OutcomeUnknown):
        await save(api)


# ---------------------------------------------------------------- connections


async def test_no_connection_is_certainly_not_sent() -> None:
    """Refused, and a name that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://no-such-host.invalid"):
        api = InfrastructureAPI(url, url)
        with pytest.raises(Unreachable):
            await api.check_file_manager()
        await api.close()


@pytest.mark.parametrize(
    "reply",
    [
        RESET,
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["reset", "truncated", "half a head", "garbage", "bad chunk"],
)
@pytest.mark.parametrize("large", [False, True])
async def test_a_connection_that_ends_after_sending_is_an_unknown_outcome(
    server: RawServer, api: InfrastructureAPI, reply: bytes, large: bool
) -> None:
    """The server may have done it; nothing is repeated here."""
    server.replies = [reply]
    with pytest.raises(OutcomeUnknown) as raised:
        await save(api, LARGE if large else DATA)
    assert not isinstance(raised.value, StoredWrong)
    assert "a.txt" in str(raised.value)
    assert len(server.seen) == 1


async def test_a_truncated_error_keeps_its_status(server: RawServer, api: InfrastructureAPI) -> None:
    """Half of the words are enough to know that the path is not there."""
    server.replies = [b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{"]
    assert isinstance(await failure_of(api), NotAtDestination)


async def test_a_server_that_never_answers_is_an_unknown_outcome(server: RawServer) -> None:
    """The idle limit ends the wait."""
    server.silent = True
    api = InfrastructureAPI(server.url, server.url, timeouts=Timeouts(idle=0.05))
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await save(api)
    await api.close()


async def test_a_server_that_stops_reading_ends_the_upload(server: RawServer) -> None:
    """The idle limit counts while bytes go out as well."""
    server.silent = server.early = True
    api = InfrastructureAPI(server.url, server.url, timeouts=Timeouts(idle=0.05))
    with pytest.raises(OutcomeUnknown):
        await save(api, b"x" * 50 * 1024 * 1024)
    await api.close()


def test_the_whole_time_of_a_call_follows_its_size() -> None:
    """A large object may take as long as the floor rate needs."""
    timeouts = Timeouts(total=10, floor_rate=100)
    small, large = Request("POST", "/", "small"), Request("POST", "/", "large", size=1000)
    assert (timeouts.of(small).total, timeouts.of(large).total) == (10, 20)


async def test_a_report_is_not_waited_for_long(server: RawServer) -> None:
    """A server that never answers reports would hold up each next run."""
    server.silent = True
    api = InfrastructureAPI(server.url, server.url, timeouts=Timeouts(report=0.05))
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await api.report_results({"run_id": "r1"})
    await api.close()


@pytest.mark.parametrize(("length", "taken"), [(CURSOR_LIMIT, True), (CURSOR_LIMIT + 1, False)])
async def test_how_long_a_cursor_may_be(server: RawServer, api: InfrastructureAPI, length: int, taken: bool) -> None:
    """As long as an address can carry it back; a longer one ends the reading and says so."""
    server.replies = [http(200, json.dumps({"events": [], "next_cursor": "c" * length}).encode())]
    if taken:
        assert (await api.pub_sub_full_list()).next_cursor == "c" * length
        return
    with pytest.raises(BadAnswer, match="next_cursor"):
        await api.pub_sub_full_list()


# ---------------------------------------------------------------- the source of an upload


@pytest.mark.parametrize("data", [DATA, LARGE], ids=["small", "large"])
async def test_an_error_of_the_source_comes_out_as_it_is(
    server: RawServer, api: InfrastructureAPI, data: bytes
) -> None:
    """And the server never has a complete body."""
    problem = SourceMoved("changed", subject="a.txt")
    opened = FakeOpened("a.txt", data, size=len(data) * 2, error=problem)
    with pytest.raises(SourceMoved) as raised:
        await api.save_to_disk("create", "a.txt", "k", upload=await Upload.of(opened))
    assert raised.value is problem
    assert not any(seen.complete for seen in server.seen)


@pytest.mark.parametrize("data", [DATA, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("difference", [-1, 1], ids=["too many", "too few"])
async def test_a_source_of_another_length_than_announced_is_not_sent_whole(
    server: RawServer, api: InfrastructureAPI, data: bytes, difference: int
) -> None:
    """One byte more or less, and there is no complete body."""
    opened = FakeOpened("a.txt", data, size=len(data) + difference)
    with pytest.raises(OutcomeUnknown, match="the source"):
        await api.save_to_disk("create", "a.txt", "k", upload=await Upload.of(opened))
    assert not any(seen.complete for seen in server.seen)


async def test_an_early_refusal_ends_the_reading_of_the_source(server: RawServer, api: InfrastructureAPI) -> None:
    """A server that refuses before it has read the body is not sent the rest."""
    server.early = True
    server.replies = [http(413, b'{"detail": "too large"}')]
    opened = FakeOpened("a.txt", b"x" * 50 * 1024 * 1024)
    upload = await Upload.of(opened)
    with pytest.raises((Refused, OutcomeUnknown)):
        await api.save_to_disk("create", "a.txt", "k", upload=upload)
    assert upload.sent < upload.size


async def test_an_early_success_is_not_believed(server: RawServer, api: InfrastructureAPI) -> None:
    """Who answers before the last byte has not stored it."""
    server.early = True
    size = 50 * 1024 * 1024
    server.replies = [ok(status="success", size=size)]
    with pytest.raises(OutcomeUnknown):
        await save(api, b"x" * size)


class Endless(FakeOpened):
    """A source that goes on for long, and knows whether it is still being read."""

    def __init__(self) -> None:
        super().__init__("a.txt", b"", size=1 << 40)
        self.begun = asyncio.Event()
        self.reading = False

    async def chunks(self) -> AsyncIterator[bytes]:
        self.reading = True
        try:
            while True:
                yield b"x" * 65536
                self.begun.set()
        finally:
            self.reading = False


async def test_a_cancelled_upload_stops_reading_the_source(server: RawServer, api: InfrastructureAPI) -> None:
    """Nobody reads the source once the call has ended: it is about to be closed."""
    opened = Endless()
    upload = await Upload.of(opened)
    call = asyncio.create_task(api.save_to_disk("create", "a.txt", "k", upload=upload))
    await opened.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not opened.reading


async def test_a_refused_upload_stops_reading_the_source(server: RawServer, api: InfrastructureAPI) -> None:
    """The same where the server ended the call."""
    server.early = True
    server.replies = [RESET]
    opened = Endless()
    upload = await Upload.of(opened)
    with pytest.raises(OutcomeUnknown):
        await api.save_to_disk("create", "a.txt", "k", upload=upload)
    assert not opened.reading


# ---------------------------------------------------------------- lists of events


async def test_damage_in_one_event_leaves_the_others_whole(server: RawServer, api: InfrastructureAPI) -> None:
    """Bad UTF-8, raw control characters, depth and absurd numbers do not spoil the list."""
    deep = b"[" * 100_000 + b"]" * 100_000
    events = [b'{"a": 1}', b'"\xff"', b'"raw\ntab\t"', deep, b"9" * 5000, b'{"b": [' + deep + b"]}", b'{"c": 3}']
    server.replies = [http(200, b'{"events": [' + b",".join(events) + b'], "has_more": false}')]
    page = await api.pub_sub_full_list()
    assert len(page.events) == len(events)
    assert (page.events[0], page.events[2], page.events[-1]) == ({"a": 1}, "raw\ntab\t", {"c": 3})


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"events": {}}',
        b'{"events": null}',
        b'{"events": [}',
        b"[" * 200_000,
        b'{"events": [' + b"[" * 5000,
        b'{"events": [], "next_cursor": []}',
    ],
)
async def test_a_list_that_is_none_is_a_bad_answer(server: RawServer, api: InfrastructureAPI, body: bytes) -> None:
    """The page is asked for again another time."""
    server.replies = [http(200, body)]
    with pytest.raises(BadAnswer):
        await api.pub_sub_full_list()


async def test_a_list_of_ten_megabytes_is_read(server: RawServer, api: InfrastructureAPI) -> None:
    """Servers without pages give all they have at once."""
    events = [{"event_type": "create", "file_path": f"{number}" + "x" * 1000} for number in range(10_000)]
    server.replies = [ok(events=events)]
    assert (await api.pub_sub_full_list()).events == events


# ---------------------------------------------------------------- health


async def test_health_is_a_json_object_from_the_root(server: RawServer, api: InfrastructureAPI) -> None:
    """Anything but 2xx, or a page for people, is not healthy."""
    await api.check_file_manager()
    await api.check_events()
    assert server.last.target == "/"
    server.replies = [http(503)]
    with pytest.raises(OutcomeUnknown):
        await api.check_events()
    server.replies = [http(200, b"<html>It works</html>")]
    with pytest.raises(BadAnswer, match="HTML"):
        await api.check_file_manager()


@pytest.mark.parametrize("left", [1, 5, 12, 300])
async def test_a_token_is_taken_out_before_words_are_cut(server: RawServer, api: InfrastructureAPI, left: int) -> None:
    """However much of the token would have fitted into a message, none of it is there; not where the answer is large, too."""
    long_token = TOKEN * 3
    for padding in ("x" * (300 - left), " " * (64 * 1024 - left)):
        server.replies = [http(422, f"{padding} {long_token}".encode())]
        problem = await failure_of(api)
        assert TOKEN[:8] not in str(problem)


async def test_what_the_caller_hides_is_hidden_everywhere(server: RawServer) -> None:
    """In words, in a redirect's target, and in the library's words about what is no HTTP."""
    api = InfrastructureAPI(None, server.url, hide=lambda text: text.replace("other-secret", "***"))
    for reply in (
        http(422, b'{"detail": "other-secret"}'),
        http(307, b"", Location="http://h/other-secret"),
        b"HTTP/1.1 200 OK\r\nother-secret\r\n\r\n",
    ):
        server.replies = [reply]
        problem = await failure_of(api)
        assert ("other-secret" in str(problem), "***" in str(problem)) == (False, True)
    await api.close()
