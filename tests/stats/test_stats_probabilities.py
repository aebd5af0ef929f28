"""Scores as probabilities."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats import calibration, platt

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=100)
judged = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=30)


@holds
@given(cases=judged, bins=st.sampled_from([1, 3, 5, 10]))
def test_errors_are_means_over_the_cases(cases: list[tuple[int, int]], bins: int) -> None:
    prob, human = [step / 20 for step, _ in cases], [label for _, label in cases]
    found = calibration(prob, human, bins)
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
    fitted = calibration(prob, human).isotonic
    ordered = sorted(zip(prob, fitted, strict=True))
    assert all(low <= high + 1e-12 for (_, low), (_, high) in pairwise(ordered))
    assert all(one == other for (p, one), (q, other) in pairwise(ordered) if p == q)
    assert sum(fitted) == pytest.approx(sum(human))
    assert sum((f - y) ** 2 for f, y in zip(fitted, human, strict=True)) <= (
        sum((p - y) ** 2 for p, y in zip(prob, human, strict=True)) + 1e-9
    )


def test_certainty_that_is_wrong_costs_much_and_not_everything() -> None:
    assert calibration([1.0], [0]).log_loss == pytest.approx(-math.log(1e-15), rel=1e-3)
    assert calibration([0.0], [1]).log_loss == pytest.approx(-math.log(1e-15))
    assert calibration([1.0, 0.0], [1, 0]).log_loss == pytest.approx(0, abs=1e-12)
    assert calibration([0.5, 0.5], [1, 0]).log_loss == pytest.approx(math.log(2))


def test_the_edge_of_a_bin_belongs_to_the_lower_one() -> None:
    assert calibration([0.6, 0.61], [1, 0], 5).ece == pytest.approx((0.4 + 0.61) / 2)
    assert calibration([0.59, 0.6], [1, 0], 5).ece == pytest.approx(0.19 / 2)
    assert calibration([0.0, 0.2], [1, 0], 5).ece == pytest.approx(0.4)


@settings(holds, max_examples=30)
@given(
    seed=st.integers(0, 1000), slope=st.floats(-4, 4), shift=st.floats(-100, 100), unit=st.sampled_from([0.01, 100])
)
def test_platt_finds_the_top_of_the_likelihood(seed: int, slope: float, shift: float, unit: float) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1, 60)
    human = (random.random(60) < 1 / (1 + np.exp(-slope * scores))).astype(float)
    human[:2], human[2:4] = (0, 1), (1, 0)
    scores[:4] = (3, -3, 3, -3)  # never separable
    found = platt(scores * unit + shift, human)
    fitted = np.array([found.probability(score) for score in scores * unit + shift])
    assert not found.separable
    assert np.mean(fitted - human) == pytest.approx(0, abs=1e-7)
    assert np.mean((fitted - human) * scores) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "human", "rising"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], True),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], False),
        ([1, 2, 2], [0, 0, 1], True),
    ],
)
def test_labels_that_a_threshold_parts_are_softened(scores: list[float], human: list[int], *, rising: bool) -> None:
    found = platt(scores, human)
    assert found.separable
    assert math.isfinite(found.slope)
    assert (found.slope > 0) is rising
    passes = sum(human)
    softened = [(passes + 1) / (passes + 2) if label else 1 / (len(human) - passes + 2) for label in human]
    assert sum(map(found.probability, scores)) == pytest.approx(sum(softened))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration([], []), "prob must be a list of one or more numbers"),
        (lambda: calibration([0.5], [1, 0]), "one entry per case is needed"),
        (lambda: calibration([1.5], [1]), r"prob\[0\] must be a number from 0 to 1, got 1.5"),
        (lambda: calibration([math.nan], [1]), r"prob\[0\] must be a number from 0 to 1, got nan"),
        (lambda: calibration([0.5], [0.5]), r"human\[0\] must be a whole number, got 0.5"),
        (lambda: calibration([0.5], [1], 0), "bins must be a whole number, 1 or more, got 0"),
        (lambda: platt([], []), "scores must be a list of 1 or more numbers"),
        (lambda: platt([1], [1, 0]), "one entry per case is needed"),
        (lambda: platt([1, math.inf], [1, 0]), r"scores\[1\] must be a finite number, got inf"),
        (lambda: platt([1, 2], [1, 1]), "human must hold passes and fails, got 2 passes of 2"),
        (lambda: platt([3, 3], [1, 0]), "scores must differ to be fitted, got 2 times 3"),
    ],
)
def test_unusable_probabilities_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
