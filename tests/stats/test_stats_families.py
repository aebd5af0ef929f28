"""Several tests at one family-wise alpha."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.families import fewest_losses, holm_adjusted
from pytest_evalgate.stats.paired import mcnemar_midp

holds = settings(deadline=None, database=None, max_examples=150)
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
    with pytest.raises(ValueError, match=r"alpha must lie strictly between 0 and 0\.5, got 0\.0"):
        fewest_losses(0.0)
