"""A PostgreSQL for tests: the one that PG_TEST_URL names, else a private one of the installed programs, else none."""

from __future__ import annotations

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_numbers = itertools.count(1)
_PATIENCE = 30.0
ABSENT = "no PostgreSQL: neither PG_TEST_URL nor an installed initdb"


def programs() -> Path | None:
    """The folder of the newest installed `initdb` and `postgres`."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    return debian[-1].parent if debian else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server on which databases can be made."""
    if given := os.environ.get("PG_TEST_URL"):
        yield given
        return
    if (folder := programs()) is None:
        pytest.skip(ABSENT)
    with _private_server(folder) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"sync_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    head, _, options = postgres_server.partition("?")
    yield head.rpartition("/")[0] + f"/{name}" + (f"?{options}" if options else "")
    with psycopg.connect(postgres_server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _private_server(folder: Path) -> Iterator[str]:
    """A server in a folder of its own, reached by a unix socket alone. PostgreSQL refuses to run as root: `nobody` does."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as home:
        user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            shutil.chown(home, user)
        as_user = {"user": user} if os.geteuid() == 0 else {}
        data = Path(home) / "data"
        subprocess.run(
            [folder / "initdb", "-D", data, "-U", "sync", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=home,
            **as_user,
        )
        settings = {"listen_addresses": "", "unix_socket_directories": home, "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (Path(home) / "log").open("wb") as log:
            server = subprocess.Popen(
                [folder / "postgres", "-D", data, *options], cwd=home, stdout=log, stderr=log, **as_user
            )
        url = f"postgresql://sync@/postgres?host={home}"
        try:
            _await(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(20)


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while server.poll() is None and time.monotonic() < until:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    pytest.fail("the private PostgreSQL did not start")
