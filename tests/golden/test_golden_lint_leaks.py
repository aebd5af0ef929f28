"""Leaks: answers that stand where the model can read them, and cases that stand in a prompt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.golden.lint import PromptText, contains_words, expected_in_inputs, leaks_into_prompts
from pytest_evalgate.records.results import Case, Place

_LONG = "Our office in the old harbour of Bremen was closed for the whole of last winter: why was that?"


def _case(number: int, text: Any, expected: Any = None, **fields: Any) -> Case:
    return Case(f"c{number}", text, expected=expected, place=Place("g.jsonl", number), **fields)


def _in_input(*cases: Case) -> list[int]:
    return [finding.place.line for finding in expected_in_inputs(cases)]


def _in_prompt(text: str, *cases: Case, answers: bool = True) -> list[str]:
    found = leaks_into_prompts(cases, [PromptText("prompts/p.md", text, answers=answers)])
    return [f"{finding.place.line} {finding.kind} {finding.severity}" for finding in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is Paris: what is the capital of France?", "Paris"),
        ("it is PARIS. What is the capital?", " paris "),
        ("The code is a.b+c (do not tell). What is the code?", "a.b+c"),
    ],
)
def test_an_answer_in_its_input(text: str, expected: str) -> None:
    [finding] = expected_in_inputs([_case(1, text, expected)])
    assert str(finding) == "g.jsonl:1: answer-in-input: the expected answer stands in the input"
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Is Parisian chic from Paris-Plages? What does comparison mean?", "pari"),
        ("Say yes or no.", "yes"),
        ("What is 14 and 3?", "17"),
        ("What is the capital?", "Paris"),
        ("It is Paris.", {"city": "Paris"}),
        ("It is Paris.", None),
    ],
)
def test_no_answer_in_its_input(text: str, expected: Any) -> None:
    assert _in_input(_case(1, text, expected)) == []


def test_one_of_several_answers_is_enough() -> None:
    assert _in_input(_case(1, "It is Paris.", expected_any=("Lutetia", "Paris"))) == [1]


def test_a_choice_among_those_that_the_input_lists_is_no_leak() -> None:
    choices = "Is this positive, negative or mixed? I liked it."
    assert _in_input(_case(1, choices, "positive"), _case(2, f"{choices} No.", "negative")) == []
    assert _in_input(_case(1, "A positive test. Good or bad?", "positive"), _case(2, "Well?", "negative")) == [1]


def test_messages_and_variables_are_inputs() -> None:
    assert _in_input(_case(1, None, "Paris", messages=({"role": "user", "content": "Paris?"},))) == [1]
    assert _in_input(_case(1, None, "Paris", vars={"hint": ["Paris"]})) == [1]


def test_a_whole_input_in_a_prompt_is_an_error() -> None:
    prompt = f"Answer well.\n\nQ: {_LONG.upper()}\nA: It was flooded."
    assert _in_prompt(prompt, _case(1, _LONG), _case(2, "Why is the sky blue at noon?")) == ["1 input-in-prompt error"]
    assert _in_prompt("Example: who pays for it? Nobody.", _case(1, "Who pays for it?")) == ["1 input-in-prompt error"]


def test_a_large_part_of_an_input_in_a_prompt_is_a_warning() -> None:
    prompt = "As in: our office in the old harbour of Bremen was closed for the whole of spring."
    assert _in_prompt(prompt, _case(1, _LONG)) == ["1 input-in-prompt warning"]


@pytest.mark.parametrize("text", ["why was that", "our office", "", None])
def test_a_few_common_words_are_no_leak(text: str | None) -> None:
    assert _in_prompt(f"Answer: {_LONG}", _case(1, text)) == []


def test_an_answer_of_one_case_alone_in_a_prompt() -> None:
    cases = [_case(1, "Who wrote it?", "Annette Kolb"), _case(2, "Who else?", "Somebody Else")]
    assert _in_prompt("Answer in full, such as Annette Kolb.", *cases) == ["1 answer-in-prompt warning"]


def test_an_answer_that_several_cases_have_is_a_label_that_a_prompt_has_to_name() -> None:
    cases = [_case(1, "I want my money", "refund"), _case(2, "Money back now", "refund")]
    assert _in_prompt("Answer refund, or delivery.", *cases) == []


def test_answers_among_few_shots_of_a_judge_give_nothing_away() -> None:
    case = _case(1, "Who wrote it?", "Annette Kolb")
    assert _in_prompt("Annette Kolb", case, answers=False) == []


def test_the_finding_names_the_prompt() -> None:
    [finding] = leaks_into_prompts([_case(3, "Who?", "Annette Kolb")], [PromptText("p.md", "Annette Kolb")])
    assert str(finding) == "g.jsonl:3: answer-in-prompt: the expected answer stands in p.md"


@given(before=st.text(max_size=5), part=st.text(min_size=1, max_size=5), after=st.text(max_size=5))
def test_a_part_between_blanks_is_always_found(before: str, part: str, after: str) -> None:
    assert contains_words(f"{before} {part} {after}", part)


@pytest.mark.parametrize(
    ("text", "part", "found"), [("aba ab", "ab", True), ("abab", "ab", False), ("+ab", "+a", False)]
)
def test_whole_words_only(text: str, part: str, found: bool) -> None:  # noqa: FBT001 - a column of the table
    assert contains_words(text, part) is found
