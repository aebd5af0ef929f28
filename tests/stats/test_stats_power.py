"""Power of the mean change: cases, trials, clusters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.planning import (
    mcnemar_power,
    mde_mean,
    mean_power,
    not_proven_sample_size,
    paired_mean_sample_size,
    variance_clusters,
    variance_trials,
)

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=100)
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


def test_alike_cases_of_a_cluster_are_worth_one() -> None:
    assert variance_clusters(0.2, 100, 100, 0.7) == pytest.approx(0.002)
    assert variance_clusters(0.2, 100, 20, 0.0) == pytest.approx(0.002)
    assert variance_clusters(0.2, 100, 20, 1.0) == pytest.approx(0.2 / 20)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_mean_sample_size(0.0, 0.1), "sd must lie strictly between 0 and inf, got 0"),
        (lambda: paired_mean_sample_size(0.3, -0.1), "delta must lie strictly between 0 and inf, got -0.1"),
        (lambda: paired_mean_sample_size(0.3, 0.1, 0.7), "alpha_one_sided must lie strictly between 0 and 0.5"),
        (lambda: paired_mean_sample_size(0.3, 0.1, power=0.4), "power must lie strictly between 0.5 and 1, got 0.4"),
        (lambda: mean_power(-0.1, 0.1, 10), "drop must lie strictly between .* got -0.1"),
        (lambda: mean_power(0.1, math.nan, 10), "se must lie strictly between 0 and inf, got nan"),
        (lambda: mean_power(0.1, 0.1, 0), "df must be a whole number, 1 or more, got 0"),
        (lambda: mde_mean(0.0, 10), "se must lie strictly between 0 and inf, got 0"),
        (lambda: mde_mean(0.1, -1), "df must be a whole number, 1 or more, got -1"),
        (lambda: mde_mean(0.1, 1, 1e-6), "the power for alpha 1e-06 with 1 degrees of freedom cannot be computed"),
        (lambda: mde_mean(0.1, 5, 1e-60), "the power for alpha 1e-60 with 5 degrees of freedom cannot be computed"),
        (lambda: variance_trials(-0.1, 0.1, 1, 10), "var_between must lie strictly between .* got -0.1"),
        (lambda: variance_trials(0.1, math.nan, 1, 10), "var_within must lie strictly between .* got nan"),
        (lambda: variance_trials(0.1, 0.1, 0, 10), "k must be a whole number, 1 or more, got 0"),
        (lambda: variance_clusters(0.1, 10, 11, 0.1), "n must be a whole number, 11 or more, got 10"),
        (lambda: variance_clusters(0.1, 10, 2, 1.1), "icc must lie from 0 to 1, got 1.1"),
        (lambda: mcnemar_power(0, 0.1, 0.1), "n must be a whole number, 1 or more, got 0"),
        (lambda: mcnemar_power(10, 0.6, 0.5), "p_loss must lie from 0 to 0.5, got 0.6"),
        (lambda: mcnemar_power(10, 0.1, 0.1, 0.5), "alpha_one_sided must lie strictly between 0 and 0.5"),
        (lambda: not_proven_sample_size(0.0, 0.05), "discordance must lie strictly between 0 and 1, got 0"),
        (lambda: not_proven_sample_size(0.1, 5), "margin must lie strictly between 0 and 1, got 5"),
    ],
)
def test_unusable_plans_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
