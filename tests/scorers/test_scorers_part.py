from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.part import NoPartError, part_of

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

OUTPUT = {"answer": {"text": "14 days", "sources": [{"id": "a"}, {"id": "b"}]}, "none": None}
_CASE = Case("1", input="x", context=("of the case",))


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"kind": "contains", "value": "14", "field": "answer.text"}, 1),
        ({"kind": "contains", "value": "15", "field": "answer.text"}, 0),
        ({"kind": "not-contains", "value": "15", "field": "answer.text"}, 1),
        ({"kind": "exact", "value": "b", "field": "answer.sources.1.id"}, 1),
        ({"kind": "exact", "value": "b", "field": "output.answer.sources.-1.id"}, 1),
        ({"kind": "exact", "value": [{"id": "a"}, {"id": "b"}], "field": "answer.sources"}, 1),
        ({"kind": "json-fields", "fields": {"id": "a"}, "field": "answer.sources.0"}, 1),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_scorer_grades_the_part_at_its_field(
    spec: dict[str, Any], value: float, score_of: ScoreOf, *, as_text: bool
) -> None:
    assert score_of(spec, json.dumps(OUTPUT) if as_text else OUTPUT).value == value


@pytest.mark.parametrize(
    "field",
    [
        *("missing", "answer.missing", "answer.sources.7", "answer.sources.-3", "answer.text.x", "none"),
        *("answer.text.*", "metadata.x", "trajectory", "messages.0", "output.missing"),
    ],
)
@pytest.mark.parametrize("kind", ["contains", "not-contains"])
def test_an_output_without_the_part_scores_0(field: str, kind: str, score_of: ScoreOf) -> None:
    score = score_of({"kind": kind, "value": "x", "field": field}, OUTPUT)
    assert (score.value, score.reason) == (0, f"the output has no {field}")


def test_text_that_is_not_json_has_no_parts(score_of: ScoreOf) -> None:
    score = score_of({"kind": "contains", "value": "x", "field": "a"}, "plain text")
    assert score.value == 0
    assert score.reason.startswith("the output has no a: not JSON")


@pytest.mark.parametrize("field", ["", ".", "a..b", "a b", "a."])
def test_a_field_is_a_dotted_path(field: str) -> None:
    with pytest.raises(SettingsError, match="field"):
        build({"kind": "contains", "value": "x", "field": field}, context=Context())


_CALLS = [
    {"name": "search", "arguments": {"q": "refund"}, "result": "found"},
    {"name": "book", "arguments": {"id": 7}, "error": "sold out"},
]


