"""Settings: every variable of the contract, validated once at the start and frozen."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import PrivateAttr, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sync_service.models import setting_types as kinds
from sync_service.models.environment import Given, read_settings, secret_text
from sync_service.models.errors import ConfigurationError
from sync_service.models.text import shown

MASK = "********"
DEFAULT_REGION = "us-east-1"
_BUCKET_FIELDS = ("endpoint", "access_key", "secret_key", "bucket", "region", "prefix")


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """One bucket. No endpoint: AWS. No keys: the AWS credential chain. No region: the bucket's own, else us-east-1."""

    bucket: str
    endpoint: str | None = None
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    region: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable as the `config` command shows it: what is in force (a secret masked) and where it came from."""

    name: str
    shown_value: str
    origin: str


class SyncConfig(BaseSettings):
    """What is in force. Fields are the variables' names in lower case; `from_env` is the way to make one."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    customer_s3_endpoint: kinds.Endpoint | None = None
    customer_s3_access_key: kinds.Secret | None = None
    customer_s3_secret_key: kinds.Secret | None = None
    customer_s3_bucket: kinds.BucketName | None = None
    customer_s3_region: kinds.Region | None = None
    customer_s3_prefix: kinds.Prefix = ""
    target_s3_endpoint: kinds.Endpoint | None = None
    target_s3_access_key: kinds.Secret | None = None
    target_s3_secret_key: kinds.Secret | None = None
    target_s3_bucket: kinds.BucketName | None = None
    target_s3_region: kinds.Region | None = None
    target_s3_prefix: kinds.Prefix = ""
    mock_api_url: kinds.BaseUrl = "http://localhost:8001"
    mock_api_token: kinds.Secret | None = None
    file_manager_api_url: kinds.BaseUrl | None = None
    file_manager_api_token: kinds.Secret | None = None
    sync_interval: kinds.Seconds = 300
    scan_interval: kinds.Seconds = 86400
    event_trust: kinds.EventTrust = "source"
    permissions_from: kinds.PermissionsFrom = "metadata"
    database_path: kinds.FilePath = Path("data/sync.db")
    database_url: kinds.DatabaseUrl | None = None
    max_workers: kinds.Workers = 10
    max_retries: kinds.Retries = 5
    retry_delay: kinds.Delay = 2.0
    max_attempts: kinds.AtLeastOne = 10
    max_delete: kinds.Count = 100
    max_delete_percent: kinds.Percent = 10.0
    snapshot_scope: kinds.SnapshotScope = "touched"
    snapshot_retention: kinds.AtLeastOne = 48
    cache_connections: kinds.Flag = True
    confirm_destructive: kinds.Flag = True
    live_reload: kinds.Flag = False
    sync_engine: kinds.EngineName = "in-process"
    sync_config: kinds.FilePath | None = None
    log_level: kinds.LogLevel = "info"
    log_format: kinds.LogFormat = "auto"
    status_host: kinds.Host = "127.0.0.1"
    status_port: kinds.Port = 8090
    status_token: kinds.Secret | None = None

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _files: dict[str, Path] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Self:
        """The settings of `env` (None: this process's environment), then of the file `dotenv`.

        Raises ConfigurationError with every problem at once, one line each.
        """
        reading = read_settings(os.environ if env is None else env, dotenv, _variables(), _secrets())
        given = reading.given
        problems = [*reading.problems, *_contradictions(given)]
        try:
            config = cls.model_validate({name.lower(): _text(name, found.text) for name, found in given.items()})
        except ValidationError as error:
            raise ConfigurationError([*_problems(error, given), *problems]) from None
        if problems:
            raise ConfigurationError(problems)
        config._origins = {name: found.origin for name, found in given.items()}
        config._files = {name: found.file for name, found in given.items() if found.file is not None}
        return config

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `from_env` has read counts: it knows where each value came from."""
        return (init_settings,)

    @classmethod
    def variables(cls) -> list[str]:
        """The names of all variables that are read: each setting's, and NAME_FILE of each secret."""
        return [*_variables(), *(f"{name}_FILE" for name in _secrets())]

    @property
    def customer(self) -> BucketSettings:
        """The source of the route `customer`; its bucket is empty until one is set (`require_route` tells)."""
        return self._bucket("customer")

    @property
    def target(self) -> BucketSettings | None:
        """The bucket of the route `backup`, None where it is not set."""
        return self._bucket("target") if self.target_s3_bucket else None

    @property
    def file_manager_url(self) -> str:
        """Serves updatePermissions and saveToDisk."""
        return self.file_manager_api_url or self.mock_api_url

    @property
    def file_manager_token(self) -> SecretStr | None:
        """The bearer token for `file_manager_url`."""
        shared = self.mock_api_token if self.file_manager_api_url is None else None
        return self.file_manager_api_token or shared

    def renewal(self, name: str) -> Callable[[], str] | None:
        """Reads the secret `name` again, where it is in a file of its own (it may have been renewed there)."""
        file = self._files.get(name)
        return partial(secret_text, file) if file is not None else None

    @property
    def events_url(self) -> str:
        """Serves pubSubFullList and reportResults."""
        return self.mock_api_url

    @property
    def events_token(self) -> SecretStr | None:
        """The bearer token for `events_url`."""
        return self.mock_api_token

    @property
    def database_file(self) -> Path | None:
        """The SQLite file in use; None where the catalogue is in PostgreSQL."""
        if self.database_url is None:
            return self.database_path
        # As SQLAlchemy reads it: a `#` belongs to the path, and percent signs are an encoding.
        parts = urlsplit(self.database_url.get_secret_value(), allow_fragments=False)
        return Path(unquote(parts.path[1:])) if parts.scheme.startswith("sqlite") else None

    @property
    def data_dir(self) -> Path:
        """The folder of everything that is kept; with PostgreSQL, the one that DATABASE_PATH names."""
        return (self.database_file or self.database_path).parent

    @property
    def snapshots_dir(self) -> Path:
        return self.data_dir / "snapshots"

    @property
    def reports_dir(self) -> Path:
        return self.data_dir / "reports"

    @property
    def backups_dir(self) -> Path:
        return self.data_dir / "backups"

    @property
    def requests_dir(self) -> Path:
        """Where commands leave what they ask of a running daemon."""
        return self.data_dir / "requests"

    def require_route(self) -> BucketSettings:
        """The customer's bucket. Raises ConfigurationError where none is set: nothing can be synced then."""
        if not self.customer_s3_bucket:
            line = f"CUSTOMER_S3_BUCKET is not set, expected {_expected('CUSTOMER_S3_BUCKET').text}"
            raise ConfigurationError(line, hint="Set it in the environment or in .env; .env.example has every variable")
        return self.customer

    def notices(self) -> list[str]:
        """What is set and has no effect in this version, one line each."""
        late = {
            "PERMISSIONS_FROM=acl": self.permissions_from == "acl",
            "SYNC_CONFIG": self.sync_config is not None,
            "SYNC_ENGINE": self.sync_engine != "in-process",
            "TARGET_S3_BUCKET": self.target is not None,
        }
        return [
            f"{name} is set, and is not yet available in this version: it has no effect" for name in late if late[name]
        ]

    def sources(self) -> list[Setting]:
        """Every variable: what is in force, secrets masked, and where it came from."""
        return [
            Setting(name, _shown(name, getattr(self, name.lower())), self._origins.get(name, "default"))
            for name in _variables()
        ]

    def _bucket(self, side: str) -> BucketSettings:
        values = {name: getattr(self, f"{side}_s3_{name}") for name in _BUCKET_FIELDS}
        return BucketSettings(**{**values, "bucket": values["bucket"] or ""})


