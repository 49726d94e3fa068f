"""check as a command: its options, its words, and what it does where the catalogue cannot be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sync_service import bootstrap
from sync_service.commands import check
from sync_service.models.config import SyncConfig
from sync_service.models.errors import CatalogueMissing, ConfigurationError, StorageDenied
from sync_service.models.findings import CheckCounts, CheckOptions, CheckResult, Finding, FindingKind, Remedy
from sync_service.reporting.words import check_words
from sync_service.services.check_results import take_check_requests
from sync_service.services.checker import Found
from sync_service.services.database_manager import DatabaseManager
from tests.fakes.catalogues import LATER, NOW, deliver_all, ids, scan

SPOILED = "[/b]\x1b[31m.txt"


class FakeChecker:
    """Finds what it is told to."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings

    async def run(self, found: Found) -> CheckResult:
        counts = CheckCounts(compared=5)
        for one in self.findings:
            counts.kinds[one.kind] += 1
            counts.states.update([one.detail] if one.kind is FindingKind.PENDING else [])
            found(one)
        return CheckResult(NOW, LATER, CheckOptions(), counts)


@pytest.fixture
def config(tmp_path: Path) -> SyncConfig:
    return SyncConfig.from_env({"DATABASE_PATH": str(tmp_path / "sync.db"), "CUSTOMER_S3_BUCKET": "bucket"}, None)


@pytest.fixture
def catalogue(config: SyncConfig) -> Iterator[DatabaseManager]:
    manager = bootstrap.open_catalogue(config, "test")
    scan(manager, SPOILED)
    deliver_all(manager)
    yield manager
    manager.close()


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch, catalogue: DatabaseManager) -> list[Finding]:
    found = [
        Finding(FindingKind.MISSING, SPOILED, "not at the destination", (Remedy.SEND,), ids(catalogue)[SPOILED], 1),
        Finding(FindingKind.PENDING, "p", "waiting for the next run"),
    ]

    @asynccontextmanager
    async def checker(*_: object) -> Any:
        yield FakeChecker(found)

    monkeypatch.setattr(bootstrap, "customer_checker", checker)
    return found


def run(config: SyncConfig, *, repair: bool = False, as_json: bool = False, quiet: bool = False) -> int:
    return check.check_route(config, CheckOptions(), repair=repair, as_json=as_json, quiet=quiet)


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.5%", 0.005), (" 100 % ", 1.0), ("33.3%", 0.333)])
def test_a_share_is_a_percentage(text: str, share: float) -> None:
    """With or without a fraction."""
    assert check.share_of(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "1", "0%", "0.0%", "100.1%", "-1%", "1%%", "nan%", "1e1%", "٣%", "1\n%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    """With what is expected."""
    with pytest.raises(ConfigurationError, match="expected a share such as 1%"):
        check.share_of(text)


def test_each_check_draws_its_own_sample() -> None:
    """Unless it is told which."""
    assert check.options_of("1%", "", False).seed != check.options_of("1%", "", False).seed
    assert check.options_of("1%", "s", True) == CheckOptions(0.01, "s", True)


def test_people_read_the_verdict_first(
    config: SyncConfig, catalogue: DatabaseManager, findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    """Then what was compared, the pending ones by number, and the findings with their keys escaped; `status` knows it."""
    catalogue.close()
    assert run(config) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 difference: 1 missing"
    assert lines[2:] == [
        "  pending: 1 waiting for the next run",
        "  missing      [/b]\\x1b[31m.txt: not at the destination",
    ]
    reader = bootstrap.read_catalogue(config)
    kept = reader.totals().check
    assert kept is not None
    assert (kept["clean"], kept["counts"]["missing"], reader.totals().pending) == (False, 1, 0)
    reader.close()


def test_many_findings_are_counted(
    config: SyncConfig, catalogue: DatabaseManager, findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    """People see a hundred, JSON has them all."""
    catalogue.close()
    findings += [Finding(FindingKind.UNVERIFIABLE, f"u{n}", "no answer") for n in range(150)]
    run(config)
    assert capsys.readouterr().out.splitlines()[-1] == "  and 51 more; --json has them all"
    run(config, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 152


def test_json_is_whole(
    config: SyncConfig, catalogue: DatabaseManager, findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    """One object with the counts and every finding; keys as they are."""
    catalogue.close()
    assert run(config, as_json=True, repair=True) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "1 difference: 1 missing"
    assert told["repair"].startswith("made pending: the next run (incremental-sync, or the daemon's) sends 1 that")
    assert told["findings"][0] == {
        "kind": "missing",
        "file_path": SPOILED,
        "detail": "not at the destination",
        "remedies": ["send"],
    }
    findings.clear()
    assert run(config, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["findings"], told["clean"], told["repair"]) == ([], True, None)


def test_quiet_says_only_what_is_wrong(
    config: SyncConfig, catalogue: DatabaseManager, findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing at all where nothing is."""
    catalogue.close()
    run(config, quiet=True)
    assert "1 missing" in capsys.readouterr().out
    findings.clear()
    run(config, quiet=True)
    assert capsys.readouterr().out == ""


def test_a_repair_of_nothing_says_so(
    config: SyncConfig, catalogue: DatabaseManager, findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    """No row is touched."""
    catalogue.close()
    findings.clear()
    assert run(config, repair=True) == 0
    assert "nothing to repair" in capsys.readouterr().out


def test_beside_a_writer_all_is_left_for_it(
    config: SyncConfig, catalogue: DatabaseManager, findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    """The result, and the repairs where they are wanted; the words name the holder."""
    assert run(config) == 4
    assert catalogue.totals().check is None
    assert "left for" not in capsys.readouterr().out
    assert run(config, repair=True) == 4
    assert "left for the writer's next run" in capsys.readouterr().out
    assert catalogue.totals().pending == 0
    take_check_requests(catalogue, config.requests_dir, LATER, print)
    assert (catalogue.totals().pending, (catalogue.totals().check or {})["exit_code"]) == (1, 4)


def test_a_catalogue_that_cannot_be_written_is_still_checked(
    config: SyncConfig,
    catalogue: DatabaseManager,
    findings: list[Finding],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a warning; a repair is an error there."""

    def denied(*_: object, **__: object) -> None:
        raise StorageDenied("read-only")

    monkeypatch.setattr(bootstrap, "open_catalogue", denied)
    assert run(config) == 4
    assert "will not know of this check" in capsys.readouterr().err
    with pytest.raises(StorageDenied):
        run(config, repair=True)


def test_without_a_catalogue_nothing_is_asked(config: SyncConfig) -> None:
    """Exit 10 before the first sync."""
    with pytest.raises(CatalogueMissing):
        run(config)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            {"full": True, "read_data": False, "counts": {"compared": 5}},
            "no difference (5 objects compared by sizes and",
        ),
        (
            {"full": False, "share": 0.01, "read_data": True, "counts": {"compared": 5, "missing": 2, "pending": 1}},
            "2 missing, 1 pending (5 objects compared by sizes, permissions and bytes, a sample of 1 %)",
        ),
    ],
)
def test_status_tells_of_the_last_check(check: dict[str, Any], words: str) -> None:
    """When it was, what it found, and how much it had compared."""
    told = check_words({"time": NOW, **check})
    assert told is not None
    assert told.startswith(f"{NOW}: {words}")
    assert check_words(None) is None
