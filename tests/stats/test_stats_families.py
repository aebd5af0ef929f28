"""Holm's adjustment, the fewest losses that reject, and shrinkage of slice rates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.families import fewest_losses, holm_adjusted, slice_shrinkage
from pytest_evalgate.stats.paired import mcnemar_midp

holds = settings(deadline=None, database=None)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@holds
@given(p=p_values, alpha=st.floats(0.001, 0.499))
def test_holm_rejects_what_stepping_down_rejects(p: list[float], alpha: float) -> None:
    by_size = sorted(range(len(p)), key=p.__getitem__)
    rejected = set()
    for step, place in enumerate(by_size):
        if (len(p) - step) * p[place] > alpha:
            break
        rejected.add(place)
    assert {i for i, adjusted in enumerate(holm_adjusted(p)) if adjusted <= alpha} == rejected


@holds
@given(p=p_values)
def test_adjusted_p_is_a_p_that_is_no_smaller(p: list[float]) -> None:
    adjusted = holm_adjusted(p)
    assert all(0 <= raw <= now * (1 + 1e-12) <= 1 + 1e-12 for raw, now in zip(p, adjusted, strict=True))
    assert sorted(range(len(p)), key=lambda i: (p[i], i)) == sorted(
        range(len(p)), key=lambda i: (adjusted[i], p[i], i)
    )


@holds
@given(p=p_values, random=st.randoms(use_true_random=False))
def test_order_of_tests_does_not_matter(p: list[float], random: object) -> None:
    order = sorted(range(len(p)), key=lambda _: random.random())  # type: ignore[attr-defined]
    assert holm_adjusted([p[i] for i in order]) == tuple(holm_adjusted(p)[i] for i in order)


@pytest.mark.parametrize("alpha", [0.4, 0.25, 0.05, 0.025, 0.01, 0.0025, 2.0**-20])
def test_fewest_losses_are_the_first_that_the_midp_test_rejects(alpha: float) -> None:
    fewest = fewest_losses(alpha)
    assert mcnemar_midp(fewest, 0) <= alpha
    assert fewest == 1 or mcnemar_midp(fewest - 1, 0) > alpha


def test_unusable_p_values_are_refused() -> None:
    with pytest.raises(ValueError, match="p must be a list of one or more numbers"):
        holm_adjusted([])
    with pytest.raises(ValueError, match=r"p\[1\] must be a number from 0 to 1, got nan"):
        holm_adjusted([0.5, math.nan])
    with pytest.raises(ValueError, match=r"alpha must be strictly between 0 and 0\.5, got 0\.0"):
        fewest_losses(0.0)


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
