"""Grading of one output, and the values that a scorer's function may return."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import BuiltScorer, build_all, grade, passes

if TYPE_CHECKING:
    from pytest_evalgate.scorers import Context

CASE = Case("q1", expected="Paris", place=Place("golden/faq.jsonl", 3))


def _scores(*values: float | None, weights: tuple[float | None, ...] = ()) -> list[Score]:
    padded = (*weights, *[None] * (len(values) - len(weights)))
    return [
        Score(f"s{index}", value, None if value is None else value >= 0.5, weight=weight)
        for index, (value, weight) in enumerate(zip(values, padded, strict=True))
    ]


@pytest.mark.parametrize(
    ("values", "passed"),
    [
        ((1.0,), True),
        ((0.0,), False),
        ((1.0, 1.0), True),
        ((1.0, 0.0), False),
        ((None,), None),
        ((1.0, None), None),
        ((None, 0.0), False),
        ((None, None), None),
    ],
)
def test_all_must_pass_and_a_miss_decides(values: tuple[float | None, ...], *, passed: bool | None) -> None:
    assert passes(_scores(*values), None) is passed
    assert passes(_scores(*values), 0.1) is passed


@pytest.mark.parametrize(
    ("values", "weights", "threshold", "passed"),
    [
        ((1.0, 0.0), (3, 1), 0.75, True),
        ((1.0, 0.0), (3, 1), 0.76, False),
        ((1.0, 0.0), (3, None), 0.75, True),  # without a weight it counts as 1
        ((0.4, 0.8), (1, 1), 0.6, True),
        ((1.0, 1.0, 0.0), (0.1, 0.2, 0.3), 0.5, True),
        ((0.7, 0.7, 0.7), (0.1, 0.1, 0.1), 0.7, True),  # the sum is not exactly 0.3
        ((1.0, None), (3, 1), 0.5, None),
        ((0.0, None), (None, 1), 0.5, None),
    ],
)
def test_the_weighted_mean_has_to_reach_the_threshold(
    values: tuple[float | None, ...], weights: tuple[float | None, ...], threshold: float, *, passed: bool | None
) -> None:
    assert passes(_scores(*values, weights=weights), threshold) is passed


def test_weights_need_a_threshold() -> None:
    with pytest.raises(SettingsError, match='the scorers "s1" have a weight, but the suite has no threshold'):
        passes(_scores(1.0, 1.0, weights=(None, 2)), None)


def test_the_threshold_of_a_case_is_for_the_mean_also_without_weights() -> None:
    scores = [Score("a", 1.0, passed=True), Score("b", 0.0, passed=False)]
    assert passes(scores, 0.5) is False
    assert passes(scores, 0.5, mean=True) is True
    assert passes(scores, 0.6, mean=True) is False


def test_no_scores_never_pass() -> None:
    with pytest.raises(ScorerError, match="no score counts"):
        passes([], 0.0)


values = st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=1, max_size=6)


@given(values, st.lists(st.floats(0.1, 10), min_size=6, max_size=6), st.floats(0, 1))
def test_unknown_never_turns_into_a_pass(given_values: list[float | None], weights: list[float], bar: float) -> None:
    scores = _scores(*given_values, weights=tuple(weights[: len(given_values)]))
    assert (passes(scores, bar) is None) == (None in given_values)
    assert passes(_scores(*given_values), bar) is not True or None not in given_values


def test_grade_scores_with_every_scorer_in_order(context: Context) -> None:
    scorers = build_all(["exact", "json-valid", {"kind": "icontains", "value": "PAR"}], context=context)
    scores = asyncio.run(grade(CASE, Output("Paris"), scorers))
    assert [(score.name, score.passed) for score in scores] == [
        ("exact", True),
        ("json-valid", False),
        ("icontains", True),
    ]
    assert passes(scores, None) is False


def test_grade_with_no_scorers_is_an_error() -> None:
    with pytest.raises(ScorerError, match=r'golden/faq\.jsonl:3: case "q1" has no scorers'):
        asyncio.run(grade(CASE, Output("Paris"), ()))


@dataclass(frozen=True)
class Slow:
    name: str = "slow"

    async def score(self, case: Case, output: Output) -> Score:  # noqa: ARG002 - the seam
        await asyncio.sleep(0)
        return Score(self.name, 1.0, passed=True, weight=2)


def test_grade_takes_any_scorer() -> None:
    assert asyncio.run(grade(CASE, Output(""), [Slow()])) == (Score("slow", 1.0, passed=True, weight=2),)


def _score(returned: object, *, is_async: bool) -> Score:
    def tone(case: Case, output: Output) -> object:  # noqa: ARG001 - the seam
        if isinstance(returned, Exception):
            raise returned
        return returned

    async def async_tone(case: Case, output: Output) -> object:
        await asyncio.sleep(0)
        return tone(case, output)

    return asyncio.run(BuiltScorer("tone", async_tone if is_async else tone, 0.5).score(CASE, Output("out")))


@pytest.mark.parametrize(
    ("returned", "value", "passed", "reason"),
    [
        (True, 1.0, True, ""),
        (False, 0.0, False, ""),
        (0.5, 0.5, True, ""),
        (0.49, 0.49, False, ""),
        (1, 1.0, True, ""),
        (None, None, None, "could not tell"),
        ((None, "too short"), None, None, "too short"),
        ((0.2, "rude"), 0.2, False, "rude"),
        (Score("x", 0.1, passed=True, reason="low"), 0.1, False, "low"),
        (np.float32(0.5), 0.5, True, ""),
        (np.float32(0.7), 0.7, True, ""),
        (np.float64(0.5), 0.5, True, ""),
        (np.int64(1), 1.0, True, ""),
        (np.bool_(True), 1.0, True, ""),  # noqa: FBT003 - it is a value
        (np.array(0.5), 0.5, True, ""),
        (np.array([0.25]), 0.25, False, ""),
        ((np.bool_(False), "rude"), 0.0, False, "rude"),  # noqa: FBT003 - it is a value
        (Decimal("0.5"), 0.5, True, ""),
        (Fraction(1, 4), 0.25, False, ""),
        (1 + 1e-12, 1.0, True, ""),
        (-1e-12, 0.0, False, ""),
        (0.1 + 0.2 + 0.2 - 1e-16, 0.1 + 0.2 + 0.2 - 1e-16, True, ""),
        ((1, "x" * 600), 1.0, True, "x" * 499 + "…"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_every_allowed_return_value_becomes_a_score(
    returned: object, value: float | None, *, passed: bool | None, reason: str, is_async: bool
) -> None:
    assert _score(returned, is_async=is_async) == Score("tone", value, passed=passed, reason=reason)


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (math.nan, r"returned nan, which is not in \[0, 1\]"),
        (math.inf, "returned inf"),
        (1.5, "returned 1.5"),
        (-0.1, "returned -0.1"),
        (5, "returned 5"),
        ("yes", "returned 'yes', which is str"),
        ({"value": 1}, "which is dict"),
        ((1, 2, 3), "a tuple of 3"),
        ((1, 2), "the reason 2, which is int"),
        (1j, "which is complex"),
        (Decimal("NaN"), r"which is not in \[0, 1\]"),
        (Decimal("1.5"), r"which is not in \[0, 1\]"),
        (np.float64("nan"), r"which is not in \[0, 1\]"),
        (np.array([0.5, 0.5]), "which is ndarray"),
        (np.array(["yes"]), "which is ndarray"),
        (KeyError("tone"), "KeyError: 'tone'"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_bad_return_names_scorer_case_and_value(returned: object, problem: str, *, is_async: bool) -> None:
    with pytest.raises(ScorerError, match=problem) as caught:
        _score(returned, is_async=is_async)
    assert str(caught.value).startswith('golden/faq.jsonl:3: case "q1": scorer "tone": ')
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("threshold", "value", "passed"),
    [
        (1.0, 1.0, True),
        (1.0, 0.9999999999999999, True),  # a sum of shares, rounded
        (1.0, 0.999, False),
        (0.7, 0.1 + 0.2 + 0.4, True),
        (0.0, 0.0, True),
        (0.001, 0.0, False),
    ],
)
def test_a_threshold_at_an_end_and_rounding(threshold: float, value: float, *, passed: bool) -> None:
    scorer = BuiltScorer("tone", lambda *_: value, threshold)
    assert asyncio.run(scorer.score(CASE, Output("out"))).passed is passed
