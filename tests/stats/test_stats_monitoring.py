"""E-values: exact, fair under the hypothesis, and wrong no more often than they say."""

from __future__ import annotations

import itertools
import math
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats import (
    betting_noninferiority,
    eprocess_mixture,
    eprocess_value,
    first_crossing,
    monitored,
    noninferiority_mixture,
)

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=150)
counts = st.one_of(st.integers(0, 10), st.integers(0, 300))
outcome_lists = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=60)


def exact_e_value(losses: int, gains: int) -> float:
    m = losses + gains
    tail = sum(math.comb(m + 1, j) for j in range(losses + 1))
    return float(Fraction(tail, (m + 1) * math.comb(m, losses)))


@pytest.mark.parametrize(
    ("losses", "gains"),
    [(0, 0), (0, 1), (1, 0), (5, 5), (14, 2), (60, 30), (0, 3000), (100, 2000), (1500, 1400), (900, 0)],
)
def test_e_value_is_exact_far_into_both_tails(losses: int, gains: int) -> None:
    assert eprocess_value(losses, gains) == pytest.approx(exact_e_value(losses, gains), rel=1e-9)


@holds
@given(losses=counts, gains=counts)
def test_a_fair_next_pair_leaves_the_e_value_where_it_is(losses: int, gains: int) -> None:
    after = (eprocess_value(losses + 1, gains) + eprocess_value(losses, gains + 1)) / 2
    assert after == pytest.approx(eprocess_value(losses, gains), rel=1e-9)


@holds
@given(losses=counts, gains=counts)
def test_a_loss_raises_the_e_value_and_a_gain_lowers_it(losses: int, gains: int) -> None:
    now = eprocess_value(losses, gains)
    assert eprocess_value(losses, gains + 1) < now < eprocess_value(losses + 1, gains)


@holds
@given(outcomes=outcome_lists)
def test_process_is_the_value_after_each_case(outcomes: list[int]) -> None:
    process = eprocess_mixture(outcomes)
    seen = [outcomes[: end + 1] for end in range(len(outcomes))]
    assert process.e_values == pytest.approx(
        [eprocess_value(part.count(-1), part.count(1)) for part in seen], rel=1e-12
    )
    assert process.final == process.e_values[-1]
    assert eprocess_mixture(outcomes[::-1]).final == pytest.approx(process.final, rel=1e-12)


def test_looking_after_every_pair_alarms_falsely_at_most_as_often_as_said() -> None:
    alpha, pairs = 0.05, 200
    still_open, alarmed = {0: 1.0}, 0.0  # probability of each number of losses without an alarm so far
    for done in range(1, pairs + 1):
        reached: dict[int, float] = {}
        for losses, chance in still_open.items():
            for lost in (0, 1):
                reached[losses + lost] = reached.get(losses + lost, 0.0) + chance / 2
        still_open = {x: chance for x, chance in reached.items() if eprocess_value(x, done - x) < 1 / alpha}
        alarmed += sum(reached.values()) - sum(still_open.values())
    assert 0.005 < alarmed <= alpha


@pytest.mark.parametrize("discordance", [0.1, 0.6])
def test_bets_on_noninferiority_are_fair_at_a_drop_of_the_margin(discordance: float) -> None:
    margin = 0.05
    chance = {-1: (discordance + margin) / 2, 0: 1 - discordance, 1: (discordance - margin) / 2}
    mean = sum(
        math.prod(chance[outcome] for outcome in outcomes) * noninferiority_mixture(outcomes, margin).final
        for outcomes in itertools.product((-1, 0, 1), repeat=5)
    )
    assert mean == pytest.approx(1.0, rel=1e-9)


