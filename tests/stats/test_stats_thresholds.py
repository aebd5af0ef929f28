"""The threshold of a graded judge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.judged import threshold_cost, threshold_fixed_specificity, threshold_youden

if TYPE_CHECKING:
    from collections.abc import Callable

holds = settings(deadline=None, database=None, max_examples=200)
labelled = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=25).filter(
    lambda cases: 0 < sum(label for _, label in cases) < len(cases)
)
FUNCTIONS = [
    threshold_youden,
    threshold_fixed_specificity,
    lambda scores, human: threshold_cost(scores, human, 3, 1),
]

Cases = list[tuple[int, int]]


def sides(cases: Cases) -> tuple[list[int], list[int]]:
    return [score for score, _ in cases], [label for _, label in cases]


def candidates(cases: Cases) -> list[float]:
    return [math.inf, *sorted({score for score, _ in cases}, reverse=True)]


def errors(cases: Cases, threshold: float) -> tuple[int, int]:
    """Count the false passes and the false fails."""
    return (
        sum(score >= threshold and not label for score, label in cases),
        sum(score < threshold and label for score, label in cases),
    )


def rates(cases: Cases, threshold: float) -> tuple[float, float]:
    passes = sum(label for _, label in cases)
    false_passes, false_fails = errors(cases, threshold)
    return 1 - false_fails / passes, 1 - false_passes / (len(cases) - passes)


@holds
@given(cases=labelled)
def test_youden_is_the_best_of_all_candidates(cases: Cases) -> None:
    found = threshold_youden(*sides(cases))
    indices = {threshold: sum(rates(cases, threshold)) - 1 for threshold in candidates(cases)}
    best = max(indices.values())
    assert found.youden == pytest.approx(best)
    assert found.threshold == next(one for one, index in indices.items() if index == pytest.approx(best, abs=1e-12))


@holds
@given(cases=labelled)
def test_area_is_the_chance_that_a_pass_scores_higher(cases: Cases) -> None:
    passed, failed = ([score for score, label in cases if label == side] for side in (1, 0))
    won = sum((one > other) + (one == other) / 2 for one in passed for other in failed)
    assert threshold_youden(*sides(cases)).auc == pytest.approx(won / (len(passed) * len(failed)))


@holds
@given(cases=labelled, false_pass=st.sampled_from([0.1, 1, 3]), false_fail=st.sampled_from([0.1, 1, 3]))
def test_cost_is_the_least_of_all_candidates(cases: Cases, false_pass: float, false_fail: float) -> None:
    found = threshold_cost(*sides(cases), false_pass, false_fail)
    costs = {}
    for threshold in candidates(cases):
        passes, fails = errors(cases, threshold)
        costs[threshold] = false_pass * passes + false_fail * fails
    least = min(costs.values())
    assert found.cost == pytest.approx(least)
    assert found.threshold == next(one for one, cost in costs.items() if cost == pytest.approx(least))


@holds
@given(cases=labelled, wanted=st.sampled_from([0.0, 0.5, 2 / 3, 0.9, 1.0]))
def test_specificity_holds_and_nothing_allowed_finds_more(cases: Cases, wanted: float) -> None:
    found = threshold_fixed_specificity(*sides(cases), wanted)
    assert (found.tpr, found.tnr) == pytest.approx(rates(cases, found.threshold))
    allowed = {one: rates(cases, one) for one in candidates(cases) if rates(cases, one)[1] >= wanted - 1e-9}
    most = max(tpr for tpr, _ in allowed.values())
    assert found.tnr >= wanted - 1e-9
    assert found.tpr == pytest.approx(most)
    assert found.threshold == next(one for one, (tpr, _) in allowed.items() if tpr == pytest.approx(most))


def test_a_judge_the_wrong_way_round_passes_nothing() -> None:
    scores, human = [1, 2, 3, 4], [1, 1, 0, 0]
    assert threshold_youden(scores, human).threshold == math.inf
    assert threshold_youden(scores, human).auc == 0.0
    assert threshold_cost(scores, human, 3, 1).threshold == math.inf
    found = threshold_fixed_specificity(scores, human)
    assert (found.threshold, found.tpr, found.tnr) == (math.inf, 0.0, 1.0)


def test_a_perfect_judge_is_parted_at_its_lowest_pass() -> None:
    scores, human = [0.2, 0.4, 0.7, 0.9], [0, 0, 1, 1]
    assert threshold_youden(scores, human).threshold == 0.7
    assert (threshold_youden(scores, human).youden, threshold_youden(scores, human).auc) == (1.0, 1.0)
    assert threshold_cost(scores, human, 1, 1).cost == 0
    assert threshold_fixed_specificity(scores, human).tpr == 1.0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("scores", "human", "message"),
    [
        ([], [], "human must be a list of one or more numbers"),
        ([1, 2], [1, 1], "human must contain passes and fails, got 2 passes of 2"),
        ([1, 2], [0, 0], "human must contain passes and fails, got 0 passes of 2"),
        ([1], [0, 1], "one entry per case is needed"),
        ([1, math.nan], [0, 1], r"scores\[1\] must be a finite number, got nan"),
        ([1, 2], [0, 2], r"human\[1\] must be a number from 0 to 1, got 2"),
    ],
)
def test_unusable_labels_are_refused(
    function: Callable[..., object], scores: list[float], human: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(scores, human)


def test_unusable_aims_are_refused() -> None:
    with pytest.raises(ValueError, match="cost_false_pass must lie strictly between 0 and inf, got 0"):
        threshold_cost([1, 2], [0, 1], 0, 1)
    with pytest.raises(ValueError, match="cost_false_fail must lie strictly between 0 and inf, got nan"):
        threshold_cost([1, 2], [0, 1], 1, math.nan)
    with pytest.raises(ValueError, match=r"specificity must lie from 0 to 1, got 1.5"):
        threshold_fixed_specificity([1, 2], [0, 1], 1.5)
