"""The project's benchmarks: whole processes and ratios, on canned local servers. Run: make bench, or with names of cases.

Figures are ratios taken in the same run, since machines differ and are shared; absolute times are only for orientation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from scripts.bench_servers import key_of
from sync_service import bootstrap
from sync_service.clients.api_upload import Upload
from sync_service.clients.infrastructure_api import Attributes, InfrastructureAPI
from sync_service.clients.s3_manager import S3Manager
from sync_service.models.config import SyncConfig
from sync_service.reporting.null import NullObserver
from sync_service.services.concurrency import CatalogueThread
from sync_service.services.retry import RetryPolicy
from sync_service.services.scanner import Scanner
from sync_service.services.tools import Tools
from sync_service.sources.s3_bucket import S3BucketSource

ROOT = Path(__file__).parent.parent
CASES: dict[str, Callable[[], list[str]]] = {}


def case(function: Callable[[], list[str]]) -> Callable[[], list[str]]:
    CASES[function.__name__] = function
    return function


@contextmanager
def servers(keys: int, size: int) -> Iterator[dict[str, str]]:
    """The canned servers in a process of their own; the environment that a run against them needs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.bench_servers", str(keys), str(size)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    s3, api = process.stdout.readline().split()
    with tempfile.TemporaryDirectory(prefix="s3-sync-bench-") as folder:
        try:
            yield {
                "CUSTOMER_S3_ENDPOINT": f"http://127.0.0.1:{s3}",
                "CUSTOMER_S3_ACCESS_KEY": "bench",
                "CUSTOMER_S3_SECRET_KEY": "bench-secret",
                "CUSTOMER_S3_BUCKET": "bench",
                "CUSTOMER_S3_REGION": "us-east-1",
                "MOCK_API_URL": f"http://127.0.0.1:{api}",
                "DATABASE_PATH": f"{folder}/sync.db",
                "LOG_LEVEL": "error",
            }
        finally:
            process.terminate()
            process.wait()


