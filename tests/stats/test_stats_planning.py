"""Passes and cases needed, minimum detectable effects and power."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.intervals import cases_needed, clopper_pearson_lower_one_sided, passes_needed
from pytest_evalgate.stats.paired import tango_bounds
from pytest_evalgate.stats.planning import (
    _exact_power,
    mcnemar_power,
    mcnemar_sample_size,
    mde_mcnemar,
    mde_mean,
    mean_power,
    not_proven_sample_size,
    paired_mean_sample_size,
    variance_clusters,
    variance_trials,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("threshold", "n", "passes"),
    [
        (0.80, 20, 20),
        (0.80, 30, 28),
        (0.80, 50, 45),
        (0.80, 100, 87),
        (0.80, 200, 170),
        (0.80, 500, 416),
        (0.90, 20, None),
        (0.90, 30, 30),
        (0.90, 50, 49),
        (0.90, 100, 96),
        (0.90, 200, 188),
        (0.90, 500, 462),
        (0.00, 5, 0),
        (1.00, 5, None),
    ],
)
def test_passes_needed(threshold: float, n: int, passes: int | None) -> None:
    assert passes_needed(n, threshold) == passes


@pytest.mark.parametrize("n", [2, 13, 100_000])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_one_pass_less_than_needed_misses_the_threshold(n: int, confidence: float) -> None:
    needed = passes_needed(n, 0.05, confidence)
    assert needed is not None
    assert clopper_pearson_lower_one_sided(needed, n, confidence) >= 0.05
    assert clopper_pearson_lower_one_sided(needed - 1, n, confidence) < 0.05


@pytest.mark.parametrize(
    ("rate", "threshold"), [(0.95, 0.9), (1.0, 0.9), (0.9, 0.85), (0.55, 0.5), (0.333, 0.2), (0.2, 0.15), (0.07, 0.03)]
)
def test_cases_needed_is_the_last_n_to_miss_plus_one(rate: float, threshold: float) -> None:
    missing = [n for n in range(1, 4000) if clopper_pearson_lower_one_sided(round(rate * n), n) < threshold]
    assert cases_needed(rate, threshold) == missing[-1] + 1


def test_no_number_of_cases_proves_a_rate_that_is_not_above_the_threshold() -> None:
    assert cases_needed(0.9, 0.9) is None
    assert cases_needed(0.8, 0.9) is None
    assert cases_needed(1.0, 1.0) is None


def test_cases_needed_gives_up_beyond_ten_million() -> None:
    assert cases_needed(0.9, 0.8999) is None


@pytest.mark.parametrize(("n", "points"), [(100, 7.8), (200, 5.5), (500, 3.5), (1000, 2.5), (2000, 1.8)])
def test_detectable_drop_at_a_tenth_of_discordant_pairs(n: int, points: float) -> None:
    found = mde_mcnemar(n, 0.1)
    assert found.reachable
    assert round(100 * found.mde, 1) == points
    assert found.mde <= found.mde_simple


@pytest.mark.parametrize(("p_loss", "p_gain"), [(0.1, 0.05), (0.04, 0.01), (0.3, 0.0), (0.5, 0.45)])
def test_sample_size_and_detectable_drop_are_inverse(p_loss: float, p_gain: float) -> None:
    size = mcnemar_sample_size(p_loss, p_gain)
    drop = p_loss - p_gain
    at, one_less = (mde_mcnemar(n, p_loss + p_gain).mde for n in (size.n, size.n - 1))
    assert at <= drop + 1e-9
    assert one_less > drop - 1e-9
    assert at < one_less or p_gain == 0


@pytest.mark.parametrize("n", [10, 20, 50, 100, 200, 500])
@pytest.mark.parametrize("discordance", [0.01, 0.05, 0.1, 0.2, 0.4, 0.69])
def test_midp_gate_alarms_falsely_in_at_most_one_build_in_twenty(n: int, discordance: float) -> None:
    assert _exact_power(n, discordance / 2, discordance, 0.05) < 0.05035  # 5.03% at worst


def test_exact_power_where_every_pair_is_lost() -> None:
    assert _exact_power(4, 1.0, 1.0, 0.05) == 1.0
    assert _exact_power(3, 1.0, 1.0, 0.05) == 0.0


def test_power_of_a_sample_size_is_that_of_its_plan() -> None:
    size = mcnemar_sample_size(0.1, 0.05)
    assert mcnemar_power(size.n, 0.1, 0.05) == size.exact_power_midp


def test_pairs_that_prove_no_drop_beyond_the_margin() -> None:
    assert not_proven_sample_size(0.1, 0.05) == 248
    assert not_proven_sample_size(0.1, 0.025) == 990
    assert not_proven_sample_size(0.1, 0.05, power=0.5) == 109


def test_four_of_five_unchanged_builds_are_proven_at_that_size() -> None:
    n, discordance, margin = 990, 0.1, 0.025
    random = np.random.default_rng(5)
    discordant = random.binomial(n, discordance, 1000)
    losses = random.binomial(discordant, 0.5)
    proven = [
        tango_bounds(int(lost), int(m - lost), n).lower > -margin for lost, m in zip(losses, discordant, strict=True)
    ]
    assert sum(proven) / len(proven) == pytest.approx(0.8, abs=0.04)


def test_a_set_too_small_for_any_drop_has_no_mde() -> None:
    found = mde_mcnemar(50, 0.1)
    assert not found.reachable
    assert found.mde == 0.1


holds = settings(deadline=None, database=None)
alphas = st.sampled_from([0.01, 0.05, 0.1])
powers = st.sampled_from([0.5, 0.8, 0.95])


@holds
@given(se=st.floats(0.001, 1), df=st.integers(1, 100_000), alpha=alphas, power=powers)
def test_the_detectable_drop_has_the_power_asked_for(se: float, df: int, alpha: float, power: float) -> None:
    drop = mde_mean(se, df, alpha, power)
    assert mean_power(drop, se, df, alpha) == pytest.approx(power, abs=1e-6)
    assert mean_power(drop * 0.9, se, df, alpha) < power


@pytest.mark.parametrize("df", [1, 5, 99, 10_000])
def test_without_a_drop_power_is_the_false_alarm_rate(df: int) -> None:
    assert mean_power(0.0, 0.1, df, 0.05) == pytest.approx(0.05, abs=1e-9)


def test_many_pairs_come_near_the_normal_approximation() -> None:
    assert mean_power(0.02, 0.01, 1_000_000, 0.05) == pytest.approx(0.6387600, abs=1e-5)  # Phi(2 - 1.644854)
    assert mde_mean(0.01, 1_000_000) == pytest.approx(0.0248648, abs=1e-6)  # 1.644854 + 0.841621


def test_power_is_what_student_finds_in_simulated_builds() -> None:
    pairs, drop, sd, builds = 25, 0.1, 0.2, 20_000
    changes = np.random.default_rng(3).normal(-drop, sd, (builds, pairs))
    t = changes.mean(axis=1) / (changes.std(axis=1, ddof=1) / math.sqrt(pairs))
    found = float(np.mean(t <= -1.7108820799))  # the 5% limit at 24 degrees of freedom
    assert mean_power(drop, sd / math.sqrt(pairs), pairs - 1) == pytest.approx(found, abs=0.01)


@holds
@given(sd=st.floats(0.05, 1), drop=st.floats(0.01, 0.5), alpha=alphas, power=powers)
def test_sample_size_is_the_first_with_that_power(sd: float, drop: float, alpha: float, power: float) -> None:
    size = paired_mean_sample_size(sd, drop, alpha, power)
    assert size.n == math.ceil(size.n_t)
    assert size.n_normal < size.n_t or size.n_t == 2
    assert mean_power(drop, sd / math.sqrt(size.n), size.n - 1, alpha) >= power - 1e-6
    if size.n > 2:
        assert mean_power(drop, sd / math.sqrt(size.n - 1), size.n - 2, alpha) < power + 1e-6


def test_a_drop_of_any_size_is_found_for_certain() -> None:
    assert [mean_power(drop, 1e-3, 5) for drop in (1.0, 1e5, 1e9)] == [1.0, 1.0, 1.0]


def test_two_pairs_are_the_fewest() -> None:
    assert paired_mean_sample_size(1e-6, 0.5).n == 2


def test_trials_lower_only_the_noise_within_cases() -> None:
    one, many = (variance_trials(0.01, 0.05, k, 200).var_delta for k in (1, 1_000_000))
    assert (one, many) == pytest.approx((0.00055, 0.01 / 200), rel=1e-3)
    assert variance_trials(0.01, 0.05, 10, 200).var_delta == pytest.approx(2 * many, rel=1e-3)
    assert variance_trials(0.01, 0.05, 1, 200).trials_worthwhile == pytest.approx(10)
    assert variance_trials(0.0, 0.05, 1, 200).trials_worthwhile == math.inf


def test_equal_cases_of_a_cluster_count_as_one() -> None:
    assert variance_clusters(0.2, 100, 100, 0.7) == pytest.approx(0.002)
    assert variance_clusters(0.2, 100, 20, 0.0) == pytest.approx(0.002)
    assert variance_clusters(0.2, 100, 20, 1.0) == pytest.approx(0.2 / 20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_mean_sample_size(0.0, 0.1), "sd must be strictly between 0 and inf, got 0"),
        (lambda: paired_mean_sample_size(0.3, -0.1), "delta must be strictly between 0 and inf, got -0.1"),
        (lambda: paired_mean_sample_size(0.3, 0.1, 0.7), "alpha_one_sided must be strictly between 0 and 0.5"),
        (lambda: paired_mean_sample_size(0.3, 0.1, power=0.4), "power must be strictly between 0.5 and 1, got 0.4"),
        (lambda: mean_power(-0.1, 0.1, 10), "drop must be strictly between .* got -0.1"),
        (lambda: mean_power(0.1, math.nan, 10), "se must be strictly between 0 and inf, got nan"),
        (lambda: mean_power(0.1, 0.1, 0), "df must be a whole number, 1 or more, got 0"),
        (lambda: mde_mean(0.0, 10), "se must be strictly between 0 and inf, got 0"),
        (lambda: mde_mean(0.1, -1), "df must be a whole number, 1 or more, got -1"),
        (lambda: mde_mean(0.1, 1, 1e-6), "the power for alpha 1e-06 with 1 degrees of freedom cannot be computed"),
        (lambda: mde_mean(0.1, 5, 1e-60), "the power for alpha 1e-60 with 5 degrees of freedom cannot be computed"),
        (lambda: variance_trials(-0.1, 0.1, 1, 10), "var_between must be strictly between .* got -0.1"),
        (lambda: variance_trials(0.1, math.nan, 1, 10), "var_within must be strictly between .* got nan"),
        (lambda: variance_trials(0.1, 0.1, 0, 10), "k must be a whole number, 1 or more, got 0"),
        (lambda: variance_clusters(0.1, 10, 11, 0.1), "n must be a whole number, 11 or more, got 10"),
        (lambda: variance_clusters(0.1, 10, 2, 1.1), "icc must be from 0 to 1, got 1.1"),
        (lambda: mcnemar_power(0, 0.1, 0.1), "n must be a whole number, 1 or more, got 0"),
        (lambda: mcnemar_power(10, 0.6, 0.5), "p_loss must be from 0 to 0.5, got 0.6"),
        (lambda: mcnemar_power(10, 0.1, 0.1, 0.5), "alpha_one_sided must be strictly between 0 and 0.5"),
        (lambda: not_proven_sample_size(0.0, 0.05), "discordance must be strictly between 0 and 1, got 0"),
        (lambda: not_proven_sample_size(0.1, 5), "margin must be strictly between 0 and 1, got 5"),
    ],
)
def test_unusable_plans_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
