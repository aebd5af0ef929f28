"""Robust z, control charts, change points and distances of distributions."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.trend import (
    change_point,
    cusum_down,
    ewma,
    js_divergence,
    ks_statistic,
    robust_z,
    run_sigma,
)

if TYPE_CHECKING:
    from collections.abc import Callable


holds = settings(deadline=None, database=None)
holds_few = settings(deadline=None, database=None, max_examples=40)  # each with 2,000 permutations
series = st.lists(st.floats(0, 1), min_size=1, max_size=30)
SPREAD = [0.80, 0.81, 0.79, 0.82, 0.80, 0.78, 0.81]


def test_an_outlier_is_an_alert_in_both_directions() -> None:
    for value, alert in ((0.74, True), (0.76, False), (0.84, False), (0.86, True)):
        assert robust_z(SPREAD, value).alert is alert


def test_one_odd_run_in_the_past_hides_nothing() -> None:
    assert robust_z([*SPREAD[:-1], 0.1], 0.74).alert


def test_like_runs_have_no_robust_z_and_take_the_binomial_error() -> None:
    unknown = robust_z([0.8] * 7, 0.6)
    assert (unknown.mad, unknown.z, unknown.z_binomial, unknown.alert) == (0.0, None, None, None)
    known = robust_z([0.8] * 7, 0.6, n=100)
    assert known.z is None
    assert known.z_binomial == pytest.approx(-0.2 / math.sqrt(81 / 102 * 21 / 102 / 100))
    assert known.alert
    assert robust_z([0.8] * 7, 0.75, n=100).alert is False
    assert robust_z([1.0] * 7, 1.0, n=100).alert is False


def test_a_spread_of_its_own_goes_before_the_binomial_error() -> None:
    assert robust_z(SPREAD, 0.74, n=100) == robust_z(SPREAD, 0.74)


@holds
@given(history=st.lists(st.floats(0, 1), min_size=7, max_size=20), value=st.floats(0, 1), shift=st.integers(-3, 3))
def test_robust_z_does_not_depend_on_order_or_origin(history: list[float], value: float, shift: int) -> None:
    found = robust_z(history, value)
    assert robust_z(history[::-1], value) == found
    moved = robust_z([x + shift for x in history], value + shift)
    assert (moved.median, moved.mad) == pytest.approx((found.median + shift, found.mad), abs=1e-12)


@holds
@given(values=series)
def test_moving_average_stays_within_the_values_and_their_target(values: list[float]) -> None:
    found = ewma(values, 0.2, 0.5, 0.05)
    assert min([*values, 0.5]) - 1e-12 <= min(found.ewma) <= max(found.ewma) <= max([*values, 0.5]) + 1e-12
    assert list(found.sigma_i) == sorted(found.sigma_i)
    assert max(found.sigma_i) < 0.05


def test_moving_average_of_weight_one_is_the_values() -> None:
    found = ewma([0.8, 0.7, 0.9], 1.0, 0.8, 0.04)
    assert found.ewma == pytest.approx((0.8, 0.7, 0.9))
    assert found.sigma_i == pytest.approx((0.04, 0.04, 0.04))
    assert found.alarm_index is None


def test_moving_average_alarms_at_the_first_run_out_of_limits() -> None:
    assert ewma([0.8, 0.79, 0.77, 0.76, 0.75], 0.2, 0.8, 0.01).alarm_index == 3
    assert ewma([0.8, 0.81, 0.83, 0.84, 0.85], 0.2, 0.8, 0.01).alarm_index == 3
    assert ewma([0.8, 0.79, 0.81], 0.2, 0.8, 0.01).alarm_index is None


@pytest.mark.parametrize(("value", "alarm"), [(0.871, 0), (0.869, None), (0.731, None), (0.729, 0)])
def test_moving_average_has_limits_of_three_standard_deviations(value: float, alarm: int | None) -> None:
    assert ewma([value], 0.5, 0.8, 0.07 / 3).alarm_index == alarm  # after one run z and its sigma are half as large


def test_a_slow_drop_that_each_build_passes_is_found() -> None:
    sigma = 0.01
    values = [0.8 - 0.002 * i for i in range(20)]
    found = cusum_down(values, 0.8, 0.5 * sigma, 5 * sigma)
    assert found.alarm_index == 10
    assert all(abs(now - before) < sigma for before, now in itertools.pairwise(values))


@holds
@given(values=series, better=st.floats(0, 0.5))
def test_better_runs_never_raise_the_sum_of_shortfalls(values: list[float], better: float) -> None:
    found, improved = (cusum_down(runs, 0.7, 0.01, 0.1) for runs in (values, [x + better for x in values]))
    assert all(now <= was + 1e-12 for was, now in zip(found.s, improved.s, strict=True))
    assert min(found.s) >= 0
    first = next((i for i, total in enumerate(found.s) if total > 0.1), None)
    assert found.alarm_index == first


def test_a_sum_at_its_limit_is_no_alarm_yet() -> None:
    assert cusum_down([0.5], 1.0, 0.25, 0.25).alarm_index is None
    assert cusum_down([0.5, 0.5], 1.0, 0.25, 0.25).alarm_index == 1


def test_a_run_far_above_target_does_not_make_up_for_later_drops() -> None:
    assert cusum_down([5.0, 0.6, 0.6], 0.8, 0.0, 0.3).s == pytest.approx((0.0, 0.2, 0.4))


def test_run_to_run_spread_is_at_least_that_of_the_flips() -> None:
    assert run_sigma([0.8, 0.8, 0.8], 0.1, 200) == pytest.approx(math.sqrt(0.1 / 2 / 200))
    assert run_sigma([0.7, 0.9], 0.1, 200) == pytest.approx(0.02**0.5)
    chances = np.random.default_rng(2).beta(2, 1, 400)
    rates = np.random.default_rng(3).binomial(1, chances, (2000, 400)).mean(axis=1)
    flips = float(np.mean(2 * chances * (1 - chances)))
    assert run_sigma([0.8, 0.8], flips, 400) == pytest.approx(rates.std(), rel=0.06)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: robust_z([0.8] * 6, 0.8), r"history must be a list of 7 or more numbers, got shape \(6,\)"),
        (lambda: robust_z([0.8] * 6 + [math.nan], 0.8), r"history\[6\] must be a finite number, got nan"),
        (lambda: robust_z([0.8] * 7, math.inf), r"value\[0\] must be a finite number, got inf"),
        (lambda: robust_z([80.0] * 7, 0.8, 100), r"history\[0\] must be a number from 0 to 1, got 80"),
        (lambda: robust_z([0.8] * 7, 80.0, 100), "value must be from 0 to 1, got 80"),
        (lambda: robust_z([0.8] * 7, 0.8, 0), "n must be a whole number, 1 or more, got 0"),
        (lambda: ewma([], 0.2, 0.8, 0.1), "values must be a list of 1 or more numbers"),
        (lambda: ewma([0.8], 0.0, 0.8, 0.1), "lam must be strictly between 0 and 1, got 0"),
        (lambda: ewma([0.8], 0.2, 0.8, 0.0), "sigma must be strictly between 0 and inf, got 0"),
        (lambda: ewma([0.8], 0.2, math.nan, 0.1), r"mu0\[0\] must be a finite number, got nan"),
        (lambda: cusum_down([0.8], 0.8, -0.1, 0.1), "k must be from 0 to inf, got -0.1"),
        (lambda: cusum_down([0.8], 0.8, 0.1, 0.0), "h must be strictly between 0 and inf, got 0"),
        (lambda: cusum_down([math.nan], 0.8, 0.1, 0.1), r"values\[0\] must be a finite number, got nan"),
        (lambda: run_sigma([0.8], 0.1, 100), "rates must be a list of 2 or more numbers"),
        (lambda: run_sigma([0.8, 1.2], 0.1, 100), r"rates\[1\] must be a number from 0 to 1, got 1.2"),
        (lambda: run_sigma([0.8, 0.7], 1.1, 100), "discordance must be from 0 to 1, got 1.1"),
    ],
)
def test_unusable_series_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


long_series = st.lists(st.integers(0, 100), min_size=15, max_size=25)


def t_of_split(values: list[int], first: int) -> float:
    before, after = np.array(values[:first]), np.array(values[first:])
    pooled = (before.var() * len(before) + after.var() * len(after)) / (len(values) - 2)
    gap = abs(float(before.mean() - after.mean()))
    if pooled == 0:
        return math.inf if gap else 0.0
    return gap / math.sqrt(pooled * (1 / len(before) + 1 / len(after)))


@holds_few
@given(values=long_series)
def test_it_is_the_split_with_the_largest_t(values: list[int]) -> None:
    found = change_point(values, permutations=20)
    splits = range(4, len(values) - 3)
    assert found.t == pytest.approx(max(t_of_split(values, first) for first in splits), rel=1e-6, abs=1e-9)
    assert found.index in splits
    assert found.before == pytest.approx(np.mean(values[: found.index]))
    assert found.after == pytest.approx(np.mean(values[found.index :]))
    assert 1 / 21 <= found.p <= 1


def test_a_step_is_found_where_it_is() -> None:
    noise = np.random.default_rng(4).normal(0, 0.01, 30)
    found = change_point(np.where(np.arange(30) < 19, 0.8, 0.75) + noise)
    assert (found.index, found.p) == (19, 1 / 2001)
    assert found.after < found.before


def test_a_constant_step_has_an_infinite_t_and_a_flat_line_none() -> None:
    step, flat = change_point([0.8] * 8 + [0.7] * 8), change_point([0.8] * 16)
    assert (step.index, step.t) == (8, math.inf)
    assert step.p < 0.01
    assert (flat.t, flat.p) == (0.0, 1.0)


def test_steady_runs_seldom_look_like_a_change() -> None:
    random = np.random.default_rng(8)
    p = [change_point(random.normal(0.8, 0.02, 16), permutations=99).p for _ in range(200)]
    assert 0.005 < np.mean(np.array(p) <= 0.05) < 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.07)


def test_the_seed_makes_it_repeatable() -> None:
    values = np.random.default_rng(9).normal(0.8, 0.02, 20)
    assert change_point(values, seed=3) == change_point(values, seed=3)
    assert len({change_point(values, seed=seed, permutations=200).p for seed in range(8)}) > 1


def test_unusable_series_of_a_change_point_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values must be a list of 15 or more numbers, got shape \(14,\)"):
        change_point([0.8] * 14)
    with pytest.raises(ValueError, match=r"values\[3\] must be a finite number, got nan"):
        change_point([0.8] * 3 + [math.nan] * 13)
    with pytest.raises(ValueError, match="seed must be a whole number, 0 or more, got -1"):
        change_point([0.8] * 15, seed=-1)
    with pytest.raises(ValueError, match="permutations must be a whole number, 1 or more, got 0"):
        change_point([0.8] * 15, permutations=0)


values = st.lists(st.integers(0, 8), min_size=1, max_size=20)


@st.composite
def histograms(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    bins = draw(st.integers(1, 8))
    one, other = (draw(st.lists(st.integers(0, 50), min_size=bins, max_size=bins)) for _ in range(2))
    one[draw(st.integers(0, bins - 1))] += 1
    other[draw(st.integers(0, bins - 1))] += 1
    return one, other


@holds
@given(a=values, b=values)
def test_distance_is_the_largest_gap_of_shares(a: list[int], b: list[int]) -> None:
    gaps = [abs(sum(x <= at for x in a) / len(a) - sum(x <= at for x in b) / len(b)) for at in range(9)]
    found = ks_statistic(a, b)
    assert pytest.approx(max(gaps)) == found.D
    assert 0 <= found.p <= 1
    assert ks_statistic(b, a[::-1]) == found


def test_like_sets_agree_and_apart_sets_do_not() -> None:
    like, apart = ks_statistic([0.1] * 30, [0.1] * 40), ks_statistic([0.1] * 30, [0.2] * 40)
    assert (like.D, like.p) == (0.0, 1.0)
    assert apart.D == 1.0
    assert apart.p < 1e-14


def test_p_of_like_distributions_is_about_uniform() -> None:
    random = np.random.default_rng(12)
    p = [ks_statistic(random.random(80), random.random(120)).p for _ in range(500)]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.07
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


@holds
@given(pair=histograms())
def test_divergence_is_symmetric_and_from_nought_to_one(pair: tuple[list[int], list[int]]) -> None:
    one, other = pair
    found = js_divergence(one, other)
    assert 0 <= found.divergence_bits <= 1
    assert found.distance == pytest.approx(math.sqrt(found.divergence_bits))
    assert js_divergence(other, one).divergence_bits == pytest.approx(found.divergence_bits, abs=1e-12)
    assert js_divergence([3 * count for count in one], other).divergence_bits == pytest.approx(
        found.divergence_bits, abs=1e-12
    )


def test_same_shares_are_nought_apart_and_no_common_bin_is_one() -> None:
    assert js_divergence([1, 2, 3], [10, 20, 30]).divergence_bits == pytest.approx(0.0, abs=1e-12)
    assert js_divergence([5, 0, 3], [0, 9, 0]).divergence_bits == pytest.approx(1.0)


def test_unusable_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="a must be a list of 1 or more numbers"):
        ks_statistic([], [0.1])
    with pytest.raises(ValueError, match=r"b\[0\] must be a finite number, got nan"):
        ks_statistic([0.1], [math.nan])
    with pytest.raises(ValueError, match="one entry per case is needed"):
        js_divergence([1], [1, 2])
    with pytest.raises(ValueError, match=r"counts_b\[1\] must be a number from 0 to .* got -1"):
        js_divergence([1, 2], [1, -1])
    with pytest.raises(ValueError, match="counts_a must contain at least one count above 0, got 2 empty bins"):
        js_divergence([0, 0], [1, 1])
