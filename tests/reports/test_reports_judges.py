"""What is said of judges, below the table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.records.results import CorrectedRate, JudgeVerdict
from pytest_evalgate.reports.terminal import render
from pytest_evalgate.reports.terminal_cases import judge_lines
from pytest_evalgate.text.layout import width_of

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView

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
def test_what_is_not_known_is_not_said(screen: Screen, change: dict[str, Any], text: str) -> None:
    [line] = _lines(screen, replace(_JUDGE, **change))
    assert text in line
    assert "None" not in line


def test_every_judge_has_a_line(screen: Screen) -> None:
    assert [line[:13] for line in _lines(screen, _JUDGE, replace(_JUDGE, name="tone"))] == [
        "  judge faq: ",
        "  judge tone:",
    ]


def test_why_a_judge_may_not_gate_is_said_once(screen: Screen) -> None:
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
def test_a_passing_gate_says_its_rate_where_the_table_shows_another(screen: Screen, value: float, said: bool) -> None:  # noqa: FBT001 - a column of a table
    view = _view(screen, value=value, message="judge passed 100.0%, corrected for its errors 93.0%")
    assert any("corrected for its errors 93.0%" in line.text for line in render(view, 100)) == said
