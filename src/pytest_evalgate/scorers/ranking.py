"""How good a ranking of documents is, as trec_eval counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Measures of one ranking, all from 0 to 1; those with ``at_k`` look at its first k documents."""

    precision_at_k: float
    recall_at_k: float
    hit_at_k: float
    ndcg_at_k: float
    ap_at_k: float
    average_precision: float
    mrr: float


def retrieval(ranked: Sequence[str], relevance: Mapping[str, float], k: int) -> Retrieval | None:
    """Measure a ranking against graded judgements; None where no document is relevant, as nothing is defined then.

    Args:
        ranked: ids of the documents that were found, the best first.
        relevance: grade by id; a document is relevant with a grade above 0, and not when it is not judged.
        k: at how many documents to cut.

    Precision divides by ``k``, also where the ranking is shorter; recall and average precision divide by all that is
    relevant; ``mrr`` is 1 / rank of the first relevant document anywhere in the ranking, 0 without one; nDCG has the
    grade as gain, ``log2(rank + 1)`` as discount, and the best ranking of all judged documents as ideal. Source:
    Järvelin & Kekäläinen 2002; trec_eval.

    Raises:
        ValueError: a document is ranked twice, a grade is negative, NaN or infinite, or ``k`` is below 1.

    """
    _check(ranked, relevance, k)
    relevant = sum(grade > 0 for grade in relevance.values())
    if not relevant:
        return None
    gains = [relevance.get(one, 0.0) for one in ranked]
    hits = [gain > 0 for gain in gains]
    return Retrieval(
        precision_at_k=sum(hits[:k]) / k,
        recall_at_k=sum(hits[:k]) / relevant,
        hit_at_k=float(any(hits[:k])),
        ndcg_at_k=_discounted(gains[:k]) / _discounted(sorted(relevance.values(), reverse=True)[:k]),
        ap_at_k=_precision_sum(hits[:k]) / relevant,
        average_precision=_precision_sum(hits) / relevant,
        mrr=1 / (hits.index(True) + 1) if any(hits) else 0.0,
    )


def _precision_sum(hits: Sequence[bool]) -> float:
    """Return the sum of the precision at the rank of every hit."""
    found = accumulate(hits)
    return math.fsum(so_far / rank for rank, (so_far, hit) in enumerate(zip(found, hits, strict=True), 1) if hit)


def _discounted(gains: Iterable[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def _check(ranked: Sequence[str], relevance: Mapping[str, float], k: int) -> None:
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    seen: set[str] = set()
    for one in ranked:
        if one in seen:
            raise ValueError(f'document "{one}" is ranked twice: rank each of them once')
        seen.add(one)
    for one, grade in relevance.items():
        if not 0 <= grade < math.inf:
            raise ValueError(f'relevance of document "{one}" must be 0 or more and finite, got {grade}')
