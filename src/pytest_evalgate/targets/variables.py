"""What the templates of a target may speak of: the case, without what is wanted of its output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_evalgate.data import Case, Json


def variables_of(case: Case) -> dict[str, Json]:
    """Return the names that a template may use: each of the case's vars, ``input``, ``vars`` and ``case``.

    A var with the name of one of the last three is found in ``vars`` alone. The expected values, the rubric and the
    reference contexts are left out: what is wanted must not be part of the question.
    """
    asked = {"input": case.input, "vars": dict(case.vars)}
    view = {
        "id": case.golden_id,
        **asked,
        "messages": [dict(message) for message in case.messages],
        "context": list(case.context),
        "tags": list(case.tags),
        "metadata": dict(case.metadata),
    }
    return {**case.vars, **asked, "case": view}


def question(case: Case) -> Json:
    """Return what a target is asked: the input, else the messages, else the vars."""
    if case.input is not None:
        return case.input
    return [dict(message) for message in case.messages] or dict(case.vars) or None


def text_of(value: Json) -> str:
    """Return text as it is, and any other value as its JSON text.

    Raises:
        ValueError: it holds NaN or an infinity.
        TypeError: it holds what JSON cannot.

    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, allow_nan=False)
