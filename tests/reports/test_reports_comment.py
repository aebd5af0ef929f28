"""The comment: one line where nothing is amiss, found again by its first line, never too long for GitHub."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.attacks import view_of

from pytest_evalgate.records.results import Calls, GateChange
from pytest_evalgate.reports.markdown import COMMENT_LIMIT as LIMIT
from pytest_evalgate.reports.markdown import MARKER, render_comment

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView

_DROP = {"kind": "no-regression"}


def _clean(screen: Screen) -> ReportView:
    faq = screen.scene("P" * 39 + "m", "P" * 38 + "m" * 2, (_DROP,))
    sql = screen.scene("P" * 40, "P" * 40, (_DROP,), name="sql-gen")
    return screen.view(faq, sql)


def test_a_pass_is_one_line(screen: Screen) -> None:
    assert render_comment(_clean(screen)) == (
        f"{MARKER}\nEval gate: pass - 2 suites, 80 cases, no drop is proven (largest change: `support-faq` +2.5 pp)."
        " US$0.00.\n"
    )


def test_a_pass_without_baselines_says_nothing_of_changes(screen: Screen) -> None:
    view = screen.view(screen.scene("P" * 40, None, ({"kind": "pass-rate", "min": 0.5},)))
    assert render_comment(view) == f"{MARKER}\nEval gate: pass - 1 suite, 40 cases. US$0.00.\n"


def test_calls_of_unknown_price_are_told(screen: Screen) -> None:
    view = _clean(screen)
    view = replace(view, verdict=replace(view.verdict, calls=Calls(cost_usd=0.83, unknown_price=36)))
    assert render_comment(view).endswith(" US$0.83 plus 36 calls of unknown price.\n")


@pytest.mark.parametrize(
    "changed",
    [
        {"exit_code": 1},
        {"verdict": "inconclusive"},
        {"changed_in_gate": (GateChange("case added", "golden.jsonl:3", "", "", "stricter"),)},
    ],
)
def test_a_pass_with_anything_amiss_is_a_page(screen: Screen, changed: dict[str, Any]) -> None:
    view = _clean(screen)
    view = replace(view, verdict=replace(view.verdict, **changed))
    assert render_comment(view).startswith(f"{MARKER}\n## Eval gate: ")


def test_a_note_makes_a_page(screen: Screen) -> None:
    assert "- NOTE cache: unauthenticated" in render_comment(
        replace(_clean(screen), notes=("cache: unauthenticated",))
    )


def test_a_drop_within_the_margin_makes_a_page(screen: Screen) -> None:
    view = screen.view(screen.scene("P" * 490 + "m" * 10, "P" * 500, ({**_DROP, "margin": 0.2},)))
    assert view.verdict.verdict == "pass"
    assert "10 regressed cases" in render_comment(view)


@pytest.mark.parametrize(
    ("suites", "cases", "cut"),
    [
        (1, 30, None),
        (12, 30, "slices of suites that pass, all but 3 cases of each list"),
        (45, 30, "slices of suites that pass, lists of cases"),
        (700, 3, "all but the first lines"),
    ],
)
def test_a_comment_fits_and_says_what_was_cut(screen: Screen, suites: int, cases: int, cut: str | None) -> None:
    reasons = dict.fromkeys(range(cases), "\U0001f600 because " * 40)
    scenes = [
        screen.scene("m" * cases, "P" * cases, (_DROP,), f"suite-{number}", reasons=reasons)
        for number in range(suites)
    ]
    text = render_comment(screen.view(*scenes))
    assert len(text.encode("utf-16-le")) // 2 <= LIMIT
    last = text.splitlines()[-1]
    assert last.startswith(f"Left out to fit: {cut}. ") if cut else "Left out to fit" not in text


def test_a_pass_of_so_few_cases_that_none_could_fail_makes_a_page(screen: Screen) -> None:
    view = screen.view(screen.scene("mmm", "PPP", (_DROP,)))
    assert view.verdict.verdict == "pass"
    assert "3 regressed cases" in render_comment(view)


def test_every_gate_that_did_not_pass_is_told_once() -> None:
    text = render_comment(view_of("word"))
    assert text.count("\n- **FAIL** `word`, ") == 1
    assert text.count("\n- **UNSURE** `word`, ") == 1
