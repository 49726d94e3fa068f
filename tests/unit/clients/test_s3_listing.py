"""Pages of a listing: both ways of reading them agree, and what is no page is not believed."""

from __future__ import annotations

import random

import pytest

from sync_service.clients import s3_listing
from sync_service.clients.s3_endpoint import site_of
from sync_service.clients.s3_listing import read_page
from sync_service.models.data_models import Listed
from sync_service.models.errors import BadAnswer, ConfigurationError, ListingBroken
from tests.fakes.scripted_s3 import page

SITE = site_of("http://127.0.0.1:9000", "bkt", "us-east-1")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
ENTRY = (
    "<Contents><Key>{key}</Key><LastModified>2026-11-21T07:02:31.999Z</LastModified>"
    "<ETag>{etag}</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass>{more}</Contents>"
)


def body(*keys: str, **settings: object) -> bytes:
    """A usual page."""
    text = page(*keys, **settings).body  # type: ignore[arg-type]
    assert isinstance(text, str)
    return text.encode()


def document(entries: str, count: int, encoding: str = "<EncodingType>url</EncodingType>") -> bytes:
    """A page around entries that a test writes itself."""
    inner = f"<KeyCount>{count}</KeyCount><IsTruncated>false</IsTruncated>{encoding}{entries}"
    return f'<ListBucketResult xmlns="{NAMESPACE}">{inner}</ListBucketResult>'.encode()


@pytest.fixture
def strictly(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Counts the pages that the scan could not read."""
    seen: list[bytes] = []
    whole = s3_listing._parsed

    def counted(text: str, site: object) -> s3_listing.RawPage:
        seen.append(text.encode())
        return whole(text, site)  # type: ignore[arg-type]

    monkeypatch.setattr(s3_listing, "_parsed", counted)
    return seen


def test_reads_a_usual_page_by_scan(strictly: list[bytes]) -> None:
    """A page as AWS writes it is scanned: keys decoded, seconds whole, quotes gone, token kept."""
    read = read_page(body("a+b%2Bc.txt", "%C3%A9.txt", "plain", token="T&amp;1"), SITE)
    time = "2026-11-21T07:02:31Z"
    keys = ["a b+c.txt", "é.txt", "plain"]
    assert read.entries == [Listed(key, number, f"e-{number}", time) for number, key in enumerate(keys)]
    assert read.next_token == "T&1"
    assert strictly == []


@pytest.mark.parametrize("etag", ["&quot;x&quot;", "&#34;x&#34;", '"x"', "x", 'W/"x"', "&#x22;x&#x22;"])
def test_reads_every_way_of_quoting_an_etag(etag: str) -> None:
    """An ETag has no quotes, however the server writes them."""
    read = read_page(document(ENTRY.format(key="k", etag=etag, more=""), 1), SITE)
    assert [entry.etag for entry in read.entries] == ["x"]


@pytest.mark.parametrize("more", ["<Owner><ID>1</ID></Owner>", "<Type>Normal</Type>", "<Restored/>"])
def test_reads_other_shapes_strictly(more: str, strictly: list[bytes]) -> None:
    """Entries with elements that the scan does not know are read all the same, and in their places."""
    usual = ENTRY.format(key="a", etag="&quot;x&quot;", more="")
    odd = ENTRY.format(key="b%20c", etag="&quot;y&quot;", more=more)
    last = ENTRY.format(key="d", etag="&quot;z&quot;", more="")
    read = read_page(document(usual + odd + last, 3), SITE)
    assert [(entry.key, entry.etag) for entry in read.entries] == [("a", "x"), ("b c", "y"), ("d", "z")]
    assert len(strictly) == 1


def test_reads_a_page_that_is_not_encoded() -> None:
    """A server that ignores encoding-type sends keys as XML text: a percent sign is a percent sign there."""
    read = read_page(document(ENTRY.format(key="a&amp;b%20+c", etag="x", more=""), 1, encoding=""), SITE)
    assert [entry.key for entry in read.entries] == ["a&b%20+c"]


def test_an_empty_page_may_have_a_successor() -> None:
    """S3 may send a page of no keys that is not the last."""
    read = read_page(body(token="T"), SITE)
    assert (read.entries, read.next_token) == ([], "T")


def test_scan_and_strict_parse_agree() -> None:
    """On random pages of the usual shape both ways of reading give the same."""
    chance = random.Random(3)
    starts = ["a", "%20", "+", "%2B", "%E6%96%87", "%0A", "%26"]
    for _ in range(50):
        keys = [f"{chance.choice(starts)}{number}" for number in range(chance.randrange(9))]
        raw = body(*keys, token=chance.choice([None, "T"]))
        scanned = read_page(raw, SITE)
        assert scanned == s3_listing._parsed(raw.decode(), SITE)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", BadAnswer),
        (b"not xml", BadAnswer),
        (body("a", "b")[:-30], BadAnswer),
        (body("a", "b")[:500], BadAnswer),
        (b"<!DOCTYPE html><html><body>MinIO Console</body></html>", ConfigurationError),
        (b"\n<HTML></HTML>", ConfigurationError),
        (b'<!DOCTYPE x [<!ENTITY e "boom">]><ListBucketResult>&e;</ListBucketResult>', BadAnswer),
        (b"<ListAllMyBucketsResult></ListAllMyBucketsResult>", BadAnswer),
        (body("a", truncated=True), ListingBroken),
        (body("a", count=2), ListingBroken),
        (body("%FF%FE"), ListingBroken),
        (b"\xff\xfe", ListingBroken),
        (document(ENTRY.format(key="", etag="x", more="<Odd/>"), 1), ListingBroken),
        (document("<Contents><Key>a</Key></Contents>", 1), ListingBroken),
        (b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>", ListingBroken),
    ],
)
def test_what_is_no_page_is_not_believed(raw: bytes, error: type[Exception]) -> None:
    """Cut, foreign and contradictory pages are errors, never short listings."""
    with pytest.raises(error):
        read_page(raw, SITE)


def test_an_empty_key_is_not_believed_by_the_scan() -> None:
    """An entry without a key is broken in either way of reading."""
    with pytest.raises(ListingBroken):
        read_page(body(""), SITE)
