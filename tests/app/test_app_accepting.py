"""The value that becomes expected when an output is accepted, and the rules that have the last word on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.app.accepting import values_to_accept, why_still_missed
from pytest_evalgate.config import Suite
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER = "7 x 6 = 42. Answer: 43"


def _suite(*scorers: str | dict[str, Any], **more: Any) -> Suite:
    return Suite(golden=("g.jsonl",), scorers=scorers, **more)


def _accepted(suite: Suite, answer: Any, before: Any, root: Path) -> Any:
    """Return the first value with which the rules pass; the last reason if there is none."""
    reason: str | None = None
    for value in values_to_accept(suite, answer, before):
        reason = why_still_missed(suite, root, Case("a", "q", expected=value), Output(answer))
        if reason is None:
            return value
    return f"missed: {reason}"


@pytest.mark.parametrize(
    ("scorers", "answer", "before", "expected"),
    [
        (("exact",), _ANSWER, "42", _ANSWER),
        (({"kind": "number", "pattern": r"Answer:\s*(.+)$"},), _ANSWER, "42", "43"),
        (({"kind": "number", "pattern": r"Answer:\s*(.+)$"},), _ANSWER, 42, 43),
        (({"kind": "number", "pattern": r"Answer:\s*(.+)$"},), "3 or 4? Answer: 1.5", 2.5, 1.5),
        (("number",), "It is 42.", "41", "It is 42."),
        (("number",), "Between 1 and 42", "41", "missed: number: could not tell"),
        (("exact", {"kind": "contains", "value": "z"}), "x", "y", 'missed: contains: lacks "z"'),
        (("exact",), {"n": 1}, {"n": 2}, {"n": 1}),
        (({"judge": "tone"},), _ANSWER, "42", _ANSWER),
        (({"python": "json:loads"},), _ANSWER, "42", _ANSWER),
        (({"kind": "of-a-plugin"},), _ANSWER, "42", _ANSWER),
    ],
)
def test_the_value_is_the_first_that_the_rules_pass(
    tmp_path: Path, scorers: tuple[Any, ...], answer: Any, before: Any, expected: Any
) -> None:
    found = _accepted(_suite(*scorers), answer, before, tmp_path)
    if isinstance(expected, str) and expected.startswith("missed"):
        assert found.startswith(expected)
    else:
        assert (found, type(found)) == (expected, type(expected))


def test_asserts_and_a_weighted_threshold_count(tmp_path: Path) -> None:
    case = Case("a", "q", expected="x", asserts=({"kind": "contains", "value": "y"},))
    assert why_still_missed(_suite("exact"), tmp_path, case, Output("x")) is not None
    weighted = _suite(
        {"kind": "exact", "weight": 1.0}, {"kind": "contains", "value": "y", "weight": 1.0}, threshold=0.5
    )
    assert why_still_missed(weighted, tmp_path, replace(case, asserts=()), Output("x")) is None


def test_without_a_configured_suite_the_whole_answer_is_accepted(tmp_path: Path) -> None:
    assert list(values_to_accept(None, _ANSWER, "42")) == [_ANSWER]
    assert why_still_missed(None, tmp_path, Case("a", "q", expected="x"), Output("y")) is None


def test_a_pattern_that_cannot_be_used_finds_nothing() -> None:
    suite = _suite({"kind": "number", "pattern": "("}, {"kind": "regex", "pattern": "(a+)+$"})
    assert next(values_to_accept(suite, "a" * 40 + "!", "x")) == "a" * 40 + "!"
