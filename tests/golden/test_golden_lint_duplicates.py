"""Duplicates: what asks the same, or almost, is found; what only looks alike is not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.golden.lint import duplicates
from pytest_evalgate.records.results import Case, Place

_LONG = "My parcel was to come on Monday and it is Thursday now: where is it, and who pays for the delay?"


def _case(number: int, text: Any, **fields: Any) -> Case:
    return Case(f"c{number}", text, place=Place("g.jsonl", number), **fields)


def _found(*cases: Case) -> list[str]:
    return [f"{finding.place.line} {finding.kind} {finding.severity}" for finding in duplicates(cases)]


def test_the_same_question_twice() -> None:
    [finding] = duplicates([_case(1, "Why?", expected="a"), _case(2, "How?"), _case(3, "Why?", expected="a")])
    assert str(finding) == 'g.jsonl:3: duplicate: asks what "c1" (g.jsonl:1) asks, so that it counts twice'
    assert finding.severity == "warning"


def test_the_same_question_with_another_answer() -> None:
    assert _found(_case(1, "Why?", expected="a"), _case(2, "Why?", expected="b")) == ["2 contradiction warning"]


@pytest.mark.parametrize(
    "changed",
    [
        _LONG.upper(),
        _LONG.replace(":", " --"),
        _LONG.replace("Thursday", "Friday"),
        f"Hello. {_LONG}",
    ],
)
def test_almost_the_same_question(changed: str) -> None:
    assert _found(_case(1, _LONG), _case(2, changed)) == ["2 near-duplicate warning"]


@pytest.mark.parametrize(
    "other",
    [
        "My parcel was to come on Monday: can I have my money back for the delay, and who pays?",
        "Where is it, and who pays for the delay?",
        "",
    ],
)
def test_another_question(other: str) -> None:
    assert _found(_case(1, _LONG), _case(2, other)) == []


def test_two_words_are_alike_only_where_they_are_the_same() -> None:
    assert _found(_case(1, "Bonn?"), _case(2, "bonn"), _case(3, "Berlin?")) == ["2 near-duplicate warning"]


def test_the_same_question_of_another_context_is_another_one() -> None:
    one, other = _case(1, _LONG, context=("Parcels come by rail.",)), _case(2, _LONG, context=("Snow fell all day.",))
    assert _found(one, other) == []


def test_messages_and_variables_ask_too() -> None:
    asked = ({"role": "user", "content": _LONG},)
    assert _found(_case(1, None, messages=asked), _case(2, None, messages=asked)) == ["2 duplicate warning"]
    assert _found(_case(1, None, vars={"q": "a"}), _case(2, None, vars={"q": "b"})) == []


def test_cases_that_ask_nothing_are_left_alone() -> None:
    assert _found(_case(1, None, output="a"), _case(2, None, output="a")) == []


def test_each_case_of_a_template_is_named_once() -> None:
    cases = [_case(number, f"{_LONG} I am customer number {number}.") for number in range(1, 200)]
    assert len(_found(*cases)) == 198


_SENTENCES = st.lists(st.sampled_from("abcde"), min_size=1, max_size=12).map(" ".join)


@given(texts=st.lists(_SENTENCES, min_size=2, max_size=12))
def test_the_join_finds_what_comparing_all_pairs_finds(texts: list[str]) -> None:
    cases = [_case(number, text) for number, text in enumerate(dict.fromkeys(texts), start=1)]
    expected = {
        case.place.line
        for index, case in enumerate(cases)
        if any(_jaccard(case.input, other.input) >= 0.8 for other in cases[:index])
    }
    assert {finding.place.line for finding in duplicates(cases)} == expected


def _jaccard(one: str, other: str) -> float:
    first, second = _pairs(one), _pairs(other)
    return len(first & second) / len(first | second)


def _pairs(text: str) -> set[tuple[str, ...]]:
    found = text.split()
    return set(pairwise(found)) or {(found[0],)}
