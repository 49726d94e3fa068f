"""The manager against a scripted server: what it asks, what it believes, and what it refuses to believe."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from sync_service.clients.s3_manager import S3Manager
from sync_service.models.errors import (
    Archived,
    BadAnswer,
    ConfigurationError,
    Denied,
    OutcomeUnknown,
    SourceMoved,
    SyncError,
    Temporary,
    Throttled,
    Unreadable,
)
from tests.fakes.scripted_s3 import OBJECT, Asked, Reply, ScriptedS3, error, manager_of, page, scripted_s3

HTML = Reply(200, "<!DOCTYPE html><html>MinIO Console</html>", {"Content-Type": "text/html; charset=utf-8"})


@pytest.fixture
async def server() -> AsyncIterator[ScriptedS3]:
    async with scripted_s3() as script:
        yield script


@pytest.fixture
async def manager(server: ScriptedS3) -> AsyncIterator[S3Manager]:
    async with manager_of(server.endpoint, read_timeout=0.2) as made:
        yield made


async def read(manager: S3Manager, key: str = "k", **pin: str) -> bytes:
    """Opens `key` and reads it to its end."""
    async with manager.open(key, **pin) as opened:
        return b"".join([chunk async for chunk in opened.chunks()])


async def listing_error(manager: S3Manager) -> SyncError:
    """The error that a listing gives."""
    with pytest.raises(SyncError) as caught:
        await manager.list_page()
    return caught.value


# ---------------------------------------------------------------- requests


async def test_a_listing_asks_for_encoded_keys(server: ScriptedS3, manager: S3Manager) -> None:
    """The request is a signed ListObjectsV2 with encoded keys; nothing invites compression."""
    server.says(page("a"))
    await manager.list_page(prefix="p 1/", start_after="p 1/é+", max_keys=5)
    asked = server.requests[0]
    assert asked.target == "/bkt?list-type=2&encoding-type=url&max-keys=5&prefix=p%201%2F&start-after=p%201%2F%C3%A9%2B"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKEXAMPLE/")
    assert asked.headers["x-amz-content-sha256"].startswith("e3b0c442")


async def test_a_key_goes_out_as_it_is(server: ScriptedS3, manager: S3Manager) -> None:
    """Nothing in a path is normalised or encoded twice."""
    server.says(Reply(200, headers=OBJECT))
    await manager.head("a//../b c%2F/./+é?#.txt")
    assert server.requests[0].target == "/bkt/a//../b%20c%252F/./%2B%C3%A9%3F%23.txt"


async def test_a_session_token_is_sent(server: ScriptedS3) -> None:
    """Temporary keys come with their token."""
    server.says(page("a"))
    async with manager_of(server.endpoint, session_token="TOKEN") as manager:
        await manager.list_page()
    assert server.requests[0].headers["x-amz-security-token"] == "TOKEN"


# ---------------------------------------------------------------- a 200 that is not to be believed


async def test_html_is_not_a_listing(server: ScriptedS3, manager: S3Manager) -> None:
    """A web page in place of S3's XML is said to be one."""
    server.says(HTML)
    told = await listing_error(manager)
    assert isinstance(told, ConfigurationError)
    assert "HTML" in str(told)
    assert "console" in str(told)


async def test_a_console_that_answers_in_xml_is_known(server: ScriptedS3, manager: S3Manager) -> None:
    """MinIO's console refuses signed requests with an error of its own."""
    server.says(error(400, "InvalidArgument", "S3 API Requests must be made to API port."))
    assert "console" in str(await listing_error(manager))


async def test_an_error_document_with_200_is_an_error(server: ScriptedS3, manager: S3Manager) -> None:
    """The document counts, not the status."""
    server.says(error(200, "SlowDown"))
    assert isinstance(await listing_error(manager), Throttled)


async def test_a_listing_cut_short_is_temporary(server: ScriptedS3, manager: S3Manager) -> None:
    """A page whose connection ends early is no page."""
    server.says(Reply(200, page("a", "b").body, cut=300))
    assert isinstance(await listing_error(manager), Temporary)


async def test_an_endless_listing_is_given_up(server: ScriptedS3, manager: S3Manager) -> None:
    """No answer is collected without bound."""
    server.says(Reply(200, b"x" * 17_000_000))
    told = await listing_error(manager)
    assert isinstance(told, BadAnswer)
    assert "more than" in str(told)


async def test_a_head_without_an_etag_is_no_s3(server: ScriptedS3, manager: S3Manager) -> None:
    """A 200 from a web server has no ETag or time: it is not believed."""
    server.says(HTML)
    with pytest.raises(BadAnswer):
        await manager.head("k")


# ---------------------------------------------------------------- HEAD


