"""An ETag that is an MD5 is compared with the body, and what only looks like one is found out."""

from __future__ import annotations

import hashlib

import pytest

from sync_service.clients.s3_digest import Md5Etags
from sync_service.models.data_models import ObjectInfo
from sync_service.models.errors import DamagedBody

BODY = b"x" * 700_000
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


def info(etag: str, key: str = "k") -> ObjectInfo:
    return ObjectInfo(key, len(BODY), etag, "2026-11-21T08:00:00Z")


async def verified(etags: Md5Etags, etag: str, body: bytes = BODY, key: str = "k") -> bool:
    """Whether the body passes; True also where nothing can be said."""
    check = etags.check_of(info(etag, key), {}, "s")
    if check is None:
        return True
    for start in range(0, len(body), 300_000):
        await check.settled()
        check.add(body[start : start + 300_000])
    try:
        await check.verify()
    except DamagedBody:
        return False
    return True


async def test_a_body_of_several_pieces() -> None:
    """Pieces are hashed in order, whichever thread does it; upper case is the same ETag."""
    etags = Md5Etags(certain=False)
    assert await verified(etags, MD5)
    assert await verified(etags, MD5.upper())
    assert not await verified(etags, MD5, BODY[:-1] + b"y")


@pytest.mark.parametrize("etag", [f"{MD5}-3", "abc", "g" * 32, MD5 + "0", ""])
def test_etags_that_say_nothing(etag: str) -> None:
    """Parts, and other forms."""
    assert Md5Etags(certain=True).check_of(info(etag), {}, "s") is None


@pytest.mark.parametrize(
    ("headers", "checked"),
    [
        ({"x-amz-server-side-encryption": "AES256"}, True),
        ({"x-amz-server-side-encryption": "aws:kms"}, False),
        ({"x-amz-server-side-encryption": "aws:kms:dsse"}, False),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
    ],
)
def test_what_encryption_makes_of_an_etag(headers: dict[str, str], checked: bool) -> None:
    """S3's own keys leave the MD5; KMS and a customer's key do not."""
    assert (Md5Etags(certain=True).check_of(info(MD5), headers, "s") is not None) is checked


async def strange(etags: Md5Etags, keys: str, times: int = 2) -> None:
    for key in keys * times:
        await verified(etags, "0" * 32, key=key)


async def test_one_object_of_a_store_without_md5s_is_let_through() -> None:
    """A bucket with a single object must not wait for others; what differs otherwise each time is never let through."""
    etags = Md5Etags(certain=False)
    await strange(etags, "a", times=3)
    assert await verified(etags, "0" * 32, key="a")
    for number in range(5):
        assert not await verified(etags, "0" * 32, BODY + bytes([number]), key="b")


async def test_a_store_without_md5s_is_found_out() -> None:
    """Three objects, twice the same other digest each, and no match ever: its ETags are something else."""
    etags = Md5Etags(certain=False)
    await strange(etags, "ab")
    await strange(etags, "c", times=1)
    assert not await verified(etags, "0" * 32, BODY + b"!", key="c")
    assert not await verified(etags, "0" * 32, key="d")
    await strange(etags, "c")
    assert await verified(etags, "0" * 32)


async def test_one_match_or_a_known_server_ends_all_doubt() -> None:
    """From then on a difference is damage."""
    shown = Md5Etags(certain=False)
    await verified(shown, MD5)
    for etags in (shown, Md5Etags(certain=True)):
        await strange(etags, "abcdef")
        assert not await verified(etags, "0" * 32)
