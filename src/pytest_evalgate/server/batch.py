"""Batches: a list of questions in one request, each answered as alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import UserError
from pytest_evalgate.server.openapi import MOST_QUESTIONS
from pytest_evalgate.server.operations import by_name
from pytest_evalgate.server.parameters import read_values
from pytest_evalgate.server.request_problem import RequestError, problem_of
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pytest_evalgate.server.operations import Operation
    from pytest_evalgate.server.view_sources import ViewSources


Question = tuple["Operation", Mapping[str, Sequence[str]]]
"""A question with the texts of its parameters, as a URL would have them."""


def read_batch(body: bytes) -> list[Question]:
    """Return the questions in the body of a request.

    Raises:
        RequestError: It is no list of 1 to 20 questions. Values of parameters are not checked yet.
    """
    try:
        found = jsonl.loads(body)
    except ValueError as error:
        raise RequestError(400, f"the body is no JSON: {error}") from None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_QUESTIONS:
        raise RequestError(400, f"the body is no list of 1 to {MOST_QUESTIONS} questions")
    return [_question(each, f"question {number}") for number, each in enumerate(found, 1)]


def answer_batch(sources: ViewSources, asked: Sequence[Question]) -> list[dict[str, Any]]:
    """Return the answers, in the order of the questions, each with its status."""
    return [_answer(sources, *each) for each in asked]


def answer_one(sources: ViewSources, operation: Operation, given: Mapping[str, Sequence[str]]) -> Any:
    """Return the answer to one question.

    Raises:
        UserError: A parameter cannot be used, a name is not stored, or the store cannot be used.
    """
    return operation.answer(sources, read_values(operation.parameters, given))


def _answer(sources: ViewSources, operation: Operation, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    try:
        return {"status": 200, "body": answer_one(sources, operation, given)}
    except UserError as error:
        problem = problem_of(error)
        return {"status": problem.status, "body": problem.as_json()}


def _question(asked: Any, place: str) -> Question:
    if not isinstance(asked, dict) or not {"question"} <= asked.keys() <= {"question", "parameters"}:
        form = '{"question": "runs", "parameters": {"limit": 10}}'
        raise RequestError(400, f"{place} does not have the form {form}")
    name, parameters = asked["question"], asked.get("parameters", {})
    known = by_name()
    if not isinstance(name, str) or name not in known:
        near = did_you_mean(str(name), known) or f": the questions are {', '.join(known)}"
        raise RequestError(400, f"{place} is unknown{near}", "question")
    if not isinstance(parameters, dict):
        raise RequestError(400, f"{place}: the parameters are no object", "parameters")
    return known[name], {key: _texts(key, value, place) for key, value in parameters.items()}


def _texts(name: str, value: Any, place: str) -> list[str]:
    """Return the texts that a URL would have for a value of JSON."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        raise RequestError(400, f"{place}: give a text, a whole number, or a list of texts", name)
    return values
