"""Rules that measure a ranking of documents, as trec_eval does (https://github.com/usnistgov/trec_eval)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers.compare import comparable
from pytest_evalgate.scorers.text import all_expected, format_list, format_value
from pytest_evalgate.text.jsonl import loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded, Output


TopK = Annotated[int, Field(ge=1)]


def precision_at_k(case: Case, output: Output, /, *, k: TopK) -> Graded:
    """Return the share of relevant documents among the first ``k``; missing documents count as irrelevant.

    The relevant ids are the case's ``reference_context``, or else its ``expected``: a list, or an object with a grade
    by id. If no grade is above 0, the score is unknown. The output is a list of ids, the best first, or of objects
    with an "id", or JSON text of such a list; a repeated id counts as an irrelevant document.

    Raises:
        ScorerError: There are no relevant ids to compare with.
    """
    return _measured("precision_at_k", case, output, k)


def recall_at_k(case: Case, output: Output, /, *, k: TopK) -> Graded:
    """Return the share of the relevant documents that are among the first ``k``; inputs as for `precision_at_k`."""
    return _measured("recall_at_k", case, output, k)


def ndcg_at_k(case: Case, output: Output, /, *, k: TopK) -> Graded:
    """Return the normalised discounted cumulative gain of the first ``k``; inputs as for `precision_at_k`."""
    return _measured("ndcg_at_k", case, output, k)


def mrr(case: Case, output: Output, /) -> Graded:
    """Return 1 / rank of the first relevant document, 0 without one; inputs as for `precision_at_k`."""
    return _measured("mrr", case, output, 1)


def _measured(measure: str, case: Case, output: Output, k: int) -> Graded:
    relevance = wanted_documents(case)
    try:
        ranked = ranked_documents(output)
    except ValueError as error:
        return 0.0, str(error)
    found = retrieval(ranked, relevance, k)
    if found is None:
        return None, "no document is relevant, so there is nothing to find"
    relevant = [one for one, grade in relevance.items() if grade > 0]
    return getattr(found, measure), f"ranked {format_list(ranked) or 'nothing'}; relevant: {format_list(relevant)}"


def wanted_documents(case: Case) -> dict[str, float]:
    """Return the grade of each document by its id; raise ScorerError if it cannot be read."""
    try:
        if case.reference_context:
            return dict.fromkeys(map(_id, case.reference_context), 1.0)
        if isinstance(case.expected, Mapping):
            return {comparable(one): _grade(one, grade) for one, grade in case.expected.items()}
        return dict.fromkeys(map(_id, () if case.expected == [] else all_expected(case)), 1.0)
    except ValueError as error:
        raise ScorerError(str(error)) from error


def _grade(document: str, grade: Json) -> float:
    if isinstance(grade, bool) or not isinstance(grade, int | float) or not 0 <= grade < math.inf:
        raise ScorerError(
            f'"expected" grades {format_value(document)} as {format_value(grade)}: a grade is a number, 0 or more'
        )
    return float(grade)


def ranked_documents(output: Output) -> list[str]:
    """Return the ids in ranked order, or raise ValueError with the reason why there are none."""
    value: Any = loads(output.value) if isinstance(output.value, str) else output.value
    if not isinstance(value, list | tuple):
        raise ValueError(f"{format_value(value)} is not a list of documents")  # noqa: TRY004 - as `loads` on text
    return [_id(one) for one in value]


def _id(document: Json) -> str:
    """Return the id of a document: the document itself, or the "id" of an object. 7 and "7" are the same id."""
    one = document.get("id") if isinstance(document, Mapping) else document
    if isinstance(one, str) or (isinstance(one, int) and not isinstance(one, bool)):
        return comparable(str(one))
    raise ValueError(f'{format_value(document)} is not an id: give a string, a whole number or an object with an "id"')


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Measures of one ranking, all from 0 to 1; those with ``at_k`` use its first k documents."""

    precision_at_k: float
    recall_at_k: float
    hit_at_k: float
    ndcg_at_k: float
    ap_at_k: float
    average_precision: float
    mrr: float


def retrieval(ranked: Sequence[str], relevance: Mapping[str, float], k: int) -> Retrieval | None:
    """Measure a ranking of documents with graded relevance; None if no document is relevant.

    ``ranked`` contains ids, the best first, ``relevance`` the grade by id, and ``k`` is the cutoff in documents. A
    document is relevant if it has a grade above 0; ranked again, it is irrelevant at that rank. Precision divides by
    ``k``, even if the ranking is shorter; recall and average precision divide by the number of relevant documents.
    ``mrr`` is 1 / rank of the first relevant document anywhere in the ranking, 0 without one. nDCG has the grade as
    gain, ``log2(rank + 1)`` as discount, and the best ranking of all graded documents as ideal. Source: Järvelin &
    Kekäläinen 2002; trec_eval.

    Raises:
        ValueError: A grade is negative, NaN or infinite, or ``k`` is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    for document, grade in relevance.items():
        if not 0 <= grade < math.inf:
            raise ValueError(f'relevance of document "{document}" must be 0 or more and finite, got {grade}')
    relevant = sum(grade > 0 for grade in relevance.values())
    if not relevant:
        return None
    first = {one: rank for rank, one in reversed(list(enumerate(ranked)))}
    gains = [relevance.get(one, 0.0) if first[one] == rank else 0.0 for rank, one in enumerate(ranked)]
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
    """Return the sum of the precisions at the ranks of the hits."""
    counts = accumulate(hits)
    return math.fsum(count / rank for rank, (count, hit) in enumerate(zip(counts, hits, strict=True), 1) if hit)


def _discounted(gains: Iterable[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
