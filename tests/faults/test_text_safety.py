"""Keys and server answers are data everywhere: no terminal, log line, page or label is moved by one."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import signal
import sys
import urllib.request
from collections.abc import Iterable

import pytest

from sync_service.commands.explain import explain_key
from sync_service.models.config import SyncConfig
from sync_service.models.text import escaped
from tests.e2e.api_process import free_port
from tests.e2e.conftest import api, bucket, s3, world
from tests.e2e.product import Ended, until
from tests.e2e.test_keys import KEYS, event_keys, put_all
from tests.e2e.world import World, event_of

__all__ = ["api", "bucket", "s3", "world"]

pytestmark = pytest.mark.real

HOSTILE = {
    "html": "<html><script>alert(1)</script><img src=x onerror=alert(2)></html>",
    "ansi": '\x1b[2J\x1b]0;owned\x07\x1b[31m\x9b5n and a forged line\r\nerror: all is lost\n{"level": "info"}',
    "bidi": "\u202eexe.gpj\u202c \u2066hidden\u2069 \u200b \u2028next\u2029 \u0085 \ufeff",
    "large": "A\x1b" * 500_000,
    "markup": "[red]x[/red] [/b] {{7*7}} ${jndi:x} %s %(a)s '; DROP TABLE runs; --",
    "formula": '=HYPERLINK("http://evil.example")',
}
"""What a server may say of an error, and what stands in an event."""

COMMANDS = (
    "status",
    "runs",
    "plan",
    "plan kept.plan",
    "scan -v",
    "approve-deletes",
    "doctor",
    "config",
    "test -v",
    "retry-failed",
)


def acting(text: str) -> list[str]:
    """Lines in which a character would do something instead of being seen."""
    return [repr(line[:200]) for line in text.split("\n") if escaped(line) != line]


def require_safe(ended: Ended) -> Ended:
    assert acting(ended.said) == []
    assert not [line for line in ended.said.split("\n") if line.startswith("error: all is lost")]
    return ended


def spoil(world: World, keys: Iterable[str]) -> list[str]:
    """Each key's update is refused with hostile words, some deletes are held, and the log holds hostile events."""
    words = list(HOSTILE.values())
    listed = list(keys)
    put_all(world.bucket, listed, "changed")
    for number, text in enumerate(words):
        world.api.add_fault("saveToDisk", operation="update", nth=number + 1, status=422, body={"detail": text})
    world.api.add_fault("saveToDisk", operation="update", status=400, body=HOSTILE["ansi"], times=-1)
    gone = [key for key in listed if key.startswith(("ansi", "html", "dir/"))][:5] or listed[:3]
    for key in gone:
        world.bucket.delete(key)
    world.api.publish(*(event_of("update", key) for key in listed if key not in gone))
    world.api.publish(*(event_of("delete", key) for key in event_keys(gone)))
    world.api.publish(
        *({**event_of("update", "plain.txt"), "event_type": text, "timestamp": text} for text in words),
        *({**event_of("update", "plain.txt", owner=text), "file_path": text[:900]} for text in words),
        *words,
    )
    return gone


@pytest.fixture
def spoilt(world: World) -> World:
    """After a first sync of every key that the server takes, and everything that is hostile told."""
    put_all(world.bucket, KEYS, "first")
    world.initial()
    world.gone = spoil(world, world.bucket.keys())  # type: ignore[attr-defined]
    world.product.settings |= {"MAX_DELETE": "0", "MAX_DELETE_PERCENT": "0", "MAX_RETRIES": "0"}
    return world


