"""Settings: what is accepted, what is refused and in which words, and that no secret shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from sync_service.bootstrap import open_catalogue
from sync_service.catalogue.engine import location, sqlite_file
from sync_service.models.config import MASK, BucketSettings, SyncConfig
from sync_service.models.errors import ConfigurationError, ExitCode

HUSH = "hush-hush-7"


def read(**env: str) -> SyncConfig:
    return SyncConfig.from_env(env, dotenv=None)


def problems(dotenv: Path | None = None, /, **env: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        SyncConfig.from_env(env, dotenv)
    assert caught.value.exit_code is ExitCode.USAGE
    assert HUSH not in str(caught.value)
    return caught.value.problems


def line_of(variable: str, lines: tuple[str, ...]) -> str:
    """The one line about `variable`."""
    [line] = [line for line in lines if line.startswith(variable)]
    return line


def test_defaults() -> None:
    """Without any variable the contract's defaults are in force."""
    config = read()
    assert (config.sync_interval, config.scan_interval) == (300, 86400)
    assert (config.max_workers, config.max_retries, config.retry_delay) == (10, 5, 2)
    assert (config.max_delete, config.max_delete_percent, config.max_attempts) == (100, 10, 10)
    assert (config.snapshot_scope, config.snapshot_retention) == ("touched", 48)
    assert (config.event_trust, config.permissions_from) == ("source", "metadata")
    assert (config.cache_connections, config.confirm_destructive, config.live_reload) == (True, True, False)
    assert (config.log_level, config.log_format) == ("info", "auto")
    assert (config.status_host, config.status_port, config.status_token) == ("127.0.0.1", 8090, None)
    assert config.database_path == Path("data/sync.db")
    assert config.target is None
    assert config.notices() == []


def test_customer_bucket() -> None:
    """The six variables of the customer's bucket become one frozen view."""
    config = read(
        CUSTOMER_S3_ENDPOINT="http://127.0.0.1:9001/",
        CUSTOMER_S3_ACCESS_KEY="minio",
        CUSTOMER_S3_SECRET_KEY=HUSH,
        CUSTOMER_S3_BUCKET="customer-data",
        CUSTOMER_S3_REGION="eu-central-1",
        CUSTOMER_S3_PREFIX="a b/",
    )
    wanted = BucketSettings(
        bucket="customer-data",
        endpoint="http://127.0.0.1:9001",
        access_key=SecretStr("minio"),
        secret_key=SecretStr(HUSH),
        region="eu-central-1",
        prefix="a b/",
    )
    assert config.customer == config.require_route() == wanted
    assert HUSH not in repr(config) + repr(config.customer) + str(config.sources())


def test_target_bucket() -> None:
    """TARGET_S3_* is read and checked, and said to have no effect yet."""
    config = read(TARGET_S3_BUCKET="backup-data", TARGET_S3_PREFIX="p/")
    assert config.target == BucketSettings(bucket="backup-data", prefix="p/")
    assert [line.split(" ")[0] for line in config.notices()] == ["TARGET_S3_BUCKET"]


def test_missing_bucket_stops_a_sync_only() -> None:
    """Without CUSTOMER_S3_BUCKET settings can be read, but there is no route."""
    config = read()
    with pytest.raises(ConfigurationError, match="CUSTOMER_S3_BUCKET is not set, expected the name of a bucket"):
        config.require_route()


def test_frozen() -> None:
    """Nothing changes a setting once it is read."""
    with pytest.raises(ValidationError):
        read().max_workers = 3  # type: ignore[misc]


def test_process_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without arguments the process's environment and the `.env` of the working folder are read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAX_WORKERS", "3")
    (tmp_path / ".env").write_text("MAX_RETRIES=4\nMAX_WORKERS=9\n")
    config = SyncConfig.from_env()
    assert (config.max_workers, config.max_retries) == (3, 4)