def _variables() -> list[str]:
    return [name.upper() for name in SyncConfig.model_fields]


def _secrets() -> list[str]:
    return [name for name in _variables() if _expected(name).secret]


def _expected(variable: str) -> kinds.Expected:
    return next(_expectations(SyncConfig.model_fields[variable.lower()]))


def _expectations(info: FieldInfo) -> Iterator[kinds.Expected]:
    """The `Expected` of a field; of an optional one it stands one level deeper in the annotation."""
    optional = getattr(info.annotation, "__args__", ())
    inner = [mark for part in optional for mark in getattr(part, "__metadata__", ())]
    yield from (mark for mark in (*info.metadata, *inner) if isinstance(mark, kinds.Expected))


def _text(variable: str, text: str) -> str:
    return text if _expected(variable).verbatim else text.strip()


def _problems(error: ValidationError, given: Mapping[str, Given]) -> Iterator[str]:
    names = dict.fromkeys(
        str(found["loc"][0]).upper() for found in error.errors(include_url=False, include_input=False)
    )
    for name in names:
        value = "the value (a secret, not shown)" if _expected(name).secret else _quoted(given[name].text)
        yield f"{name}: {value} cannot be used, expected {_expected(name).text}"


def _quoted(text: str) -> str:
    """A wrong value for people to read; of an address, without the parts that may hold a secret."""
    if "://" in text:
        text = re.sub(r"//.*@", f"//{MASK}@", text.partition("?")[0])
    return shown(repr(text), 80)


def _contradictions(given: Mapping[str, Given]) -> Iterator[str]:
    """Problems that lie between variables, told also where single values are wrong."""
    for side in ("CUSTOMER", "TARGET"):
        yield from _lone_key(f"{side}_S3_ACCESS_KEY", f"{side}_S3_SECRET_KEY", given)
    target = [name for name in given if name.startswith("TARGET_S3_")]
    if target and "TARGET_S3_BUCKET" not in given:
        yield f"TARGET_S3_BUCKET is not set, expected {_expected('TARGET_S3_BUCKET').text}, as {target[0]} is set"
    host = given["STATUS_HOST"].text.strip() if "STATUS_HOST" in given else "127.0.0.1"
    if kinds.is_host(host) and kinds.is_open(host) and "STATUS_TOKEN" not in given:
        yield f"STATUS_TOKEN is not set, expected a token, as STATUS_HOST={shown(host)} is open to other machines"


def _lone_key(access: str, secret: str, given: Mapping[str, Given]) -> Iterator[str]:
    if (access in given) != (secret in given):
        there, missing = (access, secret) if access in given else (secret, access)
        yield f"{missing} is not set, expected both or none of the two keys, as {there} is set"


def _shown(variable: str, value: object) -> str:
    if variable.endswith("_S3_REGION") and value is None:
        return f"the bucket's own, else {DEFAULT_REGION}"
    if value is None or value == "":
        return "not set"
    if isinstance(value, SecretStr):
        return _shown_url(value.get_secret_value()) if variable == "DATABASE_URL" else MASK
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else shown(value)


def _shown_url(url: str) -> str:
    """A database's address without its password and options (either may hold a secret)."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    return shown(urlunsplit((parts.scheme, f"{user}{colon}{MASK if colon else ''}{at}{host}", parts.path, "", "")))
