from __future__ import annotations

import numpy as np
import pytest
from benchmarks.trend_alarms import KindKnown, history
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from pytest_evalgate.stats.run_changes import (
    cusum_p,
    distribution_p,
    find_step,
    js_of_counts,
    ks_of_counts,
    mann_kendall,
    permutation_p,
    robust_outlier,
)
from pytest_evalgate.stats.trend import change_point

holds = settings(deadline=None, database=None)
holds_few = settings(deadline=None, database=None, max_examples=20)  # each with up to 2,000 permutations
counts = st.lists(st.integers(0, 50), min_size=20, max_size=20).filter(any)


@holds
@given(one=counts, other=counts)
def test_distances_of_histograms_equal_those_of_scipy(one: list[int], other: list[int]) -> None:
    first, second = np.array(one, float), np.array(other, float)
    bins = np.arange(20)
    expected = stats.ks_2samp(np.repeat(bins, one), np.repeat(bins, other), method="asymp").statistic
    assert float(ks_of_counts(first, second)) == pytest.approx(expected, abs=1e-12)
    jensen = distance.jensenshannon(one, other, base=2)
    assert float(js_of_counts(first, second)) == pytest.approx(jensen, abs=1e-6)


@holds_few
@given(values=st.lists(st.integers(0, 20), min_size=15, max_size=20))
def test_tau_equals_that_of_scipy(values: list[int]) -> None:
    found = mann_kendall([float(value) for value in values])
    expected = stats.kendalltau(np.arange(len(values)), values).statistic
    assert found.tau == pytest.approx(0.0 if np.isnan(expected) else expected, abs=1e-12)


def test_p_of_a_monotonic_trend_is_close_to_that_of_scipy() -> None:
    rng = np.random.default_rng(4)
    for slope in (0.0, 0.02, 0.05):
        values = rng.normal(size=30) + slope * np.arange(30)
        expected = stats.kendalltau(np.arange(30), values).pvalue
        assert mann_kendall(values.tolist()).p == pytest.approx(expected, abs=0.1 if expected > 0.05 else 0.01)


def test_lost_cases_are_found_at_their_run_behind_the_flips_of_the_others() -> None:
    """The noise of the other cases has a standard deviation of 2.4 points. The drop is 5: the mean hides its run."""
    rng = np.random.default_rng(16)
    exact = of_mean = named = 0
    for _ in range(30):
        made = history(rng, "flaky", "lost")
        rates = made.passed.mean(axis=1).tolist()
        found = find_step(rates, made.passed)
        exact += found.p <= 0.0025 and found.index == made.at and not found.is_gradual
        of_mean += change_point(rates, permutations=200).index == made.at
        lost = set(np.flatnonzero(made.before > made.after))
        named += lost <= set(found.lost) and len(found.lost) <= len(lost) + 2
    assert exact >= 29
    assert of_mean <= 24
    assert named >= 28


def test_a_shift_of_all_cases_is_found_about_as_often_as_is_possible() -> None:
    rng, kind = np.random.default_rng(17), KindKnown.of("usual", "shift")
    exact = possible = 0
    for _ in range(30):
        made = history(rng, "usual", "shift")
        found = find_step(made.passed.mean(axis=1).tolist(), made.passed)
        exact += found.index == made.at
        possible += kind.found(made.passed) == made.at
    assert possible - 3 <= exact
    assert exact >= 22


def test_a_slow_decline_is_gradual_and_a_step_is_not() -> None:
    rng = np.random.default_rng(18)
    slow = [history(rng, "usual", "slow") for _ in range(10)]
    assert sum(find_step(each.passed.mean(axis=1).tolist(), each.passed).is_gradual for each in slow) >= 7
    line = [0.9 - 0.002 * run for run in range(30)]
    assert find_step(line).is_gradual
    assert not find_step([0.9, 0.91] * 8 + [0.8, 0.81] * 7).is_gradual


def test_unchanged_histories_have_at_most_their_share_of_alarms() -> None:
    """200 histories at a rate of 5 % each: 10 alarms are expected, at most 20 in 99.9 % of all seeds."""
    rng = np.random.default_rng(19)
    alarms = np.zeros(3)
    for _ in range(200):
        made = history(rng, "usual", "none")
        rates = made.passed.mean(axis=1).tolist()
        alarms += [p <= 0.05 for p in (find_step(rates, made.passed).p, cusum_p(rates), mann_kendall(rates).p)]
    assert alarms.max() <= 20


