"""The worst cases of a view: their order, their texts, and what can be acknowledged."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate.app.view import build_view
from pytest_evalgate.app.worst import worst_cases, worst_ids
from pytest_evalgate.config import Settings
from pytest_evalgate.gates import decide
from pytest_evalgate.guard.settings_changes import acknowledge
from pytest_evalgate.records.results import CaseResult, Output, Run, Score, Trial
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.reports.acknowledging import acknowledgement
from pytest_evalgate.reports.diff import Piece
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reports.conftest import Screen

_DROP = {"kind": "no-regression"}
_MUST = {"kind": "must-pass", "tags": ["safety", "legal"]}
_RATE = {"kind": "pass-rate", "min": 0.99}


def test_missed_cases_are_listed_worst_first(screen: Screen) -> None:
    """Case 6 has to pass, case 5 got worse, case 3 missed all trials, cases 1 and 2 some as before."""
    now = ["Pmm", "mmP", "mmm", "PPP", "mPm", "mPm", "PPP"]
    before = ["Pmm", "mmP", "mmm", "PPP", "PPP", "mPm", "mPP"]
    [suite] = screen.view(screen.scene(now, before, (_MUST, _RATE), tags={5: ("legal",)})).suites
    assert [row.id[-1] for row in suite.missed_cases] == ["6", "5", "3", "1", "2"]
    assert [(row.before, row.now) for row in suite.missed_cases][:3] == [
        ("0.33", "0.33"),
        ("pass", "0.33"),
        ("miss", "miss"),
    ]
    assert worst_ids(suite) == ("refund-006", "refund-005", "refund-003")


def test_missed_cases_without_a_baseline(screen: Screen) -> None:
    [suite] = screen.view(screen.scene("mP?m", None, None, max_error_rate=1.0)).suites
    assert [(row.id[-1], row.before, row.now) for row in suite.missed_cases] == [("1", "", "miss"), ("4", "", "miss")]
    assert worst_ids(suite) == ()


def _scored(screen: Screen, tmp_path: Path) -> Any:
    """A judge and a rule; the second case has the lower score."""
    scene = screen.scene("mmm" + "P" * 37, "P" * 40, (_RATE,))
    suite = scene.suite()

    def graded(result: CaseResult, number: int) -> CaseResult:
        judged = Score("tone", 0.4 - 0.1 * number, passed=False, reason="fail", rationale=f"too rude {number}")
        rule = Score("exact", 0.0, passed=False, reason="got x")
        output = Output(f"You can return it within {30 + number} days.")
        trial = Trial(0, 0.0, output, (rule, judged), "exact: got x; tone: too rude")
        return replace(result, trials=(trial,), reason=trial.reason)

    results = tuple(graded(one, number) if number < 2 else one for number, one in enumerate(suite.results))
    run = Run("r", "2026-11-21T10:15:00Z", None, (replace(suite, results=results),))
    verdict = decide(run, {scene.name: scene.rules()}, warn_inconclusive=True)
    path = tmp_path / "run.jsonl"
    run_file.write(run, path)
    return build_view(
        verdict, run, {scene.name: scene.baseline()}, run_file="r", verdict_file="v", worst_from=path
    ), scene


def test_only_the_worst_cases_are_read(screen: Screen, tmp_path: Path) -> None:
    view, _ = _scored(screen, tmp_path)
    [suite] = view.suites
    assert [one.case.id for one in suite.worst] == ["refund-003", "refund-002", "refund-001"]
    assert [one.output for one in suite.worst] == [
        "text",
        "You can return it within 31 days.",
        "You can return it within 30 days.",
    ]
    assert list(view.cases) == []
    assert (suite.worst[1].why, suite.worst[1].judge) == ("exact: got x; tone: too rude", "")


def test_a_judges_rationale_comes_before_the_reason_of_a_rule(screen: Screen, tmp_path: Path) -> None:
    view, _ = _scored(screen, tmp_path)
    [suite] = view.suites
    from pytest_evalgate.records.verdicts import JudgeVerdict  # noqa: PLC0415 - only here

    judge = JudgeVerdict("tone", "f", calibrated=True, why_not=None, scored=40, unreadable=0, pass_rate=0.9)
    judged = replace(suite, verdict=replace(suite.verdict, judges=(judge,)))
    found = {
        one.case.id: replace(one.case, baseline_output="You can return it within 14 days.") for one in suite.worst
    }
    first, second, _ = worst_cases(judged, found)
    assert (first.judge, first.why) == ("", "exact: got 30 days, wanted 14 days")
    assert (second.judge, second.why) == ("tone", "too rude 1 - fail")
    assert second.diff == (
        Piece("same", "You can return it within"),
        Piece("removed", "14"),
        Piece("added", "31"),
        Piece("same", "days."),
    )


def test_the_acknowledgement_is_read_by_the_guard(screen: Screen) -> None:
    view = screen.view(screen.scene("P" * 40, "P" * 40, (_DROP,)))
    assert view.acknowledgement == ""
    weaker = [
        GateChange("gate changed", 'suites."a b".gates[0].min', "0.9", "0.5", "weaker"),
        GateChange("gate removed", "suites.x.gates[1]", "{}", "none", "weaker", "known (qa)"),
        GateChange("case added", "golden/faq.jsonl:2", "", "", "neutral"),
    ]
    text = acknowledgement(replace(view.verdict, changed_in_gate=tuple(weaker)))
    table = tomllib.loads(text)
    settings = Settings.model_validate(table)
    assert [one.acknowledged for one in acknowledge(weaker, settings.acknowledged)] == [
        "WHY THIS IS ACCEPTABLE (WHO ACCEPTS IT)",
        None,
        None,
    ]


def test_a_drop_against_the_baseline_of_another_branch_can_be_acknowledged(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 20 + "P" * 20, "P" * 40, (_DROP,)))
    [(name, suite)] = view.verdict.suites.items()
    assert suite.delta is not None
    of_git = replace(suite, delta=replace(suite.delta, baseline="git:origin/main"))
    text = acknowledgement(replace(view.verdict, suites={name: of_git}))
    assert tomllib.loads(text)["acknowledged"][0]["change"] == "suites.support-faq.baseline"
