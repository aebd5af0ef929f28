"""The table of equivalents: every check of other tools is served, or refused with a way forward."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.dialects.equivalents import PROMPTFOO, PYDANTIC_EVALS, TOOLS, hint_of
from pytest_evalgate.judges.rubric import builtin_rubrics
from pytest_evalgate.scorers.registry import known_kinds

if TYPE_CHECKING:
    from pathlib import Path

PROMPTFOO_TYPES = [
    "answer-relevance",
    "bleu",
    "classifier",
    "contains",
    "contains-all",
    "contains-any",
    "contains-html",
    "contains-json",
    "contains-sql",
    "contains-xml",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "conversation-relevance",
    "cost",
    "equals",
    "factuality",
    "finish-reason",
    "g-eval",
    "gleu",
    "guardrails",
    "icontains",
    "icontains-all",
    "icontains-any",
    "is-html",
    "is-json",
    "is-refusal",
    "is-sql",
    "is-valid-function-call",
    "is-valid-openai-function-call",
    "is-valid-openai-tools-call",
    "is-xml",
    "javascript",
    "latency",
    "levenshtein",
    "llm-rubric",
    "pi",
    "meteor",
    "model-graded-closedqa",
    "model-graded-factuality",
    "moderation",
    "perplexity",
    "perplexity-score",
    "python",
    "regex",
    "rouge-n",
    "ruby",
    "similar",
    "similar:cosine",
    "similar:dot",
    "similar:euclidean",
    "starts-with",
    "tool-call-f1",
    "skill-used",
    "trajectory:goal-success",
    "trajectory:tool-args-match",
    "trajectory:step-count",
    "trajectory:tool-sequence",
    "trajectory:tool-used",
    "trace-error-spans",
    "trace-span-count",
    "trace-span-duration",
    "search-rubric",
    "webhook",
    "word-count",
    "select-best",
    "human",
    "max-score",
    "assert-set",
    "agent-rubric",
]
"""BaseAssertionTypesSchema and SpecialAssertionTypesSchema of promptfoo 0.121.20, and the types of its documentation,
https://www.promptfoo.dev/docs/configuration/expected-outputs/, that are not among them."""

EVALUATORS = [
    "Equals",
    "EqualsExpected",
    "Contains",
    "ContainsExpected",
    "IsInstance",
    "MaxDuration",
    "LLMJudge",
    "HasMatchingSpan",
    "ToolCorrectness",
    "TrajectoryMatch",
    "ArgumentCorrectness",
    "MaxToolCalls",
    "MaxModelRequests",
    "Python",
]
"""Those of https://ai.pydantic.dev/evals/evaluators/built-in/, and of pydantic_evals/evaluators/agentic.py."""

SAMPLES: dict[str, Any] = {
    "word-count": {"value": 3},
    "latency": {"threshold": 100},
    "cost": {"threshold": 1},
    "is-json": {},
    "contains-json": {},
    "is-sql": {},
    "is-xml": {},
    "is-refusal": {},
    "moderation": {},
    "is-valid-function-call": {},
    "is-valid-openai-function-call": {},
    "is-valid-openai-tools-call": {},
    "trajectory:tool-args-match": {"value": {"name": "a", "args": {}}},
    "trajectory:step-count": {"value": {"type": "tool", "max": 3}},
    "assert-set": {"assert": [{"type": "contains", "value": "a"}]},
}
"""Asserts that need another value than "a"."""

ARGUMENTS: dict[str, Any] = {
    "EqualsExpected": None,
    "ContainsExpected": None,
    "IsInstance": "dict",
    "MaxDuration": 2.0,
    "ToolCorrectness": {"expected_tools": ["a"]},
    "TrajectoryMatch": {"expected_trajectory": ["a"], "order": "exact"},
    "MaxToolCalls": 3,
    "MaxModelRequests": 3,
}

_SERVED = {tool: {one.theirs for one in rows if one.ours} for tool, rows in TOOLS.items()}


