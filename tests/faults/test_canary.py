"""A canary secret through every way in and every failure: it is found in no word, no file, no page and no database."""

from __future__ import annotations

import asyncio
import base64
import html
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.api_process import free_port
from tests.e2e.conftest import api, bucket, s3
from tests.e2e.product import until
from tests.e2e.world import Api, Bucket, World, settings_for
from tests.fakes.raw_server import http, raw_server
from tests.faults.canary import BEGIN, END, TRACES, Watched, canary, traces_in
from tests.real_s3 import S3Server

__all__ = ["api", "bucket", "s3"]

pytestmark = pytest.mark.real

TOKEN = canary("api-token")
STATUS = canary("status-token")
ECHO = f"you sent Authorization: Bearer {TOKEN}"


def echoes() -> dict[str, dict[str, Any]]:
    """How a file manager repeats our header in its errors: name of the object -> the fault."""
    padded = {f"cut-{left}": {"status": 422, "body": "x" * (300 - left) + TOKEN} for left in (1, 5, 15, 30)}
    return {
        "json": {"status": 400, "body": {"detail": ECHO}},
        "deep": {"status": 422, "body": {"error": {"headers": [{"authorization": f"Bearer {TOKEN}"}]}}},
        "html": {"status": 500, "body": f"<html><body><pre>{html.escape(ECHO)}</pre></body></html>"},
        "url": {"status": 413, "body": {"message": quote(ECHO), "detail": quote(TOKEN, safe="")}},
        "base64": {"status": 422, "body": base64.b64encode(ECHO.encode()).decode()},
        "basic": {"status": 403, "body": {"reason": base64.b64encode(f"u:{TOKEN}".encode()).decode()}},
        "far": {"status": 500, "body": " " * (64 * 1024 - 20) + TOKEN},
        "large": {"status": 500, "body": TOKEN * 20_000},
        "redirect": {"status": 307, "headers": {"Location": f"/login/{quote(TOKEN)}?t={quote(TOKEN)}"}},
        "answer": {"status": 200, "body": ECHO},
        **padded,
    }


@pytest.fixture
def world(tmp_path: Path, s3_server: S3Server, bucket: Bucket, api: Api) -> Iterator[World]:
    """A product with canaries for tokens; whatever a test does, the search ends it."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "status").write_text(STATUS + "\n")
    settings = settings_for(s3_server, bucket.name, api.url)
    settings |= {"MOCK_API_TOKEN": TOKEN, "STATUS_TOKEN_FILE": str(secrets / "status"), "MAX_RETRIES": "0"}
    watched = Watched(tmp_path / "work", settings, [])
    yield World(bucket, api, watched)
    watched.search(reports=api.reports())


def fail_all(world: World) -> None:
    """Each object's update meets its own echo, and every other endpoint repeats the token too."""
    for name, fault in echoes().items():
        world.bucket.put(f"{name}.txt", "changed")
        world.tell("update", f"{name}.txt")
        world.api.add_fault("saveToDisk", file_path=f"{name}.txt", times=-1, **fault)
    world.api.add_fault("reportResults", status=500, times=-1, body=ECHO)


def test_the_search_finds_what_is_there() -> None:
    """Raw, cut, quoted or in base64: the search itself can fail."""
    for form in (TOKEN, BEGIN, END, quote(TOKEN), html.escape(TOKEN), repr(TOKEN)):
        assert traces_in(f"some {form} text".encode())
    for before in range(4):
        assert traces_in(base64.b64encode(b"u" * before + TOKEN.encode() + b"!"))
    assert not traces_in(b"nothing of the kind")
    assert len(TRACES) == 8


