"""The command `events`: watches a real bucket and tells its changes to a mock API."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from mock_api.text import shown

if TYPE_CHECKING:
    from mock_api.bucket_changes import Change
    from mock_api.bucket_reader import Bucket, BucketReader

SECRETS = ("CUSTOMER_S3_ACCESS_KEY", "CUSTOMER_S3_SECRET_KEY", "MOCK_API_TOKEN")
_FAILED, _TEMPORARY = 1, 5


def add_options(parser: argparse.ArgumentParser, env: Mapping[str, str]) -> None:
    """The options, with the customer's settings in `env` as defaults."""
    add = parser.add_argument
    bucket = env.get("CUSTOMER_S3_BUCKET")
    add("--bucket", default=bucket, required=not bucket, help="CUSTOMER_S3_BUCKET")
    add("--endpoint", default=env.get("CUSTOMER_S3_ENDPOINT") or None, metavar="URL", help="CUSTOMER_S3_ENDPOINT")
    add("--access-key", default=env.get("CUSTOMER_S3_ACCESS_KEY") or None, help="CUSTOMER_S3_ACCESS_KEY")
    add("--secret-key", default=env.get("CUSTOMER_S3_SECRET_KEY") or None, help="better in CUSTOMER_S3_SECRET_KEY")
    add("--region", default=env.get("CUSTOMER_S3_REGION") or "us-east-1", help="CUSTOMER_S3_REGION")
    add("--prefix", default=env.get("CUSTOMER_S3_PREFIX") or "", help="CUSTOMER_S3_PREFIX; event paths are without it")
    add("--api", default=env.get("MOCK_API_URL") or "http://localhost:8001", metavar="URL", help="MOCK_API_URL")
    add("--token", default=env.get("MOCK_API_TOKEN") or None, help="bearer token; better in MOCK_API_TOKEN")
    add("--state", type=Path, metavar="FILE", help="the last listing; default events-BUCKET.json in MOCK_API_DATA")
    add("--interval", type=_seconds, default=5.0, metavar="S", help="seconds between comparisons; default 5")
    add("--once", action="store_true", help="compare once and exit")
    add("--from-empty", action="store_true", help="without a last listing, tell every object as created")
    parser.set_defaults(data=Path(env.get("MOCK_API_DATA") or "data/mock_api"))


def run(options: argparse.Namespace) -> int:
    """Compares once, or until a signal comes; the exit code."""
    from mock_api.bucket_reader import Bucket, BucketProblem, BucketReader  # noqa: PLC0415

    keys = {"access_key": options.access_key, "secret_key": options.secret_key}
    bucket = Bucket(options.bucket, options.endpoint, options.prefix, options.region, **keys)
    try:
        reader = BucketReader(bucket)
    except BucketProblem as problem:
        return _complain(problem, problem.exit_code)
    return _compare(options, bucket, reader) if options.once else _watch(options, bucket, reader)


def _watch(options: argparse.Namespace, bucket: Bucket, reader: BucketReader) -> int:
    stop, received = threading.Event(), []

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    while not stop.is_set():
        code = _compare(options, bucket, reader)
        if code not in (0, _TEMPORARY):
            return code
        stop.wait(options.interval)
    return 128 + received[0]


def _compare(options: argparse.Namespace, bucket: Bucket, reader: BucketReader) -> int:
    from mock_api.bucket_reader import BucketProblem  # noqa: PLC0415
    from mock_api.event_post import PostFailed  # noqa: PLC0415
    from mock_api.watch_state import StateUnusable  # noqa: PLC0415

    try:
        _step(options, bucket, reader)
    except BucketProblem as problem:
        return _complain(problem, problem.exit_code)
    except PostFailed as problem:
        return _complain(problem, _TEMPORARY)
    except StateUnusable as problem:
        return _complain(problem, _FAILED)
    return 0


def _step(options: argparse.Namespace, bucket: Bucket, reader: BucketReader) -> None:
    """List, compare, post, and only then remember: a change is told again rather than lost."""
    from mock_api import watch_state  # noqa: PLC0415
    from mock_api.bucket_changes import changed_keys, changes  # noqa: PLC0415
    from mock_api.event_post import post_events  # noqa: PLC0415

    path = options.state or options.data / f"events-{_file_name(bucket.name)}.json"
    before = watch_state.load(path, bucket)
    listing = reader.listing()
    if before is None and not options.from_empty:
        watch_state.save(path, bucket, listing)
        return _say(f"baseline of {len(listing)} objects recorded, 0 events")
    known = before or {}
    written = changed_keys(known, listing)
    after = reader.described(listing | {key: known[key] for key in listing.keys() - set(written)}, written)
    found = changes(known, after)
    if found:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        post_events(options.api, [change.event(now) for change in found], options.token)
    if found or before is None:
        watch_state.save(path, bucket, after)
    return _tell(found, always=options.once)


def _tell(found: list[Change], *, always: bool) -> None:
    for change in found:
        target = "" if change.new_path is None else f" -> {shown(change.new_path)}"
        _say(f"{change.event_type} {shown(change.file_path)}{target}")
    if found or always:
        _say(f"{len(found)} event{'' if len(found) == 1 else 's'}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(problem: Exception, code: int) -> int:
    sys.stderr.write(f"mock_api events: {problem}\n")
    return code


def _file_name(bucket: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in bucket)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value
