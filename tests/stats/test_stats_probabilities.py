"""Scores as probabilities."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.judged import calibration_errors

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=100)
judged = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=30)


@holds
@given(cases=judged, bins=st.sampled_from([1, 3, 5, 10]))
def test_errors_are_means_over_the_cases(cases: list[tuple[int, int]], bins: int) -> None:
    prob, human = [step / 20 for step, _ in cases], [label for _, label in cases]
    found = calibration_errors(prob, human, bins)
    assert found.brier == pytest.approx(sum((p - y) ** 2 for p, y in zip(prob, human, strict=True)) / len(cases))
    gaps: dict[int, float] = {}
    for step, label in cases:
        inside = max(1, -(-step * bins // 20))  # (lo, hi] in whole twentieths
        gaps[inside] = gaps.get(inside, 0.0) + step / 20 - label
    assert found.ece == pytest.approx(sum(map(abs, gaps.values())) / len(cases))


@holds
@given(cases=judged)
def test_isotonic_rises_and_keeps_the_mean(cases: list[tuple[int, int]]) -> None:
    prob, human = [step / 20 for step, _ in cases], [label for _, label in cases]
    fitted = calibration_errors(prob, human).isotonic
    ordered = sorted(zip(prob, fitted, strict=True))
    assert all(low <= high + 1e-12 for (_, low), (_, high) in pairwise(ordered))
    assert all(one == other for (p, one), (q, other) in pairwise(ordered) if p == q)
    assert sum(fitted) == pytest.approx(sum(human))
    assert sum((f - y) ** 2 for f, y in zip(fitted, human, strict=True)) <= (
        sum((p - y) ** 2 for p, y in zip(prob, human, strict=True)) + 1e-9
    )


def test_certainty_that_is_wrong_costs_much_and_not_everything() -> None:
    assert calibration_errors([1.0], [0]).log_loss == pytest.approx(-math.log(1e-15), rel=1e-3)
    assert calibration_errors([0.0], [1]).log_loss == pytest.approx(-math.log(1e-15))
    assert calibration_errors([1.0, 0.0], [1, 0]).log_loss == pytest.approx(0, abs=1e-12)
    assert calibration_errors([0.5, 0.5], [1, 0]).log_loss == pytest.approx(math.log(2))


def test_the_edge_of_a_bin_belongs_to_the_lower_one() -> None:
    assert calibration_errors([0.6, 0.61], [1, 0], 5).ece == pytest.approx((0.4 + 0.61) / 2)
    assert calibration_errors([0.59, 0.6], [1, 0], 5).ece == pytest.approx(0.19 / 2)
    assert calibration_errors([0.0, 0.2], [1, 0], 5).ece == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration_errors([], []), "prob must be a list of one or more numbers"),
        (lambda: calibration_errors([0.5], [1, 0]), "one entry per case is needed"),
        (lambda: calibration_errors([1.5], [1]), r"prob\[0\] must be a number from 0 to 1, got 1.5"),
        (lambda: calibration_errors([math.nan], [1]), r"prob\[0\] must be a number from 0 to 1, got nan"),
        (lambda: calibration_errors([0.5], [0.5]), r"human\[0\] must be a whole number, got 0.5"),
        (lambda: calibration_errors([0.5], [1], 0), "bins must be a whole number, 1 or more, got 0"),
    ],
)
def test_unusable_probabilities_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
