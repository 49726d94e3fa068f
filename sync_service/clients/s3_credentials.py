"""Whose keys sign the requests: those of the settings, or the AWS credential chain, refreshed before they expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from awscrt.auth import AwsCredentialsProvider

from sync_service.clients.s3_signing import static_provider
from sync_service.models.errors import ConfigurationError, Denied, Unreachable
from sync_service.models.text import shown

CHAIN_HINT = (
    "Set the route's access key and secret key, or give the process AWS credentials "
    "(AWS_ACCESS_KEY_ID, a profile, an instance or task role)"
)
_REFRESH_PAUSE = 30.0


class Credentials(Protocol):
    """Gives the keys of now; `forget` after the server has called them expired."""

    async def current(self) -> AwsCredentialsProvider: ...

    def forget(self) -> None: ...


def credentials_of(access_key: str, secret_key: str, session_token: str) -> Credentials:
    """The given keys, or the AWS chain where none is given. One key alone is a ConfigurationError."""
    if bool(access_key) != bool(secret_key):
        missing = "secret key" if access_key else "access key"
        raise ConfigurationError(f"the S3 settings give no {missing}", hint="Give both keys, or none for the AWS chain")
    return GivenCredentials(access_key, secret_key, session_token) if access_key else ChainCredentials()


class GivenCredentials:
    """The keys of the settings: they never change."""

    def __init__(self, access_key: str, secret_key: str, session_token: str = "") -> None:
        self._provider = static_provider(access_key, secret_key, session_token)

    async def current(self) -> AwsCredentialsProvider:
        return self._provider

    def forget(self) -> None:
        """There is nothing else to fall back on."""


class ChainCredentials:
    """The AWS chain through botocore: environment, profile, container, instance. It blocks, so it runs in a thread."""

    def __init__(
        self, resolve: Callable[[], Any] | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._resolve = resolve or resolve_chain
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._source: Any = None
        self._frozen: Any = None
        self._provider: AwsCredentialsProvider | None = None
        self._tried = 0.0

    async def current(self) -> AwsCredentialsProvider:
        if self._provider is None or self._due():
            async with self._lock:
                if self._provider is None or self._due():
                    await self._refresh()
        return self._provider

    def forget(self) -> None:
        """The chain is walked anew for the next request: the server no longer takes what it gave."""
        self._provider = None
        self._source = None

    def _due(self) -> bool:
        """botocore refreshes early and keeps the old keys where that fails: it is not asked on each request then."""
        needed = getattr(self._source, "refresh_needed", None)
        return needed is not None and needed() and self._monotonic() - self._tried >= _REFRESH_PAUSE

    async def _refresh(self) -> None:
        self._tried = self._monotonic()
        if self._source is None:
            self._source = await asyncio.to_thread(self._asked, self._resolve)
        if self._source is None:
            raise Denied("no S3 credentials were found", hint=CHAIN_HINT)
        frozen = await asyncio.to_thread(self._asked, self._source.get_frozen_credentials)
        if self._provider is None or frozen != self._frozen:
            self._frozen = frozen
            self._provider = static_provider(frozen.access_key, frozen.secret_key, frozen.token)

    @staticmethod
    def _asked(question: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as NoConnection

        try:
            return question()
        except (HTTPClientError, NoConnection) as error:
            raise Unreachable(f"the AWS credential chain got no answer: {shown(error)}") from None
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise Denied(f"the AWS credential chain failed: {shown(error)}", hint=CHAIN_HINT) from None


def resolve_chain() -> Any:
    """botocore's credentials object for this process, or None. Walks the chain: may ask the network."""
    import botocore.session

    from sync_service.clients.boto3_factory import known_config

    session = botocore.session.Session()
    session.set_default_client_config(known_config())
    return session.get_credentials()
