"""Weights of cases in rates, bounds and changes, from the plan to the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.builders import baseline_of, planned, result_of, run_of, suite_of

from pytest_evalgate.config import MeanScoreGate, MustPassGate, NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.stopping import supports_stopping
from pytest_evalgate.records.results import CaseResult, Score
from pytest_evalgate.records.verdicts import BaselineCase
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.weights import weighted_mean, weighted_n

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import SuiteVerdict

_POINT = PassRateGate(kind="pass-rate", min=0.5, bound="point")
_DROP = NoRegressionGate(kind="no-regression")


def _suite(letters: str, weights: Sequence[float], **fields: object) -> SuiteRun:
    cases = [planned(f"c{at}", at + 1, weight=weight, **fields) for at, weight in enumerate(weights)]
    return suite_of(result_of(letter, case) for letter, case in zip(letters, cases, strict=True))


def _verdict(suite: SuiteRun, *gates: object, before: str = "", weights: Sequence[float] = ()) -> SuiteVerdict:
    values = {"P": 1.0, "m": 0.0}
    held = weights or [1.0] * len(before)
    cases = {f"c{at}": BaselineCase("f", (values[one],), weight=held[at]) for at, one in enumerate(before)}
    baseline = baseline_of(cases) if before else None
    rules = {"faq": SuiteRules(gates=gates or (_POINT,), baseline=baseline)}  # type: ignore[arg-type]
    return decide(run_of(suite), rules, warn_inconclusive=True).suites["faq"]


def test_the_rate_is_the_weighted_mean() -> None:
    found = _verdict(_suite("PPmm", [4, 1, 1, 2]))
    assert found.pass_rate == pytest.approx(5 / 8)
    assert found.weighting is not None
    assert found.weighting.n_eff == pytest.approx(64 / 22)
    n_eff = weighted_n(weighted_mean(np.array([1.0, 1.0, 0.0, 0.0]), [4.0, 1.0, 1.0, 2.0]), 4)
    wilson = wilson_interval(5 / 8 * n_eff, n_eff)
    assert found.interval == pytest.approx((wilson.lower, wilson.upper))


def test_a_pass_rate_gate_uses_the_bound_of_the_weighted_rate() -> None:
    weights = [5.0] * 10 + [1.0] * 50
    suite = _suite("P" * 60, weights)
    n_eff = 100**2 / (25 * 10 + 50)
    [gate] = _verdict(suite, PassRateGate(kind="pass-rate", min=0.93)).gates
    assert gate.bound == pytest.approx(clopper_pearson_lower_one_sided(n_eff, n_eff))
    assert gate.result == "inconclusive"  # 60 passes of 60 cases of one weight would reach 0.95


def test_a_miss_of_a_light_case_does_not_raise_the_bound() -> None:
    gate = PassRateGate(kind="pass-rate", min=0.1)
    weights = [5.0] * 10 + [1.0] * 50
    [all_pass], [one_misses] = (_verdict(_suite(one, weights), gate).gates for one in ("P" * 60, "P" * 59 + "m"))
    assert one_misses.bound is not None
    assert all_pass.bound is not None
    assert one_misses.bound <= all_pass.bound


def test_heavy_misses_fail_a_gate_that_the_counts_would_pass() -> None:
    [gate] = _verdict(_suite("PPPm", [1, 1, 1, 9])).gates
    assert gate.result == "fail"
    assert gate.value == pytest.approx(0.25)


def test_equal_weights_of_any_size_change_nothing() -> None:
    plain, heavy = (_suite("PPmP" * 8, [weight] * 32) for weight in (1.0, 2.5))
    gates = (_POINT, _DROP, PassRateGate(kind="pass-rate", min=0.6))
    before = "PPPP" * 8
    assert _verdict(heavy, *gates, before=before) == _verdict(plain, *gates, before=before)
    assert _verdict(plain, *gates, before=before).weighting is None


def test_must_pass_and_counts_are_those_of_cases() -> None:
    found = _verdict(_suite("Pm", [9, 1]), MustPassGate(kind="must-pass"))
    assert found.gates[0].result == "fail"
    assert (found.cases, found.passed, found.gates[0].value) == (2, 1, 0.5)


def test_a_slice_of_equal_weights_is_counted_and_another_one_weighted() -> None:
    cases = [
        planned(f"c{at}", at + 1, weight=weight, slices=(("lang", lang),))
        for at, (lang, weight) in enumerate([("de", 3), ("de", 3), ("en", 1), ("en", 4)])
    ]
    suite = suite_of(result_of(letter, case) for letter, case in zip("PmPm", cases, strict=True))
    german, english = _verdict(suite, SliceGate(kind="slice", by="lang", min=0.1, min_n=1, bound="point")).slices
    assert (german.pass_rate, german.n_eff) == (0.5, None)
    assert english.pass_rate == pytest.approx(0.2)
    assert english.n_eff == pytest.approx(25 / 17)


def test_a_mean_score_is_weighted() -> None:
    results = [
        replace(result, trials=(replace(result.trials[0], scores=(Score("tone", value, value >= 0.5),)),))
        for result, value in zip(_suite("PPP", [1, 1, 8]).results, (0.9, 0.8, 0.1), strict=True)
    ]
    [gate] = _verdict(suite_of(results), MeanScoreGate(kind="mean-score", scorer="tone", min=0.5, bound="point")).gates
    assert gate.result == "fail"
    assert gate.value == pytest.approx(0.25)


def test_both_sides_have_the_weights_of_the_plan_and_a_difference_is_reported() -> None:
    suite = _suite("mPPP", [7, 1, 1, 1])
    found = _verdict(suite, _DROP, before="PPPm", weights=[1, 1, 1, 1])
    assert found.delta is not None
    assert found.delta.baseline_rate == pytest.approx(0.9)
    assert found.delta.delta == pytest.approx(-0.6)
    assert found.weighting is not None
    assert found.weighting.changed == 1
    assert any(note.startswith("1 case weighs another amount than in the baseline") for note in found.notes)


def test_a_baseline_with_the_same_weights_on_another_scale_is_no_difference() -> None:
    suite = _suite("mPPP", [10, 5, 5, 5])
    found = _verdict(suite, _DROP, before="PPPP", weights=[2, 1, 1, 1])
    assert found.weighting is not None
    assert found.weighting.changed == 0
    assert not found.notes


def test_missing_results_complete_both_ways_with_weights() -> None:
    assert _verdict(_suite("PP?P", [1, 1, 30, 1]), _POINT).verdict == "incomplete"


def test_a_suite_with_weights_or_own_trials_does_not_stop_early() -> None:
    baseline = baseline_of({"c0": (1.0,), "c1": (1.0,)})
    rules = SuiteRules(gates=(_DROP,), baseline=baseline)
    assert supports_stopping(_suite("PP", [1, 1]).plan, rules)
    assert not supports_stopping(_suite("PP", [1, 2]).plan, rules)
    assert not supports_stopping(_suite("PP", [1, 1], trials=1).plan, rules)


def test_the_aggregate_needs_its_trials_of_every_case() -> None:
    cases = [planned("c0", trials=2), planned("c1")]
    suite = suite_of([result_of("PP", cases[0]), result_of("PPP", cases[1])], trials=3)
    rules = {"faq": SuiteRules(gates=(_POINT,), aggregate="pass^3")}
    found = decide(run_of(suite), rules, warn_inconclusive=True).suites["faq"]
    assert (found.verdict, found.gates[0].message[:19]) == ("invalid", "pass^3 needs 3 tria")


def test_cases_with_their_own_trials_are_means_of_different_numbers() -> None:
    cases = [planned("c0", trials=4), planned("c1")]
    suite = suite_of([result_of("PmPm", cases[0]), result_of("P", cases[1])], trials=1)
    assert _verdict(suite).pass_rate == pytest.approx(0.75)


def _simulated(
    rng: np.random.Generator, weights: npt.NDArray[np.float64]
) -> tuple[list[CaseResult], dict[str, BaselineCase]]:
    rates = rng.beta(0.34, 0.086, len(weights))  # mean .80; two runs of one case correlate at .70
    now, before = (rng.random((2, len(weights))) < rates).astype(float)
    cases = [planned(f"c{at}", at + 1, weight=float(weight)) for at, weight in enumerate(weights)]
    results = [result_of("P" if passed else "m", case) for case, passed in zip(cases, now, strict=True)]
    return results, {case.id: BaselineCase("f", (value,)) for case, value in zip(cases, before, strict=True)}


def test_the_no_regression_gate_with_weights_keeps_its_level() -> None:
    """The benchmark ``weighted_cases`` has 2,000 builds of several designs."""
    rng = np.random.default_rng(3)
    weights = rng.lognormal(0.0, 0.8, 120)
    failed, builds = 0, 150
    for _ in range(builds):
        results, before = _simulated(rng, weights)
        rules = {"faq": SuiteRules(gates=(_DROP,), baseline=baseline_of(before))}
        failed += decide(run_of(suite_of(results)), rules, warn_inconclusive=True).verdict == "fail"
    assert failed <= 0.1 * builds  # 5 % expected; 16 of 150 have a probability of 0.3 %
