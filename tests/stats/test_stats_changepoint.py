"""The split that separates a series best."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.trend import change_point

holds = settings(deadline=None, database=None, max_examples=40)
series = st.lists(st.integers(0, 100), min_size=15, max_size=25)


def t_of_split(values: list[int], first: int) -> float:
    before, after = np.array(values[:first]), np.array(values[first:])
    pooled = (before.var() * len(before) + after.var() * len(after)) / (len(values) - 2)
    gap = abs(float(before.mean() - after.mean()))
    if pooled == 0:
        return math.inf if gap else 0.0
    return gap / math.sqrt(pooled * (1 / len(before) + 1 / len(after)))


@holds
@given(values=series)
def test_it_is_the_split_with_the_largest_t(values: list[int]) -> None:
    found = change_point(values, permutations=20)
    splits = range(4, len(values) - 3)
    assert found.t == pytest.approx(max(t_of_split(values, first) for first in splits), rel=1e-6, abs=1e-9)
    assert found.index in splits
    assert found.before == pytest.approx(np.mean(values[: found.index]))
    assert found.after == pytest.approx(np.mean(values[found.index :]))
    assert 1 / 21 <= found.p <= 1


def test_a_step_is_found_where_it_is() -> None:
    noise = np.random.default_rng(4).normal(0, 0.01, 30)
    found = change_point(np.where(np.arange(30) < 19, 0.8, 0.75) + noise)
    assert (found.index, found.p) == (19, 1 / 2001)
    assert found.after < found.before


def test_a_constant_step_has_an_infinite_t_and_a_flat_line_none() -> None:
    step, flat = change_point([0.8] * 8 + [0.7] * 8), change_point([0.8] * 16)
    assert (step.index, step.t) == (8, math.inf)
    assert step.p < 0.01
    assert (flat.t, flat.p) == (0.0, 1.0)


def test_steady_runs_seldom_look_like_a_change() -> None:
    random = np.random.default_rng(8)
    p = [change_point(random.normal(0.8, 0.02, 16), permutations=99).p for _ in range(200)]
    assert 0.005 < np.mean(np.array(p) <= 0.05) < 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.07)


def test_the_seed_makes_it_repeatable() -> None:
    values = np.random.default_rng(9).normal(0.8, 0.02, 20)
    assert change_point(values, seed=3) == change_point(values, seed=3)
    assert len({change_point(values, seed=seed, permutations=200).p for seed in range(8)}) > 1


def test_unusable_series_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values must be a list of 15 or more numbers, got shape \(14,\)"):
        change_point([0.8] * 14)
    with pytest.raises(ValueError, match=r"values\[3\] must be a finite number, got nan"):
        change_point([0.8] * 3 + [math.nan] * 13)
    with pytest.raises(ValueError, match="seed must be a whole number, 0 or more, got -1"):
        change_point([0.8] * 15, seed=-1)
    with pytest.raises(ValueError, match="permutations must be a whole number, 1 or more, got 0"):
        change_point([0.8] * 15, permutations=0)