def test_all_problems_at_once() -> None:
    """Every problem has its line: variable, value, what is expected."""
    lines = problems(SYNC_INTERVAL="-3", MAX_RETRIES="many", STATUS_HOST="0.0.0.0", CUSTOMER_S3_BUKET="b")
    assert sorted(lines) == [
        "CUSTOMER_S3_BUKET: unknown variable, did you mean CUSTOMER_S3_BUCKET?",
        "MAX_RETRIES: 'many' cannot be used, expected a whole number, 0 to 100",
        "STATUS_TOKEN is not set, expected a token, as STATUS_HOST=0.0.0.0 is open to other machines",
        "SYNC_INTERVAL: '-3' cannot be used, expected a whole number of seconds, 1 to 31622400",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_PATH", "/"),
        ("SYNC_INTERVAL", "0"),
        ("SYNC_INTERVAL", "5m"),
        ("SCAN_INTERVAL", "1.5"),
        ("MAX_WORKERS", "0"),
        ("MAX_WORKERS", "100000"),
        ("MAX_RETRIES", "-1"),
        ("RETRY_DELAY", "nan"),
        ("RETRY_DELAY", "inf"),
        ("RETRY_DELAY", "-0.1"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_DELETE", "-1"),
        ("MAX_DELETE_PERCENT", "101"),
        ("SNAPSHOT_RETENTION", "0"),
        ("SNAPSHOT_SCOPE", "some"),
        ("EVENT_TRUST", "both"),
        ("PERMISSIONS_FROM", "tags"),
        ("CACHE_CONNECTIONS", "maybe"),
        ("LIVE_RELOAD", "2"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("STATUS_PORT", "65536"),
        ("STATUS_HOST", "a host"),
        ("SYNC_ENGINE", "spark://h:1"),
        ("SYNC_ENGINE", "dask://h"),
        ("MOCK_API_URL", "localhost:8001"),
        ("MOCK_API_URL", "ftp://h"),
        ("MOCK_API_URL", "http://"),
        ("MOCK_API_URL", "http://h:99999"),
        ("MOCK_API_URL", "http://h\t/a"),
        ("FILE_MANAGER_API_URL", "https://h/?a=b"),
        ("CUSTOMER_S3_ENDPOINT", "http://h/path"),
        ("CUSTOMER_S3_ENDPOINT", "http://[::1"),
        ("CUSTOMER_S3_BUCKET", "ab"),
        ("CUSTOMER_S3_BUCKET", "../etc"),
        ("CUSTOMER_S3_REGION", "eu central"),
        ("CUSTOMER_S3_PREFIX", "a\nb"),
        ("CUSTOMER_S3_PREFIX", "é" * 600),
    ],
)
def test_refused_values(variable: str, value: str) -> None:
    """A value of the wrong kind is refused with the value and what is expected."""
    [line] = problems(**{variable: value})
    assert line.startswith(f"{variable}: {value[:3]!r}"[:-1])
    assert " cannot be used, expected " in line


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("MAX_WORKERS", "  7\t", 7),
        ("RETRY_DELAY", "0.25", 0.25),
        ("LOG_LEVEL", "WARN", "warning"),
        ("LOG_FORMAT", "JSON", "json"),
        ("CUSTOMER_S3_PREFIX", " a ", " a "),
        ("CUSTOMER_S3_BUCKET", " abc ", "abc"),
        ("FILE_MANAGER_API_URL", "https://h:8443/api/", "https://h:8443/api"),
        ("MOCK_API_URL", "http://[::1]:8001", "http://[::1]:8001"),
        ("SYNC_ENGINE", "dask://scheduler:8786", "dask://scheduler:8786"),
        ("CUSTOMER_S3_ENDPOINT", "", None),
        ("SYNC_INTERVAL", "", 300),
    ],
)
def test_accepted_values(variable: str, value: str, wanted: object) -> None:
    """Spaces around a value fall away except in a prefix, case does not matter in words, empty is unset."""
    assert getattr(read(**{variable: value}), variable.lower()) == wanted


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "False", "0", "NO", "off"])
def test_flags(word: str) -> None:
    """The usual words for yes and no are understood."""
    assert read(LIVE_RELOAD=word).live_reload is (word.lower() in {"true", "1", "yes", "on"})


@pytest.mark.parametrize(
    "variable",
    ["CUSTOMER_S3_SECRET_KEY", "STATUS_TOKEN", "MOCK_API_TOKEN", "FILE_MANAGER_API_TOKEN", "DATABASE_URL"],
)
def test_wrong_secret_is_not_shown(variable: str) -> None:
    """A secret that cannot be used is named, never printed."""
    lines = problems(**{variable: f" {HUSH}\r\nX-Other: 1"})
    assert "a secret, not shown" in line_of(f"{variable}:", lines)


