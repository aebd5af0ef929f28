"""What is shown of a missed case while the run goes on."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.plugin.failures import CaseMissed, clean, describe_miss, printable
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Score, Trial
from pytest_evalgate.text.redaction import Redactor

_PLACE = Place("golden/faq.jsonl", 2)
_CASE = Case("refund-1", input="How long?", expected="14 days", tags=("en",), place=_PLACE)
_PLANNED = PlannedCase("refund-1", _PLACE, "f")


def _result(*trials: Trial, reason: str = "") -> CaseResult:
    return CaseResult(_PLANNED, "missed" if trials else "errored", trials, reason)


def test_a_missed_case_is_laid_out() -> None:
    score = Score("exact", 0.0, passed=False, reason="got 30 days, wanted 14 days")
    trial = Trial(0, 0.0, Output("30 days"), (score,), "exact: got 30 days, wanted 14 days")
    assert describe_miss(_CASE, _result(trial)).splitlines() == [
        "case       refund-1  golden/faq.jsonl:2  (en)",
        "input      How long?",
        "expected   14 days",
        "candidate  MISSED  30 days",
        "reason   | exact: got 30 days, wanted 14 days",
        "rerun      pytest --eval-gate --eval-fail-cases -k refund-1",
    ]


def test_without_an_answer_the_reason_is_shown() -> None:
    assert "reason   | timeout after 60 s" in describe_miss(_CASE, _result(reason="timeout after 60 s"))


def test_values_that_are_no_text_are_shown_as_json() -> None:
    case = Case("a", messages=({"role": "user", "content": "Hi"},), expected={"days": 14}, place=_PLACE)
    lines = describe_miss(case, _result(Trial(0, 0.0, Output({"days": 30})))).splitlines()
    assert "input      user: Hi" in lines
    assert "expected   {" in lines
    assert '         |  "days": 30' in lines


def test_the_exception_says_why() -> None:
    assert str(CaseMissed(_CASE, _result(reason="too long"))) == "too long"
    assert str(CaseMissed(_CASE, _result())) == "errored"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ntext", "plain\ntext"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\r\n::error::b", "a\n\\::error::b"),
        ("a\n  ::error::b", "a\n  \\::error::b"),
        ("##[error]x", "##\\[error]x"),
        ("\ud800", "\\ud800"),
        ("\ufffe", "\\ufffe"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("longrepr", "sent"),
    [
        (None, None),
        ("plain", "plain"),
        ("a\ud800b", "a\\ud800b"),
        (("test_it.py", 3, "no \udcff"), ("test_it.py", 3, "no \\udcff")),
        ("x" * 1_000_003, f"{'x' * 1_000_000}\n... and 3 more characters"),
    ],
)
def test_a_report_can_be_sent_to_the_controller(longrepr: Any, sent: Any) -> None:
    report = pytest.TestReport("a", ("test_it.py", 3, "a"), {}, "failed", longrepr, "call", [("out", "\ud800")])
    report.user_properties = [("reason", "\ud800"), ("count", 3)]
    clean(report, Redactor(), is_golden=False)
    assert report.longrepr == sent
    assert report.sections == [("out", "\\ud800")]
    assert report.user_properties == [("reason", "\\ud800"), ("count", 3)]
