"""One case as a screen, compared with files under golden/; UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.records.results import Place, Score
from pytest_evalgate.reports.terminal_cases import case_lines, rerun_command
from pytest_evalgate.reports.view import CaseView, TrialView
from pytest_evalgate.text.layout import width_of

_GOLDEN = Path(__file__).parent / "golden"
_JUDGE = Score("faq", 0.25, passed=False, reason="States 30 days; the policy and the reference say 14 days.")
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
    trials=(TrialView(0.0, "You have 30 days to return any item.", _JUDGE.reason, (_RULE, _JUDGE)),),
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
_KNOWN = {"faq": "kappa 0.81 against people, 150 labels"}


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


def _is_inert(line: str) -> bool:
    hidden = [char for char in line if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    return not hidden and not line.lstrip().startswith("::") and "##[" not in line


@given(text=st.text(alphabet=st.sampled_from("a :#[]\n\r\t\v\u2028\x1b\u202e\u00a0日\u0301"), max_size=120))
def test_no_text_acts_on_a_terminal_or_a_runner_or_is_wider_than_the_screen(text: str) -> None:
    score = Score(text, 0.0, passed=False, reason=text)
    case = replace(
        _CASE,
        id=text,
        place=Place(text, 1),
        tags=(text,),
        input=text,
        expected=text,
        reason=text,
        trials=(TrialView(0.0, text, text, (score, _JUDGE)),),
        baseline_output=f"{text}##",
    )
    for line in (*_texts(case, 60), *_texts(replace(case, trials=()), 60)):
        assert _is_inert(line)
        assert width_of(line) <= 60


def test_further_lines_of_a_text_stand_behind_a_gutter() -> None:
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
def test_a_case_is_run_again_by_its_id_where_that_can_be_typed(case_id: str, command: str | None) -> None:
    assert rerun_command(case_id) == command


def test_a_long_text_is_cut() -> None:
    lines = _texts(replace(_CASE, input="x " * 5_000))
    assert len(lines) < 50
    assert any("(10,000 characters)" in line for line in lines)
