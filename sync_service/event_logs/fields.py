"""Single fields of events, checked and made canonical: what every dialect of events shares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from sync_service.models.errors import PoisonEvent

KEY_BYTES = 1024
RAW_CHARACTERS = 8192
_SIZE_LIMIT = 2**63
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HEX = re.compile(r"[0-9A-Fa-f]{1,128}")
_PERMISSION_NAMES = ("new_permissions", "permissions", "permission", "perms", "access")


def key_of(value: object, name: str = "key") -> str:
    """An object's key, or a PoisonEvent that says what is wrong with it."""
    if not isinstance(value, str):
        raise PoisonEvent(f"{name} is missing" if value is None else f"{name} is not text")
    if not value:
        raise PoisonEvent(f"{name} is empty")
    if "\0" in value:
        raise PoisonEvent(f"{name} contains a NUL")
    length = len(_utf8(value, name))
    if length > KEY_BYTES:
        raise PoisonEvent(f"{name} is {length} bytes long, over {KEY_BYTES}")
    return value


def encoded_key_of(value: object) -> str:
    """A key from a notification, where it is URL-encoded and `+` is a space; decoded strictly, never to another key."""
    if not isinstance(value, str):
        return key_of(value)
    _utf8(value, "key")
    if _BAD_ESCAPE.search(value):
        raise PoisonEvent("key has a bad percent-encoding")
    try:
        return key_of(unquote_to_bytes(value.replace("+", " ")).decode("utf-8"))
    except UnicodeDecodeError:
        raise PoisonEvent("key has a percent-encoding that is not UTF-8") from None


def _utf8(value: str, name: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise PoisonEvent(f"{name} contains a lone surrogate") from None


def text_of(value: object, name: str) -> str | None:
    """Text that may be absent; anything else than text is refused."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise PoisonEvent(f"{name} is not text")
    if "\0" in value:
        raise PoisonEvent(f"{name} contains a NUL")
    _utf8(value, name)
    return value


def size_of(value: object) -> int | None:
    """A size in bytes that may be absent: a whole number from 0 to 64 bits."""
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _SIZE_LIMIT:
        raise PoisonEvent("size is not a number of bytes")
    return value


def sequencer_of(value: object) -> str | None:
    """A sequencer of S3, which is hexadecimal, as it is written."""
    if value is None:
        return None
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise PoisonEvent("sequencer is not hexadecimal text")
    return value


def time_of(value: object, name: str) -> str | None:
    """A time that may be absent, as ISO 8601 UTC with Z."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return canonical_time(value)
    except (ValueError, OverflowError):
        pass
    raise PoisonEvent(f"{name} is not a time")


def canonical_time(text: str) -> str:
    """`text` as `YYYY-MM-DDTHH:MM:SS[.mmm]Z`: naive is UTC, zones are converted, fractions cut to milliseconds."""
    moment = datetime.fromisoformat(text.strip().upper())
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    precision = "milliseconds" if "." in text or "," in text else "seconds"
    return aware.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def permissions_of(metadata: Mapping[str, object]) -> str | None:
    """The permissions in an event's metadata, under any of the names found in the field; last of all `mode`."""
    found = (hint(metadata.get(name)) for name in (*_PERMISSION_NAMES, "mode"))
    return next((value for value in found if value), None)


def hint(value: object) -> str | None:
    """A value that only helps: text, or a number as text; None for what cannot be used."""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or not value or len(value) > KEY_BYTES or "\0" in value:
        return None
    return None if any("\ud800" <= char <= "\udfff" for char in value) else value


def raw_of(value: object) -> str:
    """The event's own text for the record: compact, keys in order, cut, and always storable as UTF-8 text."""
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return "(nested too deeply to be shown)"
    return storable(text)


def storable(text: str) -> str:
    """`text` cut to the limit of the record, with what a database cannot hold (NUL, lone surrogates) as escapes."""
    cut = text[:RAW_CHARACTERS].replace("\0", "\\x00")
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")
