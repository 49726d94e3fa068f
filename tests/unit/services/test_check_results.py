"""What becomes of a check's findings: none is lost however many, and the words claim nothing that was not done."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sync_service.catalogue import comparing
from sync_service.models.changes import Relook
from sync_service.models.errors import StorageFull
from sync_service.models.findings import (
    CheckCounts,
    CheckOptions,
    CheckResult,
    Finding,
    FindingKind,
    Remedy,
    Repair,
    RowState,
)
from sync_service.services import check_results
from sync_service.services.check_results import (
    FindingsFile,
    keep_result,
    leave_for_daemon,
    repairs_of,
    scope_of,
    take_check_requests,
    verdict_of,
)
from sync_service.services.database_manager import DatabaseManager
from sync_service.services.requests import Trouble, take_checks
from tests.fakes.catalogues import LATER, NOW, deliver_all, ids, scan

LOST = Finding(FindingKind.MISSING, "a", "not at the destination", (Remedy.SEND,), 1, 2)
UNSEEN = Finding(FindingKind.CATALOGUE, 'n\n"ü', "not observed", (Remedy.LOOK,))
WAITS = Finding(FindingKind.PENDING, "p", str(RowState.WAITING), (), 3, 1)


def result(
    *,
    share: float = 1.0,
    read_data: bool = False,
    empty: bool = False,
    states: dict[str, int] | None = None,
    compared: int = 7,
    skipped: int = 0,
    **kinds: int,
) -> CheckResult:
    counted = Counter({FindingKind(name): number for name, number in kinds.items()})
    counts = CheckCounts(9, 8, compared, skipped, 3, 2, 100, counted, Counter(states or {}))
    return CheckResult(NOW, LATER, CheckOptions(share, "s1", read_data), counts, empty)


def test_findings_come_back_as_they_were() -> None:
    """All of them, in order and as often as wanted; people see those that are not just pending."""
    with FindingsFile() as findings:
        for one in (LOST, WAITS, UNSEEN):
            findings.add(one)
        assert list(findings) == list(findings) == [LOST, WAITS, UNSEEN]
        assert findings.first == [LOST, UNSEEN]


def test_people_see_the_first_hundred() -> None:
    """The others are in the file."""
    with FindingsFile() as findings:
        for number in range(250):
            findings.add(Finding(FindingKind.MISSING, str(number), "gone"))
        assert [one.file_path for one in findings.first] == [str(number) for number in range(100)]
        assert sum(1 for _ in findings) == 250


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings that do not fit anywhere end the check with a word on space."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(check_results.tempfile, "SpooledTemporaryFile", lambda *_, **__: Full())
    with FindingsFile() as findings, pytest.raises(StorageFull):
        findings.add(LOST)


def test_repairs_come_in_parts_that_keep_rows_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedies of one row need its revision as it was, so they go together."""
    monkeypatch.setattr(check_results, "CHUNK", 2)
    both = Finding(FindingKind.DIFFERENT, "b", "size", (Remedy.SEND_AGAIN, Remedy.PERMIT), 5, 6)
    parts = list(repairs_of([LOST, both, WAITS, WAITS, UNSEEN], result()))
    assert parts == [
        [
            Repair(Remedy.SEND, 1, 2, "a"),
            Repair(Remedy.SEND_AGAIN, 5, 6, "b"),
            Repair(Remedy.PERMIT, 5, 6, "b"),
        ],
        [Repair(Remedy.LOOK, 0, 0, UNSEEN.file_path)],
    ]


def test_looks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One cycle is not to hold a whole bucket's keys; after an empty listing none is looked at."""
    monkeypatch.setattr(check_results, "MOST_LOOKS", 2)
    ((first, second),) = repairs_of([UNSEEN] * 5, result())
    assert first == second
    assert list(repairs_of([UNSEEN] * 5, result(empty=True))) == []


