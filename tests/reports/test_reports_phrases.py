"""The verdict's words and the next steps, which every report has in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.app.view import ReportContext
from pytest_evalgate.records.corrected import CorrectedRate, MeasuredChange
from pytest_evalgate.records.verdicts import Calls, GateResult, SliceResult
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.acknowledging import acknowledgement
from pytest_evalgate.reports.phrases import NextStep
from pytest_evalgate.reports.terminal import acknowledgement_lines

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
    assert [step.why for step in phrases.next_steps(held)] == ["look", "accept on purpose"]
    text = acknowledgement(replace(view.verdict, suites={suite.name: held.suites[0].verdict}))
    assert 'change = "suites.support-faq.baseline"' in text
    shown = [line.text for line in acknowledgement_lines(text, 100)]
    assert shown[0] == "to accept this on purpose, acknowledge it on this branch:"
    assert [line.removeprefix("    ") for line in shown[1:]] == text.splitlines()


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


def test_the_gate_furthest_beyond_its_limit_is_named_first(screen: Screen) -> None:
    gates = [_RATE, {"kind": "violation-rate", "max": 0.05}]
    view = screen.view(screen.scene("m" * 10 + "P" * 10, "P" * 20, gates))
    found = phrases.worst_gates(view.verdict, "fail")
    assert [phrases.gate_name(gate) for _, _, gate in found] == ["violations <= 5%", "CI >= 80%"]


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


@pytest.mark.parametrize(
    ("fields", "gates", "said"),
    [
        ({}, [], "not gated, p not adjusted"),
        ({}, [("steps", 0.9), ("lang", None)], "not gated, p not adjusted"),
        ({}, [("lang gap", 0.05)], "gap <= 5 pp gated, p not adjusted"),
        ({}, [("lang", 0.8), ("lang gap", 0.05)], "rate >= 80.0% gated; gap <= 5 pp gated, p not adjusted"),
        ({"gated": True}, [("lang", None)], "gated"),
        ({}, [("lang", 0.9), ("lang", 0.8)], "rate >= 90.0% gated, p not adjusted"),
        ({"gated": True}, [("lang", 0.9), ("lang", None)], "gated; rate >= 90.0% gated"),
    ],
)
def test_how_slices_are_gated(fields: dict[str, Any], gates: list[tuple[str, float | None]], said: str) -> None:
    piece = replace(SliceResult("lang", "de", 9, 9, 1.0, (0.7, 1.0)), **fields)
    results = [GateResult("slice", "fail", None, None, required, "", by) for by, required in gates]
    assert phrases.slice_gates([piece], results, "gated") == said


def test_calls_of_functions_have_no_known_cost() -> None:
    own = "30 calls of your function (cost unknown)"
    assert phrases.sent(Calls(planned=30, sent=30, local=30)) == f"{own}, 0 cached"
    assert phrases.cost(Calls(planned=30, sent=30, local=30)) == own
    assert phrases.sent(Calls(planned=30, cached=30)) == "US$0.00: 0 calls sent, 30 cached"


_MUST = {"kind": "must-pass", "tags": ["safety"]}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        pytest.param(("m" * 12 + "P" * 88, _DROP), ("m" * 40 + "P" * 60, _DROP), "b -40.0 pp", id="the larger drop"),
        pytest.param(("m" * 5, _DROP), ("m" * 40 + "P" * 60, _DROP), "b -40.0 pp", id="by its bound"),
        pytest.param(("m" * 90 + "P" * 10, _DROP), ("m" + "P" * 99, _MUST), "b: 1 of 1 case", id="must-pass first"),
        pytest.param(
            ("P" * 50 + "m" * 50, _RATE), ("m" * 20 + "P" * 80, _DROP), "b -20.0 pp", id="a drop before a rate"
        ),
        pytest.param(("P" * 80 + "m" * 20, _RATE), ("P" * 50 + "m" * 50, _RATE), "b 50.0% < 80%", id="the lower rate"),
    ],
)
def test_the_headline_is_the_worst_gate(
    screen: Screen, first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]], reason: str
) -> None:
    scenes = [
        screen.scene(now, "P" * len(now), (gate,), name, tags={0: ("safety",)})
        for name, (now, gate) in zip("ab", (first, second), strict=True)
    ]
    assert phrases.reason(screen.view(*scenes).verdict).startswith(reason)


def test_the_headline_of_a_gate_on_scores_has_its_own_numbers(screen: Screen) -> None:
    view = screen.view(screen.scene("P" * 100, "P" * 100, [_DROP]))
    [suite] = view.suites
    assert suite.verdict.delta is not None
    delta = replace(suite.verdict.delta, delta=-0.15, lower=-0.16, upper=-0.14, losses=100)
    gate = replace(suite.verdict.gates[0], result="fail", of="tone", delta=delta)
    decided = replace(suite.verdict, verdict="fail", gates=(gate,))
    verdict = replace(view.verdict, verdict="fail", suites={suite.name: decided})
    assert phrases.reason(verdict) == "support-faq, tone -15.0 pp: 100 worse, 0 better vs support-faq.json"
    [(cases, no_gate), (tone, own)] = phrases.suite_rows(decided)
    assert (no_gate, own) == (None, gate)
    assert cases is not None
    assert tone is not None
    assert cases.change.startswith("0.0 pp")
    assert (tone.rate, tone.base, tone.change) == ("mean 85.0", "100.0", "-15.0 pp (-16.0..-14.0)")


def test_raw_and_corrected_numbers_are_separate_lines(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 90 + "P" * 110, "m" * 62 + "P" * 138, [_DROP]))
    [suite] = view.suites
    delta = suite.verdict.delta
    assert delta is not None
    raw = MeasuredChange(delta.delta, delta.lower, delta.upper)
    judged = replace(delta, delta=delta.delta / 0.8, youden=0.8, measured=raw)
    corrected = CorrectedRate(0.502, (0.42, 0.58), 0.43, "rogan-gladen")
    one, other = phrases.numbers(replace(suite.verdict, delta=judged, corrected=corrected))
    assert one.rate.startswith("judged 110/200  55.0%")
    assert (one.base, one.change.partition(" (")[0]) == ("69.0", "-14.0 pp")
    assert (other.rate, other.base) == ("corrected 50.2% (42.0-58.0)", "-")
    assert other.change.startswith("-17.5 pp (")
    assert other.change.endswith(") corrected")


@pytest.mark.parametrize(("below", "expected"), [(0.8, "PASS (blind below 80 pp)"), (1.0, "PASS (blind)")])
def test_a_blind_gate_says_so_beside_its_result(screen: Screen, below: float, expected: str) -> None:
    [suite] = screen.view(screen.scene("P" * 5, "P" * 5, [_DROP])).suites
    gate = replace(suite.verdict.gates[0], blind_below=below)
    assert phrases.result_of(suite.verdict, gate) == expected