def test_cases_without_an_outcome_and_new_cases_are_no_change() -> None:
    rng = np.random.default_rng(20)
    passed = (rng.random((30, 60)) < 0.8).astype(float)
    passed[rng.random((30, 60)) < 0.1] = np.nan
    passed[:15, :20] = np.nan  # added in the middle
    found = find_step(np.nanmean(passed, axis=1).tolist(), passed)
    assert found.p > 0.01


def test_cases_that_swap_are_found_although_the_rate_stays() -> None:
    rng = np.random.default_rng(21)
    passed = (rng.random((30, 100)) < 0.95).astype(float)
    passed[:18, :6], passed[18:, :6] = 1, 0
    passed[:18, 6:12], passed[18:, 6:12] = 0, 1
    found = find_step(passed.mean(axis=1).tolist(), passed)
    assert (found.index, set(found.lost), set(found.gained)) == (18, set(range(6)), set(range(6, 12)))
    assert found.p <= 0.001


def test_runs_without_a_flip_are_split_by_their_values() -> None:
    values = [0.8] * 8 + [0.7] * 8
    assert find_step(values, np.ones((16, 5))) == find_step(values)
    assert find_step([0.8] * 16, np.ones((16, 5))).p == 1


def test_a_slow_decline_has_a_small_p_in_both_tests_of_the_level() -> None:
    values = [0.9 - 0.003 * run + 0.01 * (run % 2) for run in range(30)]
    found = mann_kendall(values)
    assert found.tau < -0.5
    assert max(found.p, cusum_p(values)) <= 0.001
    assert mann_kendall([0.5] * 20).tau == 0


@pytest.mark.parametrize("measure", [ks_of_counts, js_of_counts])
def test_a_change_of_the_spread_is_found_in_histograms(measure: object) -> None:
    assert callable(measure)
    rng = np.random.default_rng(22)
    narrow, wide = [0, 10, 80, 10, 0], [10, 20, 40, 20, 10]
    same = rng.multinomial(100, np.array(narrow) / 100, 30).astype(float)
    changed = np.concatenate((same[:15], rng.multinomial(100, np.array(wide) / 100, 15)))
    assert distribution_p(changed, measure) <= 0.001
    assert distribution_p(same, measure) > 0.01


@pytest.mark.parametrize(("earlier", "rate"), [(10, 0.0027), (40, 0.0027), (40, 0.01)])
def test_outliers_have_at_most_their_false_alarm_rate(earlier: int, rate: float) -> None:
    rows = np.random.default_rng(23).normal(size=(4000, earlier + 1))
    alarms = sum(robust_outlier(row[:-1], float(row[-1]), rate).alert for row in rows)
    assert alarms <= 4000 * rate + 3 * (4000 * rate) ** 0.5


def test_an_outlier_is_beyond_three_sigma_widened_for_few_runs() -> None:
    values = [0.80, 0.81, 0.79, 0.82, 0.80, 0.78, 0.81] * 6
    assert robust_outlier(values, 0.74, 0.0027).limit == pytest.approx(3.645, abs=0.001)
    assert robust_outlier(values, 0.74, 0.0027).alert
    assert not robust_outlier(values, 0.76, 0.0027).alert
    assert not robust_outlier([0.8] * 7, 0.79, 0.0027, floor=0.01).alert
    assert robust_outlier([0.8] * 30, 0.7, 0.0027, floor=0.01).z == pytest.approx(-10)
    assert robust_outlier([0.8] * 30, 0.8, 0.0027).z == 0


def test_a_small_p_is_computed_from_all_permutations_and_a_large_one_from_the_first() -> None:
    sizes = []

    def statistic(orders: np.ndarray) -> np.ndarray:
        sizes.append(len(orders))
        found: np.ndarray = (orders == np.arange(20)).all(axis=1).astype(float)
        return found

    assert permutation_p(statistic, 20) == pytest.approx(1 / 2001)
    assert sizes == [201, 1800]
    assert permutation_p(lambda orders: np.ones(len(orders)), 20) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: find_step([0.5] * 14), "15"),
        (lambda: find_step([0.5] * 15, np.ones((14, 3))), "passed must have 15 rows"),
        (lambda: cusum_p([0.5] * 14), "15"),
        (lambda: mann_kendall([float("nan")] * 15), "nan"),
        (lambda: distribution_p(np.ones((14, 20)), ks_of_counts), "15"),
        (lambda: distribution_p(np.zeros((15, 20)), ks_of_counts), "count above 0"),
        (lambda: robust_outlier([0.5] * 6, 0.5, 0.01), "7"),
        (lambda: robust_outlier([0.5] * 7, 0.5, 0.0), "rate"),
    ],
)
def test_arguments_are_checked(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
