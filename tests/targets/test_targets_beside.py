"""The steps of an agent beside the output, for each kind of target."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import RowTargetRunner, load
from pytest_evalgate.targets.beside import beside_output
from pytest_evalgate.targets.envelope import read_output
from pytest_evalgate.targets.outputs import as_output

if TYPE_CHECKING:
    from pathlib import Path

_MESSAGES = [{"role": "assistant", "content": "14 days"}]
_CALLS = [{"name": "search", "arguments": {}}]


@pytest.mark.parametrize(
    ("document", "path", "found"),
    [
        (
            {"output": "x", "messages": _MESSAGES, "context": ["c"]},
            "output",
            {"messages": _MESSAGES, "context": ["c"]},
        ),
        ({"output": "x", "trajectory": [], "tool_calls": _CALLS}, "output", {"trajectory": [], "tool_calls": _CALLS}),
        ({"metadata": {"reward": 1}, "messages": _MESSAGES}, "metadata.reward", {"messages": _MESSAGES}),
        # the one nearest to the output counts
        ({"answer": {"text": "x", "tool_calls": _CALLS}, "tool_calls": []}, "answer.text", {"tool_calls": _CALLS}),
        (
            {"choices": [{"message": {"content": "x", "tool_calls": _CALLS}}]},
            "choices.0.message.content",
            {"tool_calls": _CALLS},
        ),
        # other values of these names are not what is meant
        ({"output": "x", "messages": "none", "trajectory": {}, "tool_calls": None, "context": "c"}, "output", {}),
        ({"output": "x", "context": [{"id": 1}]}, "output", {}),
        ({"a": [{"b": "x"}]}, "a.0.b", {}),
        ({"a": [{"b": "x"}]}, "a.7.b", {}),
        ({"a": "x"}, "a.b", {}),
    ],
    ids=str,
)
def test_values_beside_an_output(document: Any, path: str, found: dict[str, Any]) -> None:
    assert beside_output(document, path) == found


def test_a_recorded_row(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    row = {"id": "1", "output": "x", "messages": _MESSAGES, "context": ["c"], "metadata": {"context": ["own"], "n": 1}}
    file.write_text(json.dumps(row), "utf-8")
    output = asyncio.run(load([file], root=tmp_path).answer(Case("1"), 0))
    assert output == Output("x", {"messages": _MESSAGES, "context": ["own"], "n": 1})


@pytest.mark.parametrize(
    ("case", "metadata"),
    [
        (Case("1", output="x"), {}),
        (Case("1", output="x", trajectory=tuple(_CALLS)), {"trajectory": _CALLS}),
        (Case("1", output="x", trajectory=()), {"trajectory": []}),
    ],
)
def test_a_golden_row(case: Case, metadata: dict[str, Any]) -> None:
    assert asyncio.run(RowTargetRunner().answer(case, 0)) == Output("x", metadata)


def test_a_program() -> None:
    written = {"output": "x", "trajectory": _CALLS, "metadata": {"n": 1}}
    assert read_output(json.dumps(written).encode()) == Output("x", {"trajectory": _CALLS, "n": 1})


def test_a_function() -> None:
    output = Output("x", {"trajectory": _CALLS})
    assert as_output(output) == output
