"""A token in a file is read again when it is refused, and only then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sync_service.clients.api_token import Token
from sync_service.clients.infrastructure_api import InfrastructureAPI
from sync_service.models.errors import Denied, Renewed
from tests.fakes.raw_server import http, raw_server


def unreadable() -> str:
    raise OSError("gone")


@pytest.mark.parametrize(
    ("renewal", "is_renewed", "value"),
    [
        (lambda: "new", True, "new"),
        (lambda: "old", False, "old"),
        (lambda: "", False, "old"),
        (unreadable, False, "old"),
    ],
)
def test_what_the_file_holds_decides(renewal: Callable[[], str], is_renewed: bool, value: str) -> None:
    """Another token is a renewal; the same, an empty file or none are not."""
    token = Token("old", renewal)
    assert (token.renewed("old"), token.value) == (is_renewed, value)


def test_a_token_that_another_call_has_renewed_is_not_read_again() -> None:
    """Ten calls under way with the old one are ten refusals and one reading."""
    reads: list[str] = []
    token = Token("old", lambda: reads.append("") or "new")  # type: ignore[func-returns-value]
    assert [token.renewed("old") for _ in range(10)] == [True] * 10
    assert len(reads) == 1


async def test_a_renewed_token_is_for_the_next_attempt() -> None:
    """The refused call is not repeated here; the next one carries the new token. 403 is no matter of age."""
    async with raw_server(http(401), http(403)) as server:
        api = InfrastructureAPI(server.url, server.url, file_manager_token=Token("old", lambda: "new"))
        with pytest.raises(Renewed):
            await api.check_file_manager()
        with pytest.raises(Denied):
            await api.check_file_manager()
        await api.close()
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer old", "Bearer new"]
