"""Reads ListObjectsV2 pages: one regex scan for pages of the usual shape, a strict XML parse for all others.

The scan splits the page at its <Contents>. What is left between them, the shell, is parsed as XML, so nothing of a page
goes unread: an element of another shape stays in the shell, and the whole page is then parsed strictly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from sync_service.clients.s3_endpoint import Site
from sync_service.clients.s3_errors import html_answer
from sync_service.models.data_models import Listed
from sync_service.models.errors import BadAnswer, ListingBroken, SyncError

_CONTENTS = re.compile(
    r"<Contents>\s*+<Key>([^<]++)</Key>"
    r"\s*+<LastModified>([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]++)?+Z</LastModified>"
    r"\s*+<ETag>([^<]*+)</ETag>"
    r"\s*+(?:<Checksum(?:Algorithm|Type)>[^<]*+</Checksum(?:Algorithm|Type)>\s*+)*+"
    r"<Size>([0-9]++)</Size>"
    r"\s*+(?:<StorageClass>[^<]*+</StorageClass>\s*+)?+"
    r"</Contents>\s*+"
)
_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z")
_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class RawPage:
    """A page as the server gave it: keys with the bucket's prefix, decoded; `next_token` is the server's own."""

    entries: list[Listed]
    next_token: str | None


class _OddShape(Exception):
    """The page is not of the shape that the scan knows; it may still be right."""


def read_page(body: bytes, site: Site) -> RawPage:
    """The page in `body`. Raises BadAnswer for what is no page, ListingBroken for one that contradicts itself."""
    try:
        text = body.decode("utf-8")
        _refuse_strangers(text, site)
        try:
            return _scanned(text, site)
        except _OddShape:
            return _parsed(text, site)
    except UnicodeDecodeError:
        raise _broken("a key or the page is not UTF-8", site) from None
    except ElementTree.ParseError as error:
        raise BadAnswer(f"the listing is not whole XML ({error})", subject=site.subject()) from None


def _refuse_strangers(text: str, site: Site) -> None:
    """An HTML page is another server; a document type could declare entities, and S3 sends none."""
    head = text[:1000].lstrip().lower()
    if head.startswith(("<!doctype html", "<html")):
        raise html_answer(site)
    if "<!" in text:
        raise BadAnswer("the listing holds XML declarations that S3 does not send", subject=site.subject())


# ---------------------------------------------------------------- the scan


def _scanned(text: str, site: Site) -> RawPage:
    parts = _CONTENTS.split(text)
    shell = _tree("".join(parts[0::_COLUMNS]), site)
    if _find(shell, "Contents") is not None or _text(shell, "EncodingType") != "url":
        raise _OddShape
    keys, etags = _keys(parts[1::_COLUMNS]), _etags(parts[3::_COLUMNS])
    instants = [instant + "Z" for instant in parts[2::_COLUMNS]]
    entries = list(map(Listed._make, zip(keys, map(int, parts[4::_COLUMNS]), etags, instants, strict=True)))
    return _page(shell, entries, site)


def _keys(column: list[str]) -> list[str]:
    """Decoded only where something is encoded: in the column first, then key by key."""
    joined = "\n".join(column)
    if "&" in joined:
        raise _OddShape
    return [_decoded(key) for key in column] if "%" in joined or "+" in joined else column


def _etags(column: list[str]) -> list[str]:
    """Three ways of writing a quote are in the field; the column is stripped of them in one go."""
    joined = "\n".join(column).replace("&quot;", "").replace("&#34;", "").replace('"', "")
    if "&" in joined or "W/" in joined:
        raise _OddShape
    return joined.split("\n") if column else []


def _decoded(key: str) -> str:
    return unquote_plus(key, errors="strict") if "%" in key or "+" in key else key


# ---------------------------------------------------------------- the strict parse


def _parsed(text: str, site: Site) -> RawPage:
    tree = _tree(text, site)
    encoded = _text(tree, "EncodingType") == "url"
    entries = [_entry(element, encoded, site) for element in tree if _name(element) == "Contents"]
    return _page(tree, entries, site)


def _entry(element: ElementTree.Element, encoded: bool, site: Site) -> Listed:
    key, size = _text(element, "Key"), _text(element, "Size")
    instant = _INSTANT.fullmatch(_text(element, "LastModified"))
    if not key or not size.isdecimal() or instant is None:
        raise _broken("an entry without key, size or time", site)
    return Listed(_decoded(key) if encoded else key, int(size), plain_etag(_text(element, "ETag")), f"{instant[1]}Z")


def plain_etag(etag: str) -> str:
    """An ETag without quotes, entities and the mark of weakness."""
    return unescape(etag).strip().removeprefix("W/").strip('"')


# ---------------------------------------------------------------- both


def _page(tree: ElementTree.Element, entries: list[Listed], site: Site) -> RawPage:
    """What a page says of itself must agree with what it holds."""
    count, truncated = _text(tree, "KeyCount"), _text(tree, "IsTruncated")
    token = _text(tree, "NextContinuationToken")
    if count and count != str(len(entries)):
        raise _broken(f"a page says that it holds {count} keys, and holds {len(entries)}", site)
    if truncated not in {"true", "false"}:
        raise _broken("a page does not say whether it is the last", site)
    if truncated == "true" and not token:
        raise _broken("a page that is not the last has no token for the next", site)
    return RawPage(entries, token if truncated == "true" else None)


def _tree(text: str, site: Site) -> ElementTree.Element:
    tree = ElementTree.fromstring(text)  # noqa: S314  # Declarations, and so entities, were refused before.
    if _name(tree) != "ListBucketResult":
        raise BadAnswer(f"a <{_name(tree)}> came for a listing", subject=site.subject())
    return tree


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _find(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((child for child in element if _name(child) == name), None)


def _text(element: ElementTree.Element, name: str) -> str:
    found = _find(element, name)
    return "" if found is None else found.text or ""


def _broken(what: str, site: Site) -> SyncError:
    return ListingBroken(f"the listing cannot be believed: {what}", subject=site.subject())