@pytest.mark.parametrize(
    ("value", "metadata", "path", "part"),
    [
        # beside the output, in the order of precedence
        ("plain text", {"x": 1}, "metadata.x", 1),
        ({"metadata": {"x": 2}}, {"x": 1}, "metadata.x", 2),
        ({"metadata": {"y": 2}}, {"x": 1}, "metadata.x", NoPartError),
        ('{"metadata": {"x": 2}}', {"x": 1}, "metadata.x", 2),
        ({"metadata": {"x": 2}}, {"x": 1}, "output.metadata.x", 2),
        ({"output": {"x": 2}}, {}, "output.output.x", 2),
        ({"output": {"x": 2}}, {}, "output.x", NoPartError),
        ("text", {}, "output", "text"),
        ("text", {"context": ["found"]}, "context.0", "found"),
        ("text", {}, "context.0", "of the case"),
        ("text", {"messages": [{"role": "user", "content": "hi"}]}, "messages.0.content", "hi"),
        # the trajectory is a list of calls, whatever it was read from
        ("text", {"trajectory": _CALLS}, "trajectory.*.name", ["search", "book"]),
        ("text", {"trajectory": _CALLS}, "trajectory.-1.error", "sold out"),
        ("text", {"tool_calls": _CALLS}, "trajectory.0.arguments.q", "refund"),
        ({"content": None, "tool_calls": _CALLS}, {}, "trajectory.0.result", "found"),
        ("text", {"trajectory": _CALLS}, "metadata.trajectory.1.name", "book"),
        ("text", {"trajectory": [7]}, "trajectory.0", NoPartError),
        # all members
        ({"a": [{"b": 1}, {"c": 2}, {"b": 3}]}, {}, "a.*.b", [1, None, 3]),
        ({"a": {"x": {"b": 1}, "y": {"b": 2}}}, {}, "a.*.b", [1, 2]),
        ({"a": [{"b": [1, 2]}, {"b": [3]}]}, {}, "a.*.b.*", [1, 2, 3]),
        ({"a": [{"b": [1, 2]}, {}]}, {}, "a.*.b.*", [1, 2, None]),
        ({"a": [1, 2]}, {}, "a.*", [1, 2]),
        ({"a": []}, {}, "a.*.b", []),
        ({"a": 5}, {}, "a.*", NoPartError),
        ([{"b": 1}], {}, "*.b", [1]),
        ([{"b": 1}], {}, "0.b", 1),
    ],
    ids=str,
)
def test_paths(value: Any, metadata: dict[str, Any], path: str, part: Any) -> None:
    if part is NoPartError:
        with pytest.raises(NoPartError):
            part_of(Output(value, metadata), path, _CASE)
    else:
        assert part_of(Output(value, metadata), path, _CASE).value == part


_LIST = {"items": [{"text": "14 days"}, {"text": "30 euros"}, {"text": "free"}]}


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"kind": "exact", "value": ["14 days", "30 euros", "free"]}, 1),
        ({"kind": "exact", "value": "free"}, 0),
        ({"kind": "one-of", "values": [["14 days"], ["14 days", "30 euros", "free"]]}, 1),
        ({"kind": "json-fields", "fields": {"1": "30 euros"}}, 1),
        ({"kind": "contains", "value": "30 euros"}, 1),
        ({"kind": "contains-all", "values": ["14", "free"]}, 1),
        ({"kind": "not-contains", "value": "45"}, 1),
        ({"kind": "regex", "pattern": "free"}, 1),
        ({"kind": "number", "value": 30}, 0),  # "14, 30" is not one number
        ({"kind": "precision-at-k", "k": 3}, pytest.approx(1 / 3)),
    ],
    ids=str,
)
def test_what_a_rule_does_with_a_list(spec: dict[str, Any], value: Any, score_of: ScoreOf) -> None:
    score = score_of({**spec, "field": "items.*.text"}, _LIST, reference_context=("free", "other"))
    assert score.value == value


def test_a_rule_on_trajectories_reads_the_one_at_its_field(score_of: ScoreOf) -> None:
    spec = {"kind": "tool-calls", "calls": ["book"], "field": "plan.calls"}
    built = build(spec, context=Context())
    output = Output({"plan": {"calls": [{"name": "book"}]}}, {"trajectory": [{"name": "other"}]})
    assert asyncio.run(built.score(_CASE, output)).passed
    assert score_of({"kind": "tool-calls", "calls": ["book"]}, {"tool_calls": [{"name": "book"}]}).passed


@dataclass(frozen=True)
class _Judge:
    """The fields of a judge that the construction of scorers uses."""

    name: str
    field: str | None = None
    threshold: float = 0.5
    weight: float | None = None

    async def score(self, case: Case, output: Output) -> Score:
        raise NotImplementedError


def test_a_judge_grades_the_part_at_its_field() -> None:
    built: Any = build({"judge": "faq", "field": "answer.text"}, context=Context(judge=lambda name, _: _Judge(name)))
    assert built == _Judge("faq", "answer.text")


def test_a_scorer_that_grades_a_part_of_the_trajectory_reads_it() -> None:
    built: Any = build({"kind": "contains", "value": "x", "field": "trajectory.*.name"}, context=Context())
    assert built.reads(_CASE) == {"trajectory"}
