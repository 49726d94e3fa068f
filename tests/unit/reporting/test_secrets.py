"""The mask: every form that a secret takes on its way out, and where the secrets come from."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from sync_service.models.config import SyncConfig
from sync_service.reporting.secrets import MASKED, Mask, secret_values

SECRET = 'p@ss/w+rd-é&<1>"'


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_base64_is_masked(before: int, after: int, encode: object) -> None:
    """Wherever it begins in what was encoded, as the password in `user:password` does."""
    whole = base64.b64encode(b"u" * before + SECRET.encode() + b"z" * after).decode()
    if encode is base64.urlsafe_b64encode:
        whole = whole.replace("+", "-").replace("/", "_")
    left = Mask([SECRET])(f"Basic {whole}")
    assert MASKED in left
    assert len(left) < len("Basic ***") + 2 * 4 + 4 * (before + after) // 3


def test_a_short_secret_has_no_base64_form() -> None:
    """Three letters of base64 would be found in every second text."""
    text = base64.b64encode(b"abc").decode()
    assert Mask(["abc"])(f"abc {text}") == f"{MASKED} {text}"


def test_what_is_learnt_later_is_masked_too() -> None:
    """New settings of a running process: their secrets and those of before."""
    mask = Mask(["first-secret"])
    assert mask.learn(["second-secret"]) is mask
    assert mask("first-secret second-secret") == f"{MASKED} {MASKED}"


@pytest.mark.parametrize(
    "url", ["postgresql://me:p%40ss-word@db/sync", "postgresql://me@db/sync?sslmode=require&password=p%40ss-word"]
)
def test_a_database_password_is_a_secret_by_itself(url: str) -> None:
    """A driver's words have the password without the rest of the address."""
    mask = Mask(secret_values(SyncConfig.from_env({"DATABASE_URL": url}, None)))
    assert mask(f"{url} p@ss-word p%40ss-word") == f"{MASKED} {MASKED} {MASKED}"
    assert mask("me db sync require") == "me db sync require"


def test_every_secret_setting_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of variables, of files, and of the AWS chain."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "chain-token")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    config = SyncConfig.from_env(
        {
            "CUSTOMER_S3_ACCESS_KEY": "AKIA-AS-LONG-AS-REAL",
            "CUSTOMER_S3_SECRET_KEY": "a-secret",
            "STATUS_TOKEN": "a-token",
            "MOCK_API_TOKEN_FILE": str(file),
        },
        None,
    )
    wanted = ["AKIA-AS-LONG-AS-REAL", "a-secret", "a-token", "chain-token", "from-a-file"]
    assert sorted(secret_values(config)) == wanted


def test_a_short_access_key_is_anybodys_word() -> None:
    """`test` and `local` are keys of local servers and parts of many paths: they are no secrets."""
    env = {f"{side}_S3_{name}": "local-1" for side in ("CUSTOMER", "TARGET") for name in ("ACCESS_KEY", "SECRET_KEY")}
    env |= {"CUSTOMER_S3_ACCESS_KEY": "test", "TARGET_S3_ACCESS_KEY": "minioadmin", "TARGET_S3_BUCKET": "bucket"}
    mask = Mask(secret_values(SyncConfig.from_env(env, None)))
    assert mask("test minioadmin local-1") == "test minioadmin ***"


@pytest.mark.parametrize("text", ["test/a.txt", "a/test", "latest", "my.test", "test.txt", "test-1", "é/test_2"])
def test_a_short_secret_is_no_part_of_a_path(text: str) -> None:
    """The secret key of a local server is often a word that names have, too: each of them stays as it is."""
    assert Mask(["test"])(f"{text}: refused") == f"{text}: refused"


@pytest.mark.parametrize("text", ["Bearer {}", "Bearer {}.", "u:{}@host", "password={}&x=1", '"{}"', "{}"])
def test_a_short_secret_is_masked_as_a_word(text: str) -> None:
    """However short it is, it comes out of nothing that a server or a driver says."""
    assert Mask(["hunter2"])(text.format("hunter2")) == text.format(MASKED)


def test_names_keep_what_is_like_a_short_secret() -> None:
    """An object may be called like a short secret; a long one is in no name by chance."""
    mask = Mask(["test", "long-secret"])
    told = {"errors": [{"file_path": "test", "error": "test", "new_path": "a/long-secret"}]}
    assert mask.deep(told) == {"errors": [{"file_path": "test", "error": "***", "new_path": "a/***"}]}


def test_a_secret_that_is_read_again_is_masked_too() -> None:
    """A renewed token is known from the moment that it is read; where nothing can be read again, nothing is."""
    mask = Mask(["old-token"])
    read = mask.learning(lambda: "new-token")
    assert mask("new-token") == "new-token"
    assert read is not None and read() == "new-token"
    assert mask("old-token new-token") == "*** ***"
    assert mask.learning(None) is None
