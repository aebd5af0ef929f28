"""A judge against itself."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.agreement import judge_self_consistency, position_bias
from pytest_evalgate.stats.stability import flip_rate

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=150)
winners = st.sampled_from(["X", "Y", "tie"])
unknown: Any = "Z"


@holds
@given(items=st.lists(st.lists(st.integers(1, 3), min_size=2, max_size=5), min_size=1, max_size=10))
def test_flips_are_the_unequal_pairs_of_an_item(items: list[list[int]]) -> None:
    shares = []
    for item in items:
        pairs = list(itertools.combinations(item, 2))
        shares.append(sum(one != other for one, other in pairs) / len(pairs))
    found = judge_self_consistency(items)
    assert found.flip_rate == pytest.approx(sum(shares) / len(shares))
    assert found.unanimous == sum(len(set(item)) == 1 for item in items) / len(items)


def test_verdicts_flip_as_trials_do() -> None:
    items = [[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1]]
    assert judge_self_consistency(items).flip_rate == pytest.approx(
        flip_rate([sum(one) for one in items], [3] * 4).rate
    )


@holds
@given(pairs=st.lists(st.tuples(winners, winners), min_size=1, max_size=20))
def test_position_bias_is_a_fair_coin_over_the_pairs_that_turn(pairs: list[tuple[Any, Any]]) -> None:
    found = position_bias([one for one, _ in pairs], [other for _, other in pairs])
    assert found.inconsistent_first == pairs.count(("X", "Y"))
    assert found.inconsistent_second == pairs.count(("Y", "X"))
    assert found.consistency == sum(one == other for one, other in pairs) / len(pairs)
    m = found.inconsistent_first + found.inconsistent_second
    fewer = min(found.inconsistent_first, found.inconsistent_second)
    assert found.p_two_sided == pytest.approx(min(1, 2 * sum(math.comb(m, i) for i in range(fewer + 1)) / 2**m))


def test_a_judge_that_always_takes_the_first_is_found_out() -> None:
    found = position_bias(["X"] * 12, ["Y"] * 12)
    assert (found.consistency, found.inconsistent_first) == (0.0, 12)
    assert found.p_two_sided == pytest.approx(2**-11)


def test_a_judge_that_never_turns_has_no_bias() -> None:
    assert position_bias(["X", "Y", "tie"], ["X", "Y", "tie"]).p_two_sided == 1.0


def test_a_tie_in_one_order_is_inconsistent_and_takes_no_side() -> None:
    found = position_bias(["X", "tie"], ["tie", "Y"])
    assert (found.consistency, found.inconsistent_first, found.inconsistent_second) == (0.0, 0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: judge_self_consistency([]), "verdicts must contain at least one item"),
        (lambda: judge_self_consistency([[1, 1], [1]]), r"verdicts\[1\] must be a list of 2 or more numbers"),
        (lambda: judge_self_consistency([[1, math.nan]]), r"verdicts\[0\]\[1\] must be a finite number, got nan"),
        (lambda: position_bias([], []), "winner_x_shown_first must contain at least one winner"),
        (lambda: position_bias(["X"], ["X", "Y"]), "one entry per case is needed"),
        (lambda: position_bias(["X", unknown], ["X", "Y"]), r'winner_x_shown_first\[1\] must be "X", .* got \'Z\''),
        (lambda: position_bias(["X"], [unknown]), r"winner_y_shown_first\[0\] must be"),
    ],
)
def test_unusable_verdicts_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
