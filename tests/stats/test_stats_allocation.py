"""Allocation of stratified samples: sums, bounds, and the variance of Neyman's rule."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.stats.allocation import Allocation, allocate, pilot_strata


def _variance(sizes: list[int], deviations: list[float], cases: list[int]) -> float:
    total = sum(sizes)
    return sum(
        (size / total) ** 2 * deviation**2 / n * (1 - n / size)
        for size, deviation, n in zip(sizes, deviations, cases, strict=True)
    )


_STRATA = st.lists(st.tuples(st.integers(1, 100_000), st.floats(0.01, 2.0)), min_size=1, max_size=40)


@given(_STRATA, st.integers(0, 400), st.integers(1, 10), st.sampled_from(["proportional", "equal", "neyman"]))
def test_cases_sum_to_n_within_the_bounds(
    strata: list[tuple[int, float]], more: int, minimum: int, rule: Allocation
) -> None:
    sizes = [size for size, _ in strata]
    fewest = [min(size, minimum) for size in sizes]
    n = sum(fewest) + more
    cases = allocate(sizes, n, rule, deviations=[deviation for _, deviation in strata], minimum=minimum)
    assert sum(cases) == min(n, sum(sizes))
    assert all(low <= case <= size for low, case, size in zip(fewest, cases, sizes, strict=True))


@given(st.lists(st.tuples(st.integers(1000, 100_000), st.floats(0.05, 0.5)), min_size=2, max_size=8))
def test_neyman_has_the_smallest_variance(strata: list[tuple[int, float]]) -> None:
    sizes, deviations = [size for size, _ in strata], [deviation for _, deviation in strata]
    found = {
        rule: _variance(sizes, deviations, allocate(sizes, 400, rule, deviations=deviations))
        for rule in ("proportional", "equal", "neyman")
    }
    # whole numbers of cases, and strata of one case, make the optimum inexact
    assert found["neyman"] <= min(found["proportional"], found["equal"]) * 1.02


def test_known_allocations() -> None:
    sizes = [6000, 3000, 1000]
    assert allocate(sizes, 100) == [60, 30, 10]
    assert allocate(sizes, 100, "equal") == [34, 33, 33]
    # Cochran's rule: N_h S_h = 600, 900, 500
    assert allocate(sizes, 100, "neyman", deviations=[0.1, 0.3, 0.5]) == [30, 45, 25]
    assert allocate(sizes, 100, minimum=20) == [53, 27, 20]
    assert allocate([5, 10_000], 100, "equal") == [5, 95]
    assert allocate([3, 4], 100) == [3, 4]
    assert allocate([10, 10], 10, "neyman", deviations=[0.0, 0.0]) == [5, 5]


def test_what_cannot_be_allocated_is_refused() -> None:
    with pytest.raises(ValueError, match="3 strata with a minimum of 10 need 25 rows, got 20"):
        allocate([100, 100, 5], 20, minimum=10)
    with pytest.raises(ValueError, match="needs the standard deviation"):
        allocate([100, 100], 20, "neyman")


def test_deviations_of_a_pilot_are_drawn_towards_the_pooled_one() -> None:
    certain, half, unknown = pilot_strata([100, 100, 0], [100, 50, 0], [100, 50, 0])
    pooled = 25 / 200  # the variance within strata
    assert (certain.n, certain.mean) == (100, 1.0)
    assert certain.deviation == pytest.approx(math.sqrt(2 * pooled / 102))
    assert half.deviation == pytest.approx(math.sqrt((25 + 2 * pooled) / 102))
    assert unknown.mean == 0.75
    assert unknown.deviation == pytest.approx(math.sqrt(pooled))


def test_a_stratum_without_any_variance_has_a_small_deviation() -> None:
    certain, _ = pilot_strata([10**9, 10**9], [10**9, 5 * 10**8], [10**9, 5 * 10**8])
    assert certain.deviation == pytest.approx(0.05 * math.sqrt(0.125))
    assert [one.deviation for one in pilot_strata([0], [0], [0])] == [0.5]
