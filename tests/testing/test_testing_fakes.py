from __future__ import annotations

import asyncio

import pytest

from pytest_evalgate.engine import Grading, run_case
from pytest_evalgate.protocols import Scorer, Target
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.cases import Place as At
from pytest_evalgate.records.results import Output, PlannedCase
from pytest_evalgate.testing import FixedScorer, ScriptedTarget, grade_once


def test_the_fakes_fit_the_seams() -> None:
    assert isinstance(ScriptedTarget({}), Target)
    assert isinstance(FixedScorer(1.0), Scorer)


@pytest.mark.parametrize(
    ("case_id", "value", "outcome"),
    [("a", 1.0, "passed"), ("a", 0.0, "missed"), ("a", None, "errored"), ("b", 1.0, "missed"), ("c", 1.0, "errored")],
)
def test_a_case_runs_on_the_fakes(case_id: str, value: float | None, outcome: str) -> None:
    target = ScriptedTarget({"a": "yes", "b": ValueError("no")})
    planned = PlannedCase(case_id, At("golden.jsonl", 1), "f")
    result = asyncio.run(run_case(target, Grading((FixedScorer(value),)), Case(case_id), planned, 2))
    assert result.outcome == outcome
    assert target.asked == [(case_id, 0), (case_id, 1)]


def test_one_output_is_graded_as_the_configuration_would() -> None:
    near, same = grade_once({"kind": "number", "tolerance": 0.1}, "exact", case=Case("a", expected=2), output="2.05")
    assert (near.passed, same.passed) == (True, False)


def test_reasoning_is_not_graded() -> None:
    (score,) = grade_once("contains", case=Case("a", expected="14 days"), output="<think>14 days</think>30 days")
    assert not score.passed


def test_an_output_may_be_any_json_value() -> None:
    (score,) = grade_once("exact", case=Case("a", expected={"n": 1}), output={"n": 1.0})
    assert score.passed
    assert Output({"n": 1}).value == {"n": 1}
