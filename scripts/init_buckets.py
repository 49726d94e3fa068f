"""Prepares local buckets: makes the customer's and the target's, and loads the test data into the customer's.

    python -m scripts.init_buckets [--reload | --touch] [--wait SECONDS]

Where the servers are is read from CUSTOMER_S3_* and TARGET_S3_*, as the service reads it. The test data goes into a bucket
that is empty, once: what was changed in it afterwards stays so, and a bucket with objects of its own is left alone.
`--touch` writes one object of it anew, so that there is a change to be synced.
Exit codes: 0 done, 2 settings, 3 some objects were refused, 5 a server does not answer, 12 keys are refused.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import Tags
from minio.error import InvalidResponseError, S3Error, ServerError

from scripts.sample_objects import SampleObject, sample_objects
from sync_service.models.config import DEFAULT_REGION, BucketSettings, SyncConfig
from sync_service.models.errors import ConfigurationError, Denied, ExitCode, SyncError, Temporary
from sync_service.models.text import shown

TAG = "test-data"
TOUCHED = "nested/level1/at-1.txt"
"""Part of the test data: a server that forgets its objects and gets the test data anew has it again, and nothing to delete."""
_NO_ANSWER = (urllib3.exceptions.HTTPError, InvalidResponseError, ServerError, OSError)
_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden"})


def client_for(bucket: BucketSettings) -> Minio:
    """A client for a local server. Raises ConfigurationError without an endpoint: this never touches AWS."""
    if bucket.endpoint is None or bucket.access_key is None or bucket.secret_key is None:
        raise ConfigurationError(
            f"the bucket {bucket.bucket!r} needs an endpoint and two keys: only local servers are prepared"
        )
    parts = urlsplit(bucket.endpoint)
    timeout = urllib3.Timeout(connect=5, read=60)
    return Minio(
        parts.netloc,
        access_key=bucket.access_key.get_secret_value(),
        secret_key=bucket.secret_key.get_secret_value(),
        secure=parts.scheme == "https",
        region=bucket.region or DEFAULT_REGION,
        http_client=urllib3.PoolManager(timeout=timeout, retries=False),
    )


def ensure_bucket(
    client: Minio, bucket: BucketSettings, wait: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Makes the bucket where it is missing, waiting up to `wait` seconds for the server."""
    until = clock() + wait
    told = False
    while True:
        try:
            made = _make(client, bucket.bucket)
            break
        except _NO_ANSWER as error:
            if clock() >= until:
                raise Temporary(
                    f"no usable answer within {wait:g} s ({error})", subject=str(bucket.endpoint)
                ) from error
        if not told:
            say(f"waiting for {bucket.endpoint}")
            told = True
        sleep(0.5)
    say(f"bucket {bucket.bucket} at {bucket.endpoint}: {'made' if made else 'is there'}")


def _make(client: Minio, name: str) -> bool:
    try:
        if client.bucket_exists(name):
            return False
        client.make_bucket(name)
    except S3Error as error:
        if error.code == "BucketAlreadyOwnedByYou":
            return False
        raise _translated(error, name) from error
    return True


def _translated(error: S3Error, subject: str) -> SyncError | S3Error | ServerError:
    if error.code in _REFUSALS:
        return Denied(f"the server refuses these keys ({error.code})", subject=subject)
    if error.code in {"ServerNotInitialized", "XMinioServerNotInitialized", "SlowDown", "ServiceUnavailable"}:
        return ServerError(f"not ready yet ({error.code})", 503)
    return error


def load(client: Minio, bucket: BucketSettings, *, again: bool) -> int:
    """Loads the test data once and returns how many objects the server refused."""
    state = (client.get_bucket_tags(bucket.bucket) or Tags.new_bucket_tags()).get(TAG)
    if state == "loaded" and not again:
        say(f"bucket {bucket.bucket}: the test data was loaded before, nothing is touched")
        return 0
    if state is None and not again and _has_objects(client, bucket.bucket):
        say(
            f"bucket {bucket.bucket}: has objects of its own, nothing is touched (--reload loads the test data all the same)"
        )
        return 0
    _tag(client, bucket.bucket, "loading")
    refused = _put_all(client, bucket)
    _tag(client, bucket.bucket, "loaded")
    return refused


def _has_objects(client: Minio, name: str) -> bool:
    return next(iter(client.list_objects(name)), None) is not None


def _tag(client: Minio, name: str, state: str) -> None:
    tags = client.get_bucket_tags(name) or Tags.new_bucket_tags()
    tags[TAG] = state
    client.set_bucket_tags(name, tags)


def _put_all(client: Minio, bucket: BucketSettings) -> int:
    count = size = refused = 0
    for sample in sample_objects():
        try:
            _put(client, bucket, sample)
            count, size = count + 1, size + len(sample.content)
        except (S3Error, InvalidResponseError) as error:
            refused += 1
            say(f"bucket {bucket.bucket}: {shown(sample.key)} was refused: {shown(getattr(error, 'code', error), 100)}")
    say(f"bucket {bucket.bucket}: {count} objects loaded, {size / 2**20:.1f} MiB")
    return refused


def _put(client: Minio, bucket: BucketSettings, sample: SampleObject) -> None:
    client.put_object(
        bucket.bucket,
        bucket.prefix + sample.key,
        io.BytesIO(sample.content),
        len(sample.content),
        content_type=sample.file_type,
        metadata=dict(sample.metadata),
    )


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def touch(client: Minio, bucket: BucketSettings, now: str) -> None:
    """Writes one small object anew."""
    _put(client, bucket, SampleObject(TOUCHED, f"{now}\n".encode(), "text/plain"))
    say(f"bucket {bucket.bucket}: {TOUCHED} is written")


def run(config: SyncConfig, options: argparse.Namespace) -> int:
    """Prepares every bucket that is set and returns how many objects were refused."""
    customer = config.require_route()
    client = client_for(customer)
    ensure_bucket(client, customer, options.wait, time.monotonic, time.sleep)
    if options.touch:
        touch(client, customer, datetime.now(UTC).isoformat())
        return 0
    if config.target is not None:
        ensure_bucket(client_for(config.target), config.target, options.wait, time.monotonic, time.sleep)
    return load(client, customer, again=options.reload)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the local buckets and load the test data.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--reload", action="store_true", help="load the test data again, over what is there")
    what.add_argument("--touch", action="store_true", help="write one object of the test data anew")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="for a server to answer (60)")
    options = parser.parse_args(arguments)
    try:
        refused = run(SyncConfig.from_env(), options)
    except ConfigurationError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return error.exit_code
    except SyncError as error:
        say(str(error))
        return error.exit_code
    except (S3Error, *_NO_ANSWER) as error:
        say(f"the server failed: {shown(error)}")
        return ExitCode.UNCLASSIFIED
    return ExitCode.PARTLY if refused else ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