def _read(folder: Path, row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the kinds of the asserts of a row, or its problems."""
    path = folder / "set.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    read = read_file(path, "set.jsonl")
    kinds = [spec["kind"] for case in read.golden for spec in case.asserts]
    return kinds, [str(problem) for problem in read.problems]


def test_the_table_has_every_type_of_promptfoo() -> None:
    assert sorted(one.theirs for one in PROMPTFOO) == sorted(PROMPTFOO_TYPES)
    assert len(set(PROMPTFOO_TYPES)) == len(PROMPTFOO_TYPES) == 70


@pytest.mark.parametrize("kind", PROMPTFOO_TYPES)
def test_a_type_of_promptfoo_is_served_or_refused_with_a_way_forward(tmp_path: Path, kind: str) -> None:
    entry = {"type": kind, **SAMPLES.get(kind, {"value": "a"})}
    kinds, problems = _read(tmp_path, {"vars": {"q": "Why?"}, "assert": [entry]})
    if kind in _SERVED["promptfoo"]:
        assert (len(kinds), problems) == (1, [])
        [named] = [one for one in PROMPTFOO if one.theirs == kind]
        assert kinds[0] in named.ours
    else:
        [problem] = problems
        assert problem.startswith(f'set.jsonl:1: assert[0].type: "{kind}" ')
        assert re.search(r"\b(use|add|write|move|remove|give|record|ask)\b", problem, re.IGNORECASE)


@pytest.mark.parametrize("name", EVALUATORS)
def test_an_evaluator_is_served_or_refused_with_a_way_forward(tmp_path: Path, name: str) -> None:
    argument = ARGUMENTS.get(name, "a")
    entry = name if argument is None else {name: argument}
    row = {"inputs": "Why?", "expected_output": "a", "evaluators": [entry]}
    kinds, problems = _read(tmp_path, row)
    if name in _SERVED["pydantic-evals"]:
        assert (len(kinds), problems) == (1, [])
    else:
        [problem] = problems
        assert problem.startswith("set.jsonl:1: evaluators[0]: ")
        assert re.search(r"\b(use|move)\b", problem)


def test_the_table_has_every_evaluator() -> None:
    assert sorted(one.theirs for one in PYDANTIC_EVALS) == sorted(EVALUATORS)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_row_has_an_equivalent_or_a_way_forward(tool: str) -> None:
    rows = TOOLS[tool]
    assert len({one.theirs for one in rows}) == len(rows)
    assert all(one.ours or one.note for one in rows)


def _named(ours: str) -> tuple[list[str], list[str]]:
    """Return the scorers and the ready rubrics that a text such as "judge: claims; steps with must" names."""
    scorers: list[str] = []
    rubrics: list[str] = []
    for group in ours.split("; "):
        if group.startswith("judge: "):
            rubrics += group.removeprefix("judge: ").split(", ")
        elif not group.startswith("several "):
            parts = [
                part for part in group.removeprefix("set of ").split(", ") if not part.startswith(("or ", "and "))
            ]
            scorers += [part.partition(" ")[0] for part in parts if not part.startswith(("or ", "and "))]
    return scorers, rubrics


@pytest.mark.parametrize("tool", TOOLS)
def test_every_equivalent_is_a_scorer_or_a_rubric_that_there_is(tool: str) -> None:
    for one in TOOLS[tool]:
        if one.ours:
            scorers, rubrics = _named(one.ours)
            assert scorers or rubrics
            assert set(scorers) <= {*known_kinds(), "rubric"}, one.theirs
            assert set(rubrics) <= set(builtin_rubrics()), one.theirs


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("equals", "; did you mean exact? (for promptfoo and pydantic-evals)"),
        ("FaithfulnessMetric", '; did you mean { judge = "NAME" }, with rubric = "claims" in [judges.NAME]? (for'),
        (
            "faithfulness",
            '; did you mean { judge = "NAME" }, with rubric = "claims" in [judges.NAME]? (for deepeval and',
        ),
        ("llm-rubric", '; did you mean { judge = "NAME" }, with criteria = "..." in [judges.NAME]? (for promptfoo)'),
        (
            "LLMJudge",
            '; did you mean { judge = "NAME" }, with criteria = "..." in [judges.NAME]? (for pydantic-evals)',
        ),
        ("BleuScore", "; did you mean bleu? (for ragas)"),
        ("ExactMatch", "; did you mean exact? (for deepeval and ragas and autoevals)"),
        ("MCPUseMetric", "; did you mean tool-calls, steps? (for deepeval)"),
        ("NumericDiff", "; did you mean number? (for autoevals)"),
        ("contains-sql", "; contains-sql of promptfoo has no rule: ask for the SQL alone"),
        ("DAGMetric", "; DAGMetric of deepeval: a scorer in Python that asks step by step."),
        ("exat", ""),
    ],
)
def test_the_name_of_a_check_of_another_tool_has_a_hint(name: str, hint: str) -> None:
    assert hint_of(name).startswith(hint)
    assert hint or not hint_of(name)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_name_of_the_table_has_a_hint(tool: str) -> None:
    assert all(hint_of(name) for one in TOOLS[tool] for name in one.theirs.split(", "))