def test_an_api_that_repeats_the_token(world: World) -> None:
    """Every command after, and beside, a file manager that puts our header into its errors."""
    for name in echoes():
        world.bucket.put(f"{name}.txt", "first")
    world.initial()
    fail_all(world)
    world.run("plan", "the.plan", expect=None)
    ended = world.run("incremental-sync", "-v", expect=3, LOG_FORMAT="console")
    assert ended.said.count("***") >= len(echoes()) - 3, "the echoes did not arrive"
    commands = ["status", "runs", "plan", "config", "retry-failed", "incremental-sync -v --plan the.plan", "test -v"]
    for command in (*commands, "status --json", "scan -v --json", "approve-deletes --yes"):
        world.run(*command.split(), expect=None, LOG_FORMAT="json")
    for name in echoes():
        world.run("explain", f"{name}.txt")
    run_id = world.run("runs", "--json").json[-1]["run_id"]
    world.run("runs", "show", run_id)
    for endpoint in ("pubSubFullList", "updatePermissions", ""):
        world.api.add_fault(endpoint, status=401, times=-1, body={"detail": ECHO})
    for command in ("incremental-sync -v", "doctor", "plan", "test"):
        world.run(*command.split(), expect=None)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_daemon_and_its_pages(world: World, tmp_path: Path) -> None:
    """Its log, its pages with and without the token, its metrics; also with a token that SIGHUP brought."""
    file = tmp_path / "secrets" / "api"
    file.write_text(TOKEN)
    port = free_port()
    world.product.settings |= {"SYNC_INTERVAL": "1", "STATUS_PORT": str(port), "MOCK_API_TOKEN_FILE": str(file)}
    del world.product.settings["MOCK_API_TOKEN"]
    for name in echoes():
        world.bucket.put(f"{name}.txt", "first")
    world.initial()
    fail_all(world)
    pages: list[str] = []
    with world.product.started("daemon", "-v") as running:
        until(lambda: fetch(port, "/healthz", None)[0] == 200, "no page", running.require)
        running.wait_for("update failed", 3)
        renewed = canary("renewed")
        file.write_text(renewed)
        running.send(signal.SIGHUP)
        running.wait_for("the settings were read anew")
        world.bucket.put("renewed.txt", "new")
        world.api.add_fault("saveToDisk", file_path="renewed.txt", times=-1, status=422, body=f"Bearer {renewed}")
        world.api.add_fault("pubSubFullList", nth=2, status=401, times=1, body=f"Bearer {renewed}")
        world.tell("create", "renewed.txt")
        running.wait_for("renewed.txt")
        for path in ("/", "/status", "/metrics", "/readyz", "/nothing"):
            for token in (STATUS, None, canary("wrong")):
                code, text = fetch(port, path, token)
                assert code == (401 if token != STATUS else 404 if path == "/nothing" else code)
                pages.append(text)
        running.end(signal.SIGTERM)
    assert isinstance(world.product, Watched)
    world.product.search(pages=pages)


