"""Sessions that grade tool calls: of a model with tools, of recorded rows, and of both APIs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugin.conftest import POINT_GATE, jsonl
from tests.support.behaviours import Behaviour

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_TOOLS = (
    '[{ type = "function", function = { name = "weather", parameters = { type = "object", '
    'properties = { city = { type = "string" } }, required = ["city"] } } }]'
)
_SCORERS = '[{ kind = "tool-calls", schema = true }]'


def _reply(request: Request) -> Behaviour:
    asked = json.dumps(request.body)
    if "sing" in asked:
        return Behaviour.text("I cannot sing.")
    return Behaviour.tool_calls(("weather", {"city": "Rome"} if "Rome" in asked else {"town": "Paris"}))


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_model_with_tools(project: Project, server: ScriptedServer, api: str) -> None:
    target = f'{{ model = "candidate", tools = {_TOOLS} }}'
    project.model_suite(server, "a", target=target, scorers=_SCORERS, model={"api": f'"{api}"'})
    rows: list[Any] = [
        {"id": "rome", "input": "Rome?", "expected_tools": [{"name": "weather", "arguments": {"city": "Rome"}}]},
        {"id": "paris", "input": "Paris?", "expected_tools": ["weather"]},
        {"id": "sing", "input": "sing!", "expected_tools": []},
        {"id": "none", "input": "Rome!", "expected_tools": []},
    ]
    project.write("golden/faq.jsonl", jsonl(rows))
    server.answer_with(_reply)
    assert project.run().ret == 0
    assert project.outcomes == {"rome": "passed", "paris": "missed", "sing": "passed", "none": "missed"}
    assert "Additional properties are not allowed ('town' was unexpected)" in project.rows["paris"]["reason"]
    assert 'call 1: "weather", but no tool should be called' in project.rows["none"]["reason"]


def test_a_tool_that_the_target_does_not_have_is_refused_before_a_call(
    project: Project, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    project.model_suite(server, "a", target=f'{{ model = "candidate", tools = {_TOOLS} }}', scorers=_SCORERS)
    project.golden("golden/faq.jsonl", "a", expected_tools=["wether"])
    message = 'tool-calls: "wether" is not one of the tools: weather'
    result = project.run()
    assert result.ret == 4
    assert f"golden/faq.jsonl:1: {message}" in result.stderr.str()
    assert main(["lint"]) == 1
    assert f"golden/faq.jsonl:1: unfit: {message}" in capsys.readouterr().out
    assert not server.requests


_ROW = {"id": "a", "input": "Rome?", "expected_tools": ["weather"], "output": "It rains."}


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({"trajectory": [{"name": "weather", "arguments": {"city": "Rome"}}]}, "passed"),
        ({"trajectory": ["weather", "weather"]}, "missed"),
        ({"trajectory": []}, "missed"),
        ({"trajectory": [], "expected_tools": []}, "passed"),
        ({"expected_tools": []}, "errored"),
        ({}, "missed"),
    ],
    ids=json.dumps,
)
def test_the_trajectory_of_a_row_is_that_of_its_output(project: Project, row: dict[str, Any], outcome: str) -> None:
    project.write("golden/faq.jsonl", jsonl([{**_ROW, **row}]))
    settings = f'golden = "golden/faq.jsonl"\nscorers = ["tool-calls"]\ngates = [{POINT_GATE}]\n'
    project.configure(settings, table="suites.faq")
    project.run()
    assert project.outcomes == {"a": outcome}


def test_the_trajectory_of_a_row_is_not_that_of_another_target(project: Project) -> None:
    project.python_suite("def answer(question):\n    return 'It rains.'\n", "a")
    row = {**_ROW, "trajectory": [{"name": "weather", "arguments": {"city": "Rome"}}]}
    project.write("golden/faq.jsonl", jsonl([row]))
    path = project.path / "evalgate.toml"
    project.write("evalgate.toml", path.read_text("utf-8") + 'scorers = ["tool-calls"]\n')
    project.run()
    assert project.outcomes == {"a": "missed"}


def test_an_output_that_was_recorded_with_its_steps_is_graded_again(project: Project) -> None:
    project.python_suite(
        "from pytest_evalgate import Output\n"
        "def answer(question):\n"
        "    return Output('It rains.', metadata={'trajectory': ['weather'], 'context': ['wet']})\n",
        "a",
    )
    project.golden("golden/faq.jsonl", "a", expected_tools=["weather"])
    path = project.path / "evalgate.toml"
    project.write("evalgate.toml", path.read_text("utf-8") + 'scorers = ["tool-calls"]\n')
    assert project.run("--eval-target=python:bot:answer").ret == 0
    output = project.rows["a"]["trials"][0]["output"]
    assert output["metadata"] == {"trajectory": ["weather"], "context": ["wet"]}
    project.write("out.jsonl", jsonl([{"id": "a", "output": output["value"], **output["metadata"]}]))
    assert project.run("--eval-target=recorded:out.jsonl").ret == 0
    assert project.outcomes == {"a": "passed"}