async def test_a_missing_key_is_none_only_in_a_bucket_that_exists(server: ScriptedS3, manager: S3Manager) -> None:
    """Where neither HEAD nor GET says whose 404 it is, the listing is asked for this one key, each time anew."""
    server.says(lambda asked: page("kk") if asked.target.startswith("/bkt?") else Reply(404))
    assert await manager.head("k") is None
    assert [(asked.method, asked.target.partition("?")[0]) for asked in server.requests] == [
        ("HEAD", "/bkt/k"),
        ("GET", "/bkt/k"),
        ("GET", "/bkt"),
    ]
    assert server.requests[2].target.endswith("&max-keys=1&prefix=k")
    assert await manager.head("l") is None
    assert len(server.requests) == 6
    server.says(Reply(404))
    with pytest.raises(ConfigurationError, match="no bucket"):
        await manager.head("k")


async def test_a_missing_key_that_the_listing_shows_is_not_believed(server: ScriptedS3, manager: S3Manager) -> None:
    """HEAD and GET of an object fail for a while behind a proxy: nothing is deleted for that."""
    server.says(lambda asked: page("k") if asked.target.startswith("/bkt?") else Reply(404))
    with pytest.raises(BadAnswer, match="the listing shows it"):
        await manager.head("k")
    server.says(lambda asked: Reply(404, "404 page not found", {"Content-Type": "text/plain"}))
    with pytest.raises(BadAnswer):
        await manager.head("k")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
async def test_a_server_that_lists_no_buckets_is_used_all_the_same(
    server: ScriptedS3, manager: S3Manager, status: int
) -> None:
    """No more is needed than to list and read one bucket: when it was made is then not known."""
    server.says(Reply(status))
    assert "created" not in await manager.identity()


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
async def test_wrong_keys_are_told_when_the_source_is_asked_who_it_is(
    server: ScriptedS3, manager: S3Manager, code: str
) -> None:
    """Revoked keys end a run, also where no object is read in it."""
    server.says(error(403, code))
    with pytest.raises(Denied):
        await manager.identity()


async def test_a_404_is_explained_by_a_get(server: ScriptedS3, manager: S3Manager) -> None:
    """S3's word NoSuchKey is proof; a GET that finds the object makes HEAD's 404 a bad answer, and so does a proxy's page."""
    server.says(Reply(404), error(404, "NoSuchKey"))
    assert await manager.head("k") is None
    server.says(Reply(404), Reply(206, b"x", OBJECT))
    with pytest.raises(BadAnswer, match="GET has it"):
        await manager.head("k")
    server.says(Reply(404), Reply(404, "<html>default backend</html>", {"Content-Type": "text/html"}))
    with pytest.raises(ConfigurationError, match="HTML"):
        await manager.head("k")
    server.says(Reply(404), Reply(503), Reply(200))
    with pytest.raises(Throttled):
        await manager.head("k")


async def test_a_look_is_never_answered_by_a_move(server: ScriptedS3, manager: S3Manager) -> None:
    """A refused HEAD whose GET says NoSuchKey is a missing key; 405 and 412 for a HEAD without a pin are bad answers."""
    server.says(Reply(403), error(404, "NoSuchKey"))
    assert await manager.head("k") is None
    for status in (405, 412):
        server.says(Reply(status))
        with pytest.raises(BadAnswer):
            await manager.head("k")


async def test_a_key_of_a_missing_bucket_is_an_error(server: ScriptedS3, manager: S3Manager) -> None:
    """A bucket that is gone must not look like the deletion of every key."""
    server.says(Reply(404))
    with pytest.raises(ConfigurationError, match="no bucket"):
        await manager.head("k")


@pytest.mark.parametrize("header", [{"x-minio-error-code": "NoSuchBucket"}, {"Content-Type": "text/html"}])
async def test_a_404_of_something_else_is_an_error(
    server: ScriptedS3, manager: S3Manager, header: dict[str, str]
) -> None:
    """MinIO names the missing bucket; a web server is not S3."""
    server.says(Reply(404, headers=header))
    with pytest.raises(ConfigurationError):
        await manager.head("k")


@pytest.mark.parametrize("header", [{"x-minio-error-code": "NoSuchKey"}, {"x-amz-delete-marker": "true"}])
async def test_a_404_that_names_the_key_needs_no_second_look(
    server: ScriptedS3, manager: S3Manager, header: dict[str, str]
) -> None:
    """A delete marker and MinIO's own word are proof enough."""
    server.says(Reply(404, headers=header))
    assert await manager.head("k") is None
    assert len(server.requests) == 1