def fetch(port: int, path: str, token: str | None) -> tuple[int, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, str(answer.headers) + answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, str(refusal.headers) + refusal.read().decode()
    except (urllib.error.URLError, OSError):
        return 0, ""


WRONG = canary("wrong")
DATABASE = quote(canary("database"), safe="")
BAD_SETTINGS: dict[str, dict[str, str | None]] = {
    "wrong secret key": {"CUSTOMER_S3_SECRET_KEY": WRONG},
    "wrong keys": {"CUSTOMER_S3_ACCESS_KEY": WRONG, "CUSTOMER_S3_SECRET_KEY": WRONG},
    "lone key": {"CUSTOMER_S3_ACCESS_KEY": None, "CUSTOMER_S3_SECRET_KEY": WRONG},
    "padded": {"CUSTOMER_S3_SECRET_KEY": f" {WRONG} ", "STATUS_TOKEN_FILE": None, "STATUS_TOKEN": f"{WRONG}\t"},
    "both": {"STATUS_TOKEN": WRONG},
    "in addresses": {"MOCK_API_URL": f"http://u:{quote(WRONG, safe='')}@127.0.0.1:1", "CUSTOMER_S3_ENDPOINT": f"http://h/?k={WRONG}"},
    "no database": {"DATABASE_URL": f"mysql://u:{DATABASE}@127.0.0.1/db"},
    "absent database": {"DATABASE_URL": f"postgresql://u:{DATABASE}@127.0.0.1:1/db?connect_timeout=2"},
    "option": {"DATABASE_URL": f"postgresql://u@127.0.0.1:1/db?password={DATABASE}&connect_timeout=2"},
    "aws chain": {"CUSTOMER_S3_ACCESS_KEY": None, "CUSTOMER_S3_SECRET_KEY": None, "AWS_ACCESS_KEY_ID": "AKIAKANARY",
                  "AWS_SECRET_ACCESS_KEY": WRONG, "AWS_SESSION_TOKEN": "x" + BEGIN + END},
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_do_not_work(world: World, case: str) -> None:
    """Wrong keys, wrong forms, a database that is not there: the value is in no message, however verbose."""
    for command in ("initial-sync -v", "doctor"):
        world.run(*command.split(), expect=None, **BAD_SETTINGS[case])


def test_secrets_in_a_broken_env_file(world: World) -> None:
    """Lines of .env that are none, and misspelt names, are told by place and name alone."""
    env = world.product.folder / ".env"
    env.write_text(f"MOCK_API_TOKEN\n= {WRONG}\nMOCK_API_TOKN={WRONG}\nexport '{WRONG}\n")
    for command in ("status", "config"):
        assert world.run(*command.split(), MOCK_API_TOKEN=None, expect=2).err
    env.unlink()


async def test_an_s3_server_that_repeats_what_it_was_sent(world: World) -> None:
    """Access key, session token: in the message, in headers, in HTML, and in what is no HTTP."""
    access, token = canary("access").replace("/", "-"), "session" + BEGIN + END
    message = f"<Error><Code>AccessDenied</Code><Message>{html.escape(access)} {token}</Message></Error>".encode()
    replies = [
        http(403, message, x_amz_request_id=token),
        http(400, b"<html>" + message, Content_Type="text/html"),
        http(403, b"", x_minio_error_code="Odd", x_minio_error_desc=f'"{access} {token}"'),
        http(301, b"", Location=f"http://elsewhere/{token}/{quote(access)}"),
        f"HTTP/1.1 200 \x00{access}\r\n\x01{token}\r\n\r\n".encode(),
    ]
    given: dict[str, str | None] = {"CUSTOMER_S3_ACCESS_KEY": access, "CUSTOMER_S3_SECRET_KEY": WRONG}
    chain: dict[str, str | None] = {"CUSTOMER_S3_ACCESS_KEY": None, "CUSTOMER_S3_SECRET_KEY": None}
    chain |= {"AWS_ACCESS_KEY_ID": "AKIAKANARY", "AWS_SECRET_ACCESS_KEY": WRONG, "AWS_SESSION_TOKEN": token}
    for reply in replies:
        body = (
            reply.replace(access.encode(), b"")
            .replace(html.escape(access).encode(), b"")
            .replace(quote(access).encode(), b"")
        )
        tries = ((given, reply.replace(token.encode(), b""), "initial-sync -v"), (chain, body, "doctor"))
        for settings, answer, command in tries:
            async with raw_server(_sized(answer)) as server:
                more = {**settings, "CUSTOMER_S3_ENDPOINT": server.url, "CUSTOMER_S3_REGION": "us-east-1"}
                await asyncio.to_thread(world.run, *command.split(), expect=None, **more)
                assert server.seen


def _sized(reply: bytes) -> bytes:
    """With a Content-Length that is true again."""
    head, _, body = reply.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc")
def test_the_arguments_of_a_process_hold_no_secret(world: World) -> None:
    """What every user of the machine may see of a daemon."""
    world.bucket.put("a.txt", "one")
    with world.product.started("daemon") as running:
        running.wait_for("the daemon runs")
        line = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    assert line
    assert not traces_in(line)
