"""What all tests share: the real S3 server, and the lines that say which one it was."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.contracts")

from tests import real_s3  # noqa: E402
from tests.real_s3 import s3_server  # noqa: E402

__all__ = ["s3_server"]


def pytest_report_header() -> str:
    """Says which S3 server the tests that need one will run on."""
    return f"S3 server for tests: {real_s3.plan()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which S3 server it was, and what was found out about it."""
    if (used := real_s3.used()) is not None:
        terminalreporter.write_line(f"S3 server used: {used}")
    for line in real_s3.notes():
        terminalreporter.write_line(line)
