"""Shift: equal to scipy's functions, and known values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from pytest_evalgate.stats.shift import category_distance, number_shift


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_compared_as_by_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = random.normal(size=60), random.normal(0.3 * seed, 1, size=500)
    wanted = stats.ks_2samp(one, other)
    found = number_shift(one, other)
    assert (found.statistic, found.p) == (wanted.statistic, wanted.pvalue)
    assert found.medians == (np.median(one), np.median(other))


def test_categories_are_compared_as_by_scipy() -> None:
    one, other = {"a": 3, "b": 5, "d": 1.5}, {"b": 10, "a": 1, "c": 4}
    wanted = distance.jensenshannon([3, 5, 0, 1.5], [1, 10, 4, 0], base=2)
    assert category_distance(one, other) == wanted
    assert category_distance(one, {"a": 6, "b": 10, "d": 3}) == 0
    assert category_distance({"a": 1}, {"b": 7}) == 1


def test_empty_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="first must be a list of one or more numbers"):
        number_shift([], [1.0])
    with pytest.raises(ValueError, match="second must have positive values"):
        category_distance({"a": 1}, {"a": 0})
    with pytest.raises(ValueError, match="first must have positive values"):
        category_distance({"a": 3, "b": -1}, {"a": 1})
