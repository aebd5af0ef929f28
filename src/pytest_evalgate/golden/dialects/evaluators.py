"""The evaluators of a pydantic-evals case, as scorers of the case where a rule means the same."""

from __future__ import annotations

from typing import Any, Final

from pytest_evalgate import jsonl
from pytest_evalgate.golden.dialects.dialect import Misread

_BY_JUDGE: Final = "a model decides it: name a judge among the scorers of the suite"
_BY_BUDGET: Final = "a whole run is held to it: add a budget gate to the suite"
_ELSEWHERE: Final = {"LLMJudge": _BY_JUDGE, "MaxDuration": _BY_BUDGET}


def asserts(value: Any) -> dict[str, Any]:
    """Read evaluators as scorers of the case.

    Raises:
        Misread: one of them has no counterpart.

    """
    if not isinstance(value, list):
        raise Misread(f"must be a list, not {jsonl.canonical(value)[:60]}")
    return {"asserts": [_spec(entry, f"[{index}]") for index, entry in enumerate(value)]}


def _spec(entry: Any, inside: str) -> dict[str, Any]:
    """Read one: its name, or an object of its name and its argument or arguments."""
    name, given = entry, None
    if isinstance(entry, dict) and len(entry) == 1:
        [(name, given)] = entry.items()
    params = given if isinstance(given, dict) else {} if given is None else {"value": given}
    if name == "EqualsExpected" and not params:
        return {"kind": "exact"}
    if name == "Equals" and params.keys() == {"value"}:
        return {"kind": "exact", **params}
    if name == "Contains" and {"value"} <= params.keys() <= {"value", "case_sensitive"} and _is_text(params["value"]):
        return {"kind": "contains" if params.get("case_sensitive", True) else "icontains", "value": params["value"]}
    why = _ELSEWHERE.get(str(name), "there is no scorer that means this; there are Contains, Equals, EqualsExpected")
    raise Misread(f"{jsonl.canonical(entry)[:60]}: {why}", inside)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
