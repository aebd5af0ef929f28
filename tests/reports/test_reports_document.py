from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from tests.attacks import ALL, view_of

from pytest_evalgate.reports.tables import render_json
from pytest_evalgate.runs import kept

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reports.conftest import Screen


def test_the_document_holds_verdict_facts_and_cases(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("Pm", "PP", ({"kind": "no-regression"},)), stored=tmp_path / "run.jsonl")
    view = dataclasses.replace(view, facts=(("model", "gpt-x"),))
    found = json.loads("".join(render_json(view)))
    assert list(found) == ["schema", "kind", "verdict", "facts", "cases"]
    assert (found["schema"], found["kind"], found["facts"]) == (1, "evalgate-report", {"model": "gpt-x"})
    assert found["verdict"] == json.loads(json.dumps(kept.encode(view.verdict)))
    assert [case["id"] for case in found["cases"]] == ["refund-001", "refund-002"]
    assert found["cases"][1]["place"] == {"file": "golden_sets/support.jsonl", "line": 2}
    assert found["cases"][1]["trials"][0]["output"] == "text"


def test_a_case_stands_on_a_line_of_its_own(screen: Screen, tmp_path: Path) -> None:
    lines = "".join(render_json(screen.view(screen.scene("PmP"), stored=tmp_path / "run.jsonl"))).splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == ["refund-001", "refund-002", "refund-003"]


def test_a_run_without_cases_is_a_document_too(screen: Screen) -> None:
    assert json.loads("".join(render_json(screen.view(not_run=["tone"]))))["cases"] == []


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    document = "".join(render_json(view_of(text)))
    assert document.isascii()
    [case] = json.loads(document)["cases"]
    assert (case["id"], case["input"], case["trials"][0]["scores"][0]["name"]) == (text, text, text)
