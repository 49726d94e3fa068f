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
            "CUSTOMER_S3_ACCESS_KEY": "a-key",
            "CUSTOMER_S3_SECRET_KEY": "a-secret",
            "STATUS_TOKEN": "a-token",
            "MOCK_API_TOKEN_FILE": str(file),
        },
        None,
    )
    assert sorted(secret_values(config)) == ["a-key", "a-secret", "a-token", "chain-token", "from-a-file"]


def test_a_secret_that_is_read_again_is_masked_too() -> None:
    """A renewed token is known from the moment that it is read; where nothing can be read again, nothing is."""
    mask = Mask(["old-token"])
    read = mask.learning(lambda: "new-token")
    assert mask("new-token") == "new-token"
    assert read is not None and read() == "new-token"
    assert mask("old-token new-token") == "*** ***"
    assert mask.learning(None) is None
