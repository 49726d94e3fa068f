"""Text from outside, made safe for a terminal: keys are data everywhere."""


def shown(text: str, limit: int = 300) -> str:
    """`text` with everything that is not printable as escapes, cut to `limit` characters."""
    out = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:limit])
    return out if len(text) <= limit else f"{out}... ({len(text)} characters)"
