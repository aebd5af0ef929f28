"""The pass rate of a run that rules and a judge decide."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided, wilson_interval
from pytest_evalgate.stats.judged import JudgedRate, JudgeErrors, judged_rate

holds = settings(deadline=None, database=None, max_examples=200)
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
def test_the_lower_bound_covers_as_often_as_it_says(
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
        ((0, 0, 10, 5), "human_pass must be a whole number, 1 or more, got 0"),
        ((10, 5, 0, 0), "human_fail must be a whole number, 1 or more, got 0"),
        ((10, 11, 10, 5), "judge_pass must lie from 0 to 10, got 11"),
        ((10, 5, 10, -1), "judge_fail must be a whole number"),
    ],
)
def test_counts_that_nobody_can_have_counted_are_refused(counts: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JudgeErrors(*counts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "n must lie strictly between 0 and inf, got 0"),
        ({"passed": math.nan}, "passed must lie from 0 to 1, got nan"),
        ({"refused": 0.4}, "refused must lie from 0 to 0.3"),
        ({"errors": JudgeErrors(50, 30, 50, 20)}, r"no better than chance: TPR \+ TNR - 1 is 0.000"),
    ],
)
def test_numbers_that_cannot_be_corrected_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judged_rate(**{"n": 100, "passed": 0.7, "refused": 0.2, "errors": GOOD, **change})
