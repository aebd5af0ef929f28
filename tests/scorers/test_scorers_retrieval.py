"""Measures of rankings, and the rules that use them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.retrieval import retrieval

if TYPE_CHECKING:
    from random import Random

    from tests.scorers.conftest import ScoreOf


documents = st.lists(st.sampled_from("abcdefgh"), max_size=8, unique=True)
judgements = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3), min_size=1)


def hits(ranked: list[str], grades: dict[str, int]) -> int:
    return sum(grades.get(one, 0) > 0 for one in ranked)


@given(ranked=documents, grades=judgements.filter(lambda grades: any(grades.values())), k=st.integers(1, 9))
def test_measures_count_the_relevant_documents(ranked: list[str], grades: dict[str, int], k: int) -> None:
    found = retrieval(ranked, grades, k)
    assert found is not None
    relevant, first = sum(grade > 0 for grade in grades.values()), hits(ranked[:k], grades)
    assert (found.precision_at_k, found.recall_at_k, found.hit_at_k) == (first / k, first / relevant, float(first > 0))
    ranks = [rank for rank, one in enumerate(ranked, 1) if grades.get(one, 0) > 0]
    assert found.mrr == (1 / ranks[0] if ranks else 0)
    precisions = {rank: hits(ranked[:rank], grades) / rank for rank in ranks}
    assert found.average_precision == pytest.approx(sum(precisions.values()) / relevant)
    assert found.ap_at_k == pytest.approx(sum(p for rank, p in precisions.items() if rank <= k) / relevant)


@given(
    grades=judgements.filter(lambda grades: any(grades.values())),
    k=st.integers(1, 9),
    random=st.randoms(use_true_random=False),
)
def test_the_ideal_ranking_has_an_ndcg_of_one_and_no_other_has_more(
    grades: dict[str, int], k: int, random: Random
) -> None:
    ideal = retrieval(sorted(grades, key=lambda one: -grades[one]), grades, k)
    other = retrieval(random.sample(sorted(grades), len(grades)), grades, k)
    assert ideal is not None
    assert other is not None
    assert ideal.ndcg_at_k == pytest.approx(1)
    assert 0 <= other.ndcg_at_k <= 1 + 1e-12


def test_documents_without_a_grade_are_not_relevant() -> None:
    found = retrieval(["x", "y", "a"], {"a": 1}, 3)
    assert found is not None
    assert (found.precision_at_k, found.mrr, found.ndcg_at_k) == (1 / 3, 1 / 3, 1 / 2)


def test_an_empty_ranking_finds_nothing() -> None:
    found = retrieval([], {"a": 1}, 3)
    assert found is not None
    assert {getattr(found, name) for name in found.__slots__} == {0.0}


@pytest.mark.parametrize("relevance", [{}, {"a": 0}])
def test_without_a_relevant_document_nothing_is_defined(relevance: dict[str, float]) -> None:
    assert retrieval(["a"], relevance, 3) is None


@pytest.mark.parametrize(
    ("ranked", "relevance", "k", "message"),
    [
        (["a"], {"a": -1}, 3, 'relevance of document "a" must be 0 or more and finite, got -1'),
        (["a"], {"a": math.nan}, 3, "must be 0 or more and finite, got nan"),
        (["a"], {"a": math.inf}, 3, "must be 0 or more and finite, got inf"),
        (["a"], {"a": 1}, 0, "k must be 1 or more, got 0"),
    ],
)
def test_unusable_rankings_are_refused(ranked: list[str], relevance: dict[str, float], k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        retrieval(ranked, relevance, k)


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
def test_the_relevant_documents_come_from_the_case(case: dict[str, Any], value: float, score_of: ScoreOf) -> None:
    assert score_of("mrr", RANKED, **case).value == pytest.approx(value)


def test_reason_names_both_sides(score_of: ScoreOf) -> None:
    assert score_of("mrr", RANKED, expected=["d"]).reason == 'ranked "a", "b", "c" and 1 more; relevant: "d"'
    assert score_of("mrr", [], expected=["d"]).reason == 'ranked nothing; relevant: "d"'


def test_half_passes_and_less_does_not(score_of: ScoreOf) -> None:
    assert score_of("mrr", RANKED, expected=["b"]).passed is True
    assert score_of("mrr", RANKED, expected=["c"]).passed is False


@pytest.mark.parametrize("expected", [[], {}, {"a": 0}])
def test_without_a_relevant_document_the_score_is_unknown(expected: Any, score_of: ScoreOf) -> None:
    score = score_of("mrr", RANKED, expected=expected)
    assert (score.value, score.passed) == (None, None)
    assert score.reason == "no document is relevant, so there is nothing to find"


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("I found nothing", "Expecting value|JSON"),
        ({"sources": ["a"]}, "is not a list of documents"),
        (None, "null is not a list of documents"),
        ([["a"]], r'\["a"\] is not an id: give a string'),
        ([True], "true is not an id"),
        ([{"text": "no id"}], 'is not an id: .* an object with an "id"'),
    ],
)
def test_an_output_without_a_ranking_is_a_miss(output: Any, reason: str, score_of: ScoreOf) -> None:
    score = score_of("mrr", output, expected=["a"])
    assert (score.value, score.passed) == (0.0, False)
    assert re.search(reason, score.reason)


def test_a_field_that_the_output_lacks_is_a_miss(score_of: ScoreOf) -> None:
    score = score_of({"kind": "mrr", "field": "found.sources"}, {"found": {"docs": []}}, expected=["a"])
    assert (score.value, score.reason) == (0.0, "the output has no found.sources")


@pytest.mark.parametrize(
    ("output", "case", "message"),
    [
        (["a"], {}, 'scorer "mrr": nothing to compare with'),
        (["a"], {"expected": [None]}, "null is not an id"),
        (["a"], {"expected": {"a": "high"}}, '"expected" grades "a" as "high": a grade is a number'),
        (["a"], {"expected": {"a": True}}, '"expected" grades "a" as true'),
        (["a"], {"expected": {"a": -1}}, '"expected" grades "a" as -1: a grade is a number, 0 or more'),
    ],
)
def test_a_ranking_that_cannot_be_measured_is_an_error(
    output: Any, case: dict[str, Any], message: str, score_of: ScoreOf
) -> None:
    with pytest.raises(ScorerError, match=message):
        score_of("mrr", output, **case)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("recall-at-k", "k: this key is missing: write k ="),
        ({"kind": "precision-at-k", "k": 0}, "k: must be at least 1, not 0"),
        ({"kind": "ndcg-at-k", "k": 2.5}, "k: must be a whole number, not 2.5"),
        ({"kind": "mrr", "k": 3}, "mrr: k: unknown key; the keys are: "),
        ({"kind": "mrr", "field": ""}, "field: "),
        ("not-mrr", 'unknown scorer "not-mrr"'),
    ],
)
def test_unusable_specifications_are_refused(spec: Any, message: str, context: Context) -> None:
    with pytest.raises(SettingsError, match=message):
        build(spec, context=context)


@pytest.mark.parametrize(
    ("kind", "ranked", "value"),
    [
        ("precision-at-k", ["a", "a", "a"], 1 / 3),
        ("precision-at-k", [1, "1", "b"], 1 / 3),
        ("recall-at-k", ["a", "a", "b"], 1 / 2),
        ("ndcg-at-k", ["a", "a", "b"], 0.6131471927654585),
        ("mrr", ["x", "x", "a"], 1 / 3),
        ("precision-at-k", ["cafe\u0301", "caf\u00e9", "b"], 1 / 3),
    ],
)
def test_a_repeated_document_is_found_once(kind: str, ranked: list[object], value: float, score_of: ScoreOf) -> None:
    spec = kind if kind == "mrr" else {"kind": kind, "k": 3}
    wanted = {"1": ["1", "c"], "a": ["a", "c"], "x": ["a", "c"]}.get(str(ranked[0]), ["caf\u00e9", "c"])
    assert score_of(spec, ranked, expected=wanted).value == pytest.approx(value)
