from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.records.results import Place
from pytest_evalgate.reports.view import ChangedCaseRow, Reason
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, pad, truncate_columns, width_of

if TYPE_CHECKING:
    from tests.reports.conftest import Screen


def test_the_view_tells_what_changed(screen: Screen) -> None:
    scene = screen.scene("mP?P", "PmPP", None, max_error_rate=1.0, reasons={2: "timeout"}, tags={0: ("en",)})
    [suite] = screen.view(scene).suites
    place = "golden_sets/support.jsonl"
    assert suite.regressed == (
        ChangedCaseRow("refund-001", Place(place, 1), ("en",), "pass", "miss", "exact: got 30 days, wanted 14 days"),
        ChangedCaseRow("refund-003", Place(place, 3), (), "pass", "no answer", "timeout"),
    )
    assert [case.id for case in suite.fixed] == ["refund-002"]
    assert suite.errors == (Reason(1, "timeout", f"{place}:3"),)
    assert (suite.missed, suite.flaky) == ((Reason(1, "exact: got 30 days, wanted 14 days", f"{place}:1"),), ())


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


def test_columns_stand_below_each_other() -> None:
    assert pad("日", 4) == "日  "
    assert align([("a", "bb", ""), ("日本", "c", "d")]) == ["a     bb", "日本  c   d"]
