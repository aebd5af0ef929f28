"""Slices pulled towards the common rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.families import slice_shrinkage

holds = settings(deadline=None, database=None, max_examples=150)


@st.composite
def slices(draw: st.DrawFn) -> list[tuple[int, int]]:
    sizes = draw(st.lists(st.integers(1, 200), min_size=1, max_size=10))
    return [(draw(st.integers(0, size)), size) for size in sizes]


@holds
@given(found=slices())
def test_shrunken_rates_lie_between_their_own_and_the_common_rate(found: list[tuple[int, int]]) -> None:
    passes, sizes = map(list, zip(*found, strict=True))
    shrinkage = slice_shrinkage(passes, sizes)
    assert shrinkage.mu == pytest.approx(sum(passes) / sum(sizes))
    assert 0 <= shrinkage.rho <= 1
    for (passed, size), rate in zip(found, shrinkage.shrunk, strict=True):
        low, high = sorted((passed / size, shrinkage.mu))
        assert low - 1e-12 <= rate <= high + 1e-12


def test_of_two_slices_with_one_rate_the_smaller_moves_further() -> None:
    shrinkage = slice_shrinkage([40, 4, 95, 190], [80, 8, 100, 200])
    assert shrinkage.mu > shrinkage.shrunk[1] > shrinkage.shrunk[0] > 0.5


@pytest.mark.parametrize(
    ("passes", "sizes"),
    [([3], [10]), ([1, 0, 1], [1, 1, 1]), ([5, 9], [5, 9]), ([0, 0], [5, 9])],
    ids=["one slice", "slices of one case", "all pass", "all fail"],
)
def test_where_no_difference_can_be_seen_all_get_the_common_rate(passes: list[int], sizes: list[int]) -> None:
    shrinkage = slice_shrinkage(passes, sizes)
    assert shrinkage.rho == 0.0
    assert shrinkage.shrunk == (shrinkage.mu,) * len(sizes)


def test_slices_that_pass_all_or_nothing_keep_their_rates() -> None:
    assert slice_shrinkage([20, 0, 20, 0], [20, 20, 20, 20]).shrunk == pytest.approx((1.0, 0.0, 1.0, 0.0))


def test_unusable_slices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"n\[1\] must be a number from 1 "):
        slice_shrinkage([1, 0], [2, 0])
    with pytest.raises(ValueError, match=r"passes\[0\] must be a number from 0 to 2, got 3"):
        slice_shrinkage([3, 0], [2, 1])
    with pytest.raises(ValueError, match=r"passes\[1\] must be a number from 0 to 1, got nan"):
        slice_shrinkage([1, math.nan], [2, 1])
    with pytest.raises(ValueError, match="one entry per case is needed"):
        slice_shrinkage([1], [2, 1])
