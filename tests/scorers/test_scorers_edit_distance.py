"""Edit distances, equal to rapidfuzz."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.compare import comparable, folded
from pytest_evalgate.scorers.edit_distance import levenshtein, levenshtein_ratio

if TYPE_CHECKING:
    from tests.scorers.conftest import Pairs, ScoreOf

with_extra = pytest.mark.skipif(
    importlib.util.find_spec("rapidfuzz") is None,
    reason="rapidfuzz is not installed: pip install 'pytest-evalgate[metrics]'",
)


def test_distance_and_ratio_are_those_of_rapidfuzz(pairs: Pairs) -> None:
    library = pytest.importorskip("rapidfuzz.distance", reason="needs the extra metrics").Levenshtein
    for one, other in pairs:
        for form, ignore_case in ((comparable, False), (folded, True)):
            left, right = form(one), form(other)
            distance = library.distance(left, right)
            case, output = Case("q", expected=other), Output(one)
            assert levenshtein(case, output, max=distance, ignore_case=ignore_case)[0] == 1
            if distance:
                assert levenshtein(case, output, max=distance - 1, ignore_case=ignore_case)[0] == 0
            ratio = levenshtein_ratio(case, output, ignore_case=ignore_case)[0]
            assert ratio == library.normalized_similarity(left, right)
            if left or right:  # the definition of autoevals
                assert ratio == pytest.approx(1 - distance / max(len(left), len(right)))


@pytest.mark.parametrize(
    ("spec", "expected", "output", "value", "reason"),
    [
        ({"max": 3}, "kitten", "sitting", 1.0, '3 edits from "kitten"'),
        ({"max": 2}, "kitten", "sitting", 0.0, 'more than 2 edits from "kitten"'),
        ({"max": 0}, "Paris", "Paris", 1.0, '0 edits from "Paris"'),
        ({"max": 0}, "Paris", "paris", 0.0, 'more than 0 edits from "Paris"'),
        ({"max": 0, "ignore_case": True}, "Paris", "paris", 1.0, '0 edits from "Paris"'),
        ({"max": 1}, ["Rome", "Paris"], "Pariss", 1.0, '1 edits from "Paris"'),
        ({"max": 1, "value": "Rome"}, "Paris", "Romes", 1.0, '1 edits from "Rome"'),
        ({"max": 0}, "café", "cafe\u0301", 1.0, '0 edits from "café"'),
        ({"max": 5}, "", "five!", 1.0, '5 edits from ""'),
    ],
)
@with_extra
def test_the_nearest_reference_counts(
    spec: dict[str, Any], expected: Any, output: str, value: float, reason: str, score_of: ScoreOf
) -> None:
    score = score_of({"kind": "levenshtein", **spec}, output, expected=expected)
    assert (score.value, score.reason) == (value, reason)
    assert score_of({"kind": "not-levenshtein", **spec}, output, expected=expected).value == 1 - value


@with_extra
def test_the_ratio_allows_replacements_which_that_of_indel_does_not(score_of: ScoreOf) -> None:
    score = score_of("levenshtein-ratio", "sitting", expected="kitten")
    assert score.value == pytest.approx(4 / 7)
    assert score.passed
    assert score.reason == 'similarity 0.571 with "kitten"'
    assert score_of("levenshtein-ratio", "", expected="").value == 1
    assert score_of("levenshtein-ratio", "PARIS", expected="paris").value == 0


@with_extra
def test_texts_too_long_to_compare_are_left_open() -> None:
    value, reason = levenshtein_ratio(Case("q", expected="a" * 200_000), Output("b" * 200_000))
    assert (value, reason) == (None, "the output has 200,000 characters, too many to compare: limit them with length")


@with_extra
def test_a_distance_of_long_texts_takes_time_only_up_to_its_limit() -> None:
    assert levenshtein(Case("q", expected="a" * 1_000_000), Output("b" * 1_000_000), max=5)[0] == 0


@pytest.mark.parametrize("spec", [{"kind": "levenshtein", "max": 3}, {"kind": "levenshtein-ratio"}])
def test_without_the_extra_a_suite_is_refused_before_it_runs(
    spec: dict[str, Any], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz.distance.Levenshtein", None)
    message = r"rapidfuzz is not installed: pip install 'pytest-evalgate\[metrics\]'$"
    with pytest.raises(SettingsError, match=message):
        build(spec, context=context)


@with_extra
def test_a_case_without_a_reference_and_a_rule_without_a_limit_are_refused(
    context: Context, score_of: ScoreOf
) -> None:
    with pytest.raises(ScorerError, match="nothing to compare with"):
        score_of("levenshtein-ratio", "x")
    with pytest.raises(SettingsError, match="levenshtein: max: this key is missing"):
        build("levenshtein", context=context)
    with pytest.raises(SettingsError, match="max: must be at least 0"):
        build({"kind": "levenshtein", "max": -1}, context=context)
