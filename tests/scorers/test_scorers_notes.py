"""Notes on a case: its ``rubric``, and asserts of the kind ``rubric``, which the judge of its suite is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pytest_evalgate.app import fit
from pytest_evalgate.config import Suite
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.scorers import Context, build_all, check_asserts, scorers_of


@dataclass(frozen=True)
class _Judge:
    is_judge: ClassVar[bool] = True

    name: str
    grades_notes: bool = True
    note: str | None = None
    threshold: float = 0.5
    weight: float | None = None
    field: str | None = None
    counts: bool = True

    def for_note(self, note: str, name: str) -> _Judge:
        return replace(self, name=name, note=note)

    def reads(self, case: Case) -> frozenset[str]:  # noqa: ARG002 - as a scorer
        return frozenset({"rubric"} if self.grades_notes else ())

    async def score(self, case: Case, output: Output) -> Score:
        raise NotImplementedError


if TYPE_CHECKING:
    from pytest_evalgate.records.results import Output, Score

_RULES = build_all([{"kind": "contains", "value": "x"}], context=Context())
_SUITE = (*_RULES, _Judge("faq"))
_BOTH = (*_SUITE, _Judge("tone"))


def _case(**fields: Any) -> Case:
    return Case("c", place=Place("g.jsonl", 7), **fields)


def _asked(case: Case, suite: Any = _SUITE) -> list[tuple[str, str | None]]:
    return [(one.name, getattr(one, "note", "rule")) for one in scorers_of(case, suite, context=Context())]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, [("faq", None)]),
        ({"rubric": "is polite"}, [("faq", None)]),
        ({"rubric": ("is polite",)}, [("faq", None)]),
        ({"rubric": ("is polite", "is brief")}, [("faq:1", "is polite"), ("faq:2", "is brief")]),
        ({"asserts": ({"kind": "rubric", "value": "is polite"},)}, [("faq:rubric", "is polite")]),
        (
            {
                "asserts": (
                    {"kind": "rubric", "value": "a"},
                    {"kind": "rubric", "value": "b"},
                    {"kind": "rubric", "value": "c", "name": "brief"},
                )
            },
            [("faq:rubric", "a"), ("faq:rubric-2", "b"), ("faq:brief", "c")],
        ),
        (
            {"rubric": ("a", "b"), "asserts": ({"kind": "rubric", "value": "c"},)},
            [("faq:1", "a"), ("faq:2", "b"), ("faq:rubric", "c")],
        ),
        (
            {"rubric": ("a", "b"), "asserts": ({"kind": "rubric", "value": "c", "name": "1"},)},
            [("faq:1", "a"), ("faq:2", "b"), ("faq:1-2", "c")],
        ),
        ({"rubric": "a", "asserts": ({"kind": "rubric", "value": "b"},)}, [("faq", None), ("faq:rubric", "b")]),
    ],
)
def test_each_note_is_a_score_with_a_stable_name(fields: Any, asked: Any) -> None:
    assert _asked(_case(**fields)) == [("contains", "rule"), *asked]


def test_each_judge_of_a_suite_is_asked_for_each_note() -> None:
    names = [name for name, _ in _asked(_case(rubric=("a", "b")), _BOTH)]
    assert names == ["contains", "faq:1", "faq:2", "tone:1", "tone:2"]


def test_a_judge_that_computes_a_share_keeps_its_question() -> None:
    suite = (*_SUITE, _Judge("claims", grades_notes=False))
    assert _asked(_case(rubric=("a", "b")), suite)[1:] == [("faq:1", "a"), ("faq:2", "b"), ("claims", None)]


def test_threshold_weight_and_field_of_a_note() -> None:
    entry = {"kind": "rubric", "value": "a", "threshold": 0.8, "weight": 2.0, "field": "answer.text"}
    *_, scorer = scorers_of(_case(asserts=(entry,)), _SUITE, context=Context())
    assert scorer == _Judge("faq:rubric", note="a", threshold=0.8, weight=2.0, field="answer.text")


def test_a_note_that_warns_decides_nothing() -> None:
    asked = scorers_of(
        _case(asserts=({"kind": "rubric", "value": "a", "severity": "warn"},)), _SUITE, context=Context()
    )
    assert [getattr(one, "counts", None) for one in asked] == [True, False]


def test_one_of_several_judges_is_chosen() -> None:
    entry = {"kind": "rubric", "value": "a", "judge": "tone"}
    assert _asked(_case(asserts=(entry,)), _BOTH) == [("contains", "rule"), ("faq", None), ("tone:rubric", "a")]


@pytest.mark.parametrize(
    ("entry", "suite", "why"),
    [
        ({"value": "a"}, _RULES, 'no judge of the suite can be asked: add { judge = "NAME" } to its scorers'),
        ({"value": "a"}, (_Judge("claims", grades_notes=False),), "no judge of the suite can be asked"),
        ({"value": "a"}, _BOTH, 'the suite has the judges faq, tone: choose one with "judge"'),
        ({"value": "a", "judge": "fak"}, _SUITE, 'the suite has no judge "fak"; it has faq'),
        ({}, _SUITE, "value"),
        ({"value": " "}, _SUITE, "value"),
        ({"value": 7}, _SUITE, "value"),
        ({"value": "a", "model": "m"}, _SUITE, "model"),
    ],
)
def test_a_note_that_cannot_be_asked_for_is_refused_with_its_line(entry: Any, suite: Any, why: str) -> None:
    case = _case(asserts=({"kind": "rubric", **entry},))
    [found] = check_asserts([case], suite, context=Context())
    assert (found.file, found.line, found.field) == ("g.jsonl", 7, "asserts[0]")
    assert why in found.message
    with pytest.raises(GoldenSetError):
        scorers_of(case, suite, context=Context())


def test_no_other_scorer_has_the_name_of_a_note() -> None:
    entry = {"kind": "contains", "value": "x", "name": "faq:length"}
    [found] = check_asserts([_case(asserts=(entry,))], _SUITE, context=Context())
    assert 'the name "faq:length" is that of a note for the judge faq' in found.message
    context = Context(judge=lambda name, _: _Judge(name))
    with pytest.raises(SettingsError, match=r"^scorers\[0\]: the name \"faq:length\" is that of a note"):
        build_all([entry, {"judge": "faq"}], context=context)


def test_a_golden_set_still_cannot_choose_a_model() -> None:
    [found] = check_asserts([_case(asserts=({"judge": "faq"},))], _SUITE, context=Context())
    assert "a golden set cannot ask a model" in found.message


# --- rows


@pytest.mark.parametrize(("rubric", "notes"), [("a", ("a",)), (["a"], ("a",)), (["a", "b"], ("a", "b")), (None, ())])
def test_the_rubric_of_a_row_is_a_text_or_a_list(rubric: Any, notes: tuple[str, ...]) -> None:
    case = parse_row({"input": "x", "rubric": rubric}, Place("g", 1)).case
    assert case is not None
    assert case.notes == notes


@pytest.mark.parametrize("rubric", [[], [""], [1], {"a": 1}, 5, [["a"]]])
def test_another_rubric_is_refused(rubric: Any) -> None:
    [problem] = parse_row({"input": "x", "rubric": rubric}, Place("g", 3)).problems
    assert (problem.line, problem.field) == (3, "rubric")


def test_notes_are_part_of_what_is_expected() -> None:
    prints = {
        parse_row({"id": "a", "input": "x", "rubric": rubric}, Place("g", 1)).case.fingerprint  # type: ignore[union-attr]
        for rubric in ("a", ["a", "b"], ["b", "a"], None)
    }
    assert len(prints) == 4
    assert _case(rubric=("a", "b")).question == {"expected": "a\nb"}


# --- cases that nothing asks for


def _suite(*scorers: Any) -> Suite:
    return Suite(golden=("g.jsonl",), scorers=scorers)


def test_notes_that_no_judge_of_the_suite_reads_are_refused() -> None:
    cases = [_case(rubric=("a", "b")), _case(), _case(rubric=("a", "b"), skip="later")]
    [found] = fit.note_problems("s", {"s": _suite()}, cases, lambda _: _RULES)
    assert (found.line, found.field) == (7, "rubric")
    assert 'add { judge = "NAME" } to its scorers' in found.message
    assert fit.note_problems("s", {"s": _suite()}, cases, lambda _: _SUITE) == []


def test_a_text_that_a_suite_without_a_judge_does_not_read_is_a_warning() -> None:
    case = _case(rubric="a")
    assert fit.note_problems("s", {"s": _suite("exact")}, [case], lambda _: _RULES) == []
    assert [one.name for one in fit.unread_fields([case], lambda _: _RULES)] == ["rubric"]
    share = {"s": _suite({"judge": "claims"})}
    [found] = fit.note_problems("s", share, [case], lambda _: (_Judge("claims", grades_notes=False),))
    assert found.field == "rubric"


def test_another_suite_with_the_same_golden_set_may_ask() -> None:
    suites = {"rules": _suite("exact"), "judged": _suite({"judge": "faq"})}
    assert fit.note_problems("rules", suites, [_case(rubric=("a", "b"))], lambda _: _RULES) == []
