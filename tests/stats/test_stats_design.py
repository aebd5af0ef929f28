"""Stratified samples of labels: estimates of their design, and the coverage of the intervals behind gates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks import sampled_labels
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.stats.design import (
    BoundedEstimate,
    LabelDesign,
    LabelStratum,
    Proportion,
    SampledValues,
    effective_labels,
    horvitz_thompson,
    square_and_add,
)
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.judged import JudgeErrors, judged_rate, ppi_mean
from pytest_evalgate.stats.numeric import upper_z
from pytest_evalgate.stats.paired import unpaired_newcombe

_Z = upper_z(0.025)
_DESIGN = LabelDesign((LabelStratum(480, 97, 0, 3, 0), LabelStratum(120, 0, 38, 0, 62)))
"""600 outputs, 100 labels of each verdict."""


def test_a_stratified_mean_is_that_of_horvitz_and_thompson() -> None:
    strata = [SampledValues(300, [1.0, 1.0, 0.0, 1.0]), SampledValues(100, [0.0, 0.5])]
    found = horvitz_thompson(strata)
    weighted = sum(value / one.inclusion_probability for one in strata for value in one.values) / 400
    assert found.value == pytest.approx(weighted)
    parts = [0.75**2 * (1 - 4 / 300) * 0.25 / 4, 0.25**2 * (1 - 2 / 100) * 0.125 / 2]
    assert found.variance == pytest.approx(sum(parts))
    assert found.df == pytest.approx(sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 1))
    assert found.population_variance > found.variance


def test_a_whole_run_has_no_variance_but_that_of_its_population() -> None:
    values = [1.0, 0.0, 1.0, 1.0]
    found = horvitz_thompson([SampledValues(4, values)])
    assert (found.value, found.variance, found.df) == (0.75, 0.0, math.inf)
    assert found.population_variance == pytest.approx(np.var(values, ddof=1) / 4)


def test_a_single_drawn_output_has_the_variance_of_all() -> None:
    found = horvitz_thompson([SampledValues(50, [1.0, 0.0, 1.0, 0.0]), SampledValues(50, [1.0])])
    assert found.variance == pytest.approx(0.25 * (46 / 50) / 3 / 4 + 0.25 * (49 / 50) * np.var([1, 0, 1, 0, 1]))


def test_the_estimate_is_unbiased_and_its_variance_is_right() -> None:
    random = np.random.default_rng(1)
    outputs = [random.random(300) < 0.9, random.random(60) < 0.3]
    truth = float(np.concatenate(outputs).mean())
    drawn = [
        horvitz_thompson(
            [SampledValues(len(one), random.choice(one, 30, replace=False).astype(float)) for one in outputs]
        )
        for _ in range(2000)
    ]
    estimates = np.array([one.value for one in drawn])
    assert estimates.mean() == pytest.approx(truth, abs=0.003)
    assert estimates.var() == pytest.approx(np.mean([one.variance for one in drawn]), rel=0.1)


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        ([], "at least one stratum"),
        ([SampledValues(3, [])], r"strata\[0\].values must be a list of 1 or more numbers"),
        ([SampledValues(1, [1.0, 0.0])], r"strata\[0\].outputs must be from 2"),
        ([SampledValues(9, [math.nan])], r"strata\[0\].values\[0\] must be a finite number"),
    ],
)
def test_impossible_samples_are_refused(strata: list[SampledValues], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        horvitz_thompson(strata)


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (-1, 2, 0, 0), (math.nan, 1, 0, 0), (5, 5, 0, 0)])
def test_impossible_strata_are_refused(counts: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LabelStratum(9, *counts)


@given(st.integers(0, 40), st.integers(1, 40))
def test_limits_of_a_proportion_are_wilsons(passes: int, fails: int) -> None:
    bounds = wilson_interval(passes, passes + fails)
    limits = Proportion(passes / (passes + fails), passes + fails).limits(_Z)
    assert limits == pytest.approx((bounds.lower, bounds.upper))
    assert Proportion(0.3).limits(_Z) == (0.3, 0.3)


def test_the_limits_of_a_difference_are_newcombes() -> None:
    found = square_and_add(
        lambda shares: shares[0] - shares[1], [Proportion(56 / 70, 70), Proportion(48 / 80, 80)], _Z
    )
    wanted = unpaired_newcombe(baseline_passes=48, baseline_n=80, candidate_passes=56, candidate_n=70)
    assert (found.lower, found.upper) == pytest.approx((wanted.ci95.lower, wanted.ci95.upper))


def test_an_undefined_limit_is_infinite() -> None:
    found = square_and_add(lambda shares: shares[0] if shares[0] > 0.5 else math.nan, [Proportion(0.6, 10)], _Z)
    assert (found.value, found.lower, found.upper) == (0.6, -math.inf, math.inf)


def test_the_rates_are_those_of_the_weighted_table() -> None:
    both, human = 480 * 0.97, 120 * 0.38
    assert _DESIGN.tpr().value == pytest.approx(both / (both + human))
    assert _DESIGN.tnr().value == pytest.approx(120 * 0.62 / (120 * 0.62 + 480 * 0.03))
    assert _DESIGN.youden().value == pytest.approx(_DESIGN.tpr().value + _DESIGN.tnr().value - 1)


def test_strata_of_other_verdicts_are_weighted_too() -> None:
    mixed = LabelDesign((LabelStratum(90, 6, 1, 2, 1), LabelStratum(10, 3, 2, 1, 4)))
    tpr = (9 * 6 + 3) / (9 * 7 + 5)
    assert mixed.tpr().value == pytest.approx(tpr)
    assert mixed.tnr().value == pytest.approx((9 * 1 + 4) / (9 * 3 + 5))
    assert mixed.own_rate(Proportion(0.8, 100), Proportion(1.0), _Z).value == pytest.approx((9 * 7 + 5) / 100)


def test_the_covariance_of_both_rates_is_part_of_the_interval() -> None:
    counts = [(rate.value * effective_labels(rate), effective_labels(rate)) for rate in (_DESIGN.tpr(), _DESIGN.tnr())]
    (judge_pass, human_pass), (judge_fail, human_fail) = counts
    independent = JudgeErrors(human_pass, judge_pass, human_fail, judge_fail)
    drawn = JudgeErrors(human_pass, judge_pass, human_fail, judge_fail, _DESIGN)
    wide, narrow = (judged_rate(n=600, passed=0.8, refused=0.2, errors=errors) for errors in (independent, drawn))
    assert narrow.value == pytest.approx(wide.value)
    assert narrow.interval.upper - narrow.interval.lower < wide.interval.upper - wide.interval.lower
    assert drawn.youden_lower == _DESIGN.youden().lower != independent.youden_lower


def test_the_rate_of_the_run_itself_is_that_of_the_strata() -> None:
    errors = JudgeErrors(100, 90, 100, 90, _DESIGN)
    own = judged_rate(n=600, passed=0.8, refused=0.2, errors=errors, own_labels=True)
    fresh = judged_rate(n=600, passed=0.8, refused=0.2, errors=errors)
    assert own.value == pytest.approx((480 * 0.97 + 120 * 0.38) / 600) == pytest.approx(fresh.value)
    assert own.interval.upper - own.interval.lower < fresh.interval.upper - fresh.interval.lower
    assert own.interval.lower < own.lower < own.value < own.interval.upper


def test_a_run_with_all_outputs_labelled_has_about_wilsons_interval() -> None:
    design = LabelDesign((LabelStratum(160, 155, 0, 5, 0), LabelStratum(40, 0, 12, 0, 28)))
    found = design.own_rate(Proportion(0.8, 200), Proportion(1.0), _Z)
    bounds = wilson_interval(167, 200)
    assert (found.lower, found.upper) == pytest.approx((bounds.lower, bounds.upper), abs=0.005)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_sample_of_the_run_is_ppi(seed: int) -> None:
    random = np.random.default_rng(seed)
    human = random.random(600) < 0.8
    judge = np.where(human, random.random(600) < 0.9, random.random(600) >= 0.8)
    labelled = random.choice(600, 200, replace=False)
    rest = np.setdiff1d(np.arange(600), labelled)
    cells = [
        int(np.sum((human[labelled] == one) & (judge[labelled] == other)))
        for one, other in ((True, True), (True, False), (False, True), (False, False))
    ]
    passed = Proportion(float(judge.mean()), 600)
    found = LabelDesign((LabelStratum(600, *cells),)).own_rate(passed, Proportion(1.0), _Z)
    wanted = ppi_mean(human[labelled].astype(float), judge[labelled].astype(float), judge[rest].astype(float))
    width = wanted.ppi_plus_plus.ci95.upper - wanted.ppi_plus_plus.ci95.lower
    assert found.value == pytest.approx(wanted.ppi_plus_plus.point, abs=0.005)
    assert found.upper - found.lower == pytest.approx(width, rel=0.12)


def test_rules_that_fail_cases_bound_the_rate() -> None:
    errors = JudgeErrors(100, 90, 100, 90, _DESIGN)
    for own in (True, False):
        found = judged_rate(n=1200, passed=0.4, refused=0.1, errors=errors, own_labels=own)
        assert found.interval.upper <= 0.53
        assert found.max_rate == 0.5


@given(st.floats(0.02, 0.99), st.floats(3, 1000))
def test_effective_labels_give_the_lower_limit_back(value: float, n: float) -> None:
    bounds = wilson_interval(value * n, n)
    assert effective_labels(BoundedEstimate(value, bounds.lower, bounds.upper)) == pytest.approx(n, rel=1e-6)


def test_effective_labels_of_a_rate_of_zero_use_the_upper_limit() -> None:
    bounds = wilson_interval(0, 50)
    assert effective_labels(BoundedEstimate(0.0, 0.0, bounds.upper)) == pytest.approx(50)
    assert effective_labels(BoundedEstimate(1.0, 1.0, 1.0)) == 1.0


@pytest.mark.parametrize(("n", "labels"), [(200, 60), (500, 150), (1000, 300)])
def test_intervals_cover_the_true_rate_as_stated(n: int, labels: int) -> None:
    """The whole table: ``python -m benchmarks.sampled_labels``. At 300 builds the standard error is 1.3 points."""
    cells, refused = sampled_labels.simulate(
        sampled_labels.POPULATIONS[0], n, labels, 300, np.random.default_rng((sampled_labels.SEED, n))
    )
    assert refused == 0
    for name in ("same", "fresh"):
        assert 0.92 <= cells[name].held / 300 <= 0.985
        assert cells[name].lower / 300 >= 0.92
    widths = {name: float(np.mean(cells[name].widths)) for name in cells}
    assert widths["same"] < widths["fresh"] < widths["before"]
