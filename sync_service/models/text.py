"""Text that came from outside, made safe to show: keys and server answers are data everywhere."""

import unicodedata

_LIMIT = 300
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def shown(text: object, limit: int = _LIMIT) -> str:
    """`text` with control, format and bidi characters as escapes and cut to `limit` characters, for people to read."""
    raw = str(text)
    out = escaped(raw[:limit])
    return out if len(raw) <= limit else f"{out}… ({len(raw)} characters)"


def escaped(text: str) -> str:
    """`text`, whole, with every character that acts instead of being seen as an escape; one line, fit for any terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
