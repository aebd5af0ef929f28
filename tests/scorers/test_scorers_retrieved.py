from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.scorers import Context, build

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

RANKED = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"kind": "precision-at-k", "k": 2}, 0.5),
        ({"kind": "precision-at-k", "k": 5}, 0.4),
        ({"kind": "recall-at-k", "k": 2}, 1 / 3),
        ({"kind": "recall-at-k", "k": 4}, 2 / 3),
        ({"kind": "ndcg-at-k", "k": 1}, 0),
        ("mrr", 1 / 2),
    ],
)
def test_rankings_are_measured(spec: str | dict[str, Any], value: float, score_of: ScoreOf) -> None:
    assert score_of(spec, RANKED, reference_context=("b", "d", "z")).value == pytest.approx(value)


def test_grades_weigh_in_ndcg(score_of: ScoreOf) -> None:
    spec = {"kind": "ndcg-at-k", "k": 2}
    turned = (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))
    assert score_of(spec, ["a", "b"], expected={"a": 3, "b": 1, "c": 0}).value == 1
    assert score_of(spec, ["b", "a"], expected={"a": 3, "b": 1, "c": 0}).value == pytest.approx(turned)


@pytest.mark.parametrize(
    ("output", "field"),
    [
        (["7", "b"], None),
        ([7, "b"], None),
        ([{"id": 7, "score": 0.9}, {"id": "b"}], None),
        ('["7", "b"]', None),
        ({"answer": "x", "found": {"sources": ["7", "b"]}}, "found.sources"),
        ('{"sources": [{"id": "7"}]}', "sources"),
    ],
)
def test_a_ranking_may_be_written_in_several_ways(output: Any, field: str | None, score_of: ScoreOf) -> None:
    spec = {"kind": "mrr"} | ({"field": field} if field else {})
    assert score_of(spec, output, expected=[7]).value == 1


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ({"expected": ["b"]}, 1 / 2),
        ({"expected": "b"}, 1 / 2),
        ({"expected_any": ("c",)}, 1 / 3),
        ({"expected": {"a": 0, "b": 2}}, 1 / 2),
        ({"expected": "The answer.", "reference_context": ("c",)}, 1 / 3),
    ],
)
def test_what_is_relevant_stands_in_the_case(case: dict[str, Any], value: float, score_of: ScoreOf) -> None:
    assert score_of("mrr", RANKED, **case).value == pytest.approx(value)


def test_reason_names_both_sides(score_of: ScoreOf) -> None:
    assert score_of("mrr", RANKED, expected=["d"]).reason == 'ranked "a", "b", "c" and 1 more; relevant: "d"'
    assert score_of("mrr", [], expected=["d"]).reason == 'ranked nothing; relevant: "d"'


def test_half_passes_and_less_does_not(score_of: ScoreOf) -> None:
    assert score_of("mrr", RANKED, expected=["b"]).passed is True
    assert score_of("mrr", RANKED, expected=["c"]).passed is False


@pytest.mark.parametrize("expected", [[], {}, {"a": 0}])
def test_without_a_relevant_document_the_rule_cannot_tell(expected: Any, score_of: ScoreOf) -> None:
    score = score_of("mrr", RANKED, expected=expected)
    assert (score.value, score.passed) == (None, None)
    assert score.reason == "no document is relevant, so there is nothing to find"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("I found nothing", "Expecting value|JSON"),
        ({"sources": ["a"]}, "is not a list of documents"),
        (None, "null is not a list of documents"),
        ([["a"]], r'\["a"\] is no id: give a string'),
        ([True], "true is no id"),
        ([{"text": "no id"}], 'is no id: .* an object with an "id"'),
    ],
)
def test_an_output_without_a_ranking_is_a_miss(output: Any, reason: str, score_of: ScoreOf) -> None:
    score = score_of("mrr", output, expected=["a"])
    assert (score.value, score.passed) == (0.0, False)
    assert re.search(reason, score.reason)


def test_a_field_that_the_output_lacks_is_a_miss(score_of: ScoreOf) -> None:
    score = score_of({"kind": "mrr", "field": "found.sources"}, {"found": {"docs": []}}, expected=["a"])
    assert (score.value, score.reason) == (0.0, 'the output has no field "found.sources"')


@pytest.mark.parametrize(
    ("output", "case", "message"),
    [
        (["a", "b", "a"], {"expected": ["a"]}, 'scorer "mrr": document "a" is ranked twice'),
        ([1, "1"], {"expected": ["1"]}, 'document "1" is ranked twice'),
        (["a"], {}, 'scorer "mrr": nothing to compare with'),
        (["a"], {"expected": [None]}, "null is no id"),
        (["a"], {"expected": {"a": "high"}}, '"expected" grades "a" as "high": a grade is a number'),
        (["a"], {"expected": {"a": True}}, '"expected" grades "a" as true'),
        (["a"], {"expected": {"a": -1}}, 'relevance of document "a" must be 0 or more'),
    ],
)
def test_what_cannot_be_measured_is_an_error(
    output: Any, case: dict[str, Any], message: str, score_of: ScoreOf
) -> None:
    with pytest.raises(ScorerError, match=message):
        score_of("mrr", output, **case)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("recall-at-k", '"k" is missing'),
        ({"kind": "precision-at-k", "k": 0}, "k = 0"),
        ({"kind": "ndcg-at-k", "k": 2.5}, "k = 2.5"),
        ({"kind": "mrr", "k": 3}, 'unknown parameter "k" of mrr'),
        ({"kind": "mrr", "field": ""}, 'field = ""'),
        ("not-mrr", 'unknown scorer "not-mrr"'),
    ],
)
def test_unusable_specifications_are_refused(spec: Any, message: str, context: Context) -> None:
    with pytest.raises(SettingsError, match=message):
        build(spec, context=context)
