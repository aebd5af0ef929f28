"""Batches: a list of questions in one request, each answered as alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import UserError
from pytest_evalgate.server.openapi import MOST_QUESTIONS
from pytest_evalgate.server.operations import by_name
from pytest_evalgate.server.parameters import read_values
from pytest_evalgate.server.request_problem import RequestError, problem_of
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.server.operations import Operation
    from pytest_evalgate.server.view_sources import ViewSources


def read_batch(body: bytes) -> list[Any]:
    """Return the questions in the body of a request.

    Raises:
        RequestError: It is no list of 1 to 20 questions.
    """
    try:
        found = jsonl.loads(body)
    except ValueError as error:
        raise RequestError(400, f"the body is no JSON: {error}") from None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_QUESTIONS:
        raise RequestError(400, f"the body is no list of 1 to {MOST_QUESTIONS} questions")
    return found


def answer_batch(sources: ViewSources, asked: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the answers, in the order of the questions."""
    return [_answer(sources, each) for each in asked]


def answer_one(sources: ViewSources, operation: Operation, given: Mapping[str, Sequence[str]]) -> Any:
    """Return the answer to one question.

    Raises:
        UserError: A parameter cannot be used, a name is not stored, or the store cannot be used.
    """
    return operation.answer(sources, read_values(operation.parameters, given))


def _answer(sources: ViewSources, asked: Any) -> dict[str, Any]:
    try:
        operation, given = _question(asked)
        return {"status": 200, "body": answer_one(sources, operation, given)}
    except UserError as error:
        problem = problem_of(error)
        return {"status": problem.status, "body": problem.as_json()}


def _question(asked: Any) -> tuple[Operation, dict[str, list[str]]]:
    if not isinstance(asked, dict) or not {"question"} <= asked.keys() <= {"question", "parameters"}:
        raise RequestError(400, 'a question has the form {"question": "runs", "parameters": {"limit": 10}}')
    name, parameters = asked["question"], asked.get("parameters", {})
    known = by_name()
    if not isinstance(name, str) or name not in known:
        near = did_you_mean(str(name), known) or f": the questions are {', '.join(known)}"
        raise RequestError(400, f"there is no such question{near}", "question")
    if not isinstance(parameters, dict):
        raise RequestError(400, "the parameters are no object", "parameters")
    return known[name], {key: _texts(key, value) for key, value in parameters.items()}


def _texts(name: str, value: Any) -> list[str]:
    """Return the texts that a URL would have for a value of JSON."""
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, bool) or not isinstance(one, str | int) for one in values):
        raise RequestError(400, "give a text, a whole number, or a list of texts", name)
    return [str(one) for one in values]
