from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_BREAKS = """
def broken(case, output):
    if case.id == "b":
        raise ValueError("no rubric \\udc80")
    return 1.0
"""
_HOOK = """

def ends_politely(case, output, /, *, closing="Yours"):
    return output.value.endswith(closing), f"does not end with {closing!r}"

def pytest_evalgate_scorers():
    return {"ends-politely": ends_politely}
"""


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_a_scorer_that_breaks_is_a_red_test_without_an_answer(project: Project, args: tuple[str, ...]) -> None:
    project.suite(dict.fromkeys("abc", "yes"), scorers='[{ python = "rules:broken" }]')
    project.write("rules.py", _BREAKS)
    result = project.run(*args)
    assert result.ret == 1
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(['golden/faq.jsonl:2: case "b": scorer *: ValueError: no rubric *'])
    assert project.outcomes == {"a": "passed", "b": "errored", "c": "passed"}
    assert project.verdict["verdict"] == "incomplete"


def test_a_scorer_that_breaks_in_code(project: Project) -> None:
    project.golden("golden/code.jsonl", *"abc")
    project.write("rules.py", _BREAKS)
    project.test("return 'yes'", marker='"golden/code.jsonl", scorers=[{"python": "rules:broken"}]')
    result = project.run()
    assert result.ret == 1
    result.assert_outcomes(passed=2, failed=1)
    assert project.outcomes == {"a": "passed", "b": "errored", "c": "passed"}


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_a_conftest_adds_scorers(project: Project, args: tuple[str, ...]) -> None:
    project.suite(
        {"a": "so long. Yours", "b": "so long. Bye"},
        scorers='["ends-politely", { kind = "ends-politely", closing = "s", name = "s" }]',
    )
    project.write("conftest.py", _HOOK)
    assert project.run(*args).ret == 0
    assert project.outcomes == {"a": "passed", "b": "missed"}
    assert "does not end with 'Yours'" in project.rows["b"]["reason"]


def test_a_scorer_that_cannot_tell_is_a_missing_answer(project: Project) -> None:
    project.suite({"a": "yes", "b": "yes"}, scorers='[{ python = "rules:unsure" }]')
    project.write("rules.py", "def unsure(case, output):\n    return None if case.id == 'b' else 1.0\n")
    assert project.run().ret == 11
    assert project.outcomes == {"a": "passed", "b": "errored"}


_THOUGHTS = {"a": "<think>no</think>yes", "b": "<think>yes</think>no", "c": "<think>yes"}


def test_reasoning_is_not_graded_and_is_kept_in_the_run_file(project: Project) -> None:
    project.suite(_THOUGHTS, scorers='[{ kind = "contains", value = "yes" }]')
    assert project.run().ret == 1
    assert project.outcomes == {"a": "passed", "b": "missed", "c": "missed"}
    outputs = {id_: row["trials"][0]["output"] for id_, row in project.rows.items()}
    assert outputs["a"] == {"value": "yes", "reasoning": "no"}
    assert "reasoning without an answer" in project.rows["c"]["reason"]


def test_reasoning_is_graded_if_the_suite_says_so(project: Project) -> None:
    project.suite(_THOUGHTS, scorers='[{ kind = "contains", value = "yes" }]', strip_reasoning="false")
    assert project.run().ret == 0
    assert set(project.outcomes.values()) == {"passed"}
    assert project.rows["b"]["trials"][0]["output"] == {"value": "<think>yes</think>no"}


def test_outputs_that_were_graded_by_another_schema_are_not_compared(project: Project) -> None:
    pytest.importorskip("jsonschema_rs", reason="needs the extra schema")
    project.suite({"a": '{"id": 1}'}, scorers='[{ kind = "json-schema", schema = "order.json" }]')
    fingerprints = []
    for schema in ('{"required": ["id"]}', '{ "required":\n ["id"] }', '{"required": ["id", "total"]}'):
        project.write("order.json", schema)
        project.run()
        fingerprints.append(project.rows["a"]["fingerprint"])
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert project.rows["a"]["trials"][0]["scores"][0]["reason"] == '"total" is a required property'


def test_what_a_rule_found_is_in_the_run_file_and_masked_in_its_reason(project: Project) -> None:
    project.suite({"a": "Write to jo@corp.com"}, scorers='["no-personal-data"]')
    project.run()
    [score] = project.rows["a"]["trials"][0]["scores"]
    assert score["spans"] == [{"kind": "email", "start": 9, "end": 20}]
    assert "corp" not in project.rows["a"]["reason"]
