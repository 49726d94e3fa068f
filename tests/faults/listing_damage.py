"""Ways in which a listing goes wrong: on the level of its entries and tokens, and on that of its bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.fakes.scripted_s3 import Asked, Reply, error
from tests.faults.canned_bucket import CannedBucket, Entry, Listing
from tests.faults.s3_proxy import ERROR_WITH_200, HTML, RESET, SLOW_DOWN, cut_at, heads, instead, listings, wrong_bytes

Damage = Callable[[random.Random, Listing], Listing]


def _some(draw: random.Random, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if draw.random() < 0.5]


def _swapped(draw: random.Random, page: Listing) -> Listing:
    entries = list(page.entries)
    draw.shuffle(entries)
    return replace(page, entries=entries)


def _doubled(draw: random.Random, page: Listing) -> Listing:
    again = draw.choice(page.entries) if page.entries else Entry("f00", 1, "e")
    return replace(page, entries=sorted([*page.entries, again]))


def _phantom(draw: random.Random, page: Listing) -> Listing:
    key = draw.choice(["", "zzz", "f", "a", "f1/x", "\x7f"]) + draw.choice("az09")
    entries = [*page.entries, Entry(key, 3, "e3")]
    return replace(page, entries=entries if draw.random() < 0.5 else sorted(entries))


def _misspelt(draw: random.Random, page: Listing) -> Listing:
    return replace(page, entries=[e._replace(key=e.key + "x") if draw.random() < 0.3 else e for e in page.entries])


def _other_facts(draw: random.Random, page: Listing) -> Listing:
    changed = [e._replace(size=e.size + 1, etag="f" * 32) if draw.random() < 0.5 else e for e in page.entries]
    return replace(page, entries=changed)


def _other_token(draw: random.Random, page: Listing) -> Listing:
    places = [f"after {entry.key}" for entry in page.entries]
    return replace(
        page, token=draw.choice([*places, "after ", "after a", "after f05", "after zz", page.asked or "after f"])
    )


DAMAGES: dict[str, Damage] = {
    "some keys lost": lambda draw, page: replace(page, entries=_some(draw, page.entries)),
    "page lost": lambda _draw, page: replace(page, entries=[], count=0),
    "page skipped": lambda _draw, page: replace(page, token="after f30"),
    "listing ends early": lambda _draw, page: replace(page, token=None),
    "token missing": lambda _draw, page: replace(page, token=None, truncated=True),
    "token repeated": lambda _draw, page: replace(page, token=page.asked or "after "),
    "token of elsewhere": _other_token,
    "truncated denied": lambda _draw, page: replace(page, truncated=False),
    "empty and truncated": lambda _draw, page: replace(page, entries=[], token=page.asked or "after ", truncated=True),
    "out of order": _swapped,
    "backwards": lambda _draw, page: replace(page, entries=page.entries[::-1]),
    "a key twice": _doubled,
    "a key that is not there": _phantom,
    "keys misspelt": _misspelt,
    "other sizes and ETags": _other_facts,
    "wrong count": lambda draw, page: replace(page, count=draw.randrange(20)),
    "nothing at all": lambda _draw, page: replace(page, entries=[], token=None),
}

BYTES = {
    "cut": lambda draw: cut_at(draw.random()),
    "another byte": lambda draw: wrong_bytes(draw.randrange(10**6)),
    "503": lambda _draw: SLOW_DOWN,
    "403": lambda _draw: instead(error(403, "AccessDenied")),
    "reset": lambda _draw: RESET,
    "error with 200": lambda _draw: ERROR_WITH_200,
    "HTML": lambda _draw: HTML,
    "no XML": lambda _draw: instead(Reply(body="<ListBucketResult><Contents>")),
}


class Variant:
    """One way of going wrong, made from a seed: some pages damaged, some answers spoilt."""

    def __init__(self, seed: int, bucket: CannedBucket) -> None:
        self._draw = random.Random(seed)
        self._bucket = bucket
        self.names = self._draw.sample(sorted(DAMAGES), self._draw.choice([0, 1, 1, 2, 3]))
        self.spoils = self._draw.sample(sorted(BYTES), self._draw.choice([0, 0, 1]) if self.names else 1)
        self._share = self._draw.choice([0.15, 0.4, 1.0])
        self._heads_fail = self._draw.random() < 0.1

    def __repr__(self) -> str:
        return f"{self.names + self.spoils}, {self._share:.0%} of the pages"

    def damage(self, page: Listing) -> Listing:
        for name in self.names:
            if self._draw.random() < self._share:
                page = DAMAGES[name](self._draw, page)
        return page

    async def answer(self, asked: Asked) -> Reply:
        """The bucket's answer, damaged."""
        self._bucket.damage = self.damage
        true = await self._bucket.answer(asked)
        if heads(asked) and self._heads_fail and self._draw.random() < 0.2:
            return Reply(503)
        if listings(asked) and self.spoils and self._draw.random() < self._share:
            return BYTES[self._draw.choice(self.spoils)](self._draw)(true)
        return true
