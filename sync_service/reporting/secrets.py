"""Secrets taken out of text that leaves the process: log lines, tracebacks, pages."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from sync_service.models.text import shown

if TYPE_CHECKING:
    from sync_service.models.config import SyncConfig

MASKED = "***"
_DEPTH = 8
_CHAIN = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_LONG_ENOUGH = 8
"""Bytes from which a secret is known inside other words, and by its base64; a shorter one (`test`) is in every second key."""
_REAL_ACCESS_KEY = 16
"""The length from which AWS gives out access key ids. They are no secrets by themselves; a shorter one is anybody's word."""
_NAMES = frozenset({"object", "file_path", "new_path", "path", "key", "bucket"})
"""Facts that are the names of things: nobody puts a secret there, and a name with a hole in it names nothing."""


def _any_of(forms: set[str]) -> list[str]:
    """One pattern for all, none for none; the longest first, as a secret that contains another one must go as a whole."""
    parts = [re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))]
    return ["|".join(parts)] if parts else []


class Mask:
    """Replaces every known secret, also where it was escaped on its way (JSON, URL, HTML, repr, base64), by `***`.

    A secret of fewer than 8 bytes is replaced where it stands as a word of its own, and never in the name of a thing.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._long: set[str] = set()
        self._short: set[str] = set()
        self._in_names: re.Pattern[str] | None = None
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> Mask:
        """From now on these are replaced, too; those of before stay secret."""
        for secret in secrets:
            (self._long if len(_sent(secret)) >= _LONG_ENOUGH else self._short).update(_forms(secret))
        long = _any_of(self._long)
        words = [rf"(?<![\w./-])(?:{short})(?![\w/-]|\.\w)" for short in _any_of(self._short)]
        self._in_names = re.compile("|".join(long)) if long else None
        self._pattern = re.compile("|".join([*long, *words])) if long or words else None
        return self

    def learning(self, read: Callable[[], str] | None) -> Callable[[], str] | None:
        """`read`, with all that it gives replaced from then on."""
        if read is None:
            return None

        def learned() -> str:
            secret = read()
            self.learn([secret])
            return secret

        return learned

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASKED, text) if self._pattern else text

    def in_name(self, text: str) -> str:
        """The same for a name, or for what has names in it: only secrets that no name has by chance."""
        return self._in_names.sub(MASKED, text) if self._in_names else text

    def fact(self, name: str, text: str) -> str:
        """The same for `text` as the value of the fact `name`."""
        return self.in_name(text) if name in _NAMES else self(text)

    def deep(self, value: Any, depth: int = _DEPTH, name: str = "") -> Any:
        """`value` (as of JSON; of the fact `name`) with the secrets taken out of all of its strings, names included."""
        if isinstance(value, str):
            return self.fact(name, value)
        if isinstance(value, Mapping) and depth:
            return {self(str(inner)): self.deep(one, depth - 1, str(inner)) for inner, one in value.items()}
        if isinstance(value, (list, tuple)) and depth:
            return [self.deep(one, depth - 1, name) for one in value]
        return value if value is None or isinstance(value, (bool, int, float)) else self(str(value))


PROCESS = Mask()
"""What this process has read of secrets, for everything that it says beside results."""


def known(config: SyncConfig) -> Mask:
    """The process's mask, with the secrets of `config` from now on."""
    return PROCESS.learn(secret_values(config))


def secret_values(config: SyncConfig) -> list[str]:
    """Every secret in force: those of the settings, a database URL's password by itself, and the AWS chain's.

    Access key ids are among them where they are as long as real ones.
    """
    found = {name: getattr(config, name) for name in type(config).model_fields}
    secrets = {name: value.get_secret_value() for name, value in found.items() if hasattr(value, "get_secret_value")}
    values = [
        value for name, value in secrets.items() if not name.endswith("_access_key") or len(value) >= _REAL_ACCESS_KEY
    ]
    if config.database_url is not None:
        values += _in_url(config.database_url.get_secret_value())
    return values + [os.environ[name] for name in _CHAIN if os.environ.get(name)]


def _in_url(url: str) -> list[str]:
    """What may be secret in an address: its password, and the values of options that look like one."""
    parts = urlsplit(url)
    options = [value for name, value in parse_qsl(parts.query) if re.search("pass|secret|token|key", name)]
    password = parts.netloc.rpartition("@")[0].partition(":")[2]
    return [value for value in (password, unquote(password), *options) if value]


def _forms(secret: str) -> set[str]:
    """The ways in which `secret` may be written; none for an empty one."""
    written: set[str] = set()
    for raw in {secret, secret.strip()} - {""}:
        sent = _sent(raw)
        written |= {raw, repr(raw)[1:-1], shown(raw, len(raw)), html.escape(raw), quote_plus(sent)}
        written |= {json.dumps(raw)[1:-1], json.dumps(raw, ensure_ascii=False)[1:-1], quote(sent), quote(sent, safe="")}
        written |= _base64_forms(sent)
    return written - {""}


def _sent(secret: str) -> bytes:
    """As bytes; lone surrogates (bytes of a file that are no UTF-8) can stand in no URL."""
    return secret.encode("utf-8", "surrogateescape")


def _base64_forms(secret: bytes) -> set[str]:
    """What `secret` looks like in the middle of any base64 text, ordinary and for URLs, wherever in it it begins."""
    if len(secret) < _LONG_ENOUGH:
        return set()
    forms = set()
    for before in range(3):
        # The first and last characters also hold bits of the neighbours.
        whole = base64.b64encode(b"\0" * before + secret).decode()
        own = whole[(0, 2, 3)[before] : (before + len(secret)) * 8 // 6]
        forms |= {own, own.replace("+", "-").replace("/", "_")}
    return forms
