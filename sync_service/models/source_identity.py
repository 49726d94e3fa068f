"""Whether two identities of a source mean the same one: what one of them could not tell is no difference."""

from __future__ import annotations

import re

_CREATED = re.compile(r"^(\S+ region \S+) created \S+")


def same_source(before: str, now: str) -> bool:
    """True for equal identities, and where only one of them knows when the bucket was made."""
    return before == now or (_bare(before) == _bare(now) and _knows(before) != _knows(now))


def fuller(before: str, now: str) -> str:
    """Of two identities of the same source the one that tells more."""
    return before if _knows(before) and not _knows(now) else now


def _knows(identity: str) -> bool:
    return _CREATED.match(identity) is not None


def _bare(identity: str) -> str:
    return _CREATED.sub(r"\1", identity)
