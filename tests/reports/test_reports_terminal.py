"""The screens, compared with files under golden/; UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.reports.columns import width_of
from pytest_evalgate.reports.terminal import render, verdict_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reports.conftest import Scene, Screen

    from pytest_evalgate.reports.view import ReportView

_GOLDEN = Path(__file__).parent / "golden"
_NO_REGRESSION = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.85}
_MUST = {"kind": "must-pass", "tags": ["safety"]}


def _scene(screen: Screen, now: Any, before: Any = None, *gates: dict[str, Any], **fields: Any) -> Scene:
    return screen.scene(now, before, gates or None, **fields)


def _pass(screen: Screen) -> ReportView:
    support = _scene(
        screen, "m" * 6 + "P" * 225 + "m" * 9, "P" * 6 + "m" * 9 + "P" * 216 + "m" * 9, _NO_REGRESSION, _RATE
    )
    sql = _scene(
        screen, "P" * 590 + "m" * 10, "P" * 590 + "m" * 10, {**_NO_REGRESSION, "margin": 0.05}, name="sql-gen"
    )
    return screen.view(support, sql, not_run=["tone", "refusals"])


def _fail_pass_rate(screen: Screen) -> ReportView:
    reasons = dict.fromkeys(range(50, 54), "number: got 30, wanted 14") | {54: "regex: no match", 55: "exact: empty"}
    return screen.view(
        _scene(
            screen, "P" * 46 + "m" * 14, "P" * 47 + "m" * 13, _RATE, _NO_REGRESSION, name="sql-gen", reasons=reasons
        )
    )


def _fail_regression(screen: Screen) -> ReportView:
    reasons = {0: "contains: states 30 days; the policy and the reference both say 14 days from the day of delivery"}
    now, before = "m" * 19 + "P" * 221, "P" * 19 + "m" * 4 + "P" * 217
    return screen.view(_scene(screen, now, before, _NO_REGRESSION, _RATE, reasons=reasons))


def _inconclusive(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "P" * 35 + "m" * 5, None, {**_RATE, "min": 0.8}, name="refusals"), warn=False)


def _inconclusive_warned(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "P" * 35 + "m" * 5, None, {**_RATE, "min": 0.8}, name="refusals"))


def _incomplete(screen: Screen) -> ReportView:
    reasons = dict.fromkeys(range(203, 234), "429 after 5 attempts") | dict.fromkeys(
        range(234, 240), "timeout after 60 s"
    )
    scene = _scene(screen, "P" * 203 + "?" * 37, "P" * 240, _NO_REGRESSION, reasons=reasons, max_error_rate=0.02)
    return screen.view(scene)


def _not_evaluated(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "P" * 3 + "-" * 237, "P" * 240, _NO_REGRESSION, _RATE))


def _invalid(screen: Screen) -> ReportView:
    problem = (
        'worker "gw1" collected other cases than the controller: golden_sets/support.jsonl differs between the two; '
        "run again once the file is no longer being written"
    )
    return screen.view(_scene(screen, "PPP", "PPP", _NO_REGRESSION), problems=(problem,))


def _unpaired(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "P" * 20, "P" * 40, _NO_REGRESSION))


def _advisory(screen: Screen) -> ReportView:
    return screen.view(
        _scene(screen, "m" * 20 + "P" * 20, "P" * 40, _NO_REGRESSION, name="new-suite", advisory=True),
        _scene(screen, "P" * 40, "P" * 40, _NO_REGRESSION),
    )


def _first_run(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "P" * 30 + "m" * 10))


def _slices(screen: Screen) -> ReportView:
    by = {i: (("lang", "de" if i < 62 else "en"), ("metadata.length", str(2 + i % 10))) for i in range(240)}
    now, before = "m" * 7 + "P" * 221 + "m" * 12, "P" * 7 + "m" * 3 + "P" * 230
    return screen.view(_scene(screen, now, before, {**_NO_REGRESSION, "alpha": 0.001}, slices=by))


def _must_pass(screen: Screen) -> ReportView:
    tags = dict.fromkeys(range(10), ("safety",))
    return screen.view(_scene(screen, "PPmPmPPPPP" + "P" * 30, None, _MUST, tags=tags))


def _trials(screen: Screen) -> ReportView:
    now, before = ["PPP"] * 20 + ["PPm"] * 4 + ["mmm"] * 6, ["PPP"] * 24 + ["Pmm"] * 6
    return screen.view(_scene(screen, now, before, _NO_REGRESSION, {**_RATE, "min": 0.5}, name="agents"))


def _wide_characters(screen: Screen) -> ReportView:
    ids = {0: "返品について-日本語の質問", 1: "Größe-é"}
    reasons = {0: "exact: 「30日以内に返品できます」と答えたが、方針では14日以内である。" * 2}
    return screen.view(_scene(screen, "m" * 8 + "P" * 30, "P" * 38, _NO_REGRESSION, ids=ids, reasons=reasons))


def _slice_that_dropped(screen: Screen) -> ReportView:
    """Better on the whole, worse where it matters: the average hides it, the screen does not."""
    slices = {index: (("label", "unsafe" if index < 40 else "safe"),) for index in range(200)}
    return screen.view(
        _scene(screen, "m" * 12 + "P" * 188, "P" * 40 + "m" * 60 + "P" * 100, _NO_REGRESSION, slices=slices)
    )


def _all_skipped(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "SSS", None, _RATE))


def _nothing(screen: Screen) -> ReportView:
    return screen.view(not_run=["support-faq"])


_SCREENS: list[tuple[Callable[[Screen], ReportView], str, int]] = [
    (_pass, "evalgate: PASS  3 of 3 gates   (exit 0)", 0),
    (_fail_pass_rate, "evalgate: FAIL  sql-gen 76.7% < 85%   (exit 1)", 1),
    (
        _fail_regression,
        "evalgate: FAIL  support-faq -6.2 pp, 19 worse, 4 better, against baselines/support-faq.json   (exit 1)",
        1,
    ),
    (
        _inconclusive,
        'evalgate: INCONCLUSIVE  refusals: 40 cases cannot decide this gate   (exit 10; on_inconclusive = "fail")',
        10,
    ),
    (
        _inconclusive_warned,
        'evalgate: INCONCLUSIVE  refusals: 40 cases cannot decide this gate   (exit 0; on_inconclusive = "warn")',
        0,
    ),
    (
        _incomplete,
        "evalgate: INCOMPLETE  support-faq: 37 of 240 cases have no answer   (exit 11: retry the job, not the prompt)",
        11,
    ),
    (_not_evaluated, "evalgate: NOT EVALUATED  support-faq: 237 of 240 planned cases were not run   (exit 12)", 12),
    (
        _invalid,
        (
            'evalgate: INVALID  worker "gw1" collected other cases than the controller: '
            "golden_sets/support.jsonl differs between the two   (exit 4)"
        ),
        4,
    ),
    (_unpaired, "evalgate: INVALID  support-faq: only 50.0% of the baseline's 40 cases are paired   (exit 4)", 4),
    (_advisory, "evalgate: PASS  1 of 1 gate; 0 of 1 advisory, which never block   (exit 0)", 0),
    (
        _first_run,
        (
            "evalgate: INCONCLUSIVE  support-faq: no baseline yet: pytest-evalgate baseline promote"
            '   (exit 0; on_inconclusive = "warn")'
        ),
        0,
    ),
    (_slices, "", 1),
    (_slice_that_dropped, "evalgate: PASS  1 of 1 gate   (exit 0)", 0),
    (_must_pass, "", 1),
    (_trials, "", 1),
    (_wide_characters, "", 1),
    (
        _all_skipped,
        "evalgate: INVALID  support-faq: no case of suite support-faq is left: all 3 are skipped   (exit 5)",
        5,
    ),
    (_nothing, "evalgate: INVALID  no case was selected   (exit 5)", 5),
]


def _name(scene: Callable[[Screen], ReportView]) -> str:
    return scene.__name__.lstrip("_")


@pytest.mark.parametrize("width", [100, 80])
@pytest.mark.parametrize("scene", [scene for scene, _, _ in _SCREENS], ids=_name)
def test_screens(screen: Screen, scene: Callable[[Screen], ReportView], width: int) -> None:
    view = scene(screen)
    text = "\n".join([*(line.text for line in render(view, width)), verdict_line(view).text]) + "\n"
    path = _GOLDEN / f"{_name(scene)}.{width}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("scene", [scene for scene, _, _ in _SCREENS], ids=_name)
def test_no_line_is_wider_than_the_screen(screen: Screen, scene: Callable[[Screen], ReportView], width: int) -> None:
    lines = render(scene(screen), width)
    assert max(width_of(line.text) for line in lines) <= width
    assert all(line.text == line.text.rstrip() for line in lines)


@pytest.mark.parametrize(("scene", "text", "code"), _SCREENS, ids=lambda value: getattr(value, "__name__", None))
def test_the_verdict_line(screen: Screen, scene: Callable[[Screen], ReportView], text: str, code: int) -> None:
    view = scene(screen)
    assert view.verdict.exit_code == code
    line = verdict_line(view)
    assert line.text == (text or line.text)
    assert f"(exit {code}" in line.text
    colours = {"pass": "green", "fail": "red", "invalid": "red"}
    assert line.colour == colours.get(view.verdict.verdict, "yellow")


def test_a_pass_that_pytest_turns_down_says_so(screen: Screen) -> None:
    view = _pass(screen)
    view = replace(view, verdict=replace(view.verdict, exit_code=1))
    assert verdict_line(view).text == "evalgate: PASS  3 of 3 gates   (exit 1: pytest's own, the gates passed)"


def test_the_blocking_suite_is_named_even_behind_an_advisory_one(screen: Screen) -> None:
    view = screen.view(
        _scene(screen, "m" * 20, None, _RATE, name="advised", advisory=True),
        _scene(screen, "m" * 20, None, _RATE, name="blocked"),
    )
    assert verdict_line(view).text == "evalgate: FAIL  blocked 0.0% < 85%   (exit 1)"


def test_cases_are_listed_as_regressed_only_where_the_regression_failed(screen: Screen) -> None:
    text = "\n".join(line.text for line in render(_fail_pass_rate(screen)))
    assert "REGRESSED" not in text
    assert "baseline promote" not in text
    assert "accept on purpose: pytest-evalgate baseline promote" in "\n".join(
        line.text for line in render(_fail_regression(screen))
    )


_HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "line\r\n::error::forged",
    "\rPASS",
    "nul\0",
    "bidi \u202egnp.exe",
    "zero\u200bwidth\ufeff",
    "line\u2028separator\u2029",
    "tag\U000e0041",
    "\ud800",
    "back\b\b\bspace",
]


@pytest.mark.parametrize("text", _HOSTILE, ids=ascii)
def test_hostile_text_is_inert_wherever_it_stands(screen: Screen, text: str) -> None:
    fields: dict[str, Any] = {
        "ids": {0: text},
        "reasons": dict.fromkeys(range(20), text),
        "slices": {0: ((text, text),)},
        "tags": {0: (text,)},
        "file": f"{text}.jsonl",
    }
    scenes = [
        _scene(screen, "m" * 20 + "P" * 5, "P" * 25, _NO_REGRESSION, _RATE, **fields),
        _scene(screen, "?" * 20 + "P" * 5, None, _RATE, name="missing", **fields),
        _scene(screen, "m" * 25, None, {"kind": "must-pass", "tags": [text]}, name="must", **fields),
    ]
    for view in (screen.view(*scenes), screen.view(scenes[2], problems=(text,), not_run=[text])):
        for line in (*render(view, 100), verdict_line(view)):
            bad = [char for char in line.text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
            assert not bad
            assert width_of(line.text) <= 140


def test_at_most_ten_cases_are_listed(screen: Screen) -> None:
    text = [line.text for line in render(_fail_regression(screen))]
    assert sum("pass -> miss" in line for line in text) == 10
    assert "  ... 9 more: pytest-evalgate compare --suite support-faq --regressed" in text