def test_commands_and_logs(spoilt: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command in both log formats; explain of every key; what machines read is JSON and holds the very keys."""
    world = spoilt
    ended = require_safe(world.run("incremental-sync", "-v", expect=6, LOG_FORMAT="console"))
    assert r"\x1b[2J" in ended.said
    _explain_all(world, capsys)
    for number, command in enumerate(COMMANDS):
        fmt = ("json", "console")[number % 2]
        ended = require_safe(world.run(*command.split(), expect=None, LOG_FORMAT=fmt))
        if fmt == "json":
            assert all(json.loads(line) for line in ended.err.splitlines() if line.startswith("{"))
    report = world.run("runs", "--json").json[-2]
    require_safe(world.run("runs", "show", report["run_id"]))
    told = world.run("runs", "show", report["run_id"], "--json").json
    keys = {*world.bucket.keys(), *world.gone, *(text[:900] for text in HOSTILE.values())}  # type: ignore[attr-defined]
    assert {error["file_path"] for error in told["errors"] if error["operation"]} <= keys
    planned = json.loads((world.product.folder / "kept.plan").read_text())
    assert planned["held_deletes"]
    _reports_are_plain(world)
    _snapshots_are_exact(world)


def _explain_all(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """For people and as data, from the catalogue that the commands have left."""
    config = SyncConfig.from_env({"DATABASE_PATH": str(world.product.data / "sync.db")}, None)
    refused = 0
    for key in (*KEYS, *HOSTILE.values()):
        with contextlib.suppress(UnicodeEncodeError):
            explain_key(config, key, as_json=False)
            said = capsys.readouterr().out
            assert acting(said) == []
            refused += "in quarantine" in said
            explain_key(config, key, as_json=True)
            assert json.loads(capsys.readouterr().out)["key"] == key
    assert refused > len(KEYS) / 2


def _reports_are_plain(world: World) -> None:
    for path in (world.product.data / "reports").iterdir():
        assert acting(path.read_text("utf-8")) == []


def _snapshots_are_exact(world: World) -> None:
    """The CSV is data for programs: the key as it is, also one that a spreadsheet takes for a formula."""
    text = world.product.snapshots("after.csv")[-1].read_text("utf-8")
    paths = {row["file_path"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert paths & set(world.bucket.keys())
    assert not [path for path in paths if path.startswith("'")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("fmt", ["json", "console"])
def test_a_daemon_its_log_its_page_and_its_metrics(spoilt: World, fmt: str) -> None:
    """What a browser, a scraper and a log collector get while every object fails with hostile words."""
    world, port = spoilt, free_port()
    changes = {"LOG_FORMAT": fmt, "STATUS_PORT": str(port), "SYNC_INTERVAL": "1"}
    with world.product.started("daemon", "-v", **changes) as running:
        running.wait_for("run ended", 2)
        until(lambda: "DEGRADED" in fetch(port, "/status"), "never degraded", running.require)
        pages = {path: fetch(port, path) for path in ("/", "/status", "/metrics", "/readyz")}
        running.end(signal.SIGTERM)
    assert acting(running.said) == []
    assert [path for path, text in pages.items() if acting(text)] == []
    assert re.findall(r"<(?:script|img|iframe)", pages["/"]) == []
    assert json.loads(pages["/status"])["routes"][0]["quarantined"] > len(KEYS) / 2
    _no_key_in(pages["/metrics"])


def _no_key_in(metrics: str) -> None:
    """No label is a key or a server's word; keys that are long enough to be told from words are nowhere."""
    labels = set(re.findall(r'(?<!le)="([^"]*)"', metrics))
    words = {*KEYS, *HOSTILE.values()} - {"true", "false"}
    assert labels & words == set()
    assert [key for key in words if len(key) > 8 and key in metrics] == []
    assert len(labels) < 100


def fetch(port: int, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


def test_the_search_for_acting_characters_can_fail() -> None:
    """Each kind of character that acts is found, also where it stands among good ones."""
    for text in ("a\x1b", "a\x9b", "a\u202e", "a\u2028", "a\rb", "a\x00", "a\x7f", "\ufeffa", "a\udc80"):
        assert acting(f"good\n{text}\ngood") == [repr(text)]
    assert acting("good ü 日本 🎉\nlines") == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_page_that_tells_a_servers_words(world: World) -> None:
    """Where a server's HTML is the reason for the state, the page shows it as the text that it is."""
    world.bucket.put("a.txt", "one")
    world.initial()
    port, words = free_port(), "".join(HOSTILE[name] for name in ("html", "ansi", "bidi", "markup"))
    world.api.add_fault("pubSubFullList", status=422, times=-1, body={"detail": words})
    with world.product.started("daemon", STATUS_PORT=str(port), SYNC_INTERVAL="1") as running:
        until(lambda: "alert" in fetch(port, "/"), "the words never came", running.require)
        page = fetch(port, "/")
        running.end(signal.SIGTERM)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x" in page
    assert re.findall(r"<(?:script|img|iframe)", page) == []
    assert acting(page) == acting(running.said) == []
