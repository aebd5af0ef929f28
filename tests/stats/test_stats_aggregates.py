"""pass@k, pass^k and majorities, against counting all choices of trials."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.paired import finding_of_means
from pytest_evalgate.stats.stability import aggregate_values, pass_at_k

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=150)


@st.composite
def trials(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@holds
@given(case=trials())
def test_every_choice_of_k_trials_is_counted(case: tuple[int, int, int]) -> None:
    n, c, k = case
    choices = list(itertools.combinations([True] * c + [False] * (n - c), k))
    found = pass_at_k(n, c, k)
    assert found.pass_at_k == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-12)
    assert found.pass_hat_k == pytest.approx(sum(map(all, choices)) / len(choices), abs=1e-12)


@holds
@given(n=st.integers(1, 200), data=st.data())
def test_all_of_k_is_harder_than_one_of_k(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    found = pass_at_k(n, c, k)
    assert 0 <= found.pass_hat_k <= c / n + 1e-12
    assert c / n - 1e-12 <= found.pass_at_k <= 1


def test_a_tied_vote_fails() -> None:
    assert aggregate_values([2, 3, 0], [4, 4, 1], "majority").tolist() == [0.0, 1.0, 0.0]


def test_cases_may_have_different_numbers_of_trials() -> None:
    successes, runs = [3, 1, 5], [10, 2, 5]
    assert aggregate_values(successes, runs, "mean").tolist() == [0.3, 0.5, 1.0]
    for aggregate in ("pass_at_k", "pass_hat_k"):
        values = aggregate_values(successes, runs, aggregate, 2)
        assert values.tolist() == [
            getattr(pass_at_k(n, c, 2), aggregate) for n, c in zip(runs, successes, strict=True)
        ]


def test_the_change_of_an_aggregate_is_tested_by_case() -> None:
    before, after = (aggregate_values(passes, [4] * 8, "pass_hat_k", 2) for passes in ([4] * 8, [3] * 8))
    found = finding_of_means(baseline=before, candidate=after)
    assert (found.name, found.delta) == ("regressed", -0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pass_at_k(3, 1, 5), "k must be at most the number of trials, got k = 5 of n = 3: run more trials"),
        (lambda: pass_at_k(3, 1, 0), "k must be a whole number, 1 or more, got 0"),
        (lambda: pass_at_k(3, 4, 1), "n must be a whole number, 4 or more, got 3"),
        (lambda: pass_at_k(3, -1, 1), "c must be a whole number, 0 or more, got -1"),
        (lambda: aggregate_values([1], [1, 2], "mean"), "one entry per case is needed"),
        (lambda: aggregate_values([1, 3], [2, 2], "mean"), r"successes\[1\] must be a number from 0 to 2, got 3"),
        (lambda: aggregate_values([1, 0.5], [2, 2], "mean"), r"successes\[1\] must be a whole number, got 0.5"),
        (lambda: aggregate_values([0], [0], "mean"), r"trials\[0\] must be a number from 1 "),
        (lambda: aggregate_values([1, 1], [5, 2], "pass_at_k", 3), "got k = 3 of n = 2"),
    ],
)
def test_unusable_counts_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
