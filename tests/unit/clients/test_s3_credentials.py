"""Whose keys sign: the given ones, or the AWS chain's, refreshed in time and asked for as seldom as possible."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ConnectTimeoutError, CredentialRetrievalError

from sync_service.clients.boto3_factory import known_config, s3_client
from sync_service.clients.s3_credentials import ChainCredentials, credentials_of, resolve_chain
from sync_service.models.errors import ConfigurationError, Denied, Unreachable
from tests.fakes.scripted_s3 import error, manager_of, page, scripted_s3


class Chain:
    """What botocore gives: keys that may ask to be refreshed."""

    def __init__(self) -> None:
        self.walks = 0
        self.asked = 0
        self.due = False
        self.error: Exception | None = None
        self.key = "AK1"

    def resolve(self) -> Chain:
        self.walks += 1
        return self

    def refresh_needed(self) -> bool:
        return self.due

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return ReadOnlyCredentials(self.key, "secret", "token")


async def key_of(credentials: Any) -> str:
    """The access key of now."""
    provider = await credentials.current()
    found = await asyncio.wrap_future(provider.get_credentials())
    return str(found.access_key_id)


async def test_given_keys_are_used() -> None:
    """Keys of the settings win over any chain."""
    assert await key_of(credentials_of("AK", "secret", "")) == "AK"


@pytest.mark.parametrize(("access_key", "secret_key"), [("AK", ""), ("", "secret")])
def test_half_a_pair_is_a_setting_to_correct(access_key: str, secret_key: str) -> None:
    """One key without the other is never taken for "use the chain"."""
    with pytest.raises(ConfigurationError, match="both keys"):
        credentials_of(access_key, secret_key, "")


async def test_the_chain_is_asked_once() -> None:
    """Keys that do not expire are fetched once, however many requests ask at once."""
    chain = Chain()
    credentials = ChainCredentials(chain.resolve)
    assert set(await asyncio.gather(*(key_of(credentials) for _ in range(5)))) == {"AK1"}
    assert (chain.walks, chain.asked) == (1, 1)


async def test_keys_are_refreshed_before_they_expire() -> None:
    """When botocore says that a refresh is due, the new keys are taken."""
    chain, now = Chain(), [0.0]
    credentials = ChainCredentials(chain.resolve, monotonic=lambda: now[0])
    await key_of(credentials)
    chain.due, chain.key, now[0] = True, "AK2", 100.0
    assert await key_of(credentials) == "AK2"


async def test_a_refresh_that_changes_nothing_is_not_asked_for_at_once_again() -> None:
    """botocore keeps old keys where an early refresh fails: it is asked again after a pause, not on each request."""
    chain, now = Chain(), [0.0]
    credentials = ChainCredentials(chain.resolve, monotonic=lambda: now[0])
    await key_of(credentials)
    chain.due = True
    for instant in (100.0, 101.0, 129.0, 131.0):
        now[0] = instant
        await key_of(credentials)
    assert chain.asked == 3


async def test_no_keys_anywhere_is_denied() -> None:
    """An empty chain says where keys may come from."""
    with pytest.raises(Denied, match="AWS_ACCESS_KEY_ID"):
        await ChainCredentials(lambda: None).current()


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (CredentialRetrievalError(provider="p", error_msg="no"), Denied),
        (RuntimeError("the refreshed credentials are still expired"), Denied),
        (ConnectTimeoutError(endpoint_url="http://169.254.169.254"), Unreachable),
    ],
)
async def test_trouble_of_the_chain_is_translated(trouble: Exception, kind: type[Exception]) -> None:
    """botocore's errors stay at the edge, and what may pass is told from what will not."""
    chain = Chain()
    chain.error = trouble
    with pytest.raises(kind):
        await ChainCredentials(chain.resolve).current()


async def test_expired_keys_make_the_chain_be_walked_anew() -> None:
    """After the server calls keys expired, the next request fetches new ones."""
    chain = Chain()
    async with scripted_s3() as server:
        server.says(error(400, "ExpiredToken"), page("a"))
        credentials = ChainCredentials(chain.resolve)
        async with manager_of(server.endpoint, access_key="", secret_key="", credentials=credentials) as manager:
            with pytest.raises(Denied):
                await manager.list_page()
            chain.key = "AK2"
            await manager.list_page()
    assert chain.walks == 2
    assert "Credential=AK2/" in server.requests[1].headers["authorization"]


def test_the_chain_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is botocore's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert resolve_chain().get_frozen_credentials().access_key == "AKENV"


def test_boto3_clients_never_repeat_or_add_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries and checksums of boto3's clients are set to known values, whatever the environment says."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    client = s3_client(endpoint="http://127.0.0.1:9", access_key="AK", secret_key="secret", region="us-east-1")
    config = client.meta.config
    client.close()
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert config.request_checksum_calculation == config.response_checksum_validation == "when_required"
    assert config.s3["addressing_style"] == "path"
    assert known_config().s3["addressing_style"] == "auto"
