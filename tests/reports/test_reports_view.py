"""The view of a run: its texts, its cases, and their changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.app.view import StoredCases, _count_uncached, with_cases
from pytest_evalgate.config import Report
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Output, PlannedCase, Score, Trial
from pytest_evalgate.reports.view import (
    LONGEST,
    MAX_DETAILED,
    CaseChanges,
    ChangedCaseRow,
    Reason,
    TextPolicy,
    truncate,
)
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, pad, truncate_columns, width_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reports.conftest import Screen


def test_the_view_has_the_changed_cases(screen: Screen) -> None:
    scene = screen.scene("mP?P", "PmPP", None, max_error_rate=1.0, reasons={2: "timeout"}, tags={0: ("en",)})
    [suite] = screen.view(scene).suites
    place, reason = "golden_sets/support.jsonl", "exact: got 30 days, wanted 14 days"
    assert suite.regressed == (
        ChangedCaseRow("refund-001", Place(place, 1), ("en",), "pass", "miss", reason, reason),
        ChangedCaseRow("refund-003", Place(place, 3), (), "pass", "no answer", "timeout", "timeout"),
    )
    assert [case.id for case in suite.fixed] == ["refund-002"]
    assert suite.errors == (Reason(1, "timeout", f"{place}:3"),)
    assert (suite.missed, suite.flaky) == ((Reason(1, "exact: got 30 days, wanted 14 days", f"{place}:1"),), ())


_CUT = Output("half", finish="length")
_UNTOLD = (Score("tone", None, passed=None, counts=False),)


@pytest.mark.parametrize(
    ("trial", "uncached"),
    [
        (Trial(0, 1.0, Output("text")), False),
        (Trial(0, 0.0, Output("text")), False),
        (Trial(0, 0.0, Output("", finish="reasoning")), False),
        (Trial(0, 1.0, Output("text"), (Score("rule", None, passed=None, counts=False),)), False),
        (Trial(0, None, reason="timeout"), True),
        (Trial(0, 0.0, _CUT), True),
        (Trial(0, 0.0, reason="ValueError: no"), True),
        (Trial(0, 1.0, Output("text"), _UNTOLD), True),
    ],
)
def test_the_cases_that_a_re_run_repeats_are_counted(trial: Trial, *, uncached: bool) -> None:
    case = PlannedCase("a", Place("g.jsonl", 1), "f")
    assert _count_uncached([combine_trials(case, [trial])], frozenset({"tone"})) == uncached


def test_reasons_are_counted_the_most_frequent_first(screen: Screen) -> None:
    scene = screen.scene("mmmm", reasons={0: "rare", 1: "often", 2: "often", 3: ""})
    [suite] = screen.view(scene).suites
    assert [(reason.count, reason.text, reason.example[-1]) for reason in suite.missed] == [
        (2, "often", "2"),
        (1, "rare", "1"),
        (1, "no reason given", "4"),
    ]


def test_trials_that_disagree_are_counted(screen: Screen) -> None:
    [suite] = screen.view(screen.scene(["PPP", "PPm", "Pmm", "mmm", "P?m"], ["PPP"] * 5)).suites
    assert [(case.passed, case.trials) for case in suite.flaky] == [(2, 3), (1, 3)]
    assert [(case.before, case.now) for case in suite.regressed][-1] == ("pass", "0.67")
    assert all(case.reason for case in suite.regressed)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two  spaces", "two  spaces"),
        ("a\nb\tc\r\nd", "a b c d"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b", "\\x9b"),
        ("a\u202eb", "a\\u202eb"),
        ("\u200b", "\\u200b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\ue0041"),
        ("Größe 日本 \U0001f600", "Größe 日本 \U0001f600"),
        ("", ""),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown
    assert one_line(shown) == shown


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\uff46\uff55", 4), ("", 0), ("é", 1)]
)
def test_widths(text: str, width: int) -> None:
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "room", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc..."),
        ("日本語", 6, "日本語"),
        ("日本語の", 6, "日..."),
        ("日本語の", 7, "日本..."),
        ("abcdef", 3, "..."),
        ("abcdef", 2, ".."),
        ("abcdef", 0, ""),
        ("abcdef", -4, ""),
    ],
)
def test_cutting_to_a_width(text: str, room: int, cut: str) -> None:
    assert truncate_columns(text, room) == cut


def test_columns_are_aligned() -> None:
    assert pad("日", 4) == "日  "
    assert align([("a", "bb", ""), ("日本", "c", "d")]) == ["a     bb", "日本  c   d"]


_GATE = {"kind": "no-regression"}


def test_every_change_has_its_name(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("mPPP-", "PmPP", [_GATE]), stored=tmp_path / "run.jsonl")
    assert [case.change for case in view.cases] == ["regressed", "fixed", "same", "same", "new"]
    assert [(case.before, case.value) for case in view.cases] == [(1, 0), (0, 1), (1, 1), (1, 1), (None, None)]


def test_removed_cases_follow_those_of_their_suite(screen: Screen, tmp_path: Path) -> None:
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


def test_without_a_baseline_no_case_has_changed(screen: Screen, tmp_path: Path) -> None:
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


def test_reading_ends_when_no_more_case_is_shown(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("P" * 10 + "m" * 300), stored=tmp_path / "run.jsonl")
    cases = iter([*view.cases])
    [suite] = with_cases(view, cases).suites
    assert suite.details == view.suites[0].details
    assert len([*cases]) == 10 + 300 - (10 + MAX_DETAILED + 1)


def test_all_passed_needs_no_details(screen: Screen, tmp_path: Path) -> None:
    [suite] = screen.view(screen.scene("PPP", "PPP", [_GATE]), stored=tmp_path / "run.jsonl").suites
    assert suite.details == {}


def test_hidden_content_is_in_no_field(tmp_path: Path) -> None:
    trial = {
        "value": 0,
        "reason": "secret why",
        "output": {"value": "secret answer", "reasoning": "secret thought, and why"},
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
    assert shown.trials[0].reasoning == "secret thought, and why"
    assert str(shown).count("secret") == 7 + 1  # the reason of the case is that of its trial
    assert shown.baseline_output == "secret before"
    assert shown.place == Place("g.jsonl", 7)
    assert (shown.trials[0].tokens, shown.trials[0].cost_usd) == (7, 0.5)
    [hidden] = StoredCases(path, case_changes, TextPolicy("none"))
    assert "secret" not in str(hidden)
    [partly] = StoredCases(path, case_changes, TextPolicy(redact=(("input", "q"),)))
    assert "secret question" not in str(partly)
    assert "secret wish" in str(partly)
    assert "why" not in str(partly), "a reason may repeat what was taken out"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("as it is\n", "as it is\n"),
        ({"a": [1, "ü"]}, '{\n "a": [\n  1,\n  "ü"\n ]\n}'),
        ([{"role": "user", "content": "Hi"}, {"role": "tool", "content": {"n": 1}}], 'user: Hi\ntool: {\n "n": 1\n}'),
        ([], "[]"),
        (0, "0"),
        (False, "false"),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert TextPolicy().of("input", value) == text


def test_long_texts_are_truncated_with_their_length() -> None:
    assert TextPolicy().of("output", "x" * LONGEST) == "x" * LONGEST
    assert TextPolicy().of("output", "x" * (LONGEST + 1)) == f"{'x' * LONGEST} ... (20,001 characters)"
    assert truncate("abc", 2) == "ab ... (3 characters)"


@pytest.mark.parametrize(("content", "shown"), [("full", "y" * 300), ("none", "(left out)")])
def test_the_content_that_each_policy_shows(content: str, shown: str) -> None:
    texts = TextPolicy.by(Report.model_validate({"content": content}))
    assert texts.of("input", "y" * 300) == texts.plain("y" * 300) == shown
    assert texts.of("input", None) == texts.plain("") == ""


def test_an_excerpt_is_the_beginning() -> None:
    assert TextPolicy("excerpt").plain("y" * 300) == f"{'y' * 200} ... (300 characters)"


def test_fields_are_redacted_at_every_depth() -> None:
    texts = TextPolicy.by(Report.model_validate({"redact": ["input.customer.email", "output.name"]}))
    value = {"customer": [{"email": "mia@example.org", "n": 1}, {"n": 2}], "email": "kept"}
    assert "mia" not in texts.of("input", value)
    assert '"email": "***"' in texts.of("input", value)
    assert '"email": "kept"' in texts.of("input", value)
    assert "mia" in texts.of("output", value)
    assert texts.of("output", {"name": {"first": "Mia"}}) == '{\n "name": "***"\n}'
    assert texts.of("output", "plain text has no fields") == "plain text has no fields"
    assert value["customer"] == [{"email": "mia@example.org", "n": 1}, {"n": 2}]
