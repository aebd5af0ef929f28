from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.scorers.retrieval import retrieval

if TYPE_CHECKING:
    from random import Random

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


def test_what_was_not_judged_is_not_relevant() -> None:
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
        (["a", "b", "a"], {"a": 1}, 3, 'document "a" is ranked twice'),
        (["a"], {"a": -1}, 3, 'relevance of document "a" must be 0 or more and finite, got -1'),
        (["a"], {"a": math.nan}, 3, "must be 0 or more and finite, got nan"),
        (["a"], {"a": math.inf}, 3, "must be 0 or more and finite, got inf"),
        (["a"], {"a": 1}, 0, "k must be 1 or more, got 0"),
    ],
)
def test_unusable_rankings_are_refused(ranked: list[str], relevance: dict[str, float], k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        retrieval(ranked, relevance, k)