def test_password_in_an_address_is_not_shown() -> None:
    """Credentials in an address are refused without printing them."""
    [line] = problems(MOCK_API_URL=f"http://me:{HUSH}@h/?token={HUSH}")
    assert f"'http://{MASK}@h/'" in line


def test_lone_key() -> None:
    """One key of a pair alone is a problem that names the other."""
    [line] = problems(CUSTOMER_S3_ACCESS_KEY="a")
    assert (
        line
        == "CUSTOMER_S3_SECRET_KEY is not set, expected both or none of the two keys, as CUSTOMER_S3_ACCESS_KEY is set"
    )


def test_target_without_bucket() -> None:
    """A target that names no bucket is a problem."""
    assert "as TARGET_S3_REGION is set" in line_of("TARGET_S3_BUCKET", problems(TARGET_S3_REGION="eu-west-1"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(host: str) -> None:
    """On loopback the status pages may be open."""
    assert read(STATUS_HOST=host).status_token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_open_host_needs_a_token(host: str) -> None:
    """A host that other machines reach needs a token, and has it with one."""
    assert line_of("STATUS_TOKEN", problems(STATUS_HOST=host))
    assert read(STATUS_HOST=host, STATUS_TOKEN=HUSH).status_host == host


# ---------------------------------------------------------------- NAME_FILE


def test_secret_from_a_file(tmp_path: Path) -> None:
    """`NAME_FILE` gives the file's text without the line end, and `sources` names the file."""
    path = tmp_path / "token"
    path.write_bytes(HUSH.encode() + b"\r\n")
    config = read(STATUS_TOKEN_FILE=str(path))
    assert config.status_token == SecretStr(HUSH)
    [setting] = [s for s in config.sources() if s.name == "STATUS_TOKEN"]
    assert (setting.shown_value, setting.origin) == (MASK, f"file {path} (STATUS_TOKEN_FILE)")


def test_secret_and_its_file_both_set(tmp_path: Path) -> None:
    """A secret given twice is a problem, whether or not the file exists."""
    [line] = problems(STATUS_TOKEN=HUSH, STATUS_TOKEN_FILE=str(tmp_path))
    assert line == "STATUS_TOKEN and STATUS_TOKEN_FILE are both set, expected one of them"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\x00", b"a" * 70_000, b"two\nlines"])
def test_secret_file_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    """A secret's file that is missing, empty, no text or too large is named."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    [line] = problems(MOCK_API_TOKEN_FILE=str(path))
    assert line.startswith("MOCK_API_TOKEN")
    assert str(path) in line or "not shown" in line


def test_file_of_what_is_no_secret() -> None:
    """`NAME_FILE` of a variable that is no secret is refused helpfully."""
    [line] = problems(CUSTOMER_S3_BUCKET_FILE="x")
    assert line.endswith("CUSTOMER_S3_BUCKET is no secret and is set directly")


# ---------------------------------------------------------------- .env


def test_dotenv(tmp_path: Path) -> None:
    """`.env` is read as written, below the environment; an empty variable hides its line."""
    path = tmp_path / ".env"
    path.write_text(
        '# comment\nexport CUSTOMER_S3_BUCKET=from-file\nMOCK_API_TOKEN="a${HOME}b"\n'
        "MAX_WORKERS=4\nMAX_RETRIES=4\nMINIO_IMAGE=other\n",
        encoding="utf-8",
    )
    config = SyncConfig.from_env({"MAX_WORKERS": "5", "MAX_RETRIES": ""}, path)
    assert (config.customer.bucket, config.max_workers, config.max_retries) == ("from-file", 5, 5)
    assert config.mock_api_token == SecretStr("a${HOME}b")
    origins = {s.name: s.origin for s in config.sources()}
    assert origins["CUSTOMER_S3_BUCKET"] == str(path)
    assert origins["MAX_WORKERS"] == "environment"
    assert origins["MAX_RETRIES"] == "default"


def test_dotenv_damaged(tmp_path: Path) -> None:
    """A damaged line is named by its number, a misspelt name by the right one; no line is printed."""
    path = tmp_path / ".env"
    path.write_text(f"MAX_WORKERS=4\n'this is {HUSH} no\nLOG_LEVL=info\n")
    lines = problems(path)
    assert f"{path}, line 2: expected NAME=value" in lines
    assert "LOG_LEVL: unknown variable, did you mean LOG_LEVEL?" in lines


def test_dotenv_unreadable(tmp_path: Path) -> None:
    """A `.env` that is a folder or no text is a problem; one that is missing is not."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\x00")
    assert line_of(str(tmp_path), problems(tmp_path))
    assert "not UTF-8 text" in line_of(str(binary), problems(binary))
    assert SyncConfig.from_env({}, tmp_path / "missing").max_workers == 10


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CUSTOMER_S3_BUKET", "did you mean CUSTOMER_S3_BUCKET?"),
        ("customer_s3_bucket", "did you mean CUSTOMER_S3_BUCKET?"),
        ("SYNC_INTERVALL", "did you mean SYNC_INTERVAL?"),
        ("STATUS_TOKEN_FIEL", "did you mean STATUS_TOKEN_FILE?"),
        ("CUSTOMER_S3_QUUX", "see .env.example"),
        ("MAX_WORKER", "did you mean MAX_WORKERS?"),
        ("MAX_WORKERSS", "did you mean MAX_WORKERS?"),
        ("RETRY_DELY", "did you mean RETRY_DELAY?"),
        ("DATABASE_PAHT", "did you mean DATABASE_PATH?"),
        ("DATABASE_URI", "did you mean DATABASE_URL?"),
        ("DATABSE_PATH", "did you mean DATABASE_PATH?"),
        ("LOG_LEVL", "did you mean LOG_LEVEL?"),
        ("EVENT_TURST", "did you mean EVENT_TRUST?"),
        ("MAX_DELET", "did you mean MAX_DELETE?"),
        ("AX_DELETE", "did you mean MAX_DELETE?"),
    ],
)
def test_misspelt_names(name: str, hint: str) -> None:
    """A name that is surely meant for us but unknown is a problem with a hint."""
    [line] = problems(**{name: "x"})
    assert line.startswith(f"{name}: unknown variable, ")
    assert hint in line


