"""Gates on one run: pass rate, mean score and must-pass."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, ttest_1samp, ttest_rel
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import MeanScoreGate, MustPassGate, NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.gates import SuiteRules, unattainable
from pytest_evalgate.gates.pass_rate import decide_mean_score, decide_must_pass, decide_pass_rate
from pytest_evalgate.records.results import Score, SuiteRun, Trial
from pytest_evalgate.stats.clusters import repeats_effective_n
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gates.conftest import Build

    from pytest_evalgate.records.verdicts import Baseline, GateResult


def _rate_gate(minimum: float, bound: str = "ci") -> PassRateGate:
    return PassRateGate.model_validate({"kind": "pass-rate", "min": minimum, "bound": bound})


@pytest.mark.parametrize(
    ("minimum", "passes", "n"),
    [
        (0.80, 20, 20),
        (0.80, 28, 30),
        (0.80, 45, 50),
        (0.80, 87, 100),
        (0.80, 170, 200),
        (0.80, 416, 500),
        (0.90, 30, 30),
        (0.90, 49, 50),
        (0.90, 96, 100),
        (0.90, 188, 200),
        (0.90, 462, 500),
    ],
)
def test_one_pass_less_than_needed_leaves_the_gate_inconclusive(
    build: Build, minimum: float, passes: int, n: int
) -> None:
    enough = build.suite("P" * passes + "m" * (n - passes)).results
    short = build.suite("P" * (passes - 1) + "m" * (n - passes + 1)).results
    assert decide_pass_rate(_rate_gate(minimum), build.seen(enough).rate).result == "pass"
    assert decide_pass_rate(_rate_gate(minimum), build.seen(short).rate).result == "inconclusive"


@pytest.mark.parametrize(
    ("letters", "bound", "result"),
    [
        ("P" * 80 + "m" * 20, "ci", "inconclusive"),
        ("P" * 79 + "m" * 21, "ci", "fail"),
        ("P" * 80 + "m" * 20, "point", "pass"),
        ("P" * 79 + "m" * 21, "point", "fail"),
        ("P" * 4 + "m", "point", "pass"),
        ("m" * 5, "ci", "fail"),
    ],
)
def test_around_the_minimum(build: Build, letters: str, bound: str, result: str) -> None:
    assert decide_pass_rate(_rate_gate(0.8, bound), build.seen(build.suite(letters)).rate).result == result


def test_a_pass_rate_result_has_its_numbers(build: Build) -> None:
    result = decide_pass_rate(_rate_gate(0.8), build.seen(build.suite("P" * 35 + "m" * 5)).rate)
    assert (result.value, result.required) == (0.875, 0.8)
    assert result.bound == pytest.approx(0.7541, abs=1e-3)
    assert "40 cases cannot decide this gate. 87.5% passed" in result.message
    assert "more cases" in result.message
    assert decide_pass_rate(_rate_gate(0.8, "point"), build.seen(build.suite("PPPPm")).rate).bound is None


@pytest.mark.parametrize(("minimum", "wanted"), [(0.07, 7), (0.55, 55), (0.29, 29), (0.8, 80), (0.805, 81)])
def test_the_passes_wanted_by_a_point_gate_are_not_rounded_past(build: Build, minimum: float, wanted: int) -> None:
    below = build.suite("P" * (wanted - 1) + "m" * (101 - wanted)).results
    reached = build.suite("P" * wanted + "m" * (100 - wanted)).results
    assert decide_pass_rate(_rate_gate(minimum, "point"), build.seen(below).rate).message.endswith(f"{wanted} needed")
    assert decide_pass_rate(_rate_gate(minimum, "point"), build.seen(reached).rate).result == "pass"


def test_missing_results_count_by_their_completion(build: Build) -> None:
    results = build.suite("P" * 8 + "??").results
    assert decide_pass_rate(_rate_gate(0.9, "point"), build.seen(results).rate).value == 0.8
    assert decide_pass_rate(_rate_gate(0.9, "point"), build.seen(results, completion="best").rate).value == 1.0


@pytest.mark.parametrize(
    ("minimum", "cases", "text"),
    [
        (0.9, 20, "cannot pass with 20 cases, even if all pass: use at least 29 cases, a lower min"),
        (0.8, 13, "use at least 14 cases"),
        (0.9999, 100, "use at least 29,956 cases"),
        (1.0, 100, 'even if all pass: use a lower min, or bound = "point"'),
    ],
)
def test_a_gate_that_cannot_pass_names_the_remedy(minimum: float, cases: int, text: str) -> None:
    assert text in str(unattainable(_rate_gate(minimum), cases))


@pytest.mark.parametrize(("minimum", "cases", "bound"), [(0.9, 29, "ci"), (0.8, 14, "ci"), (1.0, 1, "point")])
def test_a_gate_that_can_pass(minimum: float, cases: int, bound: str) -> None:
    assert unattainable(_rate_gate(minimum, bound), cases) is None


def test_trials_of_one_case_are_not_counted_as_cases(build: Build) -> None:
    agreeing = build.seen(build.suite(" ".join(["PPPP"] * 30 + ["mmmm"] * 20))).rate
    single = build.seen(build.suite("P" * 30 + "m" * 20)).rate
    noisy = build.seen(build.suite(" ".join(["PPPm"] * 40 + ["mmmm"] * 10))).rate
    assert agreeing == single
    assert noisy.value == pytest.approx(0.6)
    assert noisy.n == 50
    assert noisy.lower > single.lower


@given(passes=st.integers(0, 60), misses=st.integers(1, 60), minimum=st.floats(0.01, 0.99))
def test_a_further_miss_never_turns_a_gate_to_the_better(
    build: Build, passes: int, misses: int, minimum: float
) -> None:
    order = ["fail", "inconclusive", "pass"]
    before = decide_pass_rate(
        _rate_gate(minimum), build.seen(build.suite("P" * (passes + 1) + "m" * (misses - 1))).rate
    )
    after = decide_pass_rate(_rate_gate(minimum), build.seen(build.suite("P" * passes + "m" * misses)).rate)
    assert order.index(after.result) <= order.index(before.result)


def _mean_gate(minimum: float, bound: str = "ci", scorer: str = "tone") -> MeanScoreGate:
    return MeanScoreGate.model_validate({"kind": "mean-score", "scorer": scorer, "min": minimum, "bound": bound})


def _decide(build: Build, marks: Sequence[Sequence[float | None]], *gate: Any, **fields: Any) -> GateResult:
    return decide_mean_score(_mean_gate(*gate), build.seen(build.graded(*marks, **fields)))


_MARKS = [[0.9], [0.8], [0.7], [0.95], [0.85]] * 20


@pytest.mark.parametrize(
    ("minimum", "bound", "result"),
    [
        (0.7, "ci", "pass"),
        (0.8, "ci", "pass"),
        (0.83, "ci", "inconclusive"),
        (0.85, "ci", "fail"),
        (0.84, "point", "pass"),
        (0.841, "point", "fail"),
    ],
)
def test_the_mean_or_its_lower_bound_has_to_reach_the_minimum(
    build: Build, minimum: float, bound: str, result: str
) -> None:
    assert _decide(build, _MARKS, minimum, bound).result == result


def test_a_mean_score_result_has_its_numbers(build: Build) -> None:
    found = _decide(build, _MARKS, 0.7)
    marks = [mark for [mark] in _MARKS]
    assert (found.kind, found.of, found.required) == ("mean-score", "tone", 0.7)
    assert found.value == pytest.approx(0.84)
    assert found.bound == pytest.approx(ttest_1samp(marks, 0, alternative="greater").confidence_interval(0.95).low)
    assert found.message == "mean tone 0.840 of 100 cases, at least 0.826 with 95% confidence; 0.7 required"
    assert _decide(build, _MARKS, 0.7, "point").message == "mean tone 0.840 of 100 cases; 0.7 required"
    assert _decide(build, _MARKS, 0.83).message.endswith(
        "; 0.83 required: more cases, or scores with less variance, would decide it"
    )


def test_trials_of_a_case_are_averaged_first(build: Build) -> None:
    assert _decide(build, [[1.0, 0.0], [1.0, 1.0]], 0.7, "point").value == 0.75


def test_scores_of_0_and_1_are_a_pass_rate(build: Build) -> None:
    found = _decide(build, [[1.0]] * 40 + [[0.0]] * 10, 0.7)
    assert found.bound == clopper_pearson_lower_one_sided(40, 50, 0.95)


def test_the_bound_is_computed_over_clusters(build: Build) -> None:
    suite = build.graded(*_MARKS)
    cases = [replace(result.case, cluster=str(index // 20)) for index, result in enumerate(suite.results)]
    results = [replace(result, case=case) for result, case in zip(suite.results, cases, strict=True)]
    found = decide_mean_score(_mean_gate(0.7), build.seen(results))
    assert found.value == pytest.approx(0.84)
    assert found.bound == pytest.approx(clopper_pearson_lower_one_sided(0.84 * 5, 5, 0.95))
    assert found.result == "inconclusive"


def test_the_bound_of_grades_is_student_s(build: Build) -> None:
    """100 grades with mean .70 and standard deviation .05: .692, where the binomial bound is .616."""
    spread = np.linspace(-1, 1, 100)
    marks = 0.7 + 0.05 * spread / spread.std(ddof=1)
    found = _decide(build, [[mark] for mark in marks], 0.69)
    assert found.result == "pass"
    assert found.bound == pytest.approx(0.6917, abs=5e-5)
    assert clopper_pearson_lower_one_sided(70, 100, 0.95) == pytest.approx(0.6158, abs=5e-5)


def test_the_bound_of_clustered_grades_is_that_of_the_cluster_means(build: Build) -> None:
    suite = build.graded(*_MARKS[:99], [0.1])
    results = [
        replace(result, case=replace(result.case, cluster=str(index // 10)))
        for index, result in enumerate(suite.results)
    ]
    means = [fmean(mark for [mark] in [*_MARKS[:99], [0.1]][at : at + 10]) for at in range(0, 100, 10)]
    expected = ttest_1samp(means, 0, alternative="greater").confidence_interval(0.95).low  # clusters of equal size
    assert decide_mean_score(_mean_gate(0.7), build.seen(results)).bound == pytest.approx(expected)


def test_trials_of_grades_are_averaged_before_the_bound(build: Build) -> None:
    marks = [[0.9, 0.7], [0.4, 0.6], [1.0, 0.8], [0.3, 0.9]]
    expected = ttest_1samp([0.8, 0.5, 0.9, 0.6], 0, alternative="greater").confidence_interval(0.95).low
    assert _decide(build, marks, 0.3).bound == pytest.approx(expected)


def test_trials_of_0_and_1_have_the_bound_of_a_pass_rate(build: Build) -> None:
    marks = [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]] * 20
    found, wanted = _decide(build, marks, 0.3), repeats_effective_n([sum(mark) for mark in marks], [2] * 80)
    assert found.bound == wanted.lower_one_sided_exact


def test_equal_grades_are_no_evidence_of_precision(build: Build) -> None:
    assert _decide(build, [[0.9]] * 3, 0.8).result == "inconclusive"


def test_a_single_cluster_has_no_bound(build: Build) -> None:
    found = _decide(build, _MARKS, 0.7, cluster="one")
    assert (found.result, found.bound) == ("invalid", None)
    assert found.message.startswith("all cases are in one cluster")
    assert _decide(build, _MARKS, 0.7, "point", cluster="one").result == "pass"


def test_an_unknown_scorer_is_invalid(build: Build) -> None:
    found = _decide(build, _MARKS, 0.7, "ci", "tune")
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
def test_a_score_of_none_is_completed_both_ways(build: Build, marks: list[list[float | None]], result: str) -> None:
    assert _decided(build.graded(*marks), _mean_gate(0.8, "point")).result == result


def test_a_score_of_none_is_completed_both_ways_beside_a_miss(build: Build) -> None:
    suite = build.graded(*[[1.0]] * 7)
    scores = (Score("exact", 0.0, passed=False), Score("tone", None, passed=None))
    case = build.case(7)
    untold = replace(suite.results[0], case=case, outcome="missed", trials=(Trial(0, 0.0, scores=scores),))
    suite = SuiteRun(replace(suite.plan, cases=(*suite.plan.cases, case)), (*suite.results, untold))
    assert _decided(suite, _mean_gate(0.9, "point"), error_rate=0.0).result == "incomplete"
    assert _decided(suite, _mean_gate(0.8, "point"), error_rate=0.0).result == "pass"


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
    decided = decide_suite(suite, rules)
    assert [(gate.result, gate.of) for gate in decided.gates] == [("fail", "tone"), ("pass", "")]
    assert decided.gates[0].value == pytest.approx(-0.2)
    assert decided.gates[0].message.startswith("20 cases got worse, 0 got better (paired-t p=0")
    assert decided.delta is not None
    assert (decided.delta.delta, decided.delta.test) == (0.0, "mcnemar-midp")


def test_scores_that_were_all_full_marks_are_no_table_of_passes(build: Build) -> None:
    rules = SuiteRules(gates=(_no_regression(),), baseline=_baseline(build, [1.0] * 20))
    [gate] = decide_suite(build.graded(*[[0.9]] * 20), rules).gates
    assert gate.value == pytest.approx(-0.1)
    assert "(paired-t p=" in gate.message


def test_a_scorer_that_is_not_in_the_baseline_cannot_be_compared(build: Build) -> None:
    rules = SuiteRules(gates=(_no_regression(),), baseline=build.baseline("P" * 20))
    [gate] = decide_suite(build.graded(*[[0.7]] * 20), rules).gates
    assert (gate.result, gate.of) == ("invalid", "tone")
    assert gate.message == "the baseline has no scores of tone: promote a run that tone has graded"


def test_a_scorer_that_does_not_grade_every_output_cannot_be_compared(build: Build) -> None:
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


_SAFE: dict[str, Any] = {"tags": ("safety", "en")}


def _must_gate(*tags: str) -> MustPassGate:
    return MustPassGate(kind="must-pass", tags=tags)


@pytest.mark.parametrize(
    ("letters", "result"),
    [
        ("PPPP", "pass"),
        ("mPPP", "fail"),
        ("PPmm", "pass"),
        ("SPPP", "fail"),
        ("PPSS", "pass"),
        ("PPP PPm PPP PPP", "fail"),
        ("PPP PPP mmm PPm", "pass"),
    ],
)
def test_every_trial_of_every_tagged_case(build: Build, letters: str, result: str) -> None:
    suite = build.suite(letters, fields={0: _SAFE, 1: _SAFE})
    assert decide_must_pass(_must_gate("safety"), suite.results, "worst").result == result


def test_without_tags_every_case_is_meant(build: Build) -> None:
    assert decide_must_pass(_must_gate(), build.suite("PPP").results, "worst").message == "all 3 cases passed"
    assert decide_must_pass(_must_gate(), build.suite("PPm").results, "worst").result == "fail"


def test_no_case_with_the_tag_is_invalid(build: Build) -> None:
    result = decide_must_pass(_must_gate("safety", "law"), build.suite("PP").results, "worst")
    assert (result.result, result.message) == ("invalid", "no case has a tag of safety, law")


@pytest.mark.parametrize(("letters", "worst", "best"), [("?P", "fail", "pass"), ("?m", "fail", "fail")])
def test_missing_results(build: Build, letters: str, worst: str, best: str) -> None:
    results = build.suite(letters).results
    assert decide_must_pass(_must_gate(), results, "worst").result == worst
    assert decide_must_pass(_must_gate(), results, "best").result == best


def test_a_missed_trial_beside_a_missing_one_fails_either_way(build: Build) -> None:
    results = build.suite("P?m PPP").results
    assert decide_must_pass(_must_gate(), results, "best").result == "fail"


def test_the_message_names_the_first_cases_and_their_places(build: Build) -> None:
    result = decide_must_pass(
        _must_gate("safety"), build.suite("mmmmmP", fields=dict.fromkeys(range(6), _SAFE)).results, "worst"
    )
    assert result.value == pytest.approx(1 / 6)
    assert result.message == (
        "5 of 6 cases tagged safety did not pass in every trial: c000 (golden/faq.jsonl:1), "
        "c001 (golden/faq.jsonl:2), c002 (golden/faq.jsonl:3) and 2 more"
    )


def test_a_gate_on_scores_has_its_own_change_p_and_bounds(build: Build) -> None:
    """100 scores that fall by .15 above their threshold: every case still passes."""
    rng = np.random.default_rng(7)
    before = rng.uniform(0.85, 1.0, 100)
    now = before - 0.15 + rng.normal(0, 0.02, 100).clip(-0.04, 0.04)
    rules = SuiteRules(
        gates=(NoRegressionGate(kind="no-regression"), _no_regression()), baseline=_baseline(build, before.tolist())
    )
    decided = decide_suite(build.graded(*[[mark] for mark in now]), rules)
    passed, tone = decided.gates
    assert (passed.result, tone.result) == ("pass", "fail")
    assert passed.delta is not None
    assert (passed.delta.delta, passed.delta.losses) == (0.0, 0)
    expected = ttest_rel(now, before, alternative="less")
    bounds = ttest_rel(now, before).confidence_interval(0.9)
    assert tone.delta is not None
    assert tone.delta.losses == 100
    assert tone.delta.p == pytest.approx(expected.pvalue)
    assert tone.p == pytest.approx(expected.pvalue * 2)  # Holm: the smaller of two tests
    assert tone.delta.delta == pytest.approx(float(np.mean(now - before)))
    assert (tone.delta.lower, tone.delta.upper) == pytest.approx((min(bounds.low, tone.delta.lower), bounds.high))
    assert tone.delta.baseline_rate == pytest.approx(before.mean())


def test_an_improvement_has_a_p_of_its_own(build: Build) -> None:
    rules = SuiteRules(gates=(NoRegressionGate(kind="no-regression"),), baseline=build.baseline("m" * 9 + "P" * 31))
    [gate] = decide_suite(build.suite("P" * 8 + "m" + "P" * 30 + "m"), rules).gates
    assert gate.delta is not None
    assert (gate.delta.losses, gate.delta.gains) == (1, 8)
    assert gate.delta.p_better == pytest.approx(float(binom.sf(8, 9, 0.5) + binom.pmf(8, 9, 0.5) / 2))


def test_a_slice_gate_has_the_change_of_its_worst_slice(build: Build) -> None:
    fields = {index: {"slices": (("lang", "de" if index < 20 else "en"),)} for index in range(60)}
    rules = SuiteRules(gates=(SliceGate(kind="slice", by="lang"),), baseline=build.baseline("P" * 60))
    [gate] = decide_suite(build.suite("m" * 8 + "P" * 52, fields=fields), rules).gates
    assert gate.delta is not None
    assert (gate.result, gate.delta.pairs, gate.delta.losses) == ("fail", 20, 8)
    assert gate.p == gate.delta.p_adjusted == pytest.approx(2 * 2.0**-9)
