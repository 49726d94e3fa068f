"""Text that came from outside, made safe to show: keys and server answers are data everywhere."""

import unicodedata

KEY_LENGTH = 2_000
"""Characters that any key fits in (S3: 1,024 bytes), escapes and all but the worst: it is shown in full."""

_LIMIT = 300
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def shown(text: object, limit: int = _LIMIT) -> str:
    """`text` with control, format and bidi characters as escapes and cut to `limit` characters, for people to read."""
    raw = str(text)
    out = escaped(raw[:limit])
    return out if len(raw) <= limit else f"{out}… ({len(raw)} characters)"


def counted(number: int, word: str) -> str:
    """`1 operation`, `2 operations`, `1,000 operations`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def are(number: int) -> str:
    """The verb behind a number of things."""
    return "is" if number == 1 else "are"


def escaped(text: str) -> str:
    """`text`, whole, with every character that acts instead of being seen as an escape; one line, fit for any terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
