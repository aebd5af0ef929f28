"""What is said of a suite that stopped: where, why, what it saved, and no number that a part of it cannot tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate.app.view import build_view
from pytest_evalgate.gates import decide
from pytest_evalgate.records.results import Run
from pytest_evalgate.reports.terminal import render, verdict_line

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView

_DROP = {"kind": "no-regression"}


def _view(screen: Screen, now: str, before: str, *gates: dict[str, Any]) -> ReportView:
    scene = screen.scene(now, before, gates or (_DROP,))
    run = Run("r1", "2026-11-21T10:15:00Z", None, (replace(scene.suite(), stopped="certainty"),))
    verdict = decide(run, {scene.name: scene.rules()}, warn_inconclusive=True)
    return build_view(verdict, run, {scene.name: scene.baseline()}, run_file="r", verdict_file="v")


def _screen(view: ReportView) -> str:
    return "\n".join(line.text for line in render(view, 140))


def test_a_drop_is_at_least_what_has_been_seen(screen: Screen) -> None:
    view = _view(screen, "m" * 10 + "P" * 202 + "-" * 288, "P" * 500)
    text = _screen(view)
    assert "  support-faq stopped after 212 of 500 cases: its verdict was certain (288 calls saved)" in text
    assert "212 of 500 cases run  100.0  at most -2.0 pp" in text
    assert "288 cases that did not run counted as passed: 10 cases got worse, 0 got better" in text
    assert verdict_line(view.verdict).text == (
        "evalgate: FAIL  support-faq at most -2.0 pp after 212 of 500 cases   (exit 1)"
    )


def test_a_pass_says_how_bad_it_can_be_at_most(screen: Screen) -> None:
    text = _screen(_view(screen, "P" * 20 + "-" * 20, "m" * 20 + "P" * 20))
    assert "20 of 40 cases run  50.0  at least 0.0 pp" in text
    assert "20 cases that did not run counted as missed: 20 cases got worse, 20 got better" in text


def test_no_rate_of_a_part_is_shown(screen: Screen) -> None:
    rate = {"kind": "pass-rate", "min": 0.85}
    view = _view(screen, "m" * 100 + "-" * 100, "P" * 200, rate)
    suite = view.verdict.suites["support-faq"]
    assert (suite.pass_rate, suite.interval) == (None, None)
    assert "100 of 200 cases run" in _screen(view)
    assert "at most 50.0% < 85% after 100 of 200 cases" in verdict_line(view.verdict).text


def test_a_gate_without_a_number_names_itself(screen: Screen) -> None:
    view = _view(screen, "m" * 10 + "-" * 30, "P" * 40, {"kind": "must-pass"})
    assert verdict_line(view.verdict).text == "evalgate: FAIL  support-faq must-pass after 10 of 40 cases   (exit 1)"


def test_skipped_cases_are_none_of_those_that_were_to_run(screen: Screen) -> None:
    assert "stopped after 10 of 40 cases" in _screen(_view(screen, "m" * 10 + "-" * 30 + "S" * 5, "P" * 45))


def test_what_is_accepted_has_to_be_completed_first(screen: Screen) -> None:
    text = _screen(_view(screen, "m" * 10 + "-" * 30, "P" * 40))
    assert "accept on purpose: pytest --eval-gate --eval-stop never, then pytest-evalgate baseline promote" in text


def test_of_a_whole_suite_nothing_is_said(screen: Screen) -> None:
    text = _screen(screen.view(screen.scene("m" * 40, "P" * 40, (_DROP,))))
    assert "stopped" not in text
    assert "--eval-stop" not in text
