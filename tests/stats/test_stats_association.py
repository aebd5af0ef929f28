"""Rank association: equal to scipy on random tables, with its exact p by another enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_evalgate.stats.association import MOST_EXACT, Association, associate, rank_test, scan_lags
from pytest_evalgate.stats.correlation import correlate
from pytest_evalgate.stats.families import holm_adjusted

_TABLES = 200


def _table(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a table of 4 to 40 rows; every other one has ties."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 41)) if seed % 4 else int(rng.integers(4, MOST_EXACT + 1))
    x = rng.normal(size=n)
    y = rng.choice([0.0, 0.5, -1.5]) * x + rng.normal(size=n)
    return (np.round(x), np.round(y)) if seed % 2 else (x, y)


def test_values_equal_those_of_scipy_on_200_random_tables() -> None:
    compared = 0
    for seed in range(_TABLES):
        x, y = _table(seed)
        rho, tau = correlate(x, y, "spearman"), correlate(x, y, "kendall")
        if rho is None or tau is None:
            assert np.ptp(x) == 0 or np.ptp(y) == 0
            continue
        assert rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
        compared += 1
    assert compared > _TABLES - 10


def test_exact_p_equals_that_of_scipy_on_200_random_tables() -> None:
    """Kendall without ties by scipy's distribution; both coefficients by scipy's enumeration for up to six rows."""
    kendall = enumerated = 0
    for seed in range(_TABLES):
        rng = np.random.default_rng(1000 + seed)
        x, y = rng.normal(size=(2, int(rng.integers(4, 30))))
        p, method = rank_test(x, y, "kendall")
        assert method == "exact"
        assert p == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue, abs=1e-12)
        kendall += 1
        if seed % 40 == 0:
            short = np.round(rng.normal(size=(2, 5)))
            for coefficient, statistic in (("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
                mine, method = rank_test(short[0], short[1], coefficient)  # type: ignore[arg-type]
                if mine is None:
                    continue
                theirs = stats.permutation_test(
                    (short[0],),
                    lambda a, b=short[1], f=statistic: f(a, b).statistic,
                    permutation_type="pairings",
                    n_resamples=np.inf,
                )
                assert method == "exact"
                assert mine == pytest.approx(theirs.pvalue, abs=1e-12)
                enumerated += 1
    assert kendall == _TABLES
    assert enumerated >= 6


@pytest.mark.parametrize("seed", range(3))
def test_the_p_of_random_orders_is_close_to_the_asymptotic_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=60)
    y = 0.3 * x + rng.normal(size=60)
    p, method = rank_test(x, y, "spearman")
    assert method == "permutation"
    assert p == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
    tied, _ = rank_test(np.round(x), np.round(y), "kendall")
    assert tied == pytest.approx(stats.kendalltau(np.round(x), np.round(y)).pvalue, abs=0.02)


@pytest.mark.parametrize("coefficient", ["spearman", "kendall"])
def test_the_interval_is_that_of_scipys_percentile_bootstrap(coefficient: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    function = stats.spearmanr if coefficient == "spearman" else stats.kendalltau
    theirs = stats.bootstrap(
        (x, y), lambda a, b: function(a, b).statistic, paired=True, vectorized=False, method="percentile",
        n_resamples=499, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    mine = associate(x, y, coefficient).interval  # type: ignore[arg-type]
    assert mine is not None
    assert (mine.lower, mine.upper) == pytest.approx((theirs.low, theirs.high), abs=0.08)


def test_the_p_is_uniform_if_nothing_is_associated() -> None:
    rng = np.random.default_rng(3)
    pairs = (rng.normal(size=(2, 6)) for _ in range(100))
    found = [rank_test(one, other, "spearman")[0] or 0.0 for one, other in pairs]
    assert np.mean(np.array(found) <= 0.05) <= 0.12


def test_a_constant_column_has_no_coefficient() -> None:
    assert associate([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0], "kendall") == Association(5, None, None, None, "exact")


def test_few_rows_have_no_interval() -> None:
    assert associate([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], "spearman").interval is None


def test_a_shifted_series_is_found_at_its_lag() -> None:
    series = np.random.default_rng(8).normal(size=24)
    found = scan_lags(series[2:], series[:-2], max_lag=4)
    assert [one.lag for one in found] == [0, 1, 2, 3, 4]
    best = min(found, key=lambda one: one.p_adjusted or 1.0)
    assert (best.lag, best.n) == (2, 20)
    assert best.value == pytest.approx(1.0)
    assert [one.p_adjusted for one in found] == list(holm_adjusted([one.p or 0.0 for one in found]))


def test_lags_with_too_few_rows_are_left_out() -> None:
    assert [one.lag for one in scan_lags([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 4.0, 3.0, 2.0, 1.0], max_lag=9)] == [0, 1]


@pytest.mark.parametrize("bad", [([1.0], [1.0, 2.0]), ([], []), ([1.0, float("nan")], [1.0, 2.0])])
def test_wrong_columns_are_errors(bad: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match=r"one|other"):
        associate(*bad, "spearman")
