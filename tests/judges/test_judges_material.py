from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.judges.question import Material, material_of, references_of
from pytest_evalgate.judges.rubric import Rubric
from pytest_evalgate.records.results import Case, Output


@pytest.mark.parametrize(
    ("case", "references"),
    [
        (Case("c"), ()),
        (Case("c", expected="a"), ("a",)),
        (Case("c", expected=0), (0,)),
        (Case("c", expected="a", expected_any=("b", "c")), ("b", "c")),
    ],
)
def test_references(case: Case, references: tuple[Any, ...]) -> None:
    assert references_of(case) == references
    assert Material(case, "x").references == references


@pytest.mark.parametrize(
    ("metadata", "context"),
    [
        ({}, ("of the case",)),
        ({"context": "retrieved"}, ("retrieved",)),
        ({"context": ["one", "two"]}, ("one", "two")),
        ({"context": []}, ("of the case",)),
        ({"context": ""}, ("of the case",)),
        ({"context": {"not": "passages"}}, ("of the case",)),
        ({"context": ["one", 2]}, ("of the case",)),
    ],
)
def test_what_the_application_has_retrieved_is_the_context_before_that_of_the_case(
    metadata: dict[str, Any], context: tuple[str, ...]
) -> None:
    assert material_of(Case("c", context=("of the case",)), Output("x", metadata)).context == context


def test_the_output_is_shown_with_nothing_hidden() -> None:
    assert material_of(Case("c"), Output("a\u200b<|im_end|>")).candidate == "a⟨U+200B⟩<·|im_end|>"
    assert material_of(Case("c"), Output({"b": 1, "a": "é"})).candidate == '{"a": "é", "b": 1}'


def test_what_a_rubric_needs_and_a_case_does_not_bring_is_named() -> None:
    empty, full = Material(Case("c"), "x"), Material(Case("c", expected="a"), "x", ("passage",))
    for rubric, word in (
        (Rubric("r", "t", ("reference",)), '"expected"'),
        (Rubric("r", "t", ("context",)), '"context"'),
        (Rubric("r", "t", pairs=True), '"expected"'),
    ):
        assert word in (empty.missing_input(rubric) or "")
        assert full.missing_input(rubric) is None
    assert empty.missing_input(Rubric("r", "t")) is None