async def test_a_refused_head_is_explained_by_a_get(server: ScriptedS3, manager: S3Manager) -> None:
    """HEAD has no body: the same question as a GET of one byte names the reason."""
    server.says(Reply(403), error(403, "AccessDenied", "no s3:GetObject for you"))
    with pytest.raises(Denied, match="no s3:GetObject for you"):
        await manager.head("k")
    assert server.requests[1].headers["range"] == "bytes=0-0"


async def test_a_key_that_the_server_cannot_have_is_none(server: ScriptedS3, manager: S3Manager) -> None:
    """MinIO refuses names with `..` as bad requests: they are certainly not there."""
    server.says(Reply(400), error(400, "XMinioInvalidResourceName"))
    assert await manager.head("a/../b") is None


@pytest.mark.parametrize(("status", "kind"), [(503, Throttled), (500, Temporary), (400, Unreadable), (403, Denied)])
async def test_a_head_without_any_reason(
    server: ScriptedS3, manager: S3Manager, status: int, kind: type[SyncError]
) -> None:
    """Where nothing explains a HEAD, its status has to do."""
    server.says(Reply(status), Reply(206, b"x", OBJECT))
    with pytest.raises(kind) as caught:
        await manager.head("k\x1b[31m")
    assert "k\\x1b[31m" in str(caught.value)


# ---------------------------------------------------------------- headers


async def test_metadata_in_every_way_of_writing(server: ScriptedS3, manager: S3Manager) -> None:
    """RFC 2047 words (AWS), raw UTF-8 (MinIO) and Latin-1 come out as text; version and class come along."""
    server.says(
        Reply(
            200,
            b"12345",
            {
                **OBJECT,
                "ETag": 'W/"abc-2"',
                "x-amz-meta-Word": "=?UTF-8?Q?caf=C3=A9?=",
                "x-amz-meta-raw": "café",
                "x-amz-meta-latin": "caf\udce9",
                "x-amz-meta-plain": "=?not really",
                "x-amz-version-id": "null",
                "x-amz-storage-class": "STANDARD_IA",
                "Content-Type": "text/x-test",
            },
        )
    )
    info = await manager.head("k")
    assert info is not None
    assert info.metadata == {"word": "café", "raw": "café", "latin": "café", "plain": "=?not really"}
    assert (info.size, info.etag, info.last_modified) == (5, "abc-2", "2026-11-21T07:02:31Z")
    assert (info.version_id, info.storage_class, info.file_type) == ("null", "STANDARD_IA", "text/x-test")


@pytest.mark.parametrize("broken", [{"Content-Length": ""}, {"ETag": ""}, {"Last-Modified": "yesterday"}])
async def test_headers_that_cannot_be_used(server: ScriptedS3, manager: S3Manager, broken: dict[str, str]) -> None:
    """Size, ETag and time are needed, in a form that can be read."""
    server.says(Reply(200, headers={**OBJECT, **broken}))
    with pytest.raises(BadAnswer):
        await manager.head("k")


# ---------------------------------------------------------------- GET


async def test_a_pin_goes_out(server: ScriptedS3, manager: S3Manager) -> None:
    """ETag and version id are both asked for."""
    server.says(Reply(200, b"hello", {**OBJECT, "x-amz-version-id": "v+1"}))
    assert await read(manager, etag="abc", version_id="v+1") == b"hello"
    assert server.requests[0].headers["if-match"] == '"abc"'
    assert server.requests[0].target == "/bkt/k?versionId=v%2B1"


@pytest.mark.parametrize("pin", [{"etag": "other"}, {"version_id": "v0"}])
async def test_an_ignored_pin_is_noticed(server: ScriptedS3, manager: S3Manager, pin: dict[str, str]) -> None:
    """A server that ignores If-Match or versionId sends another version: not one byte of it is given out."""
    server.says(Reply(200, b"hello", {**OBJECT, "x-amz-version-id": "v1"}))
    with pytest.raises(SourceMoved):
        await read(manager, **pin)


@pytest.mark.parametrize("length", [0, 1, 5, 9])
async def test_a_body_cut_short_is_noticed(server: ScriptedS3, manager: S3Manager, length: int) -> None:
    """A body that ends early, wherever, is never taken for the whole."""
    server.says(Reply(200, b"0123456789", OBJECT, cut=length))
    with pytest.raises(OutcomeUnknown, match=f"after {length} of 10 bytes"):
        await read(manager)


async def test_a_stored_encoding_is_left_alone(server: ScriptedS3, manager: S3Manager) -> None:
    """A gzip object is passed on as it is stored."""
    server.says(Reply(200, b"\x1f\x8b-stored", {**OBJECT, "Content-Encoding": "gzip"}))
    assert await read(manager) == b"\x1f\x8b-stored"


