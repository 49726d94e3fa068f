"""The page of proofs: it tells failures, shortened runs and what was never run for what they are."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from scripts import chaos, reliability
from scripts.reliability import PROMISES, page, proof_files


def chaos_figures(**changes: Any) -> dict[str, Any]:
    part = {"wanted": 100, "done": 100, "seconds": 9, "well": True}
    file = {"cases": 7, "failed": 0, "skipped": 0, "seconds": 1.0}
    figures = {
        "date": "2026-11-21", "seed": 5, "server": "MinIO", "seconds": 60, "whole": True, "facts": [], "failures": [],
        "parts": {"kills": part, "machine": part}, "files": {"tests/e2e/test_keys.py": file}, "tests_seconds": 1.0,
    }  # fmt: skip
    return figures | changes


def test_a_page_without_runs_says_so() -> None:
    """Nothing is claimed that was not run."""
    text = page({})
    assert text.count("not run yet") >= 5
    assert "passed" not in text


def test_a_good_run_is_told_with_its_cases() -> None:
    """Each proof stands with its number of cases."""
    text = page({"chaos": chaos_figures()})
    assert "No hole was found" in text
    assert "`tests/e2e/test_keys.py`: 7, passed" in text
    assert "random kills: 100, passed" in text
    assert "FAILED" not in text


def test_a_failure_is_told_as_one() -> None:
    """A failing file and a failing part are written as failing, and each finding with how to repeat it."""
    file = {"cases": 7, "failed": 2, "skipped": 0, "seconds": 1.0}
    part = {"wanted": 100, "done": 75, "seconds": 9, "well": False}
    text = page({"chaos": chaos_figures(
        files={"tests/e2e/test_keys.py": file}, parts={"kills": part, "machine": part}, failures=["lost: a; again with: x"]
    )})  # fmt: skip
    assert "1 FAILED" in text
    assert "`tests/e2e/test_keys.py`: 7, **FAILED**" in text
    assert "random kills: 75 of 100, **FAILED**" in text
    assert "- lost: a; again with: x" in text


def test_a_shortened_run_is_told_as_one() -> None:
    """The reader sees that fewer cases were run than wanted."""
    assert "shortened run" in page({"chaos": chaos_figures(whole=False)})


def test_each_promise_has_a_proof_that_exists() -> None:
    """No promise stands without a test file, a part or the soak."""
    files = proof_files()
    assert files
    for promise in PROMISES:
        proofs = [p for p in promise.proofs if "/" not in p or any(reliability.fnmatch.fnmatch(f, p) for f in files)]
        assert proofs, promise


def test_failed_cases_are_counted_and_named() -> None:
    """The report of the tests is read file by file; errors count as failures."""
    report = ElementTree.ElementTree(
        ElementTree.fromstring(
            "<r><testcase file='tests/a.py' name='x' time='1'/><testcase file='tests/a.py' name='y' time='2'><error/></testcase>"
            "<testcase file='tests/b.py' name='z' time='0'><skipped/></testcase></r>"
        )
    )
    files, failures = chaos._counted(report)
    assert files["tests/a.py"] == {"cases": 2, "failed": 1, "skipped": 0, "seconds": 3.0}
    assert files["tests/b.py"]["skipped"] == 1
    assert failures == ["again with: python -m pytest tests/a.py -k 'y'"]


@pytest.mark.parametrize(("failures", "code"), [([], 0), (["something"], 1)])
def test_the_exit_code_tells(monkeypatch: pytest.MonkeyPatch, failures: list[str], code: int) -> None:
    """A run with a failure ends with 1, after the page was written."""
    written: list[Any] = []
    monkeypatch.setattr("sys.argv", ["chaos"])
    monkeypatch.setattr(chaos, "run", lambda limits: chaos_figures(failures=failures))
    monkeypatch.setattr(chaos, "record", lambda part, figures: written.append((part, figures["failures"])))
    assert chaos.main() == code
    assert written == [("chaos", failures)]