@pytest.mark.parametrize(
    ("found", "words", "code"),
    [
        (result(), "no difference: the destination holds all 7 objects that were compared", 0),
        (result(pending=3), "no difference: the destination holds all 7 objects that were compared", 0),
        (result(share=0.5), "no difference: the destination holds all 7 objects that were compared in the sample", 0),
        (result(compared=1), "no difference: the destination holds the one object that was compared", 0),
        (
            result(share=0.01, compared=0),
            "no difference: the destination holds all 0 objects that were compared in the sample",
            0,
        ),
        (
            result(share=0.01, compared=0, skipped=99),
            "nothing was compared: the sample of 1 % has none of 99 objects",
            3,
        ),
        (result(share=0.01, compared=0, skipped=99, missing=1), "1 difference: 1 missing", 4),
        (result(missing=1), "1 difference: 1 missing", 4),
        (result(missing=1, extra=2, unverifiable=9), "3 differences: 1 missing, 2 extra", 4),
        (result(catalogue=1_000, different=1), "1,001 differences: 1 different, 1,000 catalogue", 4),
        (result(unverifiable=2), "no difference was found, but 2 objects could not be verified", 3),
        (
            result(pending=3, states={RowState.QUARANTINED: 1, RowState.WAITING: 2}),
            "no difference was found, but 1 object could not be verified",
            3,
        ),
    ],
)
def test_the_verdict_is_one_sentence(found: CheckResult, words: str, code: int) -> None:
    """And has its exit code: differences before what could not be verified; what only waits is neither."""
    assert (verdict_of(found), int(found.exit_code)) == (words, code)


def test_nobody_claims_bytes_that_were_not_read() -> None:
    """What was compared is said, and what was not."""
    quick, whole = scope_of(result(share=0.25)), scope_of(result(read_data=True))
    assert "the sizes of 7 objects (a sample of 25 %, --seed s1) and the permissions of 3" in quick
    assert "not compared: bytes (--read-data reads them) and files at the destination that were never ours" in quick
    assert "the bytes (sha256) of 2" in whole
    assert "not compared: files at the destination that were never ours" in whole


def test_what_is_left_for_the_daemon_is_taken_up(tmp_path: Path) -> None:
    """Repairs and result, once; a damaged request beside them counts as none and is set aside."""
    folder = tmp_path / "requests"
    catalogue = DatabaseManager(tmp_path / "sync.db").open_writer(NOW)
    scan(catalogue, "a")
    deliver_all(catalogue)
    repairs = [[Repair(Remedy.SEND, ids(catalogue)["a"], 1, "a")], [Repair(Remedy.LOOK, 0, 0, "ü\n")]]
    assert leave_for_daemon(folder, "x", result(missing=1), repairs) == 2
    (folder / "repair-y.json").write_text('{"repair": [["send", "x"]]}')
    (folder / "check-y.json").write_text('{"check": {"no": "time"}}')
    told: list[Trouble] = []
    take_check_requests(catalogue, folder, LATER, told.append)
    assert catalogue.totals().pending == 1
    assert catalogue.relooks_due() == {"ü\n": Relook(0, "check")}
    kept = catalogue.totals().check
    assert kept is not None
    assert (kept["time"], kept["clean"], kept["counts"]["missing"]) == (LATER, False, 1)
    assert {path.name for path in folder.iterdir()} == {trouble.file.name for trouble in told}
    assert [trouble.file.name for trouble in told] == ["repair-y.bad", "check-y.bad"]
    catalogue.close()


def test_results_are_kept_in_order_of_time(tmp_path: Path) -> None:
    """The newest of several that were left is the last check."""
    folder = tmp_path / "requests"
    older = CheckResult(NOW, NOW, CheckOptions(), CheckCounts())
    leave_for_daemon(folder, "a", result(), [])
    leave_for_daemon(folder, "b", older, [])
    found: list[dict[str, Any]] = []
    take_checks(folder, found.append, print)
    assert [one["time"] for one in found] == [NOW, LATER]


def test_the_result_is_kept_with_the_catalogue(tmp_path: Path) -> None:
    """A reader sees it beside the writer."""
    writer = DatabaseManager(tmp_path / "sync.db").open_writer(NOW)
    keep_result(writer, result().as_json())
    reader = DatabaseManager(tmp_path / "sync.db")
    kept = reader.totals().check
    assert kept is not None
    assert (kept["full_clean_at"], kept["counts"]["compared"]) == (LATER, 7)
    assert reader.within(comparing.tracked_at, "a") is None
    reader.close()
    writer.close()
