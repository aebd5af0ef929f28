"""Prediction-powered inference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.judged import ppi_mean

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=200)


@holds
@given(
    human=st.lists(st.integers(0, 1), min_size=2, max_size=20),
    unlabelled=st.lists(st.integers(0, 1), min_size=2, max_size=20),
    seed=st.integers(0, 1000),
)
def test_ppi_is_the_judges_mean_mended_by_the_labels(human: list[int], unlabelled: list[int], seed: int) -> None:
    judge = np.random.default_rng(seed).integers(0, 2, len(human)).tolist()
    found = ppi_mean(human, judge, unlabelled)
    plain = np.mean(unlabelled) + np.mean(human) - np.mean(judge)
    assert found.ppi_lambda1.point == pytest.approx(plain)
    best = found.ppi_plus_plus
    assert 0 <= best.weight <= 1
    assert best.point == pytest.approx(best.weight * plain + (1 - best.weight) * np.mean(human))
    for one in (found.ppi_lambda1, best):
        assert (one.ci95.lower + one.ci95.upper) / 2 == pytest.approx(one.point)


def test_a_good_judge_narrows_the_interval_and_a_useless_one_is_left_out() -> None:
    random = np.random.default_rng(3)
    human = (random.random(100) < 0.7).astype(float)
    run = (random.random(2000) < 0.7).astype(float)
    good, useless = ppi_mean(human, human, run).ppi_plus_plus, ppi_mean(human, [1] * 100, [1] * 2000).ppi_plus_plus
    assert good.weight > 0.9
    assert useless.weight == 0
    assert useless.point == pytest.approx(human.mean())
    assert good.ci95.upper - good.ci95.lower < 0.4 * (useless.ci95.upper - useless.ci95.lower)


def test_a_judge_the_wrong_way_round_is_left_out() -> None:
    human = [1, 1, 1, 0, 0, 1]
    assert ppi_mean(human, [1 - one for one in human], [1, 0, 1]).ppi_plus_plus.weight == 0


def test_differences_of_two_systems_can_be_negative() -> None:
    found = ppi_mean([-1, 0, 0, -1], [-1, 0, 0, 0], [0, -1, 0, -1, 1]).ppi_lambda1
    assert found.point == pytest.approx(-0.2 - 0.25)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ppi_mean([1], [1], [1, 0]), "human must contain at least 2 values, got 1"),
        (lambda: ppi_mean([1, 0], [1, 0], [1]), "judge_unlabelled must contain at least 2 values, got 1"),
        (lambda: ppi_mean([1, 0], [1, 0], []), "judge_unlabelled must be a list of one or more numbers"),
        (lambda: ppi_mean([1, 0], [1], [1, 0]), "one entry per case is needed"),
        (lambda: ppi_mean([1, 2], [1, 0], [1, 0]), r"human\[1\] must be a number from -1 to 1, got 2"),
        (
            lambda: ppi_mean([1, 0], [1, math.nan], [1, 0]),
            r"judge_labelled\[1\] must be a number from -1 to 1, got nan",
        ),
    ],
)
def test_unusable_values_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
