"""The header of a session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer


def _header(project: Project, *suites: str, **options: object) -> list[str]:
    """Return the header of a session that runs ``suites``."""
    decider = project.decider(**options)
    try:
        ready = [decider.assembly.ready(name) for name in suites or ("faq",)]
        decider.check_gates(ready)  # reads the baselines
        return decider.header(ready)
    finally:
        decider.assembly.wiring.close()


def test_one_suite_is_named_with_what_makes_its_outputs(project: Project) -> None:
    project.suite({"a": "yes", "b": "no"})
    header = ["evalgate: faq, 2 cases | recorded outputs"]
    assert _header(project) == header
    lines = project.run().outlines
    above = lines[: next(k for k, line in enumerate(lines) if line.startswith("collected "))]
    assert [line for line in above if line.startswith("evalgate: ")] == header


def test_several_suites_are_counted(project: Project) -> None:
    project.suite({"a": "yes"})
    project.suite({"z": "yes"}, name="tone", target='{ python = "bot:answer" }')
    project.write_bot("def answer(question):\n    return 'yes'\n")
    assert _header(project, "faq", "tone") == ["evalgate: 2 suites, 2 cases | recorded outputs | candidate bot:answer"]


def test_a_model_its_judge_and_the_budget(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", scorers='["exact", { judge = "tone" }]')
    project.configure('model = "candidate"\ncriteria = "Is it polite?"\nreport_only = true\n', "judges.tone")
    [said, limit] = _header(project, budget_usd=5.0)
    assert said == "evalgate: faq, 1 case | candidate gpt-x-mini | judge gpt-x-mini (not calibrated)"
    assert limit == "evalgate: budget US$5.00"


def test_the_baseline_is_named_with_where_it_came_from(project: Project) -> None:
    project.suite({"a": "yes"}, baseline='"b.json"')
    assert project.run().ret == 0
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    made = json.loads((project.path / "b.json").read_text("utf-8"))["provenance"]["created"][:10]
    assert _header(project)[1:] == [f"evalgate: baseline b.json ({made})"]


def test_a_tier_is_named_where_it_is_not_the_default_one(project: Project) -> None:
    project.suite({"a": "yes", "b": "yes"}, tiers="{ smoke = { sample = 1 } }")
    assert _header(project, tier="smoke") == ["evalgate: tier smoke | faq, 1 case | recorded outputs"]


def test_what_of_the_command_line_changes_the_run_is_said(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write_bot("def answer(question):\n    return 'yes'\n")
    [said, changed] = _header(project, targets=("python:bot:answer",), offline=True)
    assert said == "evalgate: faq, 1 case | candidate bot:answer"
    assert changed == "evalgate: --eval-target python:bot:answer | offline: cached replies only, nothing is sent"