async def test_a_chunked_body_without_a_size_is_not_taken(server: ScriptedS3, manager: S3Manager) -> None:
    """Without Content-Length nobody could tell the whole from a part."""
    wire = b"5\r\nhello\r\n0\r\n\r\n"
    server.says(Reply(200, wire, {**OBJECT, "Content-Length": "", "Transfer-Encoding": "chunked"}))
    with pytest.raises(BadAnswer):
        await read(manager)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(404, "NoSuchKey"), SourceMoved),
        (error(404, "NoSuchVersion"), SourceMoved),
        (error(412, "PreconditionFailed"), SourceMoved),
        (error(405, "MethodNotAllowed"), SourceMoved),
        (error(404, "NoSuchBucket"), ConfigurationError),
        (error(403, "InvalidObjectState"), Archived),
        (error(400, "KMS.DisabledException"), Unreadable),
        (error(400, "InvalidRequest"), Unreadable),
        (error(403, "AccessDenied"), Denied),
        (error(503, "SlowDown"), Throttled),
        (error(500, "InternalError"), Temporary),
        (Reply(206, b"x", OBJECT), BadAnswer),
        (Reply(304), BadAnswer),
        (Reply(302, headers={"Location": "http://else.example/k"}), ConfigurationError),
        (Reply(200, b"x", {"ETag": "", "Last-Modified": ""}), BadAnswer),
    ],
)
async def test_a_refused_get(server: ScriptedS3, manager: S3Manager, reply: Reply, kind: type[SyncError]) -> None:
    """Each refusal of an object is its own kind of error, asked once."""
    server.says(reply)
    with pytest.raises(SyncError) as caught:
        await read(manager)
    assert type(caught.value) is kind
    assert len(server.requests) == 1


# ---------------------------------------------------------------- region, identity


async def test_a_region_that_is_unset_is_asked_of_the_bucket(server: ScriptedS3) -> None:
    """The bucket's own region signs, and is asked for once."""
    server.says(Reply(400, headers={"x-amz-bucket-region": "eu-west-3"}), page("a"))
    async with manager_of(server.endpoint, region="") as manager:
        await manager.list_page()
        await manager.list_page()
    assert [asked.method for asked in server.requests] == ["HEAD", "GET", "GET"]
    assert "/eu-west-3/s3/" in server.requests[-1].headers["authorization"]


async def test_a_region_that_only_a_body_names_is_found(server: ScriptedS3) -> None:
    """A HEAD refused without a header is followed by a question whose refusal has a body."""
    server.says(Reply(400), error(400, "AuthorizationHeaderMalformed", extra="<Region>eu-9</Region>"), page("a"))
    async with manager_of(server.endpoint, region="") as manager:
        await manager.list_page()
    assert "/eu-9/s3/" in server.requests[-1].headers["authorization"]


async def test_a_server_without_regions_gets_the_default(server: ScriptedS3) -> None:
    """MinIO and its like take us-east-1."""
    server.says(Reply(200), page("a"))
    async with manager_of(server.endpoint, region="") as manager:
        await manager.list_page()
    assert "/us-east-1/s3/" in server.requests[-1].headers["authorization"]


async def test_a_region_that_cannot_be_asked_is_temporary(server: ScriptedS3) -> None:
    """A server in trouble is asked again later, not taken for one without regions."""
    server.says(Reply(503))
    async with manager_of(server.endpoint, region="") as manager:
        assert isinstance(await listing_error(manager), Temporary)


async def test_identity_tells_a_bucket_made_anew(server: ScriptedS3, manager: S3Manager) -> None:
    """The bucket's creation is part of what it is; without the permission to see it, the rest has to do."""

    def buckets(created: str) -> Reply:
        named = f"<Name>bkt</Name><CreationDate>{created}</CreationDate>"
        return Reply(200, f"<R><Bucket><Name>other</Name></Bucket><Bucket>{named}</Bucket></R>")

    server.says(buckets("2026-01-01"), buckets("2026-02-02"), error(403, "AccessDenied"), error(500, "InternalError"))
    first, second, blind = [await manager.identity() for _ in range(3)]
    assert len({first, second, blind}) == 3
    assert all(f"{server.endpoint}/bkt" in name for name in (first, second, blind))
    with pytest.raises(Temporary):
        await manager.identity()


async def test_a_closed_manager_can_be_used_again(server: ScriptedS3, manager: S3Manager) -> None:
    """Closing gives the connections back; the next request opens new ones."""
    seen: list[Asked] = []

    def told(asked: Asked) -> Reply:
        seen.append(asked)
        return page("a")

    server.says(told)
    await manager.list_page()
    await manager.close()
    await manager.list_page()
    assert len(seen) == 2
    assert all(re.fullmatch(r"/bkt\?.*", asked.target) for asked in seen)
