"""Cases and judges in the terminal; screens are compared with files under golden/, UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.corrected import CorrectedRate
from pytest_evalgate.records.results import Score
from pytest_evalgate.records.verdicts import JudgeVerdict
from pytest_evalgate.reports.terminal import render
from pytest_evalgate.reports.terminal_cases import case_lines, judge_lines, rerun_command
from pytest_evalgate.reports.view import CaseView, TrialView
from pytest_evalgate.text.layout import width_of

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView


_GOLDEN = Path(__file__).parent / "golden"
_JUDGE_SCORE = Score("faq", 0.25, passed=False, reason="States 30 days; the policy and the reference say 14 days.")
_RULE = Score("max-words", 1.0, passed=True)
_CASE = CaseView(
    suite="support-faq",
    id="refund-014",
    place=Place("golden_sets/support.jsonl", 14),
    outcome="missed",
    tags=("en", "refund"),
    change="regressed",
    before=1.0,
    value=0.0,
    input="How long do I have to return a jacket?",
    expected="14 days from delivery, unworn",
    trials=(TrialView(0.0, "You have 30 days to return any item.", _JUDGE_SCORE.reason, (_RULE, _JUDGE_SCORE)),),
    baseline_output="You can return it within 14 days of delivery.",
)
_LONG = "Dear customer,\n\nyou have 30 days.\n  - unworn\n  - with its label\n" + "and so on " * 300
_TRIALS = replace(
    _CASE,
    before=0.67,
    trials=(
        TrialView(1.0, "You can return it within 14 days of delivery.", "", (_RULE,)),
        TrialView(0.0, _LONG, "exact: got 30 days, wanted 14 days", (replace(_RULE, passed=False, value=0.0),)),
        TrialView(None, "", "timeout after 60 s: api.example.org"),
    ),
)
_UNANSWERED = replace(_CASE, outcome="errored", trials=(), tags=(), reason="ConnectError: api.example.org refused")
_NEW = replace(_CASE, baseline_output=None, before=None, expected="", trials=(replace(_CASE.trials[0], scores=()),))
_SCREENS = {"judged": _CASE, "trials": _TRIALS, "unanswered": _UNANSWERED, "new": _NEW}
_KNOWN = {"faq": "kappa 0.81 with human labels, 150 labels"}


def _texts(case: CaseView, width: int = 100) -> list[str]:
    return [line.text for line in case_lines(case, width, rerun=rerun_command(case.id), judges=_KNOWN)]


@pytest.mark.parametrize("width", [100, 60])
@pytest.mark.parametrize("name", _SCREENS)
def test_screens(name: str, width: int) -> None:
    text = "".join(f"{line}\n" for line in _texts(_SCREENS[name], width))
    path = _GOLDEN / f"case_{name}.{width}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def test_the_rationale_of_a_judge_is_shown_once() -> None:
    passed = Score("faq:1", 1.0, passed=True, reason='pass: "14 days"', rationale="It names the period.")
    missed = Score("faq:2", 0.0, passed=False, reason="fail", rationale="It is rude.")
    reason = f"faq:2: {missed.why}"
    lines = _texts(replace(_CASE, trials=(TrialView(0.0, "You fool: 14 days.", reason, (passed, missed)),)))
    assert [line for line in lines if line.startswith("why")] == ["why      | It names the period."]
    assert "reason   | faq:2: fail - It is rude.  (model text)" in lines
    assert sum(line.startswith("judge ") for line in lines) == 2, "each note has its line"


def _is_inert(line: str) -> bool:
    hidden = [char for char in line if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    return not hidden and not line.lstrip().startswith("::") and "##[" not in line


@given(text=st.text(alphabet=st.sampled_from("a :#[]\n\r\t\v\u2028\x1b\u202e\u00a0日\u0301"), max_size=120))
def test_no_text_acts_on_a_terminal_or_a_runner_or_is_wider_than_the_screen(text: str) -> None:
    score = Score(text, 0.0, passed=False, reason=text)
    judged = replace(_JUDGE_SCORE, rationale=text)
    case = replace(
        _CASE,
        id=text,
        place=Place(text, 1),
        tags=(text,),
        input=text,
        expected=text,
        reason=text,
        trials=(TrialView(0.0, text, text, (score, judged)),),
        baseline_output=f"{text}##",
    )
    for line in (*_texts(case, 60), *_texts(replace(case, trials=()), 60)):
        assert _is_inert(line)
        assert width_of(line) <= 60


def test_further_lines_of_a_text_have_a_gutter() -> None:
    case = replace(_CASE, trials=(TrialView(0.0, "fine\n::error::forged"),), baseline_output=None)
    assert _texts(case)[3:5] == ["candidate  MISSED  fine", "         | \\::error::forged"]


@pytest.mark.parametrize(
    ("case_id", "command"),
    [
        ("refund-014", "pytest --eval-gate --eval-fail-cases -k refund-014"),
        ("two words", None),
        ("-k", None),
        ("not", None),
        ("a;rm", None),
        ("日本", None),
    ],
)
def test_a_case_is_run_again_by_its_id_if_the_option_can_express_it(case_id: str, command: str | None) -> None:
    assert rerun_command(case_id) == command


def test_a_long_text_is_cut() -> None:
    lines = _texts(replace(_CASE, input="x " * 5_000))
    assert len(lines) < 50
    assert any("(10,000 characters)" in line for line in lines)


_JUDGE = JudgeVerdict(
    name="faq",
    fingerprint="f" * 64,
    calibrated=True,
    why_not=None,
    scored=200,
    unreadable=3,
    pass_rate=0.86,
    corrected=CorrectedRate(0.812, (0.753, 0.87), 0.764, "rogan-gladen"),
    tpr=(0.912, 0.83),
    tnr=(0.88, 0.789),
    labels=120,
    age_days=12,
)
_RATE = {"kind": "pass-rate", "min": 0.5}


def _view(screen: Screen, *judges: JudgeVerdict, **gate: Any) -> ReportView:
    view = screen.view(screen.scene("P" * 40, None, [_RATE]))
    [suite] = view.suites
    gates = tuple(replace(one, **gate) for one in suite.verdict.gates)
    return replace(view, suites=(replace(suite, verdict=replace(suite.verdict, judges=judges, gates=gates)),))


def _lines(screen: Screen, *judges: JudgeVerdict, width: int = 200, **gate: Any) -> list[str]:
    [suite] = _view(screen, *judges, **gate).suites
    return [line.text for line in judge_lines(suite.verdict, width)]


def test_a_judge_has_a_line(screen: Screen) -> None:
    [line] = _lines(screen, _JUDGE)
    assert line == (
        "  judge faq: tpr 0.91 (>= 0.83), tnr 0.88 (>= 0.79), 120 labels, 12 days old; "
        "passed 86.0% of 200 outputs, corrected 81.2% (75.3-87.0); 3 unreadable"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"unreadable": 0, "corrected": None}, "12 days old; passed 86.0% of 200 outputs"),
        ({"age_days": 1, "labels": 1, "pass_rate": None, "unreadable": 0}, "(>= 0.79), 1 label, 1 day old"),
        ({"age_days": None, "pass_rate": None}, "(>= 0.79), 120 labels; 3 unreadable"),
        (
            {"tpr": None, "tnr": None, "corrected": None, "scored": 1},
            "faq: not calibrated; passed 86.0% of 1 output; ",
        ),
    ],
)
def test_unknown_values_are_left_out(screen: Screen, change: dict[str, Any], text: str) -> None:
    [line] = _lines(screen, replace(_JUDGE, **change))
    assert text in line
    assert "None" not in line


def test_every_judge_has_a_line(screen: Screen) -> None:
    assert [line[:13] for line in _lines(screen, _JUDGE, replace(_JUDGE, name="tone"))] == [
        "  judge faq: ",
        "  judge tone:",
    ]


def test_the_reason_why_a_judge_may_not_gate_is_printed_once(screen: Screen) -> None:
    unfit = replace(_JUDGE, why_not="the rubric changed")
    assert _lines(screen, unfit)[1:] == ["    may not gate: the rubric changed"]
    assert _lines(screen, unfit, message="judge faq may not gate: the rubric changed")[1:] == []


def test_text_of_others_is_inert(screen: Screen) -> None:
    hostile = replace(_JUDGE, name="a\r\n::error::b", why_not="\x1b[31mred")
    assert all("\x1b" not in line and "\n" not in line and "\r" not in line for line in _lines(screen, hostile))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_fit_the_screen(screen: Screen, width: int) -> None:
    unfit = replace(_JUDGE, why_not="the rubric changed since the calibration of 2026-11-20, " * 3)
    assert max(map(width_of, _lines(screen, unfit, width=width))) <= width


def test_the_section_has_them(screen: Screen) -> None:
    assert any(line.text.startswith("  judge faq: tpr 0.91") for line in render(_view(screen, _JUDGE), 100))


@pytest.mark.parametrize(("value", "said"), [(1.0, False), (0.93, True)])
def test_a_passing_gate_prints_its_rate_if_the_table_shows_another(screen: Screen, value: float, said: bool) -> None:  # noqa: FBT001 - a column of a table
    view = _view(screen, value=value, message="judge passed 100.0%, corrected for its errors 93.0%")
    assert any("corrected for its errors 93.0%" in line.text for line in render(view, 100)) == said
