"""Checks of golden sets: findings only for real problems, and counts that are right."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.config import Suite
from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.lint import (
    LintFinding,
    PromptText,
    contains_words,
    duplicates,
    expected_in_inputs,
    leaks_into_prompts,
    private_data,
    small_slices,
    summarise_file,
)
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import PlannedCase
from pytest_evalgate.text.personal import personal_in
from pytest_evalgate.text.secret_kinds import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


_PARCEL = "My parcel was to come on Monday and it is Thursday now: where is it, and who pays for the delay?"


def _case(number: int, text: Any, expected: Any = None, **fields: Any) -> Case:
    return Case(f"c{number}", text, expected=expected, place=Place("g.jsonl", number), **fields)


def _duplicates(*cases: Case) -> list[str]:
    return [f"{finding.place.line} {finding.kind} {finding.severity}" for finding in duplicates(cases)]


def test_the_same_question_twice() -> None:
    [finding] = duplicates(
        [
            _case(1, "Why?", expected="a"),
            _case(2, "How?"),
            _case(3, "Why?", expected="a"),
        ]
    )
    assert str(finding) == 'g.jsonl:3: duplicate: same input as "c1" (g.jsonl:1), so it counts twice: remove one'
    assert finding.severity == "warning"


def test_the_same_question_with_another_answer() -> None:
    assert _duplicates(_case(1, "Why?", expected="a"), _case(2, "Why?", expected="b")) == ["2 contradiction warning"]


@pytest.mark.parametrize(
    "changed",
    [
        _PARCEL.upper(),
        _PARCEL.replace(":", " --"),
        _PARCEL.replace("Thursday", "Friday"),
        f"Hello. {_PARCEL}",
    ],
)
def test_almost_the_same_question(changed: str) -> None:
    assert _duplicates(_case(1, _PARCEL), _case(2, changed)) == ["2 near-duplicate warning"]


@pytest.mark.parametrize(
    "other",
    [
        "My parcel was to come on Monday: can I have my money back for the delay, and who pays?",
        "Where is it, and who pays for the delay?",
        "",
    ],
)
def test_another_question(other: str) -> None:
    assert _duplicates(_case(1, _PARCEL), _case(2, other)) == []


def test_single_words_are_near_duplicates_only_if_they_are_equal() -> None:
    assert _duplicates(_case(1, "Bonn?"), _case(2, "bonn"), _case(3, "Berlin?")) == ["2 near-duplicate warning"]


def test_a_variant_is_like_its_case_on_purpose() -> None:
    assert _duplicates(_case(1, "Bonn?"), _case(2, "BONN", metadata={"variant_of": "c1"})) == []
    assert _duplicates(_case(1, "Bonn?"), _case(2, "Bonn?", metadata={"variant_of": "c1"})) == ["2 duplicate warning"]


def test_the_same_question_of_another_context_is_another_one() -> None:
    one, other = (
        _case(1, _PARCEL, context=("Parcels come by rail.",)),
        _case(2, _PARCEL, context=("Snow fell all day.",)),
    )
    assert _duplicates(one, other) == []


def test_messages_and_variables_ask_too() -> None:
    asked = ({"role": "user", "content": _PARCEL},)
    assert _duplicates(_case(1, None, messages=asked), _case(2, None, messages=asked)) == ["2 duplicate warning"]
    assert _duplicates(_case(1, None, vars={"q": "a"}), _case(2, None, vars={"q": "b"})) == []


def test_cases_without_input_are_never_duplicates() -> None:
    assert _duplicates(_case(1, None, output="a"), _case(2, None, output="a")) == []


def test_each_case_of_a_template_is_named_once() -> None:
    cases = [_case(number, f"{_PARCEL} I am customer number {number}.") for number in range(1, 200)]
    assert len(_duplicates(*cases)) == 198


_LETTERS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=12).map(" ".join)


@given(texts=st.lists(_LETTERS, min_size=2, max_size=12))
def test_the_join_finds_the_same_as_comparing_all_pairs(texts: list[str]) -> None:
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


_OFFICE = "Our office in the old harbour of Bremen was closed for the whole of last winter: why was that?"


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
    assert str(finding) == "g.jsonl:1: answer-in-input: the input contains the expected answer"
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
    prompt = f"Answer well.\n\nQ: {_OFFICE.upper()}\nA: It was flooded."
    assert _in_prompt(prompt, _case(1, _OFFICE), _case(2, "Why is the sky blue at noon?")) == [
        "1 input-in-prompt error"
    ]
    assert _in_prompt("Example: who pays for it? Nobody.", _case(1, "Who pays for it?")) == ["1 input-in-prompt error"]


def test_a_large_part_of_an_input_in_a_prompt_is_a_warning() -> None:
    prompt = "As in: our office in the old harbour of Bremen was closed for the whole of spring."
    assert _in_prompt(prompt, _case(1, _OFFICE)) == ["1 input-in-prompt warning"]


@pytest.mark.parametrize("text", ["why was that", "our office", "", None])
def test_a_few_common_words_are_not_a_leak(text: str | None) -> None:
    assert _in_prompt(f"Answer: {_OFFICE}", _case(1, text)) == []


def test_an_answer_of_exactly_one_case_in_a_prompt() -> None:
    cases = [_case(1, "Who wrote it?", "Annette Kolb"), _case(2, "Who else?", "Somebody Else")]
    assert _in_prompt("Answer in full, such as Annette Kolb.", *cases) == ["1 answer-in-prompt warning"]


def test_an_answer_that_several_cases_have_is_a_label_that_a_prompt_has_to_name() -> None:
    cases = [_case(1, "I want my money", "refund"), _case(2, "Money back now", "refund")]
    assert _in_prompt("Answer refund, or delivery.", *cases) == []


def test_answers_in_the_few_shots_of_a_judge_are_not_a_leak() -> None:
    case = _case(1, "Who wrote it?", "Annette Kolb")
    assert _in_prompt("Annette Kolb", case, answers=False) == []


def test_the_finding_names_the_prompt() -> None:
    [finding] = leaks_into_prompts([_case(3, "Who?", "Annette Kolb")], [PromptText("p.md", "Annette Kolb")])
    assert str(finding) == "g.jsonl:3: answer-in-prompt: p.md contains the expected answer"


@given(before=st.text(max_size=5), part=st.text(min_size=1, max_size=5), after=st.text(max_size=5))
def test_a_part_between_blanks_is_always_found(before: str, part: str, after: str) -> None:
    assert contains_words(f"{before} {part} {after}", part)


@pytest.mark.parametrize(
    ("text", "part", "found"), [("aba ab", "ab", True), ("abab", "ab", False), ("+ab", "+a", False)]
)
def test_only_whole_words_are_found(text: str, part: str, found: bool) -> None:  # noqa: FBT001 - a column of the table
    assert contains_words(text, part) is found


_TAIL = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"input": {"a": ["x", "SECRET"]}}, "input"),
        ({"messages": ({"role": "user", "content": "SECRET"},)}, "messages"),
        ({"vars": {"a": "SECRET"}}, "vars"),
        ({"expected": "SECRET"}, "expected"),
        ({"context": ("x", "SECRET")}, "context"),
        ({"output": "SECRET"}, "output"),
        ({"metadata": {"a": {"b": "SECRET"}}}, "metadata"),
        ({"asserts": ({"kind": "contains", "value": "SECRET"},)}, "asserts"),
        ({"tags": ("SECRET",)}, "tags"),
        ({"rubric": "SECRET"}, "rubric"),
    ],
)
def test_every_field_is_looked_at_and_nothing_is_repeated(fields: dict[str, Any], where: str) -> None:
    secret = f"sk-{_TAIL}"
    case = Case("c", **_filled(fields, secret), place=Place("g.jsonl", 7))
    [finding] = private_data([case])
    assert (finding.kind, finding.severity, finding.place.line) == ("secret", "error", 7)
    assert finding.message.startswith(f"an API key in {where}: ")
    assert _TAIL not in str(finding)


def _filled(value: Any, secret: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(held, secret) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(held, secret) for held in value)
    return value.replace("SECRET", secret)


def test_a_kind_is_named_once_a_field() -> None:
    case = Case("c", "a@acme.de b@acme.de", expected="c@acme.de", place=Place("g.jsonl", 7))
    assert [finding.message.partition(":")[0] for finding in private_data([case])] == [
        "an e-mail address in input",
        "an e-mail address in expected",
    ]
    assert {finding.severity for finding in private_data([case])} == {"warning"}


@given(text=st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert len([*secrets_in(text), *personal_in(text)]) <= 10


_PLACE = Place("evalgate.toml", 0)


def _planned(sizes: dict[str, int], *, tags: tuple[str, ...] = (), skip: str | None = None) -> Iterable[PlannedCase]:
    for value, size in sizes.items():
        for number in range(size):
            place = Place("g.jsonl", number + 1)
            yield PlannedCase(f"{value}{number}", place, "f", tags=tags, slices=(("lang", value),), skip=skip)


def _slices(
    gates: list[dict[str, Any]], cases: Iterable[PlannedCase], slices: tuple[str, ...] = ("lang",)
) -> list[str]:
    suite = Suite.model_validate({"golden": "g.jsonl", "slices": slices, "gates": gates or None})
    found = small_slices("faq", suite, list(cases), _PLACE)
    return [f"{finding.severity} {finding}" for finding in found]


def test_a_finding_is_a_line_that_editors_understand() -> None:
    assert str(LintFinding(Place("g.jsonl", 3), "secret", "error", "m")) == "g.jsonl:3: secret: m"
    assert str(LintFinding(Place("g.jsonl", 0), "secret", "error", "m")) == "g.jsonl: secret: m"


def test_the_summary_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    rows = [
        '{"input": "x", "target": "a", "tags": ["de", "safety", "de"]}',
        '{"input": "y", "target": "b", "tags": ["de"], "skip": true, "trials": 3}',
    ]
    path.write_text("\n".join(rows), "utf-8")
    facts = summarise_file(read_file(path, "set.jsonl"))
    assert facts.lines() == (
        "set.jsonl: dialect: inspect (target -> expected)",
        "set.jsonl: counts: 2 cases, 1 skipped, 1 with trials set, tags: de 2, safety 1",
    )
    assert facts.as_json()["mapping"] == [{"name": "target", "field": "expected"}]


def test_the_summary_of_a_canonical_file(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"input": "x"}', "utf-8")
    lines = summarise_file(read_file(tmp_path / "set.jsonl", "set.jsonl")).lines()
    assert lines == ("set.jsonl: dialect: canonical", "set.jsonl: counts: 1 case, no tags")


def test_slices_below_the_minimum_of_a_gate_are_reported() -> None:
    gate = {"kind": "slice", "by": "lang", "min": 0.8, "min_n": 50}
    [below] = _slices([gate], _planned({"de": 50, "fr": 49, "it": 3}))
    assert below == (
        "warning evalgate.toml: tiny-slice: suites.faq: slices by lang below min_n = 50 are reported, but no gate "
        "decides them: it (3 cases), fr (49 cases)"
    )


def test_slices_with_few_cases_are_reported() -> None:
    [few] = _slices([], _planned({"de": 20, "fr": 19}))
    assert few == "note evalgate.toml: tiny-slice: suites.faq: slices by lang with fewer than 20 cases: fr (19 cases)"
    [many] = _slices([], _planned({f"l{number}": 1 for number in range(7)}))
    assert many.endswith("l4 (1 case), 2 more")


def test_skipped_cases_do_not_fill_a_slice() -> None:
    assert len(_slices([], [*_planned({"de": 19}), *_planned({"de": 5}, skip="slow")])) == 1


def test_the_same_question_in_two_splits_is_a_leak() -> None:
    text = "when will the parcel that I ordered on Monday with express delivery arrive at my new address"
    cases = [
        Case("a", input="where is it", split="train", place=Place("g.jsonl", 1)),
        Case("b", input="where is it", split="test", place=Place("g.jsonl", 2)),
        Case("c", input=text, split="train", place=Place("g.jsonl", 3)),
        Case("d", input=f"{text} please", split="test", place=Place("g.jsonl", 4)),
        Case("e", input=f"{text} now", place=Place("g.jsonl", 5)),
    ]
    assert [(one.place.line, one.kind) for one in duplicates(cases)] == [
        (2, "split-leak"),
        (4, "split-leak"),
        (5, "near-duplicate"),
    ]
