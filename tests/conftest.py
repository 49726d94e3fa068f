"""What all tests share: the real S3 server, and the lines that say which one it was, also from several processes."""

from __future__ import annotations

from typing import Any

import pytest

pytest.register_assert_rewrite("tests.contracts")

from tests import real_s3  # noqa: E402
from tests.real_s3 import s3_server  # noqa: E402

__all__ = ["s3_server"]

_told_by_workers: list[str] = []


def pytest_report_header() -> str:
    """Says which S3 server the tests that need one will run on."""
    return f"S3 server for tests: {real_s3.plan()}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One process of several hands on what it found out."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["s3"] = real_s3.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes what one of several processes found out; one that died has nothing to tell."""
    _told_by_workers.extend(getattr(node, "workeroutput", {}).get("s3", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says which S3 server it was, and what was found out about it."""
    for line in dict.fromkeys([*real_s3.told(), *_told_by_workers]):
        terminalreporter.write_line(line)