def product(env: dict[str, str], *arguments: str) -> tuple[float, float, dict[str, object]]:
    """(wall seconds, peak MB, JSON result) of one command as a whole process."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "sync_service.main", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}: {text.decode()[:2000]}")
    return seconds, usage.ru_maxrss / 1024, json.loads(text) if "--json" in arguments else {}


def s3_of(env: dict[str, str]) -> S3Manager:
    return S3Manager(
        bucket="bench",
        endpoint=env["CUSTOMER_S3_ENDPOINT"],
        access_key="bench",
        secret_key="bench-secret",
        region="us-east-1",
    )


async def bare_loop(env: dict[str, str], count: int, workers: int = 10) -> float:
    """GET and the same two posts for every object on the same clients, with no state: what no sync can beat."""
    manager, api = s3_of(env), InfrastructureAPI(None, env["MOCK_API_URL"], max_connections=14)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            key = key_of(number)
            async with manager.open(key) as opened:
                upload = await Upload.of(opened)
                await api.update_permissions(key, Attributes(), "k")
                await api.save_to_disk("create", key, "k", upload=upload, file_type=opened.info.file_type)

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(workers)))
    seconds = time.monotonic() - began
    await manager.close()
    await api.close()
    return seconds


async def bare_listing(env: dict[str, str]) -> tuple[float, int]:
    source = S3BucketSource(s3_of(env))
    began, token, keys = time.monotonic(), None, 0
    while True:
        page = await source.list_page(token)
        keys += len(page.entries)
        token = page.next_token
        if token is None:
            break
    seconds = time.monotonic() - began
    await source.close()
    return seconds, keys


@case
def initial_sync() -> list[str]:
    """10,000 files of 4 KiB: at least 60 % of the bare loop."""
    shares = []
    for _ in range(5):
        with servers(10_000, 4096) as env:
            bare = uvloop.run(bare_loop(env, 10_000))
            _, _, report = product(env, "initial-sync", "--json")
            shares.append(bare / float(report["duration_seconds"]))  # type: ignore[arg-type]
            told = f"bare loop {bare:.2f} s, initial sync {report['duration_seconds']:.2f} s"
    return [
        f"initial sync of 10,000 x 4 KiB: {statistics.median(shares):.0%} of the bare loop (target: 60 % or more; last: {told})"
    ]


@case
def scan() -> list[str]:
    """1,000,000 keys into the catalogue: at most 4 times the bare listing, and faster than s5cmd ls."""
    with servers(1_000_000, 100) as env:
        uvloop.run(bare_listing(env))
        bare, keys = uvloop.run(bare_listing(env))
        spent = uvloop.run(scan_alone(env))
        found = [
            f"scan of {keys:,} keys: {spent / bare:.1f} times the bare listing (target: 4 or less; {spent:.1f} s, {bare:.1f} s)"
        ]
        if shutil.which("s5cmd"):
            found.append(f"scan against `s5cmd ls`: {spent / s5cmd_ls(env):.2f} times its time (target: less than 1)")
        else:
            found.append("scan against `s5cmd ls`: not measured, s5cmd is not on PATH")
    return found


async def scan_alone(env: dict[str, str]) -> float:
    """The scan step by itself, in this process, into a new catalogue."""
    config = SyncConfig.from_env(env, None)
    catalogue, thread = bootstrap.open_catalogue(config, "bench"), CatalogueThread()
    source = S3BucketSource(s3_of(env))
    scanner = Scanner(Tools(catalogue, thread, RetryPolicy(), NullObserver(), bootstrap.utc_now, 10), source)
    began = time.monotonic()
    await scanner.scan()
    seconds = time.monotonic() - began
    await source.close()
    thread.close()
    catalogue.close()
    return seconds


def s5cmd_ls(env: dict[str, str]) -> float:
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "us-east-1"}
    began = time.monotonic()
    subprocess.run(
        ["s5cmd", "--endpoint-url", env["CUSTOMER_S3_ENDPOINT"], "ls", "s3://bench/*"],
        env={**os.environ, **keys}, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return time.monotonic() - began


@case
def cycle() -> list[str]:
    """1,000 events on 1,000,000 rows: at most 1.3 times the time on 10,000 rows."""
    seconds = {}
    for rows in (10_000, 1_000_000):
        with servers(rows, 100) as env:
            prepare(env)
            took = []
            for turn in range(5):
                post_events(env, range(turn * 1_000, (turn + 1) * 1_000))
                took.append(float(product(env, "incremental-sync", "--json")[2]["duration_seconds"]))  # type: ignore[arg-type]
            seconds[rows] = statistics.median(took)
    ratio = seconds[1_000_000] / seconds[10_000]
    return [
        f"cycle of 1,000 events: on 1,000,000 rows {ratio:.2f} times that on 10,000 (target: 1.3 or less; "
        f"{seconds[1_000_000]:.2f} s, {seconds[10_000]:.2f} s)"
    ]


def post_events(env: dict[str, str], numbers: range) -> None:
    request = urllib.request.Request(env["MOCK_API_URL"] + "/events", json.dumps(list(numbers)).encode(), method="POST")
    urllib.request.urlopen(request).read()


def prepare(env: dict[str, str]) -> None:
    """A catalogue as an initial sync leaves it: scanned, and written as delivered."""
    uvloop.run(scan_alone(env))
    with sqlite3.connect(env["DATABASE_PATH"]) as db:
        columns = (
            'id, route_id, file_path, permissions, owner, "group", size, file_type, etag, last_modified, '
            "internal_id, version_id, revision"
        )
        db.execute(f"INSERT INTO delivered ({columns}) SELECT {columns} FROM observed")
        db.execute("UPDATE delivered SET etag = 'older' WHERE id <= 5000")
        db.execute("DELETE FROM touched")
        db.execute("UPDATE routes SET initial_done = 1, positioned = 1")
        db.execute("UPDATE scans SET finished_at = '2026-01-01T00:00:00Z'")
    db.close()


@case
def memory() -> list[str]:
    """Peak memory: one object of 5 GiB, and 1,000,000 small rows; at most 250 MB each."""
    found = []
    with servers(1, 5 * 1024**3) as env:
        seconds, peak, _ = product(env, "initial-sync", "-q")
        found.append(f"initial sync of one 5 GiB object: peak {peak:.0f} MB (target: 250 or less; {seconds:.0f} s)")
    with servers(1_000_000, 16) as env:
        seconds, peak, _ = product(env, "initial-sync", "-q")
        found.append(f"initial sync of 1,000,000 rows: peak {peak:.0f} MB (target: 250 or less; {seconds:.0f} s)")
        took = [product(env, "status", "-q")[0] for _ in range(7)]
        found.append(f"status at 1,000,000 rows: {statistics.median(took):.2f} s (target: 0.3 or less)")
    return found


@case
def start() -> list[str]:
    """--help: at most 0.25 s."""
    took = [product({}, "--help")[0] for _ in range(7)]
    return [f"--help: {statistics.median(took):.2f} s (target: 0.25 or less)"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"which ones (default: all): {', '.join(CASES)}")
    chosen = parser.parse_args().cases or list(CASES)
    for name in chosen:
        for line in CASES[name]():
            print(line, flush=True)
    print(f"(bench itself: peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB)")


if __name__ == "__main__":
    main()
