from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import MeanScoreGate, NoRegressionGate
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.pass_rate import decide_mean_score
from pytest_evalgate.records.results import Score, SuiteRun, Trial
from pytest_evalgate.stats.clusters import mean_score_ci
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gates.conftest import Build

    from pytest_evalgate.records.results import Baseline, GateResult


def _gate(minimum: float, bound: str = "ci", scorer: str = "tone") -> MeanScoreGate:
    return MeanScoreGate.model_validate({"kind": "mean-score", "scorer": scorer, "min": minimum, "bound": bound})


def _judge(build: Build, marks: Sequence[Sequence[float | None]], *gate: Any, **fields: Any) -> GateResult:
    return decide_mean_score(_gate(*gate), build.seen(build.graded(*marks, **fields)))


_MARKS = [[0.9], [0.8], [0.7], [0.95], [0.85]] * 20


@pytest.mark.parametrize(
    ("minimum", "bound", "result"),
    [
        (0.7, "ci", "pass"),
        (0.8, "ci", "inconclusive"),
        (0.85, "ci", "fail"),
        (0.84, "point", "pass"),
        (0.841, "point", "fail"),
    ],
)
def test_the_mean_or_its_lower_bound_has_to_reach_the_minimum(
    build: Build, minimum: float, bound: str, result: str
) -> None:
    assert _judge(build, _MARKS, minimum, bound).result == result


def test_a_gate_result_carries_its_numbers(build: Build) -> None:
    found = _judge(build, _MARKS, 0.7)
    wanted = mean_score_ci([mark for [mark] in _MARKS])
    assert (found.kind, found.of, found.required) == ("mean-score", "tone", 0.7)
    assert found.value == pytest.approx(0.84)
    assert found.bound == wanted.lower_one_sided_exact
    assert found.message == "mean tone 0.840 of 100 cases, at least 0.767 with 95% confidence; 0.7 required"
    assert _judge(build, _MARKS, 0.7, "point").message == "mean tone 0.840 of 100 cases; 0.7 required"
    assert _judge(build, _MARKS, 0.8).message.endswith(
        "; 0.8 required: more cases, or scores with less variance, would decide it"
    )


def test_trials_of_a_case_are_averaged_first(build: Build) -> None:
    assert _judge(build, [[1.0, 0.0], [1.0, 1.0]], 0.7, "point").value == 0.75


def test_marks_of_nothing_but_passes_and_misses_are_a_pass_rate(build: Build) -> None:
    found = _judge(build, [[1.0]] * 40 + [[0.0]] * 10, 0.7)
    assert found.bound == clopper_pearson_lower_one_sided(40, 50, 0.95)


