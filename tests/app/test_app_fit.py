"""What does not fit between a golden set and its suite, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate import scorers, targets
from pytest_evalgate.app import fit
from pytest_evalgate.config import Suite
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.judges.judge import JudgeScorer
from pytest_evalgate.judges.rubric import Rubric
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.usercode import UserCode

_CONTEXT = scorers.Context()


def _case(line: int = 1, /, **row: Any) -> Case:
    case = parse_row({"id": f"c{line}", "input": "q", **row}, Place("g.jsonl", line)).case
    assert case is not None
    return case


def _problems(spec: Any, *cases: Case, target: Any = None) -> list[str]:
    built = scorers.build_all([spec], context=_CONTEXT)
    return list(map(str, fit.case_problems(cases, lambda _: built, target, place="suites.s.target")))


def _user(_: Case, __: Output) -> float:
    raise AssertionError("code of the user is not called before the run")


@pytest.mark.parametrize(
    ("spec", "row"),
    [
        ("exact", {}),
        ("icontains", {}),
        ("icontains", {"expected_content": "x"}),
        ("contains", {"expected": ""}),
        ("contains-all", {"expected": []}),
        ("contains-any", {"expected": ["a", ""]}),
        ("one-of", {}),
        ("starts-with", {"expected": ""}),
        ("regex", {}),
        ("regex", {"expected": "(unclosed"}),
        ("number", {}),
        ("number", {"expected": "between 3 and 5"}),
        ("number", {"expected": True}),
        ("number", {"expected": ["3"]}),
        ("number", {"expected_any": [3, "some"]}),
        ("not-number", {"expected": "many"}),
        ("json-fields", {"expected": "a text"}),
        ("json-fields", {"expected": {}}),
        ("squad-f1", {}),
        ("rouge-l", {}),
        ({"kind": "recall-at-k", "k": 3}, {}),
        ({"kind": "recall-at-k", "k": 3}, {"expected": {"a": "high"}}),
        ({"kind": "mrr"}, {"expected": [{"title": "no id"}]}),
        ({"kind": "mrr"}, {"expected": {"a": -1}}),
    ],
    ids=str,
)
def test_a_case_that_no_output_could_pass_or_miss(spec: Any, row: dict[str, Any]) -> None:
    name = spec if isinstance(spec, str) else spec["kind"]
    found = _problems(spec, _case(2, **row), _case(3, **row))
    assert [text.partition(f" {name}: ")[0] for text in found] == ["g.jsonl:2:", "g.jsonl:3:"]


@pytest.mark.parametrize(
    ("spec", "row"),
    [
        ({"kind": "exact", "value": "x"}, {}),
        ({"kind": "number", "value": 3}, {"expected": "between 3 and 5"}),
        ({"kind": "contains-all", "values": ["x"]}, {}),
        ({"kind": "json-fields", "fields": {"a": 1}}, {"expected": "a text"}),
        ({"kind": "recall-at-k", "k": 3}, {"reference_context": ["a"]}),
        ("number", {"expected": "$1,000"}),
        ("json-fields", {"expected": {"a": 1}}),
        ("exact", {"expected": ""}),
        ("exact", {"expected": False}),
        ("json-valid", {}),
        ({"kind": "length", "max": 3}, {}),
    ],
    ids=str,
)
def test_a_case_that_can_be_graded(spec: Any, row: dict[str, Any]) -> None:
    assert not _problems(spec, _case(**row))


def test_skipped_cases_and_cases_of_the_base_are_left_out() -> None:
    assert not _problems("exact", _case(1, skip=True))


def test_functions_of_the_user_are_not_called() -> None:
    built = (scorers.BuiltScorer("mine", _user, 0.5, code=UserCode()),)
    assert not fit.case_problems([_case()], lambda _: built, None, place="suites.s.target")
    assert not list(fit.unread_fields([_case(expected_tools=["a"], must_not_contain="x")], lambda _: built))


def _judge(**rubric: Any) -> JudgeScorer:
    voter: Any = None
    return JudgeScorer("j", voter, Rubric("mine", "text", **rubric), 1, 0.5)


_ROWS = targets.RowTargetRunner()


@pytest.mark.parametrize(
    ("needs", "row", "target", "found"),
    [
        (("reference",), {}, None, 'needs a reference: add "expected"'),
        (("reference",), {"expected": "x"}, None, ""),
        (("reference",), {"expected_any": ["x"]}, None, ""),
        (("context",), {"output": "x"}, _ROWS, 'needs a context: add "context"'),
        (("context",), {"output": "x", "context": ["x"]}, _ROWS, ""),
        (("context",), {}, None, ""),  # the output of a test may have it
        (("reference", "context"), {}, None, "needs a reference"),
    ],
)
def test_what_a_rubric_needs(needs: Any, row: dict[str, Any], target: Any, found: str) -> None:
    problems = fit.case_problems([_case(**row)], lambda _: (_judge(needs=needs),), target, place="suites.s.target")
    assert (found in "".join(map(str, problems))) if found else not problems


def test_the_context_of_a_recorded_output_counts() -> None:
    outputs = {"c1": Output("x", {"context": "found"}), "c2": Output("x")}
    target = targets.RecordedTargetRunner((targets.recorded.Recording("o.jsonl", outputs),))
    problems = fit.case_problems([_case(1), _case(2)], lambda _: (_judge(needs=("context",)),), target, place="t")
    assert [problem.line for problem in problems] == [2]


def _unread(*specs: Any, **row: Any) -> list[str]:
    built = scorers.build_all(specs, context=_CONTEXT)
    return [one.name for one in fit.unread_fields([_case(**row)], lambda _: built)]


@pytest.mark.parametrize(
    ("specs", "row", "unread"),
    [
        (["exact"], {"expected": "x"}, []),
        (["exact"], {"expected": "x", "expected_any": ["y"]}, ["expected"]),
        ([{"kind": "contains", "value": "y"}], {"expected": "x"}, ["expected"]),
        ([{"kind": "contains", "value": "y"}, "exact"], {"expected": "x"}, []),
        (["json-valid"], {"expected": "x", "rubric": "polite"}, ["expected", "rubric"]),
        (["exact"], {"expected": "x", "expected_tools": ["a"], "trajectory": [1]}, ["expected_tools", "trajectory"]),
        (["exact"], {"expected": "x", "expected_tools": [], "trajectory": []}, ["expected_tools", "trajectory"]),
        (["tool-calls"], {"expected": "x", "expected_tools": [], "trajectory": []}, ["expected"]),
        (["tool-calls"], {"expected": {"calls": ["a"]}, "trajectory": ["a"]}, []),
        ([{"kind": "steps", "max": 3}], {"expected_tools": ["a"], "trajectory": ["a"]}, ["expected_tools"]),
        ([{"kind": "exact", "value": "a", "field": "trajectory.0.name"}], {"trajectory": ["a"]}, []),
        (["exact"], {"expected": "x", "weight": 2.0, "trials": 3, "split": "test"}, []),
        (["exact"], {"expected": "x", "must_not_contain": "y", "forbidX": [1]}, ["must_not_contain", "forbidX"]),
        (["exact"], {"expected": "x", "metadata": {"should_mention": "y", "difficulty": 2}}, ["should_mention"]),
        (["exact"], {"expected": "x", "source": "wiki", "n_expected_actions": 2, "reference_solution": "z"}, []),
        ([{"kind": "mrr"}], {"reference_context": ["a"]}, []),
        ([{"kind": "mrr"}], {"reference_context": ["a"], "expected": "b"}, ["expected"]),
        (["exact"], {"expected": "x", "reference_context": ["a"]}, ["reference_context"]),
        (["exact"], {"expected": "x", "tags": ["a:b"], "human_label": "pass", "context": ["c"]}, ["human_label"]),
    ],
    ids=str,
)  # fmt: skip
def test_fields_that_nothing_grades(specs: list[Any], row: dict[str, Any], unread: list[str]) -> None:
    assert _unread(*specs, **row) == unread


def test_a_judge_reads_what_it_is_shown() -> None:
    row = _case(expected="x", rubric="polite", expected_tools=["a"])
    assert [one.name for one in fit.unread_fields([row], lambda _: (_judge(),))] == ["expected_tools"]


def test_suites_that_share_a_golden_set_share_its_fields() -> None:
    one, two = fit.UnreadField("g.jsonl", "expected", 3), fit.UnreadField("g.jsonl", "rubric", 3)
    files = {"a": ["g.jsonl"], "b": ["g.jsonl", "h.jsonl"]}
    assert fit.shared_by_all({"a": [one, two], "b": [two]}, files) == [two]
    assert fit.shared_by_all({"a": [one]}, {"a": ["g.jsonl"]}) == [one]


_TAGGED = [_case(1, tags=["lang:de", "safety"]), _case(2, tags=["lang:en"], metadata={"type": "x"})]


@pytest.mark.parametrize(
    ("suite", "found"),
    [
        ({"slices": ["lang", "tag", "metadata.type"]}, []),
        ({"slices": ["lagn"]}, ['no case has a slice by "lagn": tag the cases, or remove it; did you mean "lang"?']),
        ({"slices": ["metadata.typ"]}, ['"metadata.typ": tag the cases, or remove it; did you mean "metadata.type"?']),
        ({"slices": ["region", "lang"]}, ['no case has a slice by "region": tag the cases, or remove it']),
        ({"gates": [{"kind": "must-pass", "tags": ["safety"]}]}, []),
        (
            {"gates": [{"kind": "must-pass", "tags": ["safety", "saftey"]}]},
            ['"saftey": tag the cases, or remove it; did you mean "safety"?'],
        ),
        ({"gates": [{"kind": "must-pass"}]}, []),
        ({"gates": [{"kind": "mean-score", "scorer": "exat", "min": 0.5}]}, ['"exat"; did you mean "exact"?']),
        ({"gates": [{"kind": "no-regression", "scorer": "helpful"}]}, ['no scorer named "helpful" (exact)']),
        ({"gates": [{"kind": "no-regression"}]}, []),
    ],
    ids=str,
)
def test_names_that_nothing_has(suite: dict[str, Any], found: list[str]) -> None:
    settings = Suite.model_validate({"golden": "g.jsonl", **suite})
    problems = fit.name_problems("faq", settings, _TAGGED, ["exact"])
    assert len(problems) == len(found)
    assert all(text in problem for text, problem in zip(found, problems, strict=True))


def test_outputs_of_other_cases_are_no_missing_outputs() -> None:
    files = tuple(targets.recorded.Recording(name, {one: Output("x")}) for name, one in (("a", "c1"), ("b", "x1")))
    target = targets.RecordedTargetRunner(files)
    (problem,) = fit.case_problems([_case(1), _case(2)], lambda _: (), target, place="suites.s.target")
    assert str(problem) == (
        'b: suites.s.target: no row has the id of a case: the first id is "x1", that of the golden set "c1": '
        "give both the same ids"
    )


def _undecided(suite: dict[str, Any], *cases: Case) -> list[str]:
    configured = Suite.model_validate({"golden": "g.jsonl", **suite})
    built = scorers.build_all(configured.scorers, context=_CONTEXT)

    def scorers_of(case: Case) -> list[Any]:
        return [*built, *scorers.case_scorers(case, context=_CONTEXT)]

    return list(fit.scorer_problems("s", configured, cases, scorers_of))


_HAS = {"kind": "contains", "value": "x"}


@pytest.mark.parametrize(
    ("suite", "rows", "problem"),
    [
        ({"scorers": []}, [{"asserts": [_HAS]}], ""),
        ({"scorers": []}, [{"asserts": [_HAS]}, {"skip": True}], ""),
        (
            {"scorers": []},
            [{}],
            'suites.s.scorers: empty, and no case has asserts: add a scorer, such as scorers = ["exact"]',
        ),
        (
            {"scorers": []},
            [{"asserts": [_HAS]}, {}, {}],
            "g.jsonl:2 (and 1 more case): nothing decides it: add asserts to the case, or a rule to suites.s.scorers",
        ),
        (
            {"scorers": [{**_HAS, "weight": 2}]},
            [{}],
            "suites.s.threshold: missing; its scorers have weights, so it needs one",
        ),
        ({"scorers": [{**_HAS, "weight": 2}]}, [{"threshold": 0.5}], ""),
        (
            {"scorers": ["exact"]},
            [{"expected": "a"}, {"asserts": [{**_HAS, "weight": 2}]}],
            "g.jsonl:2: its asserts have weights",
        ),
        ({"scorers": ["exact"], "threshold": 0.5}, [{"expected": "a"}, {"asserts": [{**_HAS, "weight": 2}]}], ""),
    ],
)
def test_every_case_has_a_scorer_that_decides(suite: dict[str, Any], rows: list[dict[str, Any]], problem: str) -> None:
    found = _undecided(suite, *(_case(line, **row) for line, row in enumerate(rows, start=1)))
    assert len(found) == bool(problem)
    assert "".join(found).startswith(problem)
