"""The kinds of values that settings have, each with the words that say what is expected of it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

_YEAR = 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Expected:
    """What a person is told when a value is none of this kind. `verbatim`: spaces around the value belong to it."""

    text: str
    verbatim: bool = False
    secret: bool = False


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("no http(s) address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials in the address")
    if parts.query or parts.fragment or any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("more than an address")
    return parts


def _base_url(url: str) -> str:
    _split(url)
    return url.rstrip("/")


def _endpoint(url: str) -> str:
    if _split(url).path.strip("/"):
        raise ValueError("an endpoint has no path")
    return url.rstrip("/")


def _bucket(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", name):
        raise ValueError("not the name of a bucket")
    return name


def _region(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", name):
        raise ValueError("not the name of a region")
    return name


def _prefix(prefix: str) -> str:
    if len(prefix.encode("utf-8", "surrogatepass")) > 1024 or not prefix.isprintable():
        raise ValueError("not a prefix of keys")
    return prefix


def _secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text != text.strip() or not text.isprintable():
        raise ValueError("spaces or control characters")
    return secret


def _database_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value().strip())
    known = re.fullmatch(r"(sqlite|postgresql)(\+[a-z0-9_]+)?", parts.scheme)
    if not known or (known[1] == "sqlite" and parts.path.strip("/") in {"", ":memory:"}):
        raise ValueError("no known database")
    if known[1] == "postgresql" and not parts.path.strip("/"):
        raise ValueError("no name of a database")
    return SecretStr(url.get_secret_value().strip())


def _host(name: str) -> str:
    if not is_host(name):
        raise ValueError("not a host")
    return name


def is_host(text: str) -> bool:
    """Whether `text` has the form of a host's name or address."""
    return re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", text) is not None


def _engine(name: str) -> str:
    if name == "in-process":
        return name
    parts = urlsplit(name)
    if parts.scheme != "dask" or not parts.hostname or not parts.port or parts.username is not None:
        raise ValueError("no known engine")
    return name


def _lower(value: object) -> object:
    if not isinstance(value, str):
        return value
    return {"warn": "warning"}.get(value.lower(), value.lower())


def is_open(host: str) -> bool:
    """Whether other machines may reach a server that listens on `host`."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() != "localhost"


def _file(path: Path) -> Path:
    if not path.name:
        raise ValueError
    return path


BaseUrl = Annotated[
    str, AfterValidator(_base_url), Expected("an address http(s)://host[:port][/path] without user, password or query")
]
Endpoint = Annotated[
    str, AfterValidator(_endpoint), Expected("an address http(s)://host[:port] without user, password, path or query")
]
BucketName = Annotated[
    str, AfterValidator(_bucket), Expected("the name of a bucket: 3 to 63 letters, digits, dots and hyphens")
]
Region = Annotated[str, AfterValidator(_region), Expected("the name of a region, such as eu-central-1")]
Prefix = Annotated[
    str,
    AfterValidator(_prefix),
    Expected("the beginning of the keys, at most 1024 bytes, no control characters", verbatim=True),
]
Secret = Annotated[
    SecretStr,
    AfterValidator(_secret),
    Expected("a text without control characters, and without spaces around it", verbatim=True, secret=True),
]
DatabaseUrl = Annotated[
    SecretStr,
    AfterValidator(_database_url),
    Expected("postgresql://user:password@host/name or sqlite:///path of a file", secret=True),
]
Seconds = Annotated[int, Field(ge=1, le=_YEAR), Expected("a whole number of seconds, 1 to 31622400")]
Delay = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False), Expected("a number of seconds, 0 to 3600")]
Workers = Annotated[int, Field(ge=1, le=1000), Expected("a whole number, 1 to 1000")]
Retries = Annotated[int, Field(ge=0, le=100), Expected("a whole number, 0 to 100")]
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000), Expected("a whole number, 1 to 1000000")]
Count = Annotated[int, Field(ge=0, le=10**12), Expected("a whole number, 0 or more")]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False), Expected("a number, 0 to 100")]
Flag = Annotated[bool, Expected("true or false (also 1, 0, yes, no, on, off)")]
Port = Annotated[int, Field(ge=0, le=65535), Expected("a port, 0 to 65535 (0: any free one)")]
Host = Annotated[str, AfterValidator(_host), Expected("the name or address of an interface, such as 127.0.0.1")]
FilePath = Annotated[Path, AfterValidator(_file), Expected("the path of a file")]
EventTrust = Annotated[Literal["source", "event"], BeforeValidator(_lower), Expected("source or event")]
PermissionsFrom = Annotated[Literal["metadata", "acl"], BeforeValidator(_lower), Expected("metadata or acl")]
SnapshotScope = Annotated[Literal["touched", "full"], BeforeValidator(_lower), Expected("touched or full")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    BeforeValidator(_lower),
    Expected("debug, info, warning, error or critical"),
]
LogFormat = Annotated[Literal["auto", "console", "json"], BeforeValidator(_lower), Expected("auto, console or json")]
EngineName = Annotated[str, AfterValidator(_engine), Expected("in-process or dask://host:port")]