@holds
@given(outcomes=outcome_lists, margin=st.sampled_from([0.02, 0.05, 0.3]))
def test_noninferiority_is_the_average_of_its_bets(outcomes: list[int], margin: float) -> None:
    bets = [share / (1 - margin) for share in np.linspace(0.02, 0.9, 23)]
    wealth = [betting_noninferiority(outcomes, margin, bet).wealth for bet in bets]
    average = [sum(column) / 23 for column in zip(*wealth, strict=True)]
    process = noninferiority_mixture(outcomes, margin)
    assert process.e_values == pytest.approx(average, rel=1e-9)
    assert all(value > 0 for value in process.e_values)
    assert noninferiority_mixture(outcomes[::-1], margin).final == pytest.approx(process.final, rel=1e-9)


def test_graded_changes_may_be_bet_on() -> None:
    assert betting_noninferiority([0.5, -0.25], 0.1, 0.5).wealth == pytest.approx((1.3, 1.3 * 0.925))


def test_a_value_too_large_for_a_float_stays_the_largest_one() -> None:
    assert eprocess_value(100_000, 0) == pytest.approx(sys.float_info.max, rel=1e-9)
    for process in (eprocess_mixture([-1] * 3000), noninferiority_mixture([1] * 3000, 0.05)):
        assert 1e307 < process.final < math.inf
        assert list(process.e_values) == sorted(process.e_values)


def test_first_crossing() -> None:
    assert first_crossing([1.0, 99.0, 100.0, 3.0, 200.0]) == 2
    assert first_crossing([1.0, 99.0]) is None
    assert first_crossing([2.5, 99.0], 0.4) == 0
    assert first_crossing([]) is None


def test_a_broken_candidate_is_stopped_after_nine_losses() -> None:
    found = monitored([-1] * 30, margin=0.05)
    assert (found.decided, found.at) == ("regressed", 8)


def test_an_unchanged_candidate_is_proven_within_the_margin() -> None:
    found = monitored([0] * 300, margin=0.05)
    assert found.decided == "no_regression_beyond_margin"
    assert found.at is not None
    assert noninferiority_mixture([0] * (found.at + 1), 0.05).final >= 100
    assert noninferiority_mixture([0] * found.at, 0.05).final < 100


def test_what_is_decided_first_counts() -> None:
    assert monitored([0] * 200 + [-1] * 50, margin=0.05).decided == "no_regression_beyond_margin"
    assert monitored([0] * 200 + [-1] * 50).decided == "regressed"
    assert monitored([-1] * 50 + [1] * 500, margin=0.05).decided == "regressed"


def test_without_a_margin_no_drop_is_never_proven() -> None:
    found = monitored([0] * 1000)
    assert (found.decided, found.at) == ("open", None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: eprocess_value(-1, 0), "losses must be a whole number, 0 or more, got -1"),
        (lambda: eprocess_value(0, -2), "gains must be a whole number, 0 or more, got -2"),
        (lambda: eprocess_mixture([]), "outcomes must be a list of one or more numbers"),
        (lambda: eprocess_mixture([0, 0.5]), r"outcomes\[1\] must be a whole number, got 0.5"),
        (lambda: eprocess_mixture([2]), r"outcomes\[0\] must be a number from -1 to 1, got 2"),
        (lambda: noninferiority_mixture([math.nan], 0.05), r"outcomes\[0\] must be a number from -1 to 1, got nan"),
        (lambda: noninferiority_mixture([0], 0.0), "margin must lie strictly between 0 and 1, got 0"),
        (lambda: betting_noninferiority([0], 0.2, 1.25), "bet must lie from 0 to 1.25, got 1.25"),
        (lambda: betting_noninferiority([0], 0.2, -0.1), "bet must lie from 0 to 1.25, got -0.1"),
        (lambda: monitored([0], 5), "margin must lie strictly between 0 and 1, got 5"),
        (lambda: monitored([0], None, 0.5), "alpha must lie strictly between 0 and 0.5, got 0.5"),
        (lambda: first_crossing([1.0], 0.0), "alpha must lie strictly between 0 and 0.5, got 0"),
    ],
)
def test_unusable_outcomes_and_bets_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
