"""The shape of two sets of scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.trend import js_divergence, ks_statistic

holds = settings(deadline=None, database=None, max_examples=150)
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
