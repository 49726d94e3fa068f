"""Where a bucket is on the wire: origin, Host header, and the paths of its keys exactly as they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from sync_service.models.errors import ConfigurationError
from sync_service.models.text import shown

DEFAULT_REGION = "us-east-1"
MAX_KEY_BYTES = 1024
_AWS_HOST = re.compile(r"(^|\.)amazonaws\.com(\.cn)?$")
_AWS_REGION = re.compile(r"(?:^|\.)s3[.-](?:dualstack\.|fips\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.(?:vpce\.)?amazonaws\.com")
_GLOBAL_HOST = "s3.amazonaws.com"
_HOSTABLE = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Site:
    """One bucket on the wire. `root` is the bucket's path: `/bucket` in path style, empty where the host names it."""

    origin: str
    host: str
    root: str
    service_root: str
    bucket: str
    region: str
    is_aws: bool

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")

    @property
    def bucket_path(self) -> str:
        return self.root or "/"

    def object_path(self, key: str) -> str:
        """The request path of `key`, quoted as S3 quotes it; nothing is normalised."""
        return f"{self.root}/{quote(key, safe='/')}"

    def subject(self, key: str | None = None) -> str:
        """What errors are about: endpoint, bucket and key, for people (they show it escaped)."""
        return f"{self.origin} bucket {self.bucket}" + (f" key {key}" if key is not None else "")


def site_of(endpoint: str, bucket: str, region: str) -> Site:
    """The site of `bucket` at `endpoint` (empty: AWS in `region`). Raises ConfigurationError for unusable settings."""
    if not bucket or "/" in bucket:
        raise ConfigurationError(f"{shown(bucket)!r} is no bucket name", hint="Give the bucket's name alone")
    parts = _endpoint_parts(endpoint) if endpoint else None
    if parts is None or parts.hostname == _GLOBAL_HOST:
        parts = urlsplit(f"https://{aws_host(region)}")
    host = parts.hostname or ""
    if not endpoint and _hostable(bucket):
        return _hosted_site(parts, bucket, region)
    if _AWS_HOST.search(host) and (host.startswith(f"{bucket}.") or _hostable(bucket)):
        return _hosted_site(parts, bucket, region)
    return _path_site(parts, bucket, region)


def region_in(endpoint: str) -> str:
    """The region that an AWS endpoint names, or an empty text."""
    found = _AWS_REGION.search(_hostname(endpoint))
    return found[1] if found else ""


def is_aws(endpoint: str) -> bool:
    """True for AWS itself: no endpoint given, or one of its hosts."""
    return not endpoint or _AWS_HOST.search(_hostname(endpoint)) is not None


def aws_host(region: str) -> str:
    """The S3 host of an AWS region, in the partition (commercial, China, government) that botocore's data puts it."""
    import botocore.session

    for partition in botocore.session.Session().get_data("partitions")["partitions"]:
        if region in partition["regions"] or re.fullmatch(partition["regionRegex"], region):
            return f"s3.{region}.{partition['outputs']['dnsSuffix']}"
    raise ConfigurationError(f"there is no AWS region {shown(region)!r}", hint="Correct the S3 settings' region")


def can_exist(key: str) -> bool:
    """False for texts that no S3 bucket can have as a key: empty, over 1,024 bytes, not UTF-8."""
    try:
        return 0 < len(key.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def _hostname(endpoint: str) -> str:
    return (_endpoint_parts(endpoint).hostname or "") if endpoint else ""


def _endpoint_parts(endpoint: str) -> SplitResult:
    hint = "Write it as http://host:port or https://host"
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"the S3 endpoint {shown(endpoint)!r} is not an address", hint=hint)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("the S3 endpoint holds more than scheme, host, port and path", hint=hint)
    return parts


def _hostable(bucket: str) -> bool:
    """A bucket with a dot is no name that AWS's TLS certificate covers, so it goes into the path."""
    return _HOSTABLE.fullmatch(bucket) is not None


def _hosted_site(parts: SplitResult, bucket: str, region: str) -> Site:
    named = (parts.hostname or "").startswith(f"{bucket}.")
    host = parts.netloc if named else f"{bucket}.{parts.netloc}"
    return Site(f"{parts.scheme}://{host}", host, "", "", bucket, region, True)


def _path_site(parts: SplitResult, bucket: str, region: str) -> Site:
    base = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    aws = _AWS_HOST.search(parts.hostname or "") is not None
    return Site(origin, parts.netloc, f"{base}/{quote(bucket, safe='')}", base or "/", bucket, region, aws)
