"""Answers of the infrastructure API as JSON objects: read within a limit, and never trusted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import aiohttp

from sync_service.models.errors import BadAnswer
from sync_service.models.text import shown

Json = dict[str, object]

_WORDS_CHARACTERS = 300
_WORDS_BYTES = 64 * 1024
_WORD_NAMES = ("detail", "message", "error", "reason")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_DEEPEST = 48
_TEXT_LIMIT = 1024
_INT_DIGITS, _FLOAT_DIGITS = 40, 400


async def read_limited(content: aiohttp.StreamReader, limit: int) -> bytes | None:
    """The body; None where it is over `limit` bytes (the rest stays unread)."""
    body = bytearray()
    while piece := await content.readany():
        body += piece
        if len(body) > limit:
            return None
    return bytes(body)


def json_object(body: bytes, label: str) -> Json:
    """The JSON object that `body` is. Raises BadAnswer."""
    try:
        return _object(_DECODER.decode(body.decode("utf-8-sig")), label)
    except (ValueError, RecursionError):
        raise BadAnswer(f"{label}: the answer is {_kind(body)}, not JSON") from None


def lenient_object(body: bytes, label: str) -> Json:
    """As `json_object`, for lists of many hands: bytes that are not UTF-8, raw control characters and depth stay local.

    Damaged text keeps lone surrogates, and what is nested too deeply is replaced by text nested just deep enough to
    be refused by the decoder of events: each spoils the one event that it is in.
    """
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        try:
            return _object(_LENIENT.decode(text), label)
        except RecursionError:
            return _object(_LENIENT.decode(_pruned(text)), label)
    except (ValueError, RecursionError):
        raise BadAnswer(f"{label}: the answer is {_kind(body)}, not JSON") from None


def plain_text(value: object, name: str, label: str, subject: str = "", limit: int = _TEXT_LIMIT) -> str | None:
    """Text (or a number as text) that an answer may leave out. Raises BadAnswer for what cannot be kept as text."""
    if value is None:
        return None
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or len(text) > limit or "\0" in text or _has_surrogate(text):
        raise BadAnswer(f"{label}: the answer's {name} is not usable text", subject=subject)
    return text


def words_of(body: bytes, hide: Callable[[str], str] = str) -> str:
    """The server's own words in an answer that is an error, on one line, cut and escaped; `hide` takes secrets out first."""
    text = body[:_WORDS_BYTES].decode("utf-8", "replace")
    if len(body) > _WORDS_BYTES:
        # What stands at the cut may be the first half of a secret.
        text = text.rpartition(" ")[0]
    try:
        value = _LENIENT.decode(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        text = next((_flat(value[name]) for name in _WORD_NAMES if value.get(name)), text)
    return shown(" ".join(hide(text).split()), _WORDS_CHARACTERS)


def _flat(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _object(value: object, label: str) -> Json:
    if not isinstance(value, dict):
        raise BadAnswer(f"{label}: the answer is not a JSON object")
    return value


def _kind(body: bytes) -> str:
    start = body[:200].lstrip().lower()
    if not start:
        return "empty"
    return "HTML" if start.startswith((b"<!doctype", b"<html", b"<head", b"<body")) else "damaged or other text"


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _pruned(text: str) -> str:
    """`text` with everything below the deepest level left out; by tokens, so that no depth can exhaust a stack."""
    kept: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in ("[", "{"):
            depth += 1
            if depth == _DEEPEST + 1:
                kept.append(text[start : token.start()] + '"nested too deeply"')
        elif mark in ("]", "}"):
            if depth == _DEEPEST + 1:
                start = token.end()
            depth -= 1
    return "".join([*kept, text[start:] if depth <= _DEEPEST else ""])


def _whole(text: str) -> int | float:
    return int(text) if len(text) <= _INT_DIGITS else math.inf


def _fraction(text: str) -> float:
    return float(text) if len(text) <= _FLOAT_DIGITS else math.inf


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_fraction)
_LENIENT = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, strict=False)