def test_clusters_are_what_the_bound_rests_on(build: Build) -> None:
    suite = build.graded(*_MARKS)
    cases = [replace(result.case, cluster=str(index // 20)) for index, result in enumerate(suite.results)]
    results = [replace(result, case=case) for result, case in zip(suite.results, cases, strict=True)]
    found = decide_mean_score(_gate(0.7), build.seen(results))
    assert found.value == pytest.approx(0.84)
    assert found.bound == pytest.approx(clopper_pearson_lower_one_sided(0.84 * 5, 5, 0.95))
    assert found.result == "inconclusive"


def test_a_single_cluster_has_no_bound(build: Build) -> None:
    found = _judge(build, _MARKS, 0.7, cluster="one")
    assert (found.result, found.bound) == ("invalid", None)
    assert found.message.startswith("all cases are in one cluster")
    assert _judge(build, _MARKS, 0.7, "point", cluster="one").result == "pass"


def test_a_scorer_that_nobody_knows_is_invalid(build: Build) -> None:
    found = _judge(build, _MARKS, 0.7, "ci", "tune")
    assert (found.result, found.value, found.of) == ("invalid", None, "tune")
    assert found.message == "no scorer named tune grades every output; scorers that do: tone"


def _decided(suite: SuiteRun, gate: MeanScoreGate, error_rate: float = 1.0) -> GateResult:
    [result] = decide_suite(suite, SuiteRules(gates=(gate,), max_error_rate=error_rate)).gates
    return result


@pytest.mark.parametrize(
    ("marks", "result"),
    [
        ([[0.9]] * 8 + [[None]] * 2, "incomplete"),
        ([[0.6]] * 8 + [[None]] * 2, "fail"),
        ([[1.0]] * 38 + [[None]] * 2, "pass"),
    ],
)
def test_a_mark_that_could_not_be_told_is_counted_both_ways(
    build: Build, marks: list[list[float | None]], result: str
) -> None:
    assert _decided(build.graded(*marks), _gate(0.8, "point")).result == result


def test_a_mark_that_could_not_be_told_is_counted_both_ways_beside_a_miss(build: Build) -> None:
    suite = build.graded(*[[1.0]] * 7)
    scores = (Score("exact", 0.0, passed=False), Score("tone", None, passed=None))
    case = build.case(7)
    untold = replace(suite.results[0], case=case, outcome="missed", trials=(Trial(0, 0.0, scores=scores),))
    suite = SuiteRun(replace(suite.plan, cases=(*suite.plan.cases, case)), (*suite.results, untold))
    assert _decided(suite, _gate(0.9, "point"), error_rate=0.0).result == "incomplete"
    assert _decided(suite, _gate(0.8, "point"), error_rate=0.0).result == "pass"


def _baseline(build: Build, marks: Sequence[float]) -> Baseline:
    held = build.baseline("P" * len(marks))
    cases = {
        name: replace(case, scores={"tone": (mark,)})
        for (name, case), mark in zip(held.cases.items(), marks, strict=True)
    }
    return replace(held, cases=cases, scorers=("tone", "fact"))


def _no_regression(scorer: str = "tone", **fields: Any) -> NoRegressionGate:
    return NoRegressionGate.model_validate({"kind": "no-regression", "scorer": scorer, **fields})


def test_mean_scores_are_compared_where_every_case_still_passes(build: Build) -> None:
    suite = build.graded(*[[0.7]] * 20)
    rules = SuiteRules(
        gates=(_no_regression(), NoRegressionGate(kind="no-regression")), baseline=_baseline(build, [0.9] * 20)
    )
    judged = decide_suite(suite, rules)
    assert [(gate.result, gate.of) for gate in judged.gates] == [("fail", "tone"), ("pass", "")]
    assert judged.gates[0].value == pytest.approx(-0.2)
    assert judged.gates[0].message.startswith("20 cases got worse, 0 got better (paired-t p=0")
    assert judged.delta is not None
    assert (judged.delta.delta, judged.delta.test) == (0.0, "mcnemar-midp")


def test_scores_that_were_all_full_marks_are_no_table_of_passes(build: Build) -> None:
    rules = SuiteRules(gates=(_no_regression(),), baseline=_baseline(build, [1.0] * 20))
    [gate] = decide_suite(build.graded(*[[0.9]] * 20), rules).gates
    assert gate.value == pytest.approx(-0.1)
    assert "(paired-t p=" in gate.message


def test_a_scorer_that_the_baseline_does_not_hold_cannot_be_compared(build: Build) -> None:
    rules = SuiteRules(gates=(_no_regression(),), baseline=build.baseline("P" * 20))
    [gate] = decide_suite(build.graded(*[[0.7]] * 20), rules).gates
    assert (gate.result, gate.of) == ("invalid", "tone")
    assert gate.message == "the baseline has no scores of tone: promote a run that tone has graded"


def test_a_scorer_that_does_not_grade_every_answer_cannot_be_compared(build: Build) -> None:
    rules = SuiteRules(gates=(_no_regression("fact"),), baseline=_baseline(build, [0.9] * 20))
    [gate] = decide_suite(build.graded(*[[0.7]] * 20), rules).gates
    assert (gate.result, gate.message) == (
        "invalid",
        "no scorer named fact grades every output; scorers that do: tone",
    )


def test_the_margin_of_a_score_is_in_points_of_the_score(build: Build) -> None:
    suite = build.graded(*[[0.88]] * 30)
    rules = SuiteRules(gates=(_no_regression(margin=0.2),), baseline=_baseline(build, [0.9] * 30))
    [gate] = decide_suite(suite, rules).gates
    assert (gate.result, gate.required) == ("pass", -0.2)
    assert gate.message.endswith("a drop, but smaller than 20.0 pp")
