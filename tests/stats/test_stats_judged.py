"""Corrected pass rates, prediction-powered means, calibration errors and thresholds of a judge."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.judged import (
    JudgedRate,
    JudgeErrors,
    calibration_errors,
    judged_rate,
    ppi_mean,
    threshold_cost,
    threshold_fixed_specificity,
    threshold_youden,
)

if TYPE_CHECKING:
    from collections.abc import Callable


holds = settings(deadline=None, database=None)
GOOD = JudgeErrors(80, 72, 60, 51)
FLAWLESS = JudgeErrors(10**6, 10**6, 10**6, 10**6)
shares = st.integers(1, 60).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def _of_counts(passed: int, refused: int, by_rules: int = 0, errors: JudgeErrors = GOOD) -> JudgedRate:
    n = passed + refused + by_rules
    return judged_rate(n=n, passed=passed / n, refused=refused / n, errors=errors)


def _lee(run: tuple[int, int], passes: tuple[int, int], fails: tuple[int, int]) -> tuple[float, float]:
    """Return the interval of Lee et al. 2025 for a run of which the judge decides every case."""
    z = 1.959963984540054
    n, m1, m0 = run[1] + z * z, passes[1] + 2, fails[1] + 2
    p, tpr, tnr = (run[0] + z * z / 2) / n, (passes[0] + 1) / m1, (fails[0] + 1) / m0
    if (youden := tpr + tnr - 1) <= 0:
        return 0.0, 1.0
    theta, of_pass, of_fail = (p + tnr - 1) / youden, tpr * (1 - tpr) / m1, tnr * (1 - tnr) / m0
    se = math.sqrt(p * (1 - p) / n + (1 - theta) ** 2 * of_fail + theta**2 * of_pass) / youden
    centre = theta + 2 * z * z * (theta * of_pass - (1 - theta) * of_fail)
    return min(1, max(0, centre - z * se)), min(1, max(0, centre + z * se))


@holds
@given(run=shares, passes=shares, fails=shares)
def test_without_misses_by_rules_it_is_that_of_rogan_and_gladen(
    run: tuple[int, int], passes: tuple[int, int], fails: tuple[int, int]
) -> None:
    errors = JudgeErrors(passes[1], passes[0], fails[1], fails[0])
    assume(errors.youden > 1e-9)
    found = _of_counts(run[0], run[1] - run[0], errors=errors)
    tpr, tnr = passes[0] / passes[1], fails[0] / fails[1]
    assert errors.youden == pytest.approx(tpr + tnr - 1)
    assert found.unclipped * tpr + (1 - found.unclipped) * (1 - tnr) == pytest.approx(run[0] / run[1])
    assert found.value == pytest.approx(min(1, max(0, found.unclipped)))
    lower, upper = _lee(run, passes, fails)
    assert found.interval.lower == pytest.approx(min(lower, found.lower))
    assert found.interval.upper == pytest.approx(max(upper, found.value))
    below = [share - wilson_interval(*counts).lower for share, counts in ((tpr, passes), (tnr, fails))]
    assert errors.youden_lower == pytest.approx(errors.youden - math.hypot(*below))


@holds
@given(passed=st.integers(0, 40), refused=st.integers(0, 40), by_rules=st.integers(1, 40))
def test_everything_lies_where_a_rate_can_lie(passed: int, refused: int, by_rules: int) -> None:
    found = _of_counts(passed, refused, by_rules)
    assert 0 <= found.interval.lower <= found.lower <= found.value <= found.max_rate < 1
    assert found.value <= found.interval.upper <= 1


@pytest.mark.parametrize(("passed", "refused", "by_rules"), [(160, 40, 0), (160, 0, 40), (150, 20, 30), (2, 3, 5)])
def test_a_judge_that_never_errs_leaves_the_rate_as_it_is(passed: int, refused: int, by_rules: int) -> None:
    found, n = _of_counts(passed, refused, by_rules, FLAWLESS), passed + refused + by_rules
    assert found.value == passed / n
    exact = clopper_pearson_lower_one_sided(passed, n)
    assert found.lower == pytest.approx(exact, abs=0.02 if n > 100 else 0.06)


def test_what_rules_missed_is_not_corrected() -> None:
    judged, certain = _of_counts(60, 40), _of_counts(60, 0, 40)
    assert judged.value == pytest.approx((0.6 - 0.15) / 0.75)
    assert certain.value == pytest.approx(0.6)
    assert certain.unclipped > certain.max_rate == 0.6


def test_the_part_that_rules_decide_weighs_what_it_is_of_the_run() -> None:
    part = _of_counts(60, 40)
    assert _of_counts(60, 40, 100).value == pytest.approx(part.value / 2)


@pytest.mark.parametrize("by_rules", [0, 30])
def test_a_judge_that_passes_more_than_it_can_proves_no_more_than_all_being_good(by_rules: int) -> None:
    found = _of_counts(30, 0, by_rules)
    assert found.unclipped > found.max_rate == found.value
    assert found.lower == clopper_pearson_lower_one_sided(30, 30 + by_rules)
    assert found.interval.lower <= found.lower


def test_one_more_pass_never_lowers_the_bound() -> None:
    for errors in (GOOD, JudgeErrors(30, 22, 30, 24), JudgeErrors(500, 490, 30, 27)):
        for by_rules in (0, 30):
            bounds = [_of_counts(passed, 60 - passed, by_rules, errors).lower for passed in range(61)]
            assert all(after >= before - 1e-12 for before, after in pairwise(bounds))


def test_cases_and_labels_both_narrow_it() -> None:
    few, labels = JudgeErrors(40, 36, 30, 24), JudgeErrors(4000, 3600, 3000, 2400)
    widths = [
        _width(_of_counts(80 * times, 20 * times, errors=errors)) for times in (1, 100) for errors in (few, labels)
    ]
    assert widths[3] < 0.2 * widths[0]
    assert widths[3] < widths[2] < widths[0]
    assert widths[3] < widths[1] < widths[0]


def _width(found: JudgedRate) -> float:
    return found.interval.upper - found.interval.lower


@pytest.mark.parametrize(
    ("n", "by_rules", "rate", "tpr", "tnr", "labels"),
    [
        (200, 0.0, 0.8, 0.9, 0.8, 60),
        (200, 0.3, 0.9, 0.95, 0.9, 100),
        (500, 0.5, 0.9, 0.95, 0.9, 200),
        (60, 0.2, 0.7, 0.85, 0.85, 40),
    ],
)
def test_the_lower_bound_has_its_nominal_coverage(
    n: int, by_rules: float, rate: float, tpr: float, tnr: float, labels: int
) -> None:
    random, covered, runs = np.random.default_rng(11), 0, 1000
    for _ in range(runs):
        asked = int(random.binomial(n, 1 - by_rules))
        passed = int(random.binomial(asked, rate * tpr + (1 - rate) * (1 - tnr)))
        errors = JudgeErrors(labels, int(random.binomial(labels, tpr)), labels, int(random.binomial(labels, tnr)))
        covered += _of_counts(passed, asked - passed, n - asked, errors).lower <= rate * (1 - by_rules)
    assert 0.93 <= covered / runs <= 0.98


def test_an_effective_number_of_cases_may_be_broken() -> None:
    narrow, wide = (judged_rate(n=n, passed=0.7, refused=0.2, errors=GOOD) for n in (100.5, 33.3))
    assert wide.lower < narrow.lower < narrow.value == wide.value


def test_so_few_labels_that_smoothing_leaves_nothing_say_nothing() -> None:
    found = _of_counts(50, 50, errors=JudgeErrors(1, 1, 100, 10))
    assert (found.interval.lower, found.interval.upper, found.lower) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((0, 0, 10, 5), "human_pass must be strictly between 0 and inf, got 0"),
        ((10, 5, 0, 0), "human_fail must be strictly between 0 and inf, got 0"),
        ((10, 11, 10, 5), "judge_pass must be from 0 to 10, got 11"),
        ((10, 5, 10, -1), "judge_fail must be from 0 to 10, got -1"),
    ],
)
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JudgeErrors(*counts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "n must be strictly between 0 and inf, got 0"),
        ({"passed": math.nan}, "passed must be from 0 to 1, got nan"),
        ({"refused": 0.4}, "refused must be from 0 to 0.3"),
        ({"errors": JudgeErrors(50, 30, 50, 20)}, r"no better than chance: TPR \+ TNR - 1 is 0.000"),
    ],
)
def test_numbers_that_cannot_be_corrected_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judged_rate(**{"n": 100, "passed": 0.7, "refused": 0.2, "errors": GOOD, **change})


@holds
@given(
    human=st.lists(st.integers(0, 1), min_size=2, max_size=20),
    unlabelled=st.lists(st.integers(0, 1), min_size=2, max_size=20),
    seed=st.integers(0, 1000),
)
def test_ppi_is_the_judges_mean_mended_by_the_labels(human: list[int], unlabelled: list[int], seed: int) -> None:
    judge = np.random.default_rng(seed).integers(0, 2, len(human)).tolist()
    found = ppi_mean(human, judge, unlabelled)
    plain = np.mean(unlabelled) + np.mean(human) - np.mean(judge)
    assert found.ppi_lambda1.point == pytest.approx(plain)
    best = found.ppi_plus_plus
    assert 0 <= best.weight <= 1
    assert best.point == pytest.approx(best.weight * plain + (1 - best.weight) * np.mean(human))
    for one in (found.ppi_lambda1, best):
        assert (one.ci95.lower + one.ci95.upper) / 2 == pytest.approx(one.point)


def test_a_good_judge_narrows_the_interval_and_a_useless_one_is_left_out() -> None:
    random = np.random.default_rng(3)
    human = (random.random(100) < 0.7).astype(float)
    run = (random.random(2000) < 0.7).astype(float)
    good, useless = ppi_mean(human, human, run).ppi_plus_plus, ppi_mean(human, [1] * 100, [1] * 2000).ppi_plus_plus
    assert good.weight > 0.9
    assert useless.weight == 0
    assert useless.point == pytest.approx(human.mean())
    assert good.ci95.upper - good.ci95.lower < 0.4 * (useless.ci95.upper - useless.ci95.lower)


def test_a_judge_the_wrong_way_round_is_left_out() -> None:
    human = [1, 1, 1, 0, 0, 1]
    assert ppi_mean(human, [1 - one for one in human], [1, 0, 1]).ppi_plus_plus.weight == 0


def test_differences_of_two_systems_can_be_negative() -> None:
    found = ppi_mean([-1, 0, 0, -1], [-1, 0, 0, 0], [0, -1, 0, -1, 1]).ppi_lambda1
    assert found.point == pytest.approx(-0.2 - 0.25)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ppi_mean([1], [1], [1, 0]), "human must contain at least 2 values, got 1"),
        (lambda: ppi_mean([1, 0], [1, 0], [1]), "judge_unlabelled must contain at least 2 values, got 1"),
        (lambda: ppi_mean([1, 0], [1, 0], []), "judge_unlabelled must be a list of one or more numbers"),
        (lambda: ppi_mean([1, 0], [1], [1, 0]), "one entry per case is needed"),
        (lambda: ppi_mean([1, 2], [1, 0], [1, 0]), r"human\[1\] must be a number from -1 to 1, got 2"),
        (
            lambda: ppi_mean([1, 0], [1, math.nan], [1, 0]),
            r"judge_labelled\[1\] must be a number from -1 to 1, got nan",
        ),
    ],
)
def test_unusable_values_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


judged = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=30)


@holds
@given(cases=judged, bins=st.sampled_from([1, 3, 5, 10]))
def test_errors_are_means_over_the_cases(cases: list[tuple[int, int]], bins: int) -> None:
    prob, human = [step / 20 for step, _ in cases], [label for _, label in cases]
    found = calibration_errors(prob, human, bins)
    assert found.brier == pytest.approx(sum((p - y) ** 2 for p, y in zip(prob, human, strict=True)) / len(cases))
    gaps: dict[int, float] = {}
    for step, label in cases:
        inside = max(1, -(-step * bins // 20))  # (lo, hi] in whole twentieths
        gaps[inside] = gaps.get(inside, 0.0) + step / 20 - label
    assert found.ece == pytest.approx(sum(map(abs, gaps.values())) / len(cases))


@holds
@given(cases=judged)
def test_isotonic_rises_and_keeps_the_mean(cases: list[tuple[int, int]]) -> None:
    prob, human = [step / 20 for step, _ in cases], [label for _, label in cases]
    fitted = calibration_errors(prob, human).isotonic
    ordered = sorted(zip(prob, fitted, strict=True))
    assert all(low <= high + 1e-12 for (_, low), (_, high) in pairwise(ordered))
    assert all(one == other for (p, one), (q, other) in pairwise(ordered) if p == q)
    assert sum(fitted) == pytest.approx(sum(human))
    assert sum((f - y) ** 2 for f, y in zip(fitted, human, strict=True)) <= (
        sum((p - y) ** 2 for p, y in zip(prob, human, strict=True)) + 1e-9
    )


def test_certainty_that_is_wrong_costs_much_and_not_everything() -> None:
    assert calibration_errors([1.0], [0]).log_loss == pytest.approx(-math.log(1e-15), rel=1e-3)
    assert calibration_errors([0.0], [1]).log_loss == pytest.approx(-math.log(1e-15))
    assert calibration_errors([1.0, 0.0], [1, 0]).log_loss == pytest.approx(0, abs=1e-12)
    assert calibration_errors([0.5, 0.5], [1, 0]).log_loss == pytest.approx(math.log(2))


def test_the_edge_of_a_bin_belongs_to_the_lower_one() -> None:
    assert calibration_errors([0.6, 0.61], [1, 0], 5).ece == pytest.approx((0.4 + 0.61) / 2)
    assert calibration_errors([0.59, 0.6], [1, 0], 5).ece == pytest.approx(0.19 / 2)
    assert calibration_errors([0.0, 0.2], [1, 0], 5).ece == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration_errors([], []), "prob must be a list of one or more numbers"),
        (lambda: calibration_errors([0.5], [1, 0]), "one entry per case is needed"),
        (lambda: calibration_errors([1.5], [1]), r"prob\[0\] must be a number from 0 to 1, got 1.5"),
        (lambda: calibration_errors([math.nan], [1]), r"prob\[0\] must be a number from 0 to 1, got nan"),
        (lambda: calibration_errors([0.5], [0.5]), r"human\[0\] must be a whole number, got 0.5"),
        (lambda: calibration_errors([0.5], [1], 0), "bins must be a whole number, 1 or more, got 0"),
    ],
)
def test_unusable_probabilities_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


labelled = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=25).filter(
    lambda cases: 0 < sum(label for _, label in cases) < len(cases)
)
FUNCTIONS = [
    threshold_youden,
    threshold_fixed_specificity,
    lambda scores, human: threshold_cost(scores, human, 3, 1),
]

Cases = list[tuple[int, int]]


def sides(cases: Cases) -> tuple[list[int], list[int]]:
    return [score for score, _ in cases], [label for _, label in cases]


def candidates(cases: Cases) -> list[float]:
    return [math.inf, *sorted({score for score, _ in cases}, reverse=True)]


def errors(cases: Cases, threshold: float) -> tuple[int, int]:
    """Count the false passes and the false fails."""
    return (
        sum(score >= threshold and not label for score, label in cases),
        sum(score < threshold and label for score, label in cases),
    )


def rates(cases: Cases, threshold: float) -> tuple[float, float]:
    passes = sum(label for _, label in cases)
    false_passes, false_fails = errors(cases, threshold)
    return 1 - false_fails / passes, 1 - false_passes / (len(cases) - passes)


@holds
@given(cases=labelled)
def test_youden_is_the_best_of_all_candidates(cases: Cases) -> None:
    found = threshold_youden(*sides(cases))
    indices = {threshold: sum(rates(cases, threshold)) - 1 for threshold in candidates(cases)}
    best = max(indices.values())
    assert found.youden == pytest.approx(best)
    assert found.threshold == next(one for one, index in indices.items() if index == pytest.approx(best, abs=1e-12))


@holds
@given(cases=labelled)
def test_area_is_the_chance_that_a_pass_scores_higher(cases: Cases) -> None:
    passed, failed = ([score for score, label in cases if label == side] for side in (1, 0))
    won = sum((one > other) + (one == other) / 2 for one in passed for other in failed)
    assert threshold_youden(*sides(cases)).auc == pytest.approx(won / (len(passed) * len(failed)))


@holds
@given(cases=labelled, false_pass=st.sampled_from([0.1, 1, 3]), false_fail=st.sampled_from([0.1, 1, 3]))
def test_cost_is_the_least_of_all_candidates(cases: Cases, false_pass: float, false_fail: float) -> None:
    found = threshold_cost(*sides(cases), false_pass, false_fail)
    costs = {}
    for threshold in candidates(cases):
        passes, fails = errors(cases, threshold)
        costs[threshold] = false_pass * passes + false_fail * fails
    least = min(costs.values())
    assert found.cost == pytest.approx(least)
    assert found.threshold == next(one for one, cost in costs.items() if cost == pytest.approx(least))


@holds
@given(cases=labelled, wanted=st.sampled_from([0.0, 0.5, 2 / 3, 0.9, 1.0]))
def test_specificity_holds_and_nothing_allowed_finds_more(cases: Cases, wanted: float) -> None:
    found = threshold_fixed_specificity(*sides(cases), wanted)
    assert (found.tpr, found.tnr) == pytest.approx(rates(cases, found.threshold))
    allowed = {one: rates(cases, one) for one in candidates(cases) if rates(cases, one)[1] >= wanted - 1e-9}
    most = max(tpr for tpr, _ in allowed.values())
    assert found.tnr >= wanted - 1e-9
    assert found.tpr == pytest.approx(most)
    assert found.threshold == next(one for one, (tpr, _) in allowed.items() if tpr == pytest.approx(most))


def test_a_judge_the_wrong_way_round_passes_nothing() -> None:
    scores, human = [1, 2, 3, 4], [1, 1, 0, 0]
    assert threshold_youden(scores, human).threshold == math.inf
    assert threshold_youden(scores, human).auc == 0.0
    assert threshold_cost(scores, human, 3, 1).threshold == math.inf
    found = threshold_fixed_specificity(scores, human)
    assert (found.threshold, found.tpr, found.tnr) == (math.inf, 0.0, 1.0)


def test_a_perfect_judge_is_parted_at_its_lowest_pass() -> None:
    scores, human = [0.2, 0.4, 0.7, 0.9], [0, 0, 1, 1]
    assert threshold_youden(scores, human).threshold == 0.7
    assert (threshold_youden(scores, human).youden, threshold_youden(scores, human).auc) == (1.0, 1.0)
    assert threshold_cost(scores, human, 1, 1).cost == 0
    assert threshold_fixed_specificity(scores, human).tpr == 1.0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("scores", "human", "message"),
    [
        ([], [], "human must be a list of one or more numbers"),
        ([1, 2], [1, 1], "human must contain passes and fails, got 2 passes of 2"),
        ([1, 2], [0, 0], "human must contain passes and fails, got 0 passes of 2"),
        ([1], [0, 1], "one entry per case is needed"),
        ([1, math.nan], [0, 1], r"scores\[1\] must be a finite number, got nan"),
        ([1, 2], [0, 2], r"human\[1\] must be a number from 0 to 1, got 2"),
    ],
)
def test_unusable_labels_are_refused(
    function: Callable[..., object], scores: list[float], human: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(scores, human)


def test_unusable_aims_are_refused() -> None:
    with pytest.raises(ValueError, match="cost_false_pass must be strictly between 0 and inf, got 0"):
        threshold_cost([1, 2], [0, 1], 0, 1)
    with pytest.raises(ValueError, match="cost_false_fail must be strictly between 0 and inf, got nan"):
        threshold_cost([1, 2], [0, 1], 1, math.nan)
    with pytest.raises(ValueError, match=r"specificity must be from 0 to 1, got 1.5"):
        threshold_fixed_specificity([1, 2], [0, 1], 1.5)
