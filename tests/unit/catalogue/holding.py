"""Another process that holds a catalogue: run as a program, it says `held` when it is the writer, and waits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]


@contextmanager
def holder(path: Path, *, in_transaction: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that is the writer of `path`, with a transaction open where asked for; ended with the block."""
    command = [sys.executable, "-m", "tests.unit.catalogue.holding", str(path), str(in_transaction)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def main(path: str, in_transaction: bool) -> None:
    from sync_service.services.database_manager import DatabaseManager
    from tests.fakes.catalogues import NOW, scan

    manager = DatabaseManager(path).open_writer(NOW, "daemon")
    scan(manager, "committed")
    if in_transaction:
        with manager._session.transaction() as conn:
            conn.exec_driver_sql("UPDATE routes SET source_identity = 'not committed', observed_files = 99")
            _wait()
    else:
        _wait()


def _wait() -> None:
    sys.stdout.write("held\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "True")
