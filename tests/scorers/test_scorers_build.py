"""Specifications, the registry of rules, the user's own functions and the asserts of a case."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING, Any

import pytest

import pytest_evalgate.scorers as package
from pytest_evalgate.errors import GoldenSetError, ScorerError, SettingsError
from pytest_evalgate.golden.dialects.equivalents import hint_of
from pytest_evalgate.protocols import Scorer
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Graded, Output, Returned, Score
from pytest_evalgate.scorers import (
    RULES,
    BuiltScorer,
    Context,
    build,
    build_all,
    case_scorers,
    check_asserts,
    registry,
)
from pytest_evalgate.scorers.registry import MEASURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scorers.conftest import ScoreOf


_numbers = itertools.count()
CASE = Case("q1", expected="x", place=Place("golden/faq.jsonl", 3))


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], str]:
    """Write a module under a new name each time, because imported modules stay imported."""

    def write(source: str) -> str:
        name = f"scorers_of_user_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        return name

    return write


def _score(spec: dict[str, Any], root: Path) -> Score:
    return asyncio.run(build(spec, context=Context(roots=(root,))).score(CASE, Output("out")))


def half(case: Case, output: Output, /, *, value: float = 0.5, words: list[str] | None = None) -> Graded:
    return value, f"{case.id} {output.value} {words}"


def broken(case: Case, output: Output, /, *, result: Any = None) -> Returned:  # noqa: ARG001 - a rule takes both
    if result is None:
        raise ValueError("broken")
    returned: Returned = result
    return returned


def test_a_built_scorer_is_a_frozen_scorer(context: Context) -> None:
    scorer = build("exact", context=context)
    assert isinstance(scorer, BuiltScorer)
    assert isinstance(scorer, Scorer)
    assert (scorer.name, scorer.threshold, scorer.weight) == ("exact", 1.0, None)
    with pytest.raises(FrozenInstanceError):
        scorer.name = "other"  # type: ignore[misc]


def test_the_name_of_a_check_of_another_tool_is_a_hint(context: Context) -> None:
    foreign = replace(context, foreign=hint_of)
    with pytest.raises(SettingsError, match=r'unknown scorer "equals"; did you mean exact\? \(for promptfoo'):
        build("equals", context=foreign)
    with pytest.raises(SettingsError, match='unknown scorer "exat"; did you mean "exact"'):
        build("exat", context=foreign)


def test_threshold_weight_and_name(context: Context) -> None:
    scorer = build({"kind": "number", "threshold": 0.25, "weight": 3, "name": "sum"}, context=context)
    assert (scorer.name, scorer.threshold, scorer.weight) == ("sum", 0.25, 3.0)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("exat", 'unknown scorer "exat"; did you mean "exact"'),
        ("qqq", "known are bleu, canary, chrf, contains, .*json-fields"),
        ({"kind": "numbr"}, 'did you mean "number"'),
        ({"kind": 5}, 'unknown scorer "5"'),
        ({"kind": ["exact"]}, "unknown scorer"),
        ({}, 'needs one of "kind"'),
        ({"judge": "faq"}, "judge = 'faq': write the NAME"),
        ({"kind": "exact", "python": "a:b"}, 'needs one of "kind"'),
        ({"kind": "number", "patern": "a"}, 'number: patern: unknown key; did you mean "pattern"'),
        (
            {"kind": "icontains", "ignore_case": False},
            "icontains: ignore_case: unknown key; the keys are: threshold, weight, name, field, severity, value",
        ),
        ({"kind": "exact", "case": 5}, "exact: case: unknown key"),
        ({"kind": "one-of", "values": "abc"}, 'one-of: values: must be a list, not "abc"'),
        ({"kind": "contains-any", "values": "abc"}, 'contains-any: values: must be a list, not "abc"'),
        ({"kind": "exact", "strip": "yes"}, 'exact: strip: must be true or false, not "yes": write true'),
        ({"kind": "contains", "value": ""}, "contains: value: must not be empty"),
        ({"kind": "contains", "value": 5}, 'value: must be a text in quotes, not 5: write "5"'),
        ({"kind": "contains-any", "values": []}, "values: must not be empty"),
        ({"kind": "contains-any", "values": ["a", ""]}, r"values\[1\]: must not be empty"),
        ({"kind": "contains-any", "values": "a,b"}, 'values: must be a list, not "a,b"'),
        ({"kind": "exact", "threshold": 1.5}, "threshold: must be at most 1, not 1.5"),
        ({"kind": "exact", "threshold": float("nan")}, "threshold: must be a finite number, not nan"),
        ({"kind": "exact", "threshold": True}, "threshold: must be a number, not true"),
        ({"kind": "exact", "weight": 0}, "weight: must be greater than 0, not 0"),
        ({"kind": "exact", "weight": float("inf")}, "weight: must be a finite number, not inf"),
        ({"kind": "exact", "name": ""}, "name: must not be empty"),
        (
            {"kind": "exact", "strip": 1, "weight": -1},
            "weight: must be greater than 0, not -1.*; strip: must be true or false, not 1",
        ),
    ],
)
def test_a_specification_that_is_refused(spec: Any, problem: str, context: Context) -> None:
    with pytest.raises(SettingsError, match=f"^suites.faq.scorers: .*{problem}"):
        build(spec, context=context)


def test_scorers_of_a_suite_have_unique_names_and_their_own_places(context: Context) -> None:
    specs: list[str | dict[str, Any]] = [
        "contains",
        {"kind": "exact", "name": "contains-2"},
        "contains",
        "contains",
        "exact",
    ]
    assert [one.name for one in build_all(specs, context=context)] == [
        "contains",
        "contains-2",
        "contains-3",
        "contains-4",
        "exact",
    ]
    with pytest.raises(SettingsError, match=r"^suites.faq.scorers\[1\]: "):
        build_all(["exact", "exat"], context=context)


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (float("nan"), "returned nan"),
        (2, "returned 2"),
        ("1", "returned '1', which is str"),
        (None, "ValueError: broken"),
    ],
)
def test_a_rule_of_a_plug_in_that_breaks_is_an_error(result: Any, problem: str, context: Context) -> None:
    scorer = build({"kind": "broken", "result": result}, context=replace(context, rules=registry({"broken": broken})))
    with pytest.raises(ScorerError, match=f'^g.jsonl:9: case "q": scorer "broken": {problem}') as caught:
        asyncio.run(scorer.score(Case("q", place=Place("g.jsonl", 9)), Output("")))
    assert caught.value.__cause__ is not None


def test_rules_of_plug_ins_are_built_like_our_own(context: Context) -> None:
    context = replace(context, rules=registry({"half": half}))
    scorer = build({"kind": "half", "words": ["a"], "threshold": 0.5}, context=context)
    score = asyncio.run(scorer.score(Case("q"), Output("out")))
    assert score == Score("half", 0.5, passed=True, reason="q out ['a']")
    with pytest.raises(SettingsError, match='half: value: must be a number, not "x"'):
        build({"kind": "half", "value": "x"}, context=context)


def test_the_registry_cannot_be_changed_and_keeps_the_built_in_rules() -> None:
    assert not hasattr(RULES, "__setitem__")
    assert registry({"half": half})["half"] is half
    assert "half" not in RULES
    with pytest.raises(SettingsError, match='"exact" is built in and cannot be replaced'):
        registry({"exact": half})


def reserved(case: Case, output: Output, /, *, weight: float = 1) -> Returned:  # noqa: ARG001 - a rule takes both
    return weight


def untyped(case: Case, output: Output, /, *, value: Nope = 1) -> Returned:  # type: ignore[name-defined]  # noqa: ARG001, F821 - the fault that is tested
    return value, ""


class Odd:
    def __call__(self, case: Case, output: Output, /, **_: Any) -> Returned:  # noqa: ARG002 - a rule takes both
        return 1


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (reserved, 'has a parameter "weight", which every scorer has: rename it'),
        (untyped, "name 'Nope' is not defined; import that name outside of TYPE_CHECKING"),
        (Odd(), "is Odd, not a function"),
    ],
)
def test_a_rule_that_cannot_be_registered(rule: Any, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        registry({"odd": rule})


def test_every_binary_rule_has_a_not_form_and_no_graded_one() -> None:
    plain = {name for name in RULES if not name.startswith("not-")}
    graded = {"json-fields", "tool-calls", "steps", *MEASURES}
    assert {f"not-{name}" for name in plain} - RULES.keys() == {f"not-{name}" for name in graded}
    assert all(callable(RULES[name]) for name in RULES)
    assert plain >= {"exact", "iexact", "one-of", "regex", "number", "json-valid", "length", "word-count"}


def _case(*asserts: dict[str, Any], number: int = 3) -> Case:
    return Case(f"q{number}", asserts=asserts, place=Place("golden/faq.jsonl", number))


def test_a_case_brings_its_own_scorers(context: Context) -> None:
    case = _case(
        {"kind": "contains", "value": "30 days"},
        {"type": "contains", "value": "refund", "metric": "topic", "weight": 2},
        {"type": "equals", "value": "A refund takes 30 days"},
        {"type": "not-regex", "value": "[0-9]{3}"},
        {"type": "not-icontains-any", "value": ["never", "60"]},
        {"type": "is-json"},
        {"kind": "exact", "value": "x"},
    )
    scorers = case_scorers(case, context=context, taken=["contains"])
    assert [one.name for one in scorers] == [
        "contains-2",
        "topic",
        "exact",
        "not-regex",
        "not-icontains-any",
        "json-valid",
        "exact-2",
    ]
    scores = [asyncio.run(one.score(case, Output("A refund takes 30 days"))) for one in scorers]
    assert [score.passed for score in scores] == [True, True, True, True, True, False, False]
    assert case_scorers(_case(), context=context) == ()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"kind": "exat"}, 'unknown scorer "exat"; did you mean "exact"'),
        ({"type": "llm-rubric", "value": "polite"}, 'unknown scorer "llm-rubric"'),
        ({}, 'needs one of "kind"'),
        ({"kind": "regex", "pattern": "("}, 'pattern "(": missing )'),
        ({"type": "regex", "value": "("}, 'pattern "(": missing )'),
        ({"kind": "length"}, "there is no bound"),
        ({"kind": "exact", "type": "exact"}, '"kind" and "type" mean the same'),
        ({"python": "os:system"}, "cannot run code"),
        ({"kind": "python", "value": "1"}, "cannot run code"),
        ({"type": "python", "value": "print()"}, "cannot run code"),
        ({"type": "javascript", "value": "x"}, "cannot run code"),
        ({"kind": "exact", "python": "os:system"}, "cannot run code"),
        ({"kind": ["python"]}, "unknown scorer"),
    ],
)
def test_an_assert_that_is_refused_before_anything_runs(entry: dict[str, Any], problem: str, context: Context) -> None:
    good = {"kind": "exact", "value": "x"}
    cases = [_case(good), _case(good, entry, number=17)]
    [found] = check_asserts(cases, context=context)
    assert (found.file, found.line, found.field) == ("golden/faq.jsonl", 17, "asserts[1]")
    assert problem in found.message
    with pytest.raises(GoldenSetError, match=r"golden/faq.jsonl:17: asserts\[1\]: "):
        case_scorers(cases[1], context=context)


def test_all_bad_asserts_are_listed(context: Context) -> None:
    cases = [_case({"kind": "a"}, {"kind": "b"}), _case({"kind": "c"}, number=4)]
    assert [(one.line, one.field) for one in check_asserts(cases, context=context)] == [
        (3, "asserts[0]"),
        (3, "asserts[1]"),
        (4, "asserts[0]"),
    ]


def test_one_scorer_serves_many_cases(score_of: ScoreOf) -> None:
    assert [score_of("exact", "b", expected=one).passed for one in "abc"] == [False, True, False]


def test_the_package_exports_what_it_says() -> None:
    assert sorted(package.__all__, key=str.lower) == sorted(set(package.__all__), key=str.lower)
    assert all(hasattr(package, name) for name in package.__all__)


def test_importing_the_scorers_loads_nothing_heavy_and_starts_nothing() -> None:
    program = (
        "import sys, threading, pytest_evalgate.scorers\n"
        "heavy = {'numpy', 'scipy', 'pytest', 'openai', 'httpx', 'regex', 're2'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_settings_of_a_python_scorer(module: Callable[[str], str], tmp_path: Path) -> None:
    name = module("class Tone:\n    @staticmethod\n    def polite(case, output): return 0.8\n")
    spec = {"python": f"{name}:Tone.polite", "threshold": 0.9, "weight": 2, "name": "manners"}
    assert _score(spec, tmp_path) == Score("manners", 0.8, passed=False, weight=2.0)
    assert _score({"python": f"{name}:Tone.polite"}, tmp_path).name == "Tone.polite"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("{}", "is not of the form"),
        ("{}:tune", 'has no tune; did you mean "tone"'),
        ("{}:one", r"takes \(case\), not \(case, output\)"),
    ],
)
def test_a_name_that_is_refused_names_itself_and_the_place(
    spec: str, problem: str, module: Callable[[str], str], tmp_path: Path
) -> None:
    spec = spec.format(module("LIMIT = 5\ndef tone(case, output): ...\ndef one(case): ...\n"))
    with pytest.raises(SettingsError, match=problem) as caught:
        build({"python": spec}, context=Context(roots=(tmp_path,), place="suites.faq.scorers[2]"))
    assert str(caught.value).startswith("suites.faq.scorers[2]: ")
    assert spec in str(caught.value)


@pytest.mark.parametrize("value", [5, None, ["a:b"]])
def test_a_name_that_is_no_string(value: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a string"):
        build({"python": value}, context=Context(roots=(tmp_path,)))


def test_unknown_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='python: treshold: unknown key; did you mean "threshold"'):
        build({"python": "os.path:join", "treshold": 1}, context=Context(roots=(tmp_path,)))


def test_installed_functions_are_found(tmp_path: Path) -> None:
    assert build({"python": "operator:eq"}, context=Context(roots=(tmp_path,))).name == "eq"
    assert build({"python": "numpy:array_equal"}, context=Context(roots=(tmp_path,))).threshold == 0.5
