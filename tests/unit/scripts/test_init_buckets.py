"""Preparing buckets: once, into empty ones only, and with a true exit code."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator

import pytest
from minio import Minio
from pydantic import SecretStr

from scripts import init_buckets
from scripts.init_buckets import client_for, ensure_bucket, load
from scripts.sample_objects import SampleObject, sample_objects
from sync_service.models.config import BucketSettings
from sync_service.models.errors import ConfigurationError, Denied, ExitCode, Temporary
from tests.real_s3 import S3Server

SAMPLES = (
    SampleObject("a.txt", b"a", "text/plain", {"permissions": "0640"}),
    SampleObject("b/empty.bin", b"", "application/octet-stream"),
)


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> BucketSettings:
    monkeypatch.setattr(init_buckets, "sample_objects", lambda: iter(SAMPLES))
    keys = (SecretStr(s3_server.access_key), SecretStr(s3_server.secret_key))
    return BucketSettings(f"init-{uuid.uuid4().hex[:12]}", s3_server.endpoint, *keys)


@pytest.fixture
def client(bucket: BucketSettings) -> Minio:
    client = client_for(bucket)
    ensure_bucket(client, bucket, 0, lambda: 0.0, lambda _: None)
    return client


def keys(client: Minio, bucket: BucketSettings) -> list[str]:
    return [str(found.object_name) for found in client.list_objects(bucket.bucket, recursive=True)]


def write(client: Minio, bucket: BucketSettings, key: str, content: bytes) -> None:
    client.put_object(bucket.bucket, key, io.BytesIO(content), len(content))


def test_loads_once(client: Minio, bucket: BucketSettings) -> None:
    """The test data goes into an empty bucket; what is changed afterwards stays so."""
    assert load(client, bucket, again=False) == 0
    found = client.stat_object(bucket.bucket, "a.txt")
    assert found.metadata is not None
    assert found.metadata["x-amz-meta-permissions"] == "0640"
    client.remove_object(bucket.bucket, "a.txt")
    ensure_bucket(client, bucket, 0, lambda: 0.0, lambda _: None)
    load(client, bucket, again=False)
    assert keys(client, bucket) == ["b/empty.bin"]


def test_reload(client: Minio, bucket: BucketSettings) -> None:
    """`--reload` loads again whatever is there."""
    write(client, bucket, "own.txt", b"own")
    load(client, bucket, again=True)
    assert keys(client, bucket) == ["a.txt", "b/empty.bin", "own.txt"]


def test_bucket_with_objects_is_left_alone(client: Minio, bucket: BucketSettings) -> None:
    """A bucket that someone uses never gets test data."""
    write(client, bucket, "own.txt", b"own")
    load(client, bucket, again=False)
    assert keys(client, bucket) == ["own.txt"]


def test_interrupted_load_goes_on(client: Minio, bucket: BucketSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that broke off is done again, although the bucket is no longer empty."""

    def broken() -> Iterator[SampleObject]:
        yield SAMPLES[0]
        raise OSError("gone")

    monkeypatch.setattr(init_buckets, "sample_objects", broken)
    with pytest.raises(OSError, match="gone"):
        load(client, bucket, again=False)
    monkeypatch.setattr(init_buckets, "sample_objects", lambda: iter(SAMPLES))
    load(client, bucket, again=False)
    assert keys(client, bucket) == ["a.txt", "b/empty.bin"]


def test_never_without_endpoint() -> None:
    """Without an endpoint the bucket would be one of AWS: refused."""
    with pytest.raises(ConfigurationError, match="only local servers"):
        client_for(BucketSettings("some-bucket", access_key=SecretStr("a"), secret_key=SecretStr("b")))


def test_waits_for_the_server(bucket: BucketSettings) -> None:
    """A server that does not answer is waited for, to the end and no longer."""
    nobody = BucketSettings("some-bucket", "http://127.0.0.1:9", bucket.access_key, bucket.secret_key)
    ticks = iter(range(0, 100, 10))
    slept: list[float] = []
    with pytest.raises(Temporary, match="within 30 s"):
        ensure_bucket(client_for(nobody), nobody, 30, lambda: float(next(ticks)), slept.append)
    assert len(slept) == 2


@pytest.mark.real
def test_wrong_keys(client: Minio, bucket: BucketSettings, s3_server: S3Server) -> None:
    """Keys that the server refuses are not waited for."""
    if s3_server.name == "moto":
        pytest.skip("moto takes every key")
    other = BucketSettings(bucket.bucket, bucket.endpoint, SecretStr("wrong"), SecretStr("wrong-secret"))
    with pytest.raises(Denied):
        ensure_bucket(client_for(other), other, 30, lambda: 0.0, lambda _: None)


def test_settings_are_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    """Without a bucket the command exits 2 and says which variable is missing."""
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("CUSTOMER_S3_BUCKET", raising=False)
    assert init_buckets.main([]) == ExitCode.USAGE
    assert "CUSTOMER_S3_BUCKET is not set" in capsys.readouterr().err


def test_what_is_touched_is_test_data() -> None:
    """A server that forgot its objects has the touched one again with the test data: no delete of it can be seen."""
    assert init_buckets.TOUCHED in {sample.key for sample in sample_objects()}
