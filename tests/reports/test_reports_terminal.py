"""The section, the verdict line and the header, compared with files under golden/; UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import io
import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._io import TerminalWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.attacks import TERMINAL, WORKFLOW

from pytest_evalgate.app.view import ReportContext, build_view, with_cases
from pytest_evalgate.gates import decide
from pytest_evalgate.records.results import Run, Score
from pytest_evalgate.records.verdicts import Calls, JudgeVerdict
from pytest_evalgate.reports.terminal import Header, HeaderJudge, header_lines, render, verdict_line
from pytest_evalgate.reports.terminal_lists import ListLimits
from pytest_evalgate.reports.view import TrialView
from pytest_evalgate.text.layout import width_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reports.conftest import Scene, Screen

    from pytest_evalgate.reports.view import ReportView


_GOLDEN = Path(__file__).parent / "golden"
_NO_REGRESSION = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.85}
_REPORTED = ReportContext(report_file=".evalgate/report.html")
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
    view = screen.view(support, sql, not_run=["tone", "refusals"], context=_REPORTED)
    calls = Calls(planned=2_000, sent=412, cached=1_588, cost_usd=0.83)
    return replace(view, verdict=replace(view.verdict, calls=calls, duration_s=124.02))


def _fail_pass_rate(screen: Screen) -> ReportView:
    reasons = dict.fromkeys(range(50, 54), "number: got 30, wanted 14") | {54: "regex: no match", 55: "exact: empty"}
    return screen.view(
        _scene(
            screen, "P" * 46 + "m" * 14, "P" * 47 + "m" * 13, _RATE, _NO_REGRESSION, name="sql-gen", reasons=reasons
        ),
        context=_REPORTED,
    )


def _fail_regression(screen: Screen, stored: Path | None = None) -> ReportView:
    reasons = {0: "contains: states 30 days; the policy and the reference both say 14 days from the day of delivery"}
    now, before = "m" * 19 + "P" * 221, "P" * 19 + "m" * 4 + "P" * 217
    tags = {0: ("en", "refund"), 1: ("de",), 2: ("en",)}
    scene = _scene(screen, now, before, _NO_REGRESSION, _RATE, reasons=reasons, tags=tags)
    return screen.view(scene, context=_REPORTED, stored=stored)


def _inconclusive(screen: Screen) -> ReportView:
    before = "P" * 36 + "m" * 4
    return screen.view(_scene(screen, "P" * 35 + "m" * 5, before, {**_RATE, "min": 0.8}, name="refusals"), warn=False)


def _inconclusive_warned(screen: Screen) -> ReportView:
    return screen.view(_scene(screen, "P" * 35 + "m" * 5, None, {**_RATE, "min": 0.8}, name="refusals"))


def _incomplete(screen: Screen) -> ReportView:
    asked = "judge.internal.example.org:8443/v1/chat/completions (model gpt-x-mini-2026-09-01)"
    refused = f"429 after 5 attempts (last Retry-After 20 s): {asked}"
    reasons = dict.fromkeys(range(203, 234), refused) | dict.fromkeys(range(234, 240), "timeout after 60 s")
    scene = _scene(screen, "P" * 203 + "?" * 37, "P" * 240, _NO_REGRESSION, reasons=reasons, max_error_rate=0.02)
    view = screen.view(scene)
    return replace(view, verdict=replace(view.verdict, calls=Calls(planned=240, sent=240, cost_usd=0.4)))


def _stopped_for_good(screen: Screen) -> ReportView:
    """No re-run helps here, so none is advised."""
    reasons = dict.fromkeys(range(3, 9), "401 from api.example.org: the key in CANDIDATE_KEY is not valid")
    view = screen.view(_scene(screen, "PPP" + "?" * 6, None, _RATE, reasons=reasons))
    return replace(view, notes=("STOPPED: 401 from api.example.org: the key in CANDIDATE_KEY is not valid",))


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
    """A suite that improved although one slice dropped: the average hides the drop, the screen shows it."""
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
        "evalgate: FAIL  support-faq -6.2 pp: 19 worse, 4 better vs support-faq.json   (exit 1)",
        1,
    ),
    (
        _inconclusive,
        'evalgate: INCONCLUSIVE  refusals: 40 cases cannot decide   (exit 10; on_inconclusive = "fail")',
        10,
    ),
    (
        _inconclusive_warned,
        'evalgate: INCONCLUSIVE  refusals: 40 cases cannot decide   (exit 0; on_inconclusive = "warn")',
        0,
    ),
    (
        _incomplete,
        "evalgate: INCOMPLETE  support-faq: 37 of 240 unanswered   (exit 11: retry the job, not the prompt)",
        11,
    ),
    (
        _stopped_for_good,
        "evalgate: INCOMPLETE  support-faq: 6 of 9 unanswered   (exit 11: the run was stopped, see above)",
        11,
    ),
    (_not_evaluated, "evalgate: NOT EVALUATED  support-faq: 237 of 240 planned cases were not run   (exit 12)", 12),
    (
        _invalid,
        ('evalgate: INVALID  worker "gw1" collected other cases than the controller: golden_sets...   (exit 4)'),
        4,
    ),
    (_unpaired, "evalgate: INVALID  support-faq: only 50.0% of the baseline's 40 cases are paired   (exit 4)", 4),
    (_advisory, "evalgate: PASS  1 of 1 gate; 0 of 1 advisory, which never block   (exit 0)", 0),
    (
        _first_run,
        ("evalgate: INCONCLUSIVE  support-faq: no baseline yet: pytest-evalgate baseline promote   (exit 0)"),
        0,
    ),
    (_slices, "", 1),
    (_slice_that_dropped, "evalgate: PASS  1 of 1 gate   (exit 0)", 0),
    (_must_pass, "", 1),
    (_trials, "", 1),
    (_wide_characters, "", 1),
    (
        _all_skipped,
        "evalgate: INVALID  support-faq: no case to decide: all 3 are skipped   (exit 5)",
        5,
    ),
    (_nothing, "evalgate: INVALID  no case was selected   (exit 5)", 5),
]


def _name(scene: Callable[[Screen], ReportView]) -> str:
    return scene.__name__.lstrip("_")


def _is_golden(view: ReportView, name: str, width: int, verbosity: int = 0) -> None:
    lines = (*render(view, width, verbosity), verdict_line(view.verdict, view.notes))
    text = "\n".join([*(line.text for line in lines), ""])
    path = _GOLDEN / f"{name}.{width}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("width", [120, 100, 80])
@pytest.mark.parametrize("scene", [scene for scene, _, _ in _SCREENS], ids=_name)
def test_screens(screen: Screen, scene: Callable[[Screen], ReportView], width: int) -> None:
    _is_golden(scene(screen), _name(scene), width)


@pytest.mark.parametrize("width", [120, 100, 80])
@pytest.mark.parametrize(
    ("verbosity", "name"), [(-1, "regression_cases"), (1, "regression_verbose"), (2, "regression_very_verbose")]
)
def test_a_failure_at_each_verbosity(screen: Screen, tmp_path: Path, width: int, verbosity: int, name: str) -> None:
    view = _answered(_fail_regression(screen, tmp_path / "run.jsonl"), "You can return it within 30 days of delivery.")
    _is_golden(view, f"fail_{name}", width, verbosity)


def _answered(view: ReportView, text: str) -> ReportView:
    """Return the view with ``text`` as the output of every case."""
    cases = [replace(case, trials=tuple(replace(trial, output=text) for trial in case.trials)) for case in view.cases]
    return with_cases(view, cases)


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
    line = verdict_line(view.verdict, view.notes)
    assert line.text == (text or line.text)
    assert f"(exit {code}" in line.text
    colours = {"pass": "green", "fail": "red", "invalid": "red"}
    assert line.colour == colours.get(view.verdict.verdict, "yellow")


def test_a_pass_with_an_exit_code_of_pytest_is_explained(screen: Screen) -> None:
    view = _pass(screen)
    view = replace(view, verdict=replace(view.verdict, exit_code=1))
    assert (
        verdict_line(view.verdict).text == "evalgate: PASS  3 of 3 gates   (exit 1: set by pytest, the gates passed)"
    )


def test_the_blocking_suite_is_named_even_behind_an_advisory_one(screen: Screen) -> None:
    view = screen.view(
        _scene(screen, "m" * 20, None, _RATE, name="advised", advisory=True),
        _scene(screen, "m" * 20, None, _RATE, name="blocked"),
    )
    assert verdict_line(view.verdict).text == "evalgate: FAIL  blocked 0.0% < 85%   (exit 1)"


def test_regressed_cases_are_listed_only_if_the_no_regression_gate_failed(screen: Screen) -> None:
    text = "\n".join(line.text for line in render(_fail_pass_rate(screen)))
    assert "REGRESSED" not in text
    assert "baseline promote" not in text
    assert "accept on purpose: pytest-evalgate baseline promote" in "\n".join(
        line.text for line in render(_fail_regression(screen))
    )


def _everywhere(screen: Screen, text: str, stored: Path) -> list[ReportView]:
    """Build views with ``text`` in every field that can contain foreign text."""
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
        _scene(screen, ["Pmm"] * 20, None, _RATE, name="flaky", **fields),
    ]
    judge = JudgeVerdict(text, "f", calibrated=False, why_not=text, scored=1, unreadable=1, pass_rate=0.5)
    context = ReportContext(report_file=text, notes=(text,), calibrations={})
    whole = screen.view(*scenes[:1], context=context, stored=stored)
    return [
        _answering(whole, text, judge),
        screen.view(*scenes, context=context),
        screen.view(scenes[2], problems=(text,), not_run=[text]),
    ]


def _answering(view: ReportView, text: str, *judges: JudgeVerdict) -> ReportView:
    """Return the view with ``text`` as the output, the input and the reason of every case."""
    trial = TrialView(0.0, text, text, (Score(text, 0.0, passed=False, reason=text), Score("x", None, None)))
    [suite] = view.suites
    details = {
        name: replace(case, input=text, expected=text, trials=(trial,), baseline_output=f"{text} ## {text}")
        for name, case in suite.details.items()
    }
    return replace(view, suites=(replace(suite, details=details, verdict=replace(suite.verdict, judges=judges)),))


@pytest.mark.parametrize("text", [*WORKFLOW, *TERMINAL], ids=ascii)
def test_hostile_text_is_escaped_everywhere(screen: Screen, tmp_path: Path, text: str) -> None:
    for view in _everywhere(screen, text, tmp_path / "run.jsonl"):
        for line in (*render(view, 100, 2), *render(view, 60, 2), verdict_line(view.verdict)):
            assert not [char for char in line.text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
            assert not line.text.lstrip().startswith("::")
            assert "##[" not in line.text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.sampled_from("ab :#[\n\x1b\u00a0日\u0301-"), min_size=1, max_size=90),
    width=st.integers(60, 130),
    verbosity=st.integers(-1, 2),
)
def test_no_foreign_text_makes_a_line_wider_than_the_screen(
    screen: Screen, tmp_path: Path, text: str, width: int, verbosity: int
) -> None:
    for view in _everywhere(screen, text, tmp_path / "run.jsonl"):
        assert max(width_of(line.text) for line in render(view, width, verbosity)) <= width
        assert width_of(verdict_line(view.verdict).text) <= 100


def test_a_report_can_be_printed_in_ascii(screen: Screen, tmp_path: Path) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    writer = TerminalWriter(stream)
    for view in (*_everywhere(screen, "größe 日本 \U0001f600", tmp_path / "run.jsonl"), _wide_characters(screen)):
        for line in (*render(view, 100, 2), verdict_line(view.verdict)):
            writer.line(line.text)
    writer.flush()
    stream.seek(0)
    assert "\\u65e5" in stream.read()


@pytest.mark.parametrize("verbosity", [-1, 0, 1, 2])
@pytest.mark.parametrize("scene", [scene for scene, _, _ in _SCREENS if scene is not _wide_characters], ids=_name)
def test_fixed_texts_are_ascii(screen: Screen, scene: Callable[[Screen], ReportView], verbosity: int) -> None:
    view = scene(screen)
    assert all(line.text.isascii() for line in (*render(view, 100, verbosity), verdict_line(view.verdict)))


@pytest.mark.parametrize(
    ("calls", "seconds", "said"),
    [
        (Calls(), 3.0, None),
        (Calls(planned=4, sent=1, cached=3, cost_usd=0.83), 124.02, "US$0.83: 1 call sent, 3 cached, 2m04s"),
        (Calls(planned=4, cached=4), 0.2, "US$0.00: 0 calls sent, 4 cached, 0s"),
        (
            Calls(planned=9, sent=9, cost_usd=1.0, unknown_price=3),
            4_000.0,
            "US$1.00 plus 3 calls of unknown price: 9 calls sent, 0 cached, 1h06m",
        ),
        (
            Calls(planned=9, sent=9, cost_usd=1.0, local=3),
            1.0,
            "US$1.00 plus 3 calls of your function (cost unknown): 9 calls sent, 0 cached, 1s",
        ),
    ],
)
def test_the_cost_of_the_calls(screen: Screen, calls: Calls, seconds: float, said: str | None) -> None:
    view = screen.view(_scene(screen, "P" * 40, None, _RATE))
    view = replace(view, verdict=replace(view.verdict, calls=calls, duration_s=seconds))
    assert [line.text for line in render(view) if line.text.startswith("US$")] == ([] if said is None else [said])


def test_the_files_are_named_without_a_report_or_with_verbosity(screen: Screen) -> None:
    scene = _scene(screen, "P" * 40, None, _RATE)
    named = [screen.view(scene), screen.view(scene, context=_REPORTED)]
    heads = [
        [line.text.split()[0] for line in render(view, 100, level) if ": ." in line.text]
        for view in named
        for level in (0, 1)
    ]
    assert heads == [["verdict:"], ["verdict:"], ["report:"], ["report:", "verdict:"]]


def test_a_gate_on_the_rate_that_the_baseline_fails_too_is_no_regression(screen: Screen) -> None:
    def said(before: str) -> str:
        return " ".join(line.text.strip() for line in render(screen.view(_scene(screen, now, before, _RATE))))

    now = "P" * 46 + "m" * 14
    assert "No regression is proven: baselines/support-faq.json passes 78.3% of these 60 cases and fails this" in said(
        "P" * 47 + "m" * 13
    )
    above = said("m" * 6 + "P" * 52 + "m" * 2)
    assert "passes 86.7% of these 60 cases" in above
    assert "fails this gate too" not in above
    assert "No regression" not in said("P" * 60)


def test_a_passing_change_is_one_sentence(screen: Screen) -> None:
    def said(now: str, before: str, **gate: Any) -> str:
        view = screen.view(_scene(screen, now, before, {**_NO_REGRESSION, **gate}))
        return next(line.text for line in render(view, 400) if line.text.startswith("  support-faq: "))

    better, worse = "P" * 100 + "m" * 20, "P" * 70 + "m" * 50
    assert said(better, worse) == (
        "  support-faq: 0 cases got worse, 30 got better. A gain this large would happen by luck in fewer than 1 of "
        "1,000,000 unchanged builds. A drop of 11.3 points or more would be found in 4 of 5 builds."
    )
    assert said("mP" * 20 + "P" * 80, "Pm" * 20 + "P" * 80).startswith(
        "  support-faq: 20 cases got worse, 20 got better. As many cases got better as got worse: no drop is proven. "
    )
    assert said("P" * 400, "P" * 400, margin=0.05) == (
        "  support-faq: no case got worse or better. A drop of 5 points or more is ruled out; the largest drop that "
        "fits these answers is 0.7 points."
    )


def test_an_inconclusive_gate_lists_choices(screen: Screen) -> None:
    strict = [line.text for line in render(_inconclusive(screen))]
    assert (
        '  choose: add cases | pytest-evalgate power refusals | --eval-trials 3 | on_inconclusive = "warn"' in strict
    )
    lenient = [line.text for line in render(_inconclusive_warned(screen))]
    assert "  choose: add cases | pytest-evalgate power refusals | --eval-trials 3" in lenient
    assert not any("choose:" in line.text for line in render(_first_run(screen)))


def test_the_reason_of_a_missing_output_is_never_truncated(screen: Screen) -> None:
    endpoint = "https://" + "a" * 150 + ".example.org"
    view = screen.view(_scene(screen, "?PP", None, _RATE, reasons={0: f"ConnectError: {endpoint} refused"}))
    assert endpoint in "".join(line.text.strip() for line in render(view, 80))


_COMPARE = "pytest-evalgate compare baselines/support-faq.json --suite support-faq --regressed"
_LOOK = "pytest --eval-gate --eval-fail-cases -k support-faq"


@pytest.mark.parametrize(
    ("reasons", "limits", "rows", "last"),
    [
        (19, ListLimits(), 10, f"  ... 9 more: {_COMPARE}"),
        (11, ListLimits(), 11, f"  in full: {_COMPARE}"),
        (1, ListLimits(), 1, f"  one by one: {_COMPARE}"),
        (1, ListLimits(None), 19, f"  in full: {_COMPARE}"),
        (19, ListLimits(100), 19, f"  in full: {_COMPARE}"),
    ],
)
def test_a_list_has_ten_rows_and_one_row_for_each_reason(
    screen: Screen, reasons: int, limits: ListLimits, rows: int, last: str
) -> None:
    cases = 11 if reasons == 11 else 19
    different = {number: f"reason {number % reasons}" for number in range(cases)}
    scene = _scene(screen, "m" * cases + "P" * 221, "P" * (221 + cases), _NO_REGRESSION, reasons=different)
    text = [line.text for line in render(screen.view(scene), limits=limits)]
    assert sum("pass -> miss" in line for line in text) == rows
    assert last in text
    assert f"look: {_LOOK}" in text


def test_missed_cases_are_listed_whether_or_not_a_gate_failed(screen: Screen) -> None:
    now, before = "P" * 30 + "m" * 10, "P" * 30 + "m" * 10
    passed = [line.text for line in render(screen.view(_scene(screen, now, before, _NO_REGRESSION)))]
    assert any(line.startswith("  refund-031") and "miss -> miss  10x exact" in line for line in passed)
    assert f"  one by one: {_LOOK}" in passed
    quiet = [line.text for line in render(screen.view(_scene(screen, now, before)), limits=ListLimits(0))]
    assert f"  10 cases missed: {_LOOK}" in quiet
    assert not any("refund-031" in line for line in quiet)
    failed = screen.view(_scene(screen, "m" * 12 + "P" * 28, "P" * 38 + "mm", _NO_REGRESSION, {"kind": "must-pass"}))
    text = [line.text for line in render(failed, 120, limits=ListLimits(0))]
    assert f"  12 cases regressed: {_COMPARE}" in text
    assert not any("refund-001  golden" in line for line in text)
    first = [line.text for line in render(screen.view(_scene(screen, now)))]
    assert any(
        line.startswith("  refund-031") and line.endswith("miss  10x exact: got 30 days, wanted 14 days")
        for line in first
    )


def test_cases_are_in_one_list_only(screen: Screen) -> None:
    view = screen.view(_scene(screen, "m" * 8 + "P" * 30 + "m" * 4, "P" * 38 + "m" * 4, _NO_REGRESSION))
    text = [line.text for line in render(view)]
    [also] = [number for number, line in enumerate(text) if line.startswith("  ALSO MISSED")]
    assert text[also + 1].split()[:5] == ["refund-039", "golden_sets/support.jsonl:39", "miss", "->", "miss"]
    assert text[also + 1].endswith("  4x exact: got 30 days, wanted 14 days")


def test_long_lists_are_folded_in_the_log_of_a_job(screen: Screen) -> None:
    reasons = {number: f"::error::{number}" for number in range(19)}
    scene = _scene(screen, "m" * 19 + "P" * 221, "P" * 240, _NO_REGRESSION, reasons=reasons, name="::a\n%")
    lines = render(screen.view(scene), limits=ListLimits(folds=True))
    commands = [line.text for line in lines if line.text.lstrip().startswith("::")]
    assert commands == ["::group::REGRESSED of ::a %25: 19 cases", "::endgroup::"]
    assert not any(line.text.startswith("::") for line in render(screen.view(scene)))


def test_the_worst_suite_comes_first(screen: Screen) -> None:
    view = screen.view(
        _scene(screen, "P" * 40, "P" * 40, _NO_REGRESSION, name="fine"),
        _scene(screen, "m" * 8 + "P" * 32, "P" * 40, _NO_REGRESSION, name="worse"),
        _scene(screen, "m" * 30 + "P" * 10, "P" * 40, _NO_REGRESSION, name="worst"),
        _scene(screen, "m" + "P" * 39, "P" * 40, _MUST, name="safety", tags={0: ("safety",)}),
    )
    text = [line.text for line in render(view)]
    details = [line.split()[1].rstrip(",:") for line in text if line.startswith("  FAIL ")]
    assert details == ["safety", "worst", "worse"]
    assert [line.split(" -k ")[1] for line in text if line.startswith("look:")] == details
    assert verdict_line(view.verdict).text.startswith("evalgate: FAIL  safety: 1 of 1 case tagged safety did not pass")


_DROP = {"kind": "no-regression"}


def _view(screen: Screen, now: str, before: str, *gates: dict[str, Any]) -> ReportView:
    scene = screen.scene(now, before, gates or (_DROP,))
    run = Run("r1", "2026-11-21T10:15:00Z", None, (replace(scene.suite(), stopped="certainty"),))
    verdict = decide(run, {scene.name: scene.rules()}, warn_inconclusive=True)
    return build_view(verdict, run, {scene.name: scene.baseline()}, run_file="r", verdict_file="v")


def _screen(view: ReportView) -> str:
    return "\n".join(line.text for line in render(view, 400))


def test_a_drop_is_at_least_the_observed_one(screen: Screen) -> None:
    view = _view(screen, "m" * 10 + "P" * 202 + "-" * 288, "P" * 500)
    text = _screen(view)
    assert "  support-faq stopped after 212 of 500 cases: its verdict was certain (288 calls saved)" in text
    assert "212 of 500 cases run  100.0  at most -2.0 pp" in text
    assert "10 cases got worse, 0 got better. The 288 cases that did not run are counted as passed. A drop" in text
    assert "detail: 288 cases that did not run counted as passed: mcnemar-midp p=" in text
    assert "The true drop is probably at least 1.2 points.\n" in text
    assert verdict_line(view.verdict).text == (
        "evalgate: FAIL  support-faq at most -2.0 pp after 212 of 500 cases   (exit 1)"
    )


def test_a_pass_shows_the_largest_possible_drop(screen: Screen) -> None:
    text = _screen(_view(screen, "P" * 20 + "-" * 20, "m" * 20 + "P" * 20))
    assert "20 of 40 cases run  50.0  at least 0.0 pp" in text
    assert "20 cases got worse, 20 got better. The 20 cases that did not run are counted as missed. " in text
    assert "detail: 20 cases that did not run counted as missed: mcnemar-midp p=0.5" in text


def test_no_rate_of_a_part_is_shown(screen: Screen) -> None:
    rate = {"kind": "pass-rate", "min": 0.85}
    view = _view(screen, "m" * 100 + "-" * 100, "P" * 200, rate)
    suite = view.verdict.suites["support-faq"]
    assert (suite.pass_rate, suite.interval) == (None, None)
    assert "100 of 200 cases run" in _screen(view)
    assert "at most 50.0% < 85% after 100 of 200 cases" in verdict_line(view.verdict).text


def test_a_gate_without_a_number_names_itself(screen: Screen) -> None:
    view = _view(screen, "m" * 10 + "-" * 30, "P" * 40, {"kind": "must-pass"})
    assert verdict_line(view.verdict).text == "evalgate: FAIL  support-faq must-pass after 10 of 40 cases   (exit 1)"


def test_skipped_cases_are_none_of_those_that_were_to_run(screen: Screen) -> None:
    assert "stopped after 10 of 40 cases" in _screen(_view(screen, "m" * 10 + "-" * 30 + "S" * 5, "P" * 45))


def test_a_stopped_suite_has_to_be_completed_before_promotion(screen: Screen) -> None:
    text = _screen(_view(screen, "m" * 10 + "-" * 30, "P" * 40))
    assert "accept on purpose: pytest --eval-gate --eval-stop never; pytest-evalgate baseline promote" in text


def test_a_complete_suite_has_no_note(screen: Screen) -> None:
    text = _screen(screen.view(screen.scene("m" * 40, "P" * 40, (_DROP,))))
    assert "stopped" not in text
    assert "--eval-stop" not in text


_WHOLE = Header(
    suites=["support-faq", "sql-gen", "tone"],
    cases=500,
    targets=["candidate gpt-x-mini", "candidate gpt-x-mini", "recorded outputs"],
    judges=[HeaderJudge("gpt-x", 0.81, 150)],
    baselines=["baselines/support-faq.json (8c1f2d0, 2026-11-20)"],
    options=["offline: the cache answers, nothing is sent"],
    budget_usd=5.0,
)


def test_the_header_names_targets_and_baselines() -> None:
    assert header_lines(_WHOLE) == (
        "evalgate: 3 suites, 500 cases | candidate gpt-x-mini | recorded outputs",
        "evalgate: judge gpt-x (kappa 0.81, n=150)",
        "evalgate: baseline baselines/support-faq.json (8c1f2d0, 2026-11-20)",
        "evalgate: offline: the cache answers, nothing is sent | budget US$5.00",
    )


def test_a_short_header_is_two_lines() -> None:
    header = replace(_WHOLE, tier="smoke", suites=["faq"], cases=1, targets=["candidate gpt-x-mini"], options=())
    assert header_lines(header) == (
        "evalgate: tier smoke | faq, 1 case | candidate gpt-x-mini | judge gpt-x (kappa 0.81, n=150)",
        "evalgate: baseline baselines/support-faq.json (8c1f2d0, 2026-11-20) | budget US$5.00",
    )


def test_a_minimal_header() -> None:
    assert header_lines(Header(["faq"], 240, ["recorded outputs"])) == ("evalgate: faq, 240 cases | recorded outputs",)


def test_a_header_without_configured_suites() -> None:
    assert header_lines(Header([], 0, budget_usd=1.0)) == (
        "evalgate: no configured suite runs",
        "evalgate: budget US$1.00",
    )


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (HeaderJudge("gpt-x"), "judge gpt-x (not calibrated)"),
        (HeaderJudge("gpt-x", None, 90), "judge gpt-x (n=90)"),
        (HeaderJudge("gpt-x", -0.1, 1_500), "judge gpt-x (kappa -0.10, n=1,500)"),
    ],
)
def test_judges(judge: HeaderJudge, said: str) -> None:
    [line] = header_lines(Header(["faq"], 1, judges=[judge]))
    assert line.endswith(said)


def test_names_are_inert_and_none_is_wider_than_the_screen() -> None:
    name = "\x1b[31m\u202e\n::error::" + "日本 " * 60
    for line in header_lines(Header([name], 1, [name], [HeaderJudge(name)], [name], [name]), 80):
        assert line.isprintable()
        assert width_of(line) <= 80
