"""What files say of the tier of a run, and of the sample that it planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import BaselineError, RunFileError
from pytest_evalgate.records.results import CaseResult, Place, PlannedCase, Run, SuitePlan, SuiteRun
from pytest_evalgate.runs import baseline, record_file, run_file
from pytest_evalgate.runs.run_file import RunInfo

if TYPE_CHECKING:
    from pathlib import Path

_CASE = PlannedCase("a", Place("golden/faq.jsonl", 1), "f")
_PLAN = SuitePlan("faq", ("golden/faq.jsonl",), "g", "s", 1, (_CASE,), drawn_from=1319)
_RUN = Run("20260101T000000Z-1", "2026-01-01T00:00:00Z", None, (SuiteRun(_PLAN, (CaseResult(_CASE, "not_run"),)),))


def test_a_plan_of_a_sample_survives_its_encoding() -> None:
    assert record_file.decode_plan(record_file.encode_plan(_PLAN)) == _PLAN


@pytest.mark.parametrize("tier", ["default", "smoke"])
def test_a_run_file_holds_the_tier_and_the_size_that_a_sample_is_drawn_from(tmp_path: Path, tier: str) -> None:
    run_file.write(_RUN, tmp_path / "run.jsonl", RunInfo(tier=tier))
    assert run_file.read_with_info(tmp_path / "run.jsonl") == (_RUN, RunInfo(tier=tier))


@pytest.mark.parametrize("old", ['"drawn_from":1319', '"tier":"smoke"'])
def test_what_cannot_be_is_refused(tmp_path: Path, old: str) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(_RUN, path, RunInfo(tier="smoke"))
    text = path.read_text("ascii")
    assert old in text
    path.write_text(text.replace(old, f"{old.partition(':')[0]}:-1"), "ascii")
    with pytest.raises(RunFileError, match=r"run\.jsonl:1: "):
        run_file.read(path)


def test_a_sample_is_refused_as_a_baseline_and_all_cases_are_not() -> None:
    with pytest.raises(BaselineError, match=r"tier smoke, which runs 1 of 1,319 cases of suite faq: run the default"):
        baseline.reject_sample(_RUN, _PLAN, "smoke")
    baseline.reject_sample(_RUN, SuitePlan("faq", (), "g", "s", 1, (_CASE,)), "smoke")
