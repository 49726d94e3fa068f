"""What a real server says to wrong settings comes out as the right error, with something to do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync_service.clients.s3_manager import S3Manager
from sync_service.models.errors import ClockSkewed, ConfigurationError, Denied, SyncError
from sync_service.sources.s3_bucket import S3BucketSource
from tests.contracts.test_source_s3 import BucketBench
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real


async def ping_and_look(server: S3Server, bucket: str, **wrong: Any) -> list[SyncError]:
    """The errors of a ping and of a look with wrong settings."""
    right = {"endpoint": server.endpoint, "access_key": server.access_key, "secret_key": server.secret_key}
    source = S3BucketSource(S3Manager(**{"bucket": bucket, "region": "us-east-1", **right, **wrong}))
    caught = []
    for call in (source.ping(), source.look("k")):
        with pytest.raises(SyncError) as error:
            await call
        caught.append(error.value)
    await source.close()
    return caught


async def test_a_wrong_bucket_is_a_setting(s3_server: S3Server) -> None:
    """A bucket that is not there is named with its endpoint, by a HEAD of a key too."""
    for error in await ping_and_look(s3_server, "no-such-bucket-here"):
        assert isinstance(error, ConfigurationError)
        assert "'no-such-bucket-here'" in str(error)
        assert s3_server.endpoint in str(error)


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"secret_key": "wrong-secret"}, Denied, "secret key"),
        ({"access_key": "nobody"}, Denied, "access key"),
        ({"clock": lambda: datetime.now(UTC) - timedelta(minutes=20)}, ClockSkewed, "behind"),
    ],
)
async def test_wrong_keys_and_clocks(
    s3_server: S3Server, wrong: dict[str, Any], kind: type[SyncError], words: str
) -> None:
    """Keys and clocks that the server refuses are told apart, and no secret is shown."""
    if s3_server.name == "moto":
        pytest.skip("moto checks neither signatures nor clocks")
    bench = BucketBench(s3_server)
    errors = await ping_and_look(s3_server, bench.bucket, **wrong)
    await bench.close()
    for error in errors:
        assert type(error) is kind
        assert words in str(error)
        assert "wrong-secret" not in str(error)
