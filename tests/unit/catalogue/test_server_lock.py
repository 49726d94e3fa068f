"""One writer in PostgreSQL, too: the lock lives and dies with the connection that writes, and its holder has a name."""

from __future__ import annotations

import os
import socket

import psycopg
import pytest

from sync_service.catalogue.lock import Holder
from sync_service.catalogue.server_lock import NUMBER
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueLocked, ExitCode, Temporary
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.status import read_status
from tests.fakes.catalogues import LATER, NOW
from tests.real_postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
pytestmark = pytest.mark.real


def cut_off(url: str) -> None:
    """Ends the connection that holds the lock, as a restart of the server or a broken network does."""
    with psycopg.connect(url, autocommit=True) as conn:
        (ended,) = conn.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (NUMBER,),
        ).fetchone() or (0,)
    assert ended == 1


def test_a_second_writer_is_told_who_holds_the_lock(postgres_url: str) -> None:
    """Exit 11 with pid, host, start and command; `status` names the same process, and nobody once it is closed."""
    first = DatabaseManager(postgres_url).open_writer(NOW, "daemon")
    with pytest.raises(CatalogueLocked) as refused:
        DatabaseManager(postgres_url).open_writer(LATER)
    assert refused.value.exit_code is ExitCode.LOCKED
    for fact in (f"process {os.getpid()} ", socket.gethostname(), NOW, "(daemon)"):
        assert fact in str(refused.value)
    (route,) = read_status(SyncConfig(database_url=postgres_url))["routes"]
    assert route["lock_holder"] == {"pid": os.getpid(), "host": socket.gethostname(), "since": NOW}
    first.close()
    assert DatabaseManager(postgres_url).holder() is None


def test_a_connection_that_was_lost_takes_the_lock_again(postgres_url: str) -> None:
    """After a restart of the server the same writer goes on, and still keeps others out."""
    writer = DatabaseManager(postgres_url).open_writer(NOW, "daemon")
    cut_off(postgres_url)
    assert writer.get_record_count() == 0
    writer.set_source_identity("bucket")
    with pytest.raises(CatalogueLocked):
        DatabaseManager(postgres_url).open_writer(LATER)
    assert DatabaseManager(postgres_url).holder() == Holder(os.getpid(), socket.gethostname(), NOW, "daemon")
    writer.close()


def test_a_writer_that_was_cut_off_never_writes_beside_another(postgres_url: str) -> None:
    """Whoever took the catalogue over keeps it; when it is free again, the run that was cut off ends, and the next goes on."""
    cut = DatabaseManager(postgres_url).open_writer(NOW, "daemon")
    cut_off(postgres_url)
    other = DatabaseManager(postgres_url).open_writer(LATER, "incremental-sync")
    with pytest.raises(CatalogueLocked, match="incremental-sync"):
        cut.set_source_identity("mine")
    other.set_source_identity("theirs")
    other.close()
    with pytest.raises(CatalogueLocked, match="another process wrote"):
        cut.set_source_identity("mine")
    assert cut.source_identity() == "theirs"
    cut.close()


def test_a_connection_lost_within_a_transaction_changes_nothing(postgres_url: str) -> None:
    """What was not committed is gone, the error is a temporary one, and the writer goes on."""
    writer = DatabaseManager(postgres_url).open_writer(NOW, "daemon")
    with pytest.raises(Temporary, match="did not answer"), writer._transaction() as conn:
        conn.exec_driver_sql("UPDATE routes SET source_identity = 'half'")
        cut_off(postgres_url)
        conn.exec_driver_sql("SELECT 1")
    assert writer.source_identity() is None
    writer.close()
