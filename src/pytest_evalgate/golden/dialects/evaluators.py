"""Translation of the evaluators of pydantic-evals to scorers of the case; `equivalents` has the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects.equivalents import refusals
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Params = Mapping[str, Any]
    Read = Callable[[Params, Any], dict[str, Any]]

_JSON_TYPES: Final = {"dict": "object", "list": "array", "int": "integer", "float": "number", "bool": "boolean"}


def evaluator_scorers(value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read the evaluators of a case as scorers; refuse those without an equivalent."""
    if not isinstance(value, list):
        raise TranslationError(f"must be a list, not {jsonl.canonical(value)[:60]}")
    expected = row.get("expected_output")
    return {"asserts": [_spec(entry, expected, f"[{index}]") for index, entry in enumerate(value)]}


def _spec(entry: Any, expected: Any, path: str) -> dict[str, Any]:
    """Read one evaluator: its name, or an object with its name and its argument or arguments."""
    name: Any = entry
    given: Any = None
    if isinstance(entry, dict) and len(entry) == 1:
        [(name, given)] = entry.items()
    found = _READERS.get(str(name))
    if found is None:
        known = ", ".join(_READERS)
        reason = _REFUSED.get(str(name), f"has no equivalent scorer; there are {known}")
        raise TranslationError(f"{jsonl.canonical(entry)[:60]} {reason}", path)
    first, others, read = found
    params = dict(given) if _is_arguments(given, first, others) else {} if given is None else {first: given}
    own_name = params.pop("evaluation_name", None)
    for key, value in params.items():
        if key != first and key not in others and value not in (None, False):
            raise TranslationError("has no equivalent here: remove it", f"{path}.{name}.{jsonl.escape_text(key)}")
    if first and first not in params:
        raise TranslationError(f'needs "{first}"', f"{path}.{name}")
    try:
        spec = read(params, expected)
    except TranslationError as error:
        raise TranslationError(f"{jsonl.canonical(entry)[:60]} {error}", path) from None
    return {**spec, **({"name": own_name} if isinstance(own_name, str) and own_name else {})}


def _is_arguments(given: Any, first: str, others: tuple[str, ...]) -> bool:
    """Return whether ``given`` are arguments by name; an object may be the only argument as well."""
    return isinstance(given, dict) and (not first or first in given or not given.keys().isdisjoint(others))


def _equals(params: Params, _: Any) -> dict[str, Any]:
    return {"kind": "exact", "value": params["value"]}


def _equals_expected(_: Params, __: Any) -> dict[str, Any]:
    return {"kind": "exact"}


def _contains(params: Params, _: Any) -> dict[str, Any]:
    value = params["value"]
    return {**_contained(params, value), ("fields" if isinstance(value, dict) else "value"): value}


def _contains_expected(params: Params, expected: Any) -> dict[str, Any]:
    return _contained(params, expected)


def _contained(params: Params, value: Any) -> dict[str, Any]:
    ignores_case = params.get("case_sensitive", True) is False
    if isinstance(value, dict) and value and not params.get("as_strings") and not ignores_case:
        return {"kind": "json-fields", "threshold": 1.0}
    if not isinstance(value, str) or not value:
        raise TranslationError("looks for a value that is no text: use json-fields, or contains with its text")
    return {"kind": "icontains" if ignores_case else "contains"}


def _is_instance(params: Params, _: Any) -> dict[str, Any]:
    name = _JSON_TYPES.get(str(params["type_name"]))
    if name is None:
        raise TranslationError(f"names a class, which JSON does not have: use one of {', '.join(_JSON_TYPES)}")
    return {"kind": "json-schema", "schema": {"type": name}}


def _max_duration(params: Params, _: Any) -> dict[str, Any]:
    seconds = params["seconds"]
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TranslationError("needs a number of seconds")
    return {"kind": "latency", "max": float(seconds)}


def _judge(params: Params, _: Any) -> dict[str, Any]:
    if not isinstance(params["rubric"], str) or not params["rubric"].strip():
        raise TranslationError("needs a text that the judge is asked for")
    return {"kind": "rubric", "value": params["rubric"]}


def _tools(params: Params, _: Any) -> dict[str, Any]:
    mode = "superset" if params.get("allow_extra") else "unordered"
    return {"kind": "tool-calls", "calls": _names(params["expected_tools"]), "mode": mode, "args": "ignore"}


_ORDERS: Final[dict[str, dict[str, Any]]] = {
    "exact": {"mode": "exact"},
    "in_order": {"mode": "exact", "graded": True},
    "any_order": {"mode": "unordered", "graded": True},
}


def _trajectory(params: Params, _: Any) -> dict[str, Any]:
    order = _ORDERS.get(str(params.get("order", "in_order")))
    if order is None:
        raise TranslationError(f"has an unknown order: use one of {', '.join(_ORDERS)}")
    return {"kind": "tool-calls", "calls": _names(params["expected_trajectory"]), "args": "ignore", **order}


def _most_calls(params: Params, _: Any) -> dict[str, Any]:
    return {"kind": "steps", "max_calls": _whole(params["max_calls"])}


def _most_requests(params: Params, _: Any) -> dict[str, Any]:
    return {"kind": "steps", "max": _whole(params["max_requests"])}


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise TranslationError("needs a list of the names of tools")
    return list(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TranslationError("needs a whole number from 0")
    return value


_FAILED: Final = "include_failed"
_READERS: Final[dict[str, tuple[str, tuple[str, ...], Read]]] = {
    "EqualsExpected": ("", (), _equals_expected),
    "Equals": ("value", (), _equals),
    "Contains": ("value", ("case_sensitive", "as_strings"), _contains),
    "ContainsExpected": ("", ("case_sensitive", "as_strings"), _contains_expected),
    "IsInstance": ("type_name", (), _is_instance),
    "MaxDuration": ("seconds", (), _max_duration),
    "LLMJudge": ("rubric", ("include_input", "include_expected_output"), _judge),
    "ToolCorrectness": ("expected_tools", ("allow_extra", _FAILED), _tools),
    "TrajectoryMatch": ("expected_trajectory", ("order", _FAILED), _trajectory),
    "MaxToolCalls": ("max_calls", (_FAILED,), _most_calls),
    "MaxModelRequests": ("max_requests", (), _most_requests),
}
"""Each evaluator: its first argument (empty if it has none), its further arguments, and the reader of both."""

_REFUSED: Final = refusals("pydantic-evals")
