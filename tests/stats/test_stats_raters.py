"""Agreement of several raters."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.agreement import fleiss_kappa, krippendorff_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.stats.agreement import Level

holds = settings(deadline=None, database=None, max_examples=150)
ratings = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.none() | st.integers(1, 4), min_size=raters, max_size=raters), min_size=1, max_size=8
    )
)


def alpha(units: Sequence[Sequence[int | None]], level: Level) -> float | None:
    """Compute alpha from all ordered pairs of ratings."""
    kept = [[one for one in unit if one is not None] for unit in units]
    kept = [unit for unit in kept if len(unit) > 1]
    mixed = sorted(itertools.chain.from_iterable(kept))

    def distance(one: int, other: int) -> float:
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return float(one - other) ** 2
        low, high = sorted((one, other))
        between = sum(low <= rating <= high for rating in mixed)
        return (between - (mixed.count(low) + mixed.count(high)) / 2) ** 2 if low != high else 0.0

    observed = sum(sum(distance(*pair) for pair in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in kept)
    expected = sum(distance(*pair) for pair in itertools.permutations(mixed, 2)) / (len(mixed) - 1)
    return 1 - observed / expected if expected else None


@holds
@given(units=ratings, level=st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_all_pairs(units: list[list[int | None]], level: Level) -> None:
    assume(any(len(unit) - unit.count(None) > 1 for unit in units))
    found = krippendorff_missing(list(zip(*units, strict=True)), level)
    assert found == pytest.approx(alpha(units, level), abs=1e-9)


def test_a_unit_that_was_rated_once_does_not_count() -> None:
    whole = krippendorff_missing([[1, 2, 3, 1], [1, 2, 2, 1]], "interval")
    assert krippendorff_missing([[1, 2, 3, 1, 9], [1, 2, 2, 1, None]], "interval") == whole


def test_raters_who_agree_on_one_rating_prove_nothing() -> None:
    assert krippendorff_missing([[1, 1], [1, 1]], "nominal") is None
    assert fleiss_kappa([[3, 0], [3, 0]]) is None


def test_a_large_scale_keeps_its_digits() -> None:
    small = krippendorff_missing([[0, 1, 2], [0, 1, 1]], "interval")
    large = krippendorff_missing([[1e6, 1e6 + 1, 1e6 + 2], [1e6, 1e6 + 1, 1e6 + 1]], "interval")
    assert large == pytest.approx(small)


@holds
@given(table=st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=1, max_size=8))
def test_fleiss_is_the_agreement_of_pairs_above_chance(table: list[list[int]]) -> None:
    units = [[unit.count(category) for category in range(3)] for unit in table]
    agreeing = sum(one == other for unit in table for one, other in itertools.permutations(unit, 2)) / (
        20 * len(table)
    )
    flat = [category for unit in table for category in unit]
    by_chance = sum((flat.count(category) / len(flat)) ** 2 for category in range(3))
    found = fleiss_kappa(units)
    assert found == (pytest.approx((agreeing - by_chance) / (1 - by_chance)) if by_chance < 1 else None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: krippendorff_missing([], "nominal"), "no unit has two ratings"),
        (lambda: krippendorff_missing([[1, 2, 3]], "nominal"), "no unit has two ratings"),
        (lambda: krippendorff_missing([[1, None], [None, 2]], "nominal"), "no unit has two ratings"),
        (lambda: krippendorff_missing([[1, 2], [1]], "nominal"), r"one entry per case .* 'ratings\[1\]': 1"),
        (lambda: krippendorff_missing([[1, 2], [None, math.nan]], "nominal"), r"ratings\[1\]\[1\] .* finite .* nan"),
        (lambda: fleiss_kappa([]), "counts must contain at least one unit"),
        (lambda: fleiss_kappa([[2, 0], [1]]), "one entry per case is needed"),
        (lambda: fleiss_kappa([[2, 0], [1, 0]]), r"counts\[1\] has 1 ratings, counts\[0\] has 2: every unit needs"),
        (lambda: fleiss_kappa([[1, 0], [1, 0]]), r"counts\[0\] has 1 ratings"),
        (lambda: fleiss_kappa([[2, -1]]), r"counts\[0\]\[1\] must be a number from 0"),
        (lambda: fleiss_kappa([[1.5, 0.5]]), r"counts\[0\]\[0\] must be a whole number"),
    ],
)
def test_unusable_ratings_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
