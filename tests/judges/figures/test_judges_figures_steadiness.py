from __future__ import annotations

import pytest

from pytest_evalgate.judges.figures import Bootstrap
from pytest_evalgate.judges.panel import order_bias_of, self_consistency_of
from pytest_evalgate.stats.agreement import judge_self_consistency


def test_a_judge_is_asked_again() -> None:
    verdicts: list[list[float]] = [[1, 1, 0], [0, 0], [1], [1, 0], [1, 1]] * 6
    found = self_consistency_of(verdicts, range(30), Bootstrap(draws=100))
    assert found is not None
    wanted = judge_self_consistency([row for row in verdicts if len(row) > 1])
    assert (found.items, found.flip_rate.value, found.unanimous.value) == (24, wanted.flip_rate, wanted.unanimous)
    assert found.flip_rate.interval is not None
    assert found.flip_rate.interval[0] < wanted.flip_rate < found.flip_rate.interval[1]


def test_single_verdicts_say_nothing_of_repeats() -> None:
    assert self_consistency_of([[1.0], []], range(2), Bootstrap(draws=5)) is None


def test_pairs_are_counted_in_both_orders() -> None:
    human = [True, True, False, False, True]
    first = [True, True, True, False, None]
    swapped = [True, False, False, False, None]
    found = order_bias_of(human, first, swapped)
    assert found is not None
    assert (found.pairs, found.right_first, found.right_swapped, found.right_both, found.agree) == (5, 3, 3, 2, 3)
    assert (found.first_wins, found.second_wins, found.p) == (2, 0, 0.5)
    assert found.consistency.value == 0.6


def test_a_judge_that_takes_the_first_one_is_biased() -> None:
    found = order_bias_of([True] * 12, [True] * 12, [False] * 12)
    assert found is not None
    assert (found.right_both, found.first_wins, found.consistency.value) == (0, 12, 0.0)
    assert found.p == pytest.approx(2**-11)


def test_no_pair_has_no_position() -> None:
    assert order_bias_of([], [], []) is None
