"""Rules about the documents that an output ranks: precision, recall, reciprocal rank, nDCG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.jsonl import loads
from pytest_evalgate.scorers.ranking import retrieval
from pytest_evalgate.scorers.wanted import Text, all_wanted, listed, shown

if TYPE_CHECKING:
    from pytest_evalgate.data import Case, Graded, Json, Output

Cut = Annotated[int, Field(ge=1)]


def precision_at_k(case: Case, output: Output, /, *, k: Cut, field: Text | None = None) -> Graded:
    """Return the share of relevant documents among the first ``k``, missing ones counted as irrelevant.

    Args:
        case: the relevant ids are its ``reference_context``, or else the list ``expected``, or an object there with
            grades by id. With none above 0 the rule cannot tell.
        output: a list of ids, the best first, or of objects with an "id"; or JSON text with one.
        k: at how many documents to cut.
        field: dotted path of the list in the output.

    Raises:
        ScorerError: there are no relevant ids to compare with, or the output ranks a document twice.

    """
    return _measured("precision_at_k", case, output, k, field)


def recall_at_k(case: Case, output: Output, /, *, k: Cut, field: Text | None = None) -> Graded:
    """Return the share of the relevant documents that are among the first ``k``; arguments as `precision_at_k`."""
    return _measured("recall_at_k", case, output, k, field)


def ndcg_at_k(case: Case, output: Output, /, *, k: Cut, field: Text | None = None) -> Graded:
    """Return the normalised discounted cumulative gain of the first ``k``; arguments as `precision_at_k`."""
    return _measured("ndcg_at_k", case, output, k, field)


def mrr(case: Case, output: Output, /, *, field: Text | None = None) -> Graded:
    """Return 1 / rank of the first relevant document, 0 without one; arguments as `precision_at_k`."""
    return _measured("mrr", case, output, 1, field)


def _measured(measure: str, case: Case, output: Output, k: int, field: str | None) -> Graded:
    try:
        ranked = _ranked(output, field)
    except ValueError as error:
        return 0.0, str(error)
    try:
        relevance = _relevance(case)
        found = retrieval(ranked, relevance, k)
    except ValueError as error:
        raise ScorerError(str(error)) from error
    if found is None:
        return None, "no document is relevant, so there is nothing to find"
    relevant = [one for one, grade in relevance.items() if grade > 0]
    return getattr(found, measure), f"ranked {listed(ranked) or 'nothing'}; relevant: {listed(relevant)}"


def _relevance(case: Case) -> dict[str, float]:
    if case.reference_context:
        return dict.fromkeys(case.reference_context, 1.0)
    if isinstance(case.expected, Mapping):
        return {one: _grade(one, grade) for one, grade in case.expected.items()}
    return dict.fromkeys(map(_id, () if case.expected == [] else all_wanted(case)), 1.0)


def _grade(document: str, grade: Json) -> float:
    if isinstance(grade, bool) or not isinstance(grade, int | float):
        raise ScorerError(f'"expected" grades {shown(document)} as {shown(grade)}: a grade is a number, 0 or more')
    return float(grade)


def _ranked(output: Output, field: str | None) -> list[str]:
    """Return the ids in ranked order; ValueError says why there are none."""
    value: Any = loads(output.value) if isinstance(output.value, str) else output.value
    for key in field.split(".") if field else ():
        if not isinstance(value, Mapping) or key not in value:
            raise ValueError(f'the output has no field "{field}"')
        value = value[key]
    if not isinstance(value, list | tuple):
        raise ValueError(f"{shown(value)} is not a list of documents")  # noqa: TRY004 - as `loads` on text
    return [_id(one) for one in value]


def _id(document: Json) -> str:
    """Return the id of a document, which may stand alone or in an object; 7 and "7" are the same."""
    one = document.get("id") if isinstance(document, Mapping) else document
    if isinstance(one, str) or (isinstance(one, int) and not isinstance(one, bool)):
        return str(one)
    raise ValueError(f'{shown(document)} is no id: give a string, a whole number or an object with an "id"')
