"""Where requests go: path style, virtual hosts, regions, and keys exactly as they are."""

from __future__ import annotations

import pytest

from sync_service.clients.s3_endpoint import can_exist, is_aws, region_in, site_of
from sync_service.models.errors import ConfigurationError


@pytest.mark.parametrize(
    ("endpoint", "bucket", "region", "origin", "root"),
    [
        ("http://127.0.0.1:9000", "b", "us-east-1", "http://127.0.0.1:9000", "/b"),
        ("https://minio.example/", "b", "us-east-1", "https://minio.example", "/b"),
        ("https://gw.example/s3/", "b", "us-east-1", "https://gw.example", "/s3/b"),
        ("", "my-bucket", "eu-west-3", "https://my-bucket.s3.eu-west-3.amazonaws.com", ""),
        ("", "my.bucket", "eu-west-3", "https://s3.eu-west-3.amazonaws.com", "/my.bucket"),
        ("", "my-bucket", "cn-north-1", "https://my-bucket.s3.cn-north-1.amazonaws.com.cn", ""),
        ("https://s3.amazonaws.com", "my-bucket", "eu-west-3", "https://my-bucket.s3.eu-west-3.amazonaws.com", ""),
        ("https://s3.eu-west-3.amazonaws.com", "b-1", "eu-west-3", "https://b-1.s3.eu-west-3.amazonaws.com", ""),
        ("https://b-1.s3.eu-west-3.amazonaws.com", "b-1", "eu-west-3", "https://b-1.s3.eu-west-3.amazonaws.com", ""),
        ("https://s3.amazonaws.com.evil.example", "b-1", "x", "https://s3.amazonaws.com.evil.example", "/b-1"),
    ],
)
def test_where_a_bucket_is(endpoint: str, bucket: str, region: str, origin: str, root: str) -> None:
    """AWS names the bucket in the host, unless it has a dot; everyone else in the path."""
    site = site_of(endpoint, bucket, region)
    assert (site.origin, site.root, site.host) == (origin, root, origin.partition("//")[2])


@pytest.mark.parametrize(
    ("endpoint", "bucket"),
    [
        ("localhost:9000", "b"),
        ("ftp://x", "b"),
        ("http://", "b"),
        ("http://[bad", "b"),
        ("http://h:99999", "b"),
        ("http://user:hunter2@h", "b"),
        ("http://h/?a=b", "b"),
        ("http://h", ""),
        ("http://h", "a/b"),
        ("", "my-bucket/x"),
    ],
)
def test_what_is_no_address_is_said(endpoint: str, bucket: str) -> None:
    """An endpoint or bucket that cannot be used is a ConfigurationError that shows no password."""
    with pytest.raises(ConfigurationError) as caught:
        site_of(endpoint, bucket, "us-east-1")
    assert "hunter2" not in str(caught.value)


def test_an_unknown_region_is_said() -> None:
    """AWS has no such region, in any partition."""
    with pytest.raises(ConfigurationError, match="nowhere"):
        site_of("", "bucket", "nowhere")


@pytest.mark.parametrize(
    ("endpoint", "region", "aws"),
    [
        ("", "", True),
        ("https://s3.eu-west-3.amazonaws.com", "eu-west-3", True),
        ("https://s3-us-west-2.amazonaws.com", "us-west-2", True),
        ("https://b.s3.dualstack.ap-south-1.amazonaws.com", "ap-south-1", True),
        ("https://s3.us-gov-west-1.amazonaws.com", "us-gov-west-1", True),
        ("https://s3.amazonaws.com", "", True),
        ("http://127.0.0.1:9000", "", False),
        ("https://notamazonaws.com", "", False),
    ],
)
def test_region_and_kind_of_an_endpoint(endpoint: str, region: str, aws: bool) -> None:
    """An AWS endpoint names its region; others do not."""
    assert (region_in(endpoint), is_aws(endpoint)) == (region, aws)


def test_keys_are_quoted_and_nothing_else() -> None:
    """Slashes, dots and percent signs of a key stay what they are."""
    site = site_of("http://h", "b", "r")
    assert site.object_path("a//../b c+%25é~") == "/b/a//../b%20c%2B%2525%C3%A9~"
    assert site.object_path("/lead") == "/b//lead"


def test_keys_that_cannot_be() -> None:
    """S3 keys are 1 to 1,024 bytes of UTF-8."""
    assert [can_exist(key) for key in ("", "a", "k" * 1024, "é" * 513, "\ud800")] == [False, True, True, False, False]
