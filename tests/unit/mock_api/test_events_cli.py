"""The command `events` on a real bucket, told to a running mock API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mock_api.cli import main
from tests.fakes.mock_api_server import MockApi, running
from tests.real_s3 import S3Server

pytestmark = pytest.mark.real


class World:
    """A bucket, a mock API, and the command between them."""

    def __init__(self, server: S3Server, api: MockApi, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.api = api
        self.bucket = f"events-{uuid.uuid4().hex[:12]}"
        self.state = state
        self._capsys = capsys
        self.environment = {
            "CUSTOMER_S3_ENDPOINT": server.endpoint,
            "CUSTOMER_S3_ACCESS_KEY": server.access_key,
            "CUSTOMER_S3_SECRET_KEY": server.secret_key,
            "MOCK_API_URL": api.url,
        }
        keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        style = Config(s3={"addressing_style": "path"})
        self.s3: Any = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", config=style, **keys)
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, body: bytes, **metadata: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=metadata)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def events(self, *arguments: str, **environment: str) -> tuple[int, list[str], str]:
        """Exit code, lines on stdout, text on stderr."""
        words = ["events", "--bucket", self.bucket, "--state", str(self.state), "--once", *arguments]
        code = main(words, {**self.environment, **environment})
        said = self._capsys.readouterr()
        return code, said.out.splitlines(), said.err


@pytest.fixture
def world(s3_server: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A fresh bucket and a fresh server."""
    with running(tmp_path / "data") as api:
        world = World(s3_server, api, tmp_path / "state.json", capsys)
        yield world
        world.s3.close()


def _told(world: World) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(world.api._ask("GET", "/_mock/events"))["events"]
    return told


def test_changes_of_a_bucket(world: World) -> None:
    """The first call is silent; each change after it is told once, with escaped keys, and the next call has none."""
    for key in ("d/update", "d/rename", "d/move", "d/perm", "d/delete"):
        world.put(key, key.encode(), owner="old")
    assert world.events() == (0, ["baseline of 5 objects recorded, 0 events"], "")
    world.put("d/update", b"other", permissions="0600")
    world.delete("d/rename")
    world.put("d/renamed\x1b[1m", b"d/rename")
    world.delete("d/move")
    world.put("e/move", b"d/move")
    world.delete("d/delete")
    world.put("new file", b"", owner="me")
    code, lines, _ = world.events()
    assert (code, lines) == (
        0,
        [
            "rename d/rename -> d/renamed\\x1b[1m",
            "move d/move -> e/move",
            "update d/update",
            "create new file",
            "delete d/delete",
            "5 events",
        ],
    )
    told = {event["event_type"]: event for event in _told(world)}
    assert told["rename"]["new_path"] == "d/renamed\x1b[1m"
    assert told["create"]["metadata"] | {"file_type": ""} == {"size": 0, "owner": "me", "file_type": ""}
    assert told["update"]["metadata"]["permissions"] == "0600"
    assert world.events() == (0, ["0 events"], "")


def test_prefix_and_from_empty(world: World) -> None:
    """From empty every object under the prefix is told as created, without the prefix."""
    world.put("in/a", b"1")
    world.put("out/b", b"1")
    assert world.events("--from-empty", "--prefix", "in/") == (0, ["create a", "1 event"], "")
    assert [event["file_path"] for event in _told(world)] == ["a"]


def test_nothing_is_forgotten_when_the_api_is_down(world: World) -> None:
    """An API that cannot be reached is exit 5, and the changes are told when it is back."""
    world.events()
    world.put("a", b"1")
    code, lines, words = world.events(MOCK_API_URL="http://127.0.0.1:9")
    assert (code, lines) == (5, [])
    assert "the mock API at http://127.0.0.1:9 cannot be reached" in words
    assert world.events() == (0, ["create a", "1 event"], "")


def _takes_any_key(world: World) -> bool:
    place = {"endpoint_url": world.environment["CUSTOMER_S3_ENDPOINT"], "region_name": "us-east-1"}
    client = boto3.client("s3", **place, aws_access_key_id="wrong", aws_secret_access_key="wrongwrong")
    try:
        client.list_objects_v2(Bucket=world.bucket)
    except ClientError:
        return False
    finally:
        client.close()
    return True


def test_wrong_keys(world: World) -> None:
    """Credentials that the server refuses are exit 12, in one line that does not hold them."""
    code, lines, words = world.events("--access-key", "wrong", "--secret-key", "wrongwrong")
    if _takes_any_key(world):  # moto
        assert code == 0
        return
    assert (code, lines, words.count("\n"), "wrongwrong" in words) == (12, [], 1, False)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--bucket", "no-such-bucket-here"], 2, "has no bucket no-such-bucket-here"),
        (["--bucket", "no/bucket"], 2, "no/bucket is no name for a bucket"),
        (["--endpoint", "http://127.0.0.1:9"], 5, "http://127.0.0.1:9 cannot be reached"),
        (["--endpoint", "nowhere"], 2, "cannot be used"),
        (["--from-empty", "--api", "nowhere"], 2, "nowhere is no URL"),
        (["--state", "/dev/null/state"], 1, "/dev/null/state cannot be"),
    ],
)
def test_problems_in_words(world: World, arguments: list[str], code: int, words: str) -> None:
    """Each wrong setting is one line that names it, with its exit code."""
    world.put("a", b"1")
    result = world.events(*arguments)
    assert (result[0], result[1], result[2].count("\n")) == (code, [], 1), result
    assert words in result[2]


def test_damaged_state(world: World) -> None:
    """A damaged state file is never taken for an empty one."""
    for text in ("{", "[]", '{"version": 1, "bucket": [], "objects": {"a": {"x": 1}}}', "\0"):
        world.state.write_text(text)
        code, lines, words = world.events()
        assert (code, lines, "is damaged" in words) == (1, [], True)


def test_state_of_another_bucket_is_refused(world: World) -> None:
    """A state file is never compared with another bucket."""
    world.events()
    assert world.events("--prefix", "other/")[0] == 1


def test_two_sources_for_a_secret(world: World, tmp_path: Path) -> None:
    """A secret may come from a file; both at once is an error of usage."""
    secret = tmp_path / "secret"
    secret.write_text(world.environment.pop("CUSTOMER_S3_SECRET_KEY") + "\n")
    assert world.events(CUSTOMER_S3_SECRET_KEY_FILE=str(secret))[0] == 0
    both = world.events(CUSTOMER_S3_SECRET_KEY_FILE=str(secret), CUSTOMER_S3_SECRET_KEY="x")
    assert (both[0], "both set" in both[2]) == (2, True)


def test_settings_from_a_dotenv(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service finds in .env this finds there, too; the environment wins, also with an empty variable."""
    monkeypatch.chdir(tmp_path)
    lines = {**world.environment, "CUSTOMER_S3_BUCKET": "another", "CUSTOMER_S3_PREFIX": "elsewhere/"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    for name in (*lines, "MOCK_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUSTOMER_S3_BUCKET", world.bucket)
    monkeypatch.setenv("CUSTOMER_S3_PREFIX", "")
    world.put("a.txt", b"a")
    assert main(["events", "--state", str(world.state), "--once", "--from-empty"]) == 0
    assert [event["file_path"] for event in _told(world)] == ["a.txt"]


def test_a_dotenv_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A .env that cannot be read is a problem of usage."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").mkdir()
    assert main(["events", "--bucket", "b"]) == 2
    assert "mock_api: .env: cannot be read" in capsys.readouterr().err
