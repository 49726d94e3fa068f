"""The page of proofs: it tells failures, shortened runs and what was never run for what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scripts import chaos, reliability
from scripts.reliability import PROMISES, page, proof_files


def part(**changes: Any) -> dict[str, Any]:
    return {
        "date": "2026-11-21", "seed": 5, "done": 100, "wanted": 100, "seconds": 9.0, "failures": [], "facts": ["a fact"]
    } | changes  # fmt: skip


def file(failed: int = 0) -> dict[str, Any]:
    return {"cases": 7, "failed": failed, "skipped": 0, "seconds": 1.0}


def known(**changes: Any) -> dict[str, Any]:
    tests = part(seed=None, files={"tests/e2e/test_keys.py": file()})
    return {"kills": part(), "machine": part(), "tests": tests, "soak": part(slopes=[])} | changes


def test_a_page_without_runs_says_so() -> None:
    """Nothing is claimed that was not run."""
    text = page({})
    assert "Not run yet: random kills, state machine, tests, soak" in text
    assert "passed" not in text
    assert "No hole is open" not in text


def test_a_good_run_is_told_with_its_cases() -> None:
    """Each proof stands with its number of cases, each part with its date and seed."""
    text = page(known())
    assert "No hole is open." in text
    assert "`tests/e2e/test_keys.py`: 7, passed" in text
    assert "random kills: 100, passed" in text
    assert "| random kills | 100 | 100 | 9 s | 2026-11-21, seed 5 | passed |" in text
    assert "FAILED" not in text


def test_a_failure_is_told_as_one() -> None:
    """A failing file and a failing part are written as failing, and each finding with how to repeat it."""
    text = page(known(kills=part(done=75, failures=["lost: a; again with: x"]), tests=part(
        files={"tests/e2e/test_keys.py": file(failed=2)}, failures=["again with: y"]
    )))  # fmt: skip
    assert "**FAILED: random kills, tests.**" in text
    assert "`tests/e2e/test_keys.py`: 7, **FAILED**" in text
    assert "random kills: 75 of 100, **FAILED**" in text
    assert "- random kills: lost: a; again with: x" in text
    assert "No hole is open" not in text


def test_a_shortened_run_is_told_as_one() -> None:
    """The reader sees that fewer cases were run than wanted."""
    text = page(known(machine=part(done=60)))
    assert "Shortened runs, smaller than what is wanted: state machine." in text
    assert "state machine: 60 of 100, passed" in text


def test_parts_are_kept_until_they_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is recorded takes the place of its last figures, and of no others."""
    monkeypatch.setattr(reliability, "FIGURES", tmp_path / "figures.json")
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "page.md")
    for figures in (part(done=1), part(done=2)):
        reliability.record("kills", figures)
    reliability.record("machine", part())
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert (kept["kills"]["done"], sorted(kept)) == (2, ["kills", "machine"])
    assert "random kills: 2 of 100" in (tmp_path / "page.md").read_text()


def test_each_promise_has_a_proof_that_exists() -> None:
    """No promise stands without a test file or a part."""
    files = proof_files()
    for promise in PROMISES:
        parts = [proof for proof in promise.proofs if proof in reliability.PARTS]
        tests = [name for name in files for proof in promise.proofs if Path(name).match(proof)]
        assert parts or tests, promise
        assert all("/" in proof or proof in reliability.PARTS for proof in promise.proofs), promise


def test_failed_cases_are_counted_and_named() -> None:
    """The report of the tests is read file by file; errors count as failures."""
    report = ElementTree.ElementTree(
        ElementTree.fromstring(
            "<r><testcase classname='tests.a' name='x' time='1'/>"
            "<testcase classname='tests.a' name='y' time='2'><error/></testcase>"
            "<testcase classname='tests.real_s3.TestOf' name='z' time='0'><skipped/></testcase></r>"
        )
    )
    files, failures = chaos._counted(report)
    assert files["tests/a.py"] == {"cases": 2, "failed": 1, "skipped": 0, "seconds": 3.0}
    assert files["tests/real_s3.py"]["skipped"] == 1
    assert failures == ["again with: python -m pytest tests/a.py -k 'y'"]


@pytest.mark.parametrize(("failures", "code"), [([], 0), (["something"], 1)])
def test_the_exit_code_tells(monkeypatch: pytest.MonkeyPatch, failures: list[str], code: int) -> None:
    """A run with a failure ends with 1, after every part was run and written down."""
    written: list[str] = []
    runs = dict.fromkeys(chaos.RUNS, lambda limits: chaos.Part(1, failures=list(failures)))
    monkeypatch.setattr("sys.argv", ["chaos"])
    monkeypatch.setattr(chaos, "RUNS", runs)
    monkeypatch.setattr(chaos, "record", lambda name, figures: written.append(name))
    assert chaos.main() == code
    assert written == ["tests", "kills", "machine"]
