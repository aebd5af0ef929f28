"""The verdict's words and the next steps, which every report has in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.view import ReportContext
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.phrases import NextStep

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

_DROP = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.8}


def test_a_regression_can_be_looked_at_or_accepted(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 20, "P" * 20, [_DROP]))
    assert phrases.next_steps(view) == (
        NextStep("look", "pytest --eval-gate --eval-fail-cases -k support-faq"),
        NextStep("accept on purpose", 'pytest-evalgate baseline promote --suite support-faq --reason "..."'),
    )


def test_a_changed_baseline_has_to_be_acknowledged(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 20, "P" * 20, [_DROP]))
    [suite] = view.suites
    assert suite.verdict.delta is not None
    delta = replace(suite.verdict.delta, baseline="git:8c1f2d0")
    held = replace(view, suites=(replace(suite, verdict=replace(suite.verdict, delta=delta)),))
    assert [step.why for step in phrases.next_steps(held)] == ["look", "accept on purpose", "and acknowledge it"]
    assert 'change = "suites.support-faq.baseline"' in phrases.next_steps(held)[-1].command


def test_the_next_step_repeats_the_options_of_the_run(screen: Screen) -> None:
    context = ReportContext(facts=(("options", "--eval-target recorded:b.jsonl"),))
    view = screen.view(screen.scene("m" * 20, "P" * 20, [_DROP]), context=context)
    assert phrases.next_steps(view)[0].command.endswith(" -k support-faq --eval-target recorded:b.jsonl")


@pytest.mark.parametrize(
    ("source", "side"),
    [
        ("file:baselines/a b.json", "'baselines/a b.json' "),
        ("git:origin/main", "git:origin/main "),
        (f"git:{'8c1f2d0' * 5}abcde", "git:8c1f2d0 "),
        ("run", ""),
    ],
)
def test_the_command_compares_with_the_baseline_of_the_gate(screen: Screen, source: str, side: str) -> None:
    [suite] = screen.view(screen.scene("m" * 20, "P" * 20, [_DROP])).suites
    assert suite.verdict.delta is not None
    verdict = replace(suite.verdict, delta=replace(suite.verdict.delta, baseline=source))
    command = phrases.compare_command("faq", verdict, regressed=True)
    assert command == f"pytest-evalgate compare {side}--suite faq --regressed"


def test_names_are_quoted_in_commands(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 20, None, [_RATE], name="a suite; rm -rf ~"))
    assert [step.command for step in phrases.next_steps(view)] == [
        "pytest --eval-gate --eval-fail-cases -k 'a suite; rm -rf ~'"
    ]


def test_an_inconclusive_suite_suggests_power_unless_it_has_no_baseline(screen: Screen) -> None:
    undecided = screen.view(screen.scene("P" * 35 + "m" * 5, None, [_RATE]))
    assert [step.command for step in phrases.next_steps(undecided)] == ["pytest-evalgate power support-faq"]
    assert phrases.next_steps(screen.view(screen.scene("P" * 40))) == ()


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ((), "exit 11: retry the job, not the prompt"),
        (("STOPPED: no key",), "exit 11: the run was stopped, see above"),
    ],
)
def test_a_run_that_was_stopped_is_not_to_be_retried_blindly(
    screen: Screen, notes: tuple[str, ...], said: str
) -> None:
    view = replace(screen.view(screen.scene("?PP", None, [_RATE])), notes=notes)
    assert phrases.exit_note(view.verdict, view.notes) == said
    assert phrases.reason(view.verdict) == "support-faq: 1 of 3 unanswered"


def test_a_baseline_is_named_by_its_file(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 20, "P" * 20, [_DROP]))
    assert phrases.reason(view.verdict) == "support-faq -100.0 pp: 20 worse, 0 better vs support-faq.json"
    [suite] = view.suites
    assert suite.verdict.delta is not None
    delta = replace(suite.verdict.delta, baseline="git:origin/main")
    gates = tuple(replace(gate, delta=delta) for gate in suite.verdict.gates)
    verdict = replace(view.verdict, suites={suite.name: replace(suite.verdict, delta=delta, gates=gates)})
    assert phrases.reason(verdict).endswith(" vs git:origin/main")
