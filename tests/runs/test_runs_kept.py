from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import HistoryRow
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import kept as runs_kept
from pytest_evalgate.runs.kept import SHOWN_RUNS, RunFolder
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Run, Verdict


def _verdict(run: Run, **changed: Any) -> Verdict:
    verdict = decide(run, {"faq": SuiteRules()}, warn_inconclusive=True)
    return replace(verdict, **changed)


def _row(number: int, suite: str = "faq") -> HistoryRow:
    return HistoryRow(
        f"r{number}", "2026-01-01T00:00:00Z", None, suite, 10, 1, 0.5, None, "g" * 64, "s" * 64, None, "pass"
    )


def test_what_is_kept_is_read_back(run: Run, tmp_path: Path) -> None:
    verdict = _verdict(run, suites={"a/../b": _verdict(run).suites["faq"], **_verdict(run).suites})
    baseline = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T00:01:00Z")
    rows = [*(_row(number) for number in range(SHOWN_RUNS + 5)), _row(0, "another")]
    kept = RunFolder(tmp_path)
    kept.keep(verdict, {"faq": (baseline, b'{"id":"c1","output":{"n":1}}\n')}, rows, Redactor())
    assert kept.verdict() == verdict
    found = kept.baseline(verdict, "faq")
    assert found is not None
    assert found.cases == baseline.cases
    assert kept.outputs(verdict, "faq") == {"c1": {"n": 1}}
    assert [row.run_id for row in kept.history(verdict, "faq")] == [
        f"r{number}" for number in range(5, SHOWN_RUNS + 5)
    ]
    assert kept.baseline(verdict, "a/../b") is None
    assert kept.outputs(verdict, "a/../b") == {}
    assert kept.history(verdict, "a/../b") == ()
    assert not (tmp_path.parent / "b.json").exists()


def test_keys_stand_in_no_verdict(run: Run, tmp_path: Path) -> None:
    key = "sk-12345678"
    RunFolder(tmp_path).keep(_verdict(run, problems=(f"said {key}",)), {}, (), Redactor.of(["K"], {"K": key}))
    assert RunFolder(tmp_path).verdict().problems == ("said ***",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON at column 1: the text ends too early; run again with: pytest --eval-gate"),
        ("[]", "not a verdict of pytest-evalgate"),
        ('{"schema": 2}', "schema 2 is newer than 1: upgrade pytest-evalgate"),
        ('{"schema": 1}', "verdict: "),
        ('{"schema": 1, "verdict": "green"}', "verdict: Input should be 'pass', "),
    ],
)
def test_a_verdict_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(RunFileError) as caught:
        runs_kept.read(tmp_path / "verdict.json")
    assert said in str(caught.value)


def test_a_verdict_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        RunFileError,
        match=r"verdict\.json: cannot be read: .*; run again with: pytest --eval-gate",
    ):
        RunFolder(tmp_path).verdict()
