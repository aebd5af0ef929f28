from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.gates.evidence import Measure
from pytest_evalgate.records.results import BaselineCase, CaseResult, Score, Trial
from pytest_evalgate.stats.stability import pass_at_k

if TYPE_CHECKING:
    from random import Random

    from tests.gates.conftest import Build

    from pytest_evalgate.gates.evidence import Completion


def _numbers(build: Build, trials: str, aggregate: str, completion: Completion = "worst") -> list[float]:
    results = [build.result(index, case) for index, case in enumerate(trials.split())]
    return list(map(float, Measure(aggregate).of_results(results, completion)))


def _number(build: Build, trials: str, aggregate: str, completion: Completion = "worst") -> float:
    [number] = _numbers(build, trials, aggregate, completion)
    return number


@pytest.mark.parametrize(
    ("trials", "aggregate", "number"),
    [
        ("PPPm", "mean", 0.75),
        ("PPPm", "majority", 1.0),
        ("PPmm", "majority", 0.0),
        ("mmP", "majority", 0.0),
        ("PPmm", "pass@1", 0.5),
        ("PPmm", "pass@2", 1 - 1 / 6),
        ("PPmm", "pass@3", 1.0),
        ("PPmm", "pass^2", 1 / 6),
        ("PPmm", "pass^3", 0.0),
        ("PPPP", "pass^4", 1.0),
        ("mmmm", "pass@4", 0.0),
    ],
)
def test_a_case_is_one_number(build: Build, trials: str, aggregate: str, number: float) -> None:
    assert _number(build, trials, aggregate) == pytest.approx(number, abs=1e-15)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12))
def test_pass_at_k_and_pass_hat_k_are_those_of_the_statistics(build: Build, passed: int, missed: int, k: int) -> None:
    if passed + missed < k:
        return
    trials = "P" * passed + "m" * missed
    wanted = pass_at_k(n=passed + missed, c=passed, k=k)
    assert _number(build, trials, f"pass@{k}") == wanted.pass_at_k
    assert _number(build, trials, f"pass^{k}") == wanted.pass_hat_k


@pytest.mark.parametrize(("aggregate", "trials"), [("mean", 1), ("majority", 1), ("pass@3", 3), ("pass^12", 12)])
def test_the_fewest_trials_of_an_aggregate(aggregate: str, trials: int) -> None:
    assert Measure(aggregate).trials == trials


def test_too_few_trials_of_a_suite_are_told() -> None:
    assert Measure("pass@3").trials_problem(3) is None
    told = "pass@3 needs 3 trials of a case, but the suite has 2: set trials = 3"
    assert Measure("pass@3").trials_problem(2) == told


@pytest.mark.parametrize(
    ("trials", "aggregate", "worst", "best"),
    [
        ("P?m", "mean", 1 / 3, 2 / 3),
        ("P?m", "majority", 0.0, 1.0),
        ("P?m?", "pass^2", 0.0, 1 / 2),
        ("P?m?", "pass@2", 1 / 2, 1.0),
        ("?", "mean", 0.0, 1.0),
    ],
)
def test_a_missing_trial_is_a_miss_at_worst_and_a_pass_at_best(
    build: Build, trials: str, aggregate: str, worst: float, best: float
) -> None:
    assert _number(build, trials, aggregate) == pytest.approx(worst)
    assert _number(build, trials, aggregate, "best") == pytest.approx(best)


@pytest.mark.parametrize("aggregate", ["mean", "majority", "pass@1", "pass@4", "pass^1", "pass^4"])
def test_a_case_that_broke_off_before_its_first_trial_is_all_missing(build: Build, aggregate: str) -> None:
    assert _number(build, "-", aggregate) == 0.0
    assert _number(build, "-", aggregate, "best") == 1.0


def test_a_case_that_broke_off_between_its_trials_misses_the_others(build: Build) -> None:
    assert _number(build, "PP", "pass^4") == 0.0
    assert _number(build, "PP", "pass^4", "best") == 1.0
    assert _number(build, "Pm", "pass^4", "best") == 0.0


@pytest.mark.parametrize("aggregate", ["mean", "majority", "pass@2", "pass^2"])
def test_no_cases_have_no_numbers(aggregate: str) -> None:
    assert Measure(aggregate).of_results([], "worst").shape == (0,)
    assert Measure(aggregate).of_baseline([]).shape == (0,)


def test_a_baseline_case_with_too_few_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="k must be at most the number of trials, got k = 4 of n = 1"):
        Measure("pass^4").of_baseline([BaselineCase("f", (1.0,))])


def test_a_scorers_number_is_its_mean_score(build: Build) -> None:
    suite = build.graded([0.25, 0.75], [1.0, 0.5])
    assert Measure(scorer="tone").of_results(suite.results, "worst").tolist() == [0.5, 0.75]


def test_a_score_that_could_not_be_told_is_missing(build: Build) -> None:
    results = build.graded([None, 0.75]).results
    assert Measure(scorer="tone").of_results(results, "worst").tolist() == [0.375]
    assert Measure(scorer="tone").of_results(results, "best").tolist() == [0.875]


def test_a_score_counts_though_another_scorer_could_not_tell(build: Build) -> None:
    scores = (Score("tone", 0.75, passed=True), Score("fact", None, passed=None))
    result = CaseResult(build.case(0), "errored", (Trial(0, None, scores=scores),))
    assert Measure(scorer="tone").of_results([result], "worst").tolist() == [0.75]
    assert Measure(scorer="fact").of_results([result], "best").tolist() == [1.0]


@pytest.mark.parametrize(("value", "worst", "best"), [(0.0, 0.0, 0.0), (None, 0.0, 1.0)])
def test_an_answer_that_was_not_graded_has_the_score_of_its_trial(
    build: Build, value: float | None, worst: float, best: float
) -> None:
    result = replace(build.result(0, "P"), trials=(Trial(0, value),))
    assert Measure(scorer="tone").of_results([result], "worst").tolist() == [worst]
    assert Measure(scorer="tone").of_results([result], "best").tolist() == [best]


def test_a_baseline_keeps_only_the_scores_that_differ_from_its_values() -> None:
    cases = [BaselineCase("f", (1.0, 0.0), {"tone": (0.5, 0.25)}), BaselineCase("f", (1.0, 0.0))]
    assert Measure(scorer="tone").of_baseline(cases).tolist() == [0.375, 0.5]
    assert Measure().of_baseline(cases).tolist() == [0.5, 0.5]


@given(st.lists(st.sampled_from("Pm?"), min_size=3, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_trials_does_not_matter(build: Build, letters: list[str], random: Random) -> None:
    shuffled = list(letters)
    random.shuffle(shuffled)
    for aggregate in ("mean", "majority", "pass@3", "pass^3"):
        first, second = ("".join(order) for order in (letters, shuffled))
        assert _number(build, first, aggregate) == _number(build, second, aggregate)
