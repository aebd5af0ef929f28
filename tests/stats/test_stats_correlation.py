"""Correlations against scipy, and partial ones against the residuals of regressions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pytest_evalgate.stats.correlation import Coefficient, correlate, correlation, partial_correlation


def _columns(seed: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    z = random.normal(size=60)
    x, y = z + random.normal(size=60), 0.5 * z + random.normal(size=60)
    return (np.round(x), np.round(y), np.round(z)) if ties else (x, y, z)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_coefficients_are_scipys(seed: int, ties: bool) -> None:  # noqa: FBT001 - a parameter
    x, y, _ = _columns(seed, ties=ties)
    assert correlate(x, y, "pearson") == pytest.approx(stats.pearsonr(x, y).statistic)
    assert correlate(x, y, "spearman") == pytest.approx(stats.spearmanr(x, y).statistic)
    assert correlate(x, y, "kendall") == pytest.approx(stats.kendalltau(x, y).statistic)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_pearson_is_scipys(seed: int) -> None:
    x, y, _ = _columns(seed, ties=False)
    found, wanted = correlation(x, y, "pearson"), stats.pearsonr(x, y).confidence_interval()
    assert found.interval is not None
    assert (found.interval.lower, found.interval.upper) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("coefficient", ["pearson", "spearman", "kendall"])
def test_intervals_cover_the_coefficient_of_the_population(coefficient: Coefficient) -> None:
    random = np.random.default_rng(3)
    rho = 0.6
    truth = {"pearson": rho, "spearman": 6 / math.pi * math.asin(rho / 2), "kendall": 2 / math.pi * math.asin(rho)}
    held = 0
    for _ in range(400):
        x, y = random.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 80).T
        bounds = correlation(x, y, coefficient).interval
        assert bounds is not None
        held += bounds.lower <= truth[coefficient] <= bounds.upper
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize("seed", range(5))
def test_a_partial_correlation_is_that_of_residuals(seed: int) -> None:
    x, y, z = _columns(seed, ties=False)
    ranked: dict[Coefficient, tuple[np.ndarray, ...]] = {
        "pearson": (x, y, z),
        "spearman": tuple(map(stats.rankdata, (x, y, z))),
    }
    for coefficient, columns in ranked.items():
        design = np.stack((np.ones(60), columns[2]), axis=1)
        left, right = (column - design @ np.linalg.lstsq(design, column, rcond=None)[0] for column in columns[:2])
        found = partial_correlation(x, y, z, coefficient)
        assert found.value == pytest.approx(stats.pearsonr(left, right).statistic)
        assert found.interval is not None


def test_what_is_undefined_has_no_value_and_no_interval() -> None:
    assert correlation([1, 1, 1], [1, 2, 3], "pearson").value is None
    assert correlation([1, 2, 3], [1, 2, 3], "pearson").interval is None
    assert correlation([1, 2, 4], [1, 3, 2], "pearson").interval is None
    assert partial_correlation([1, 2, 4], [1, 3, 2], [1, 2, 4], "pearson").value is None
    assert partial_correlation([1, 2, 4], [1, 3, 2], [1, 1, 1], "spearman").value is None


def test_clusters_widen_the_interval() -> None:
    x, y, _ = _columns(0, ties=False)
    alone, clustered = (correlation(x, y, "pearson", independent=n).interval for n in (60, 12))
    assert alone is not None
    assert clustered is not None
    assert clustered.upper - clustered.lower > alone.upper - alone.lower