@pytest.mark.parametrize(
    "name",
    [
        "MOCK_API_PORT_8001_TCP_ADDR",
        "SYNC_SERVICE_HOST",
        "LOG_DIR",
        "log_level",
        "PATH",
        "LOGLEVEL",
        "LOG_FILE",
        "LOG_PATH",
        "DATABASE_PASS",
        "DATABASE_NAME",
        "DATABASE_HOST",
        "MAX_ENTRIES",
        "RETRY_DELAY_MS",
        "EVENT_BUS",
        "LOG_LEVEL_FILE",
    ],
)
def test_names_of_others(name: str) -> None:
    """Variables of other programs, and those that orchestrators inject, are none of our business."""
    assert read(**{name: "x"}).max_workers == 10


def test_unknown_field() -> None:
    """A setting that does not exist cannot be passed in code either."""
    with pytest.raises(ValidationError):
        SyncConfig.model_validate({"max_wrokers": 3})


# ---------------------------------------------------------------- views


def test_one_api_serves_all() -> None:
    """Without FILE_MANAGER_API_URL the mock's address and token serve everything."""
    config = read(MOCK_API_URL="http://h:1/", MOCK_API_TOKEN=HUSH)
    assert config.file_manager_url == config.events_url == "http://h:1"
    assert config.file_manager_token == config.events_token == SecretStr(HUSH)


def test_two_apis() -> None:
    """With FILE_MANAGER_API_URL each address gets its own token, and never the other's."""
    config = read(MOCK_API_URL="http://h:1", MOCK_API_TOKEN=HUSH, FILE_MANAGER_API_URL="https://fm")
    assert (config.file_manager_url, config.file_manager_token) == ("https://fm", None)
    assert config.events_token == SecretStr(HUSH)


