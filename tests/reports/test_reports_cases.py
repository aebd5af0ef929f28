from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_evalgate.app.view import CaseChanges, StoredCases
from pytest_evalgate.records.results import Place
from pytest_evalgate.reports.view import MAX_DETAILED, TextPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reports.conftest import Screen

_GATE = {"kind": "no-regression"}


def test_every_change_has_its_name(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("mPPP-", "PmPP", [_GATE]), stored=tmp_path / "run.jsonl")
    assert [case.change for case in view.cases] == ["regressed", "fixed", "same", "same", "new"]
    assert [(case.before, case.value) for case in view.cases] == [(1, 0), (0, 1), (1, 1), (1, 1), (None, None)]


def test_cases_that_are_gone_stand_behind_those_of_their_suite(screen: Screen, tmp_path: Path) -> None:
    first = screen.scene("PP", "PPmP", [_GATE])
    second = screen.scene("P", "PP", [_GATE], name="sql")
    view = screen.view(first, second, stored=tmp_path / "run.jsonl")
    shown = [(case.suite, case.id, case.change, case.before) for case in view.cases if case.change == "removed"]
    assert shown == [
        ("support-faq", "refund-003", "removed", 0),
        ("support-faq", "refund-004", "removed", 1),
        ("sql", "refund-002", "removed", 1),
    ]
    assert [case.suite for case in view.cases] == ["support-faq"] * 4 + ["sql"] * 2


def test_they_can_be_drawn_again(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("mP", "PP", [_GATE]), stored=tmp_path / "run.jsonl")
    assert [*view.cases] == [*view.cases]


def test_without_a_baseline_nothing_has_changed(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("mP"), stored=tmp_path / "run.jsonl")
    assert [case.change for case in view.cases] == ["", ""]


def test_several_trials(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene(["PmP", "mmm", "P?P"]), stored=tmp_path / "run.jsonl")
    assert [case.value for case in view.cases] == [2 / 3, 0, 1]
    assert [case.flaky for case in view.cases] == [True, False, True]
    assert [trial.value for trial in [*view.cases][2].trials] == [1, None, 1]


def test_details_are_of_the_cases_that_matter_and_not_too_many(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene("m" * 150 + "P" * 60 + "m" * 300, "P" * 150 + "m" * 60 + "m" * 300, [_GATE])
    [suite] = screen.view(scene, stored=tmp_path / "run.jsonl").suites
    changes = [case.change for case in suite.details.values()]
    assert (changes.count("regressed"), changes.count("fixed")) == (150, 50)
    assert len(changes) == MAX_DETAILED
    [suite] = screen.view(screen.scene("P" * 10 + "m" * 300), stored=tmp_path / "run.jsonl").suites
    assert {case.outcome for case in suite.details.values()} == {"missed"}
    assert len(suite.details) == MAX_DETAILED


def test_all_passed_needs_no_details(screen: Screen, tmp_path: Path) -> None:
    [suite] = screen.view(screen.scene("PPP", "PPP", [_GATE]), stored=tmp_path / "run.jsonl").suites
    assert suite.details == {}


def test_what_may_not_be_shown_is_in_no_field(tmp_path: Path) -> None:
    trial = {
        "value": 0,
        "reason": "secret why",
        "output": {"value": "secret answer"},
        "scores": [{"name": "s", "value": 0.5, "passed": False, "reason": "secret score"}],
        "calls": [{"purpose": "target", "attempts": 1, "tokens_in": 3, "tokens_out": 4, "cost_usd": 0.5}],
    }
    row = {
        "suite": "faq",
        "id": "a@base",
        "side": "base",
        "file": "g.jsonl",
        "line": 7,
        "fingerprint": "f",
        "outcome": "missed",
        "question": {"input": {"q": "secret question"}, "expected": "secret wish"},
        "trials": [trial],
    }
    path = tmp_path / "run.jsonl"
    path.write_text(f"{{}}\n{json.dumps(row)}\n")
    case_changes = {"faq": CaseChanges(outputs={"a": "secret before"})}
    [shown] = StoredCases(path, case_changes)
    assert str(shown).count("secret") == 6 + 1  # the reason of the case is that of its trial
    assert shown.baseline_output == "secret before"
    assert shown.place == Place("g.jsonl", 7)
    assert (shown.trials[0].tokens, shown.trials[0].cost_usd) == (7, 0.5)
    [hidden] = StoredCases(path, case_changes, TextPolicy("none"))
    assert "secret" not in str(hidden)
    [partly] = StoredCases(path, case_changes, TextPolicy(redact=(("input", "q"),)))
    assert "secret question" not in str(partly)
    assert "secret wish" in str(partly)
    assert "why" not in str(partly), "a reason may repeat what was taken out"
