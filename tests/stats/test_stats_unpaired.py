"""Gaps of rates: equal to statsmodels' Newcombe interval, and of the size that they claim."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_evalgate.stats.paired import unpaired_newcombe
from pytest_evalgate.stats.unpaired import RateColumn, absolute_gap_p, gap_p, newcombe_limits

_COUNTS = [(0, 20, 5, 30), (20, 20, 20, 20), (93, 100, 71, 90), (1, 5, 0, 400), (400, 400, 350, 380), (7, 9, 9, 9)]


def _rates(passes: float, n: float) -> RateColumn:
    return RateColumn.of([passes / n], [n])


@pytest.mark.parametrize(("x1", "n1", "x2", "n2"), _COUNTS)
@pytest.mark.parametrize("alpha", [0.025, 0.05, 0.005])
def test_the_limits_are_newcombes_of_statsmodels(x1: int, n1: int, x2: int, n2: int, alpha: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.proportion import confint_proportions_2indep  # noqa: PLC0415 - warns on import

        expected = confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff", alpha=2 * alpha)
    lower, upper = newcombe_limits(_rates(x1, n1), _rates(x2, n2), alpha)
    assert (lower[0], upper[0]) == pytest.approx(expected, abs=1e-12)


def test_the_description_of_sets_without_ids_has_the_same_interval() -> None:
    found = unpaired_newcombe(baseline_passes=71, baseline_n=90, candidate_passes=93, candidate_n=100)
    lower, upper = newcombe_limits(_rates(93, 100), _rates(71, 90), 0.025)
    assert (found.ci95.lower, found.ci95.upper) == pytest.approx((lower[0], upper[0]))


@pytest.mark.parametrize("allowed", [-0.3, 0.0, 0.05, 0.2])
@pytest.mark.parametrize(("x1", "n1", "x2", "n2"), _COUNTS)
def test_p_is_the_alpha_at_which_the_limit_reaches_what_is_allowed(
    x1: int, n1: int, x2: int, n2: int, allowed: float
) -> None:
    high, low = _rates(x1, n1), _rates(x2, n2)
    p = float(gap_p(high, low, allowed)[0])
    if x1 / n1 - x2 / n2 > allowed and 1e-12 < p < 0.5:
        assert newcombe_limits(high, low, p)[0][0] == pytest.approx(allowed, abs=1e-6)
    elif 1e-12 < 1 - p < 0.5:
        assert newcombe_limits(high, low, 1 - p)[1][0] == pytest.approx(allowed, abs=1e-6)
    else:
        assert p in (pytest.approx(0.0, abs=1e-11), pytest.approx(1.0, abs=1e-11), 0.5)


def test_the_two_sided_p_is_twice_the_one_sided_at_no_gap() -> None:
    high, low = _rates(90, 100), _rates(80, 100)
    assert absolute_gap_p(high, low, 0.0)[0] == pytest.approx(2 * gap_p(high, low, 0.0)[0])
    assert absolute_gap_p(low, high, 0.0)[0] == 1
    assert absolute_gap_p(high, low, 0.3)[0] > 0.5


def test_the_p_is_near_that_of_the_score_test_in_large_groups() -> None:
    pooled = stats.norm.sf((0.9 - 0.885) / np.sqrt(0.8925 * 0.1075 * 2 / 4000))
    assert gap_p(_rates(3600, 4000), _rates(3540, 4000), 0.0)[0] == pytest.approx(pooled, rel=0.1)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(1, 1e6), st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=5
    ),
    st.floats(0, 0.9),
)
def test_p_falls_with_the_gap_and_limits_contain_it(
    rows: list[tuple[float, float, float, float]], allowed: float
) -> None:
    high = RateColumn.of([row[0] for row in rows], [row[1] for row in rows])
    low = RateColumn.of([row[2] for row in rows], [row[3] for row in rows])
    lower, upper = newcombe_limits(high, low, 0.05)
    gap = high.value - low.value
    assert ((lower <= gap + 1e-12) & (gap - 1e-12 <= upper)).all()
    p = gap_p(high, low, allowed)
    assert ((p >= 0) & (p <= 1)).all()
    assert (gap_p(high, low, allowed / 2) <= p + 1e-9).all()
    assert ((p <= 0.05) == (lower >= allowed))[np.abs(lower - allowed) > 1e-9].all()


def test_alarms_at_the_limit_hold_their_level_by_exact_calculation() -> None:
    """At a true gap of exactly the limit; the worst over rates and sizes is little above 5 %."""
    worst = 0.0
    for n1, n2 in ((20, 20), (50, 50), (100, 30), (30, 100), (200, 200)):
        x1, x2 = np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij")
        p = gap_p(
            RateColumn.of(x1.ravel() / n1, np.full(x1.size, n1)),
            RateColumn.of(x2.ravel() / n2, np.full(x2.size, n2)),
            0.1,
        )
        rejected = (p <= 0.05).reshape(x1.shape)
        for rate in (0.15, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
            weights = np.outer(
                stats.binom.pmf(np.arange(n1 + 1), n1, rate), stats.binom.pmf(np.arange(n2 + 1), n2, rate - 0.1)
            )
            worst = max(worst, float(weights[rejected].sum()))
    assert 0.04 < worst < 0.065


@pytest.mark.parametrize(
    ("value", "n"), [([1.1], [5.0]), ([0.5], [0.0]), ([0.5, 0.5], [3.0]), ([], []), ([float("nan")], [3.0])]
)
def test_rates_are_checked(value: list[float], n: list[float]) -> None:
    with pytest.raises(ValueError, match=r"must be|needed|one entry"):
        RateColumn.of(value, n)


@pytest.mark.parametrize("allowed", [-0.1, 1.0, float("nan")])
def test_what_is_allowed_is_checked(allowed: float) -> None:
    with pytest.raises(ValueError, match="allowed"):
        absolute_gap_p(_rates(1, 2), _rates(1, 2), allowed)