@pytest.mark.parametrize(
    ("env", "data"),
    [
        ({}, "data"),
        ({"DATABASE_PATH": "/var/lib/x/my.db"}, "/var/lib/x"),
        ({"DATABASE_URL": "sqlite:////srv/x/my.db"}, "/srv/x"),
        ({"DATABASE_URL": "sqlite:///rel/my.db", "DATABASE_PATH": "/ignored/x.db"}, "rel"),
        ({"DATABASE_URL": "postgresql://u:p@h/db", "DATABASE_PATH": "/kept/x.db"}, "/kept"),
    ],
)
def test_folders(env: dict[str, str], data: str) -> None:
    """Snapshots and reports are beside the database; the URL wins over the path."""
    config = read(**env)
    assert config.data_dir == Path(data)
    assert config.snapshots_dir == Path(data) / "snapshots"
    assert config.reports_dir == Path(data) / "reports"
    assert (config.database_file is None) == env.get("DATABASE_URL", "").startswith("postgresql")


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///dir%20x/y.db", "dir x/y.db"),
        ("sqlite+pysqlite:///a#b/%C3%BC+%2By;z.db?timeout=3", "a#b/ü++y;z.db"),
    ],
)
def test_everything_is_beside_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, file: str
) -> None:
    """Encoded or not, an address names one file: for the catalogue, and for what looks for it or is kept beside it."""
    monkeypatch.chdir(tmp_path)
    config = read(DATABASE_URL=url)
    open_catalogue(config, "test").close()
    assert config.database_file == sqlite_file(location(url)) == Path(file)
    assert [found.name for found in tmp_path.rglob("*.db")] == [Path(file).name]
    assert (config.data_dir / Path(file).name).exists()


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "postgresql://h", "data/sync.db"])
def test_refused_databases(url: str) -> None:
    """Only PostgreSQL and an SQLite file can hold a catalogue."""
    assert line_of("DATABASE_URL", problems(DATABASE_URL=url))


def test_sources_masks_every_secret() -> None:
    """`sources` shows each variable once; of a database's address all but password and options."""
    config = read(
        DATABASE_URL=f"postgresql+psycopg://me:{HUSH}@h:5432/db?sslpassword={HUSH}",
        CUSTOMER_S3_ACCESS_KEY=HUSH,
        CUSTOMER_S3_SECRET_KEY=HUSH,
        STATUS_TOKEN=HUSH,
        MOCK_API_TOKEN=HUSH,
        FILE_MANAGER_API_TOKEN=HUSH,
    )
    shown = {s.name: s.shown_value for s in config.sources()}
    assert len(shown) == len(config.sources()) == len(SyncConfig.model_fields)
    assert HUSH not in str(config.sources())
    assert shown["DATABASE_URL"] == f"postgresql+psycopg://me:{MASK}@h:5432/db"
    assert shown["STATUS_TOKEN"] == MASK
    assert shown["CUSTOMER_S3_REGION"] == "the bucket's own, else us-east-1"
    assert shown["LIVE_RELOAD"] == "false"
    assert shown["RETRY_DELAY"] == "2"


def test_notices() -> None:
    """What is accepted and has no effect yet is said, by name."""
    config = read(PERMISSIONS_FROM="acl", SYNC_CONFIG="sync.yaml", SYNC_ENGINE="dask://h:8786")
    assert [line.split(" ")[0] for line in config.notices()] == ["PERMISSIONS_FROM=acl", "SYNC_CONFIG", "SYNC_ENGINE"]


def test_example_file_names_every_variable(tmp_path: Path) -> None:
    """`.env.example` has each variable once, with the default that is in force, and none that does not exist."""
    example = Path(__file__).parents[3] / ".env.example"
    path = tmp_path / ".env"
    lines = [line.removeprefix("#") for line in example.read_text().splitlines() if "=" in line and " " not in line]
    names = [line.partition("=")[0] for line in lines]
    assert sorted(set(names) - {"BIND_ADDRESS", "MINIO_IMAGE"}) == sorted(n.upper() for n in SyncConfig.model_fields)
    assert len(names) == len(set(names))
    path.write_text("\n".join(line for line in lines if not line.startswith(("CUSTOMER", "TARGET"))))
    assert SyncConfig.from_env({}, path).model_dump() == read().model_dump()
