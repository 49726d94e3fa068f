"""Two identities mean the same source where one of them only tells less."""

from __future__ import annotations

import pytest

from sync_service.models.source_identity import fuller, same_source

BARE = 'http://h/bkt region us-east-1 prefix ""'
MADE = 'http://h/bkt region us-east-1 created 2026-01-01 prefix ""'
ANEW = 'http://h/bkt region us-east-1 created 2026-02-02 prefix ""'
ELSEWHERE = 'http://h/other region us-east-1 prefix ""'
TRICKY = 'http://h/bkt region us-east-1 prefix " created 2026-01-01/"'


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (BARE, BARE, True),
        (MADE, MADE, True),
        (MADE, BARE, True),
        (BARE, MADE, True),
        (MADE, ANEW, False),
        (BARE, ELSEWHERE, False),
        (MADE, ELSEWHERE, False),
        (BARE, TRICKY, False),
        ("fake:a", "fake:b", False),
    ],
)
def test_what_is_the_same(before: str, now: str, same: bool) -> None:
    """A bucket made anew or at another place is another; one whose making could not be asked for is not."""
    assert same_source(before, now) is same


@pytest.mark.parametrize(("before", "now", "kept"), [(MADE, BARE, MADE), (BARE, MADE, MADE), (BARE, BARE, BARE)])
def test_the_fuller_one_is_kept(before: str, now: str, kept: str) -> None:
    """What was once known is not forgotten."""
    assert fuller(before, now) == kept
