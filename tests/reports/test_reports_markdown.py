"""Markdown for GitHub: the summary of a step and the comment on a pull request."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt
from tests.attacks import ALL, view_of

from pytest_evalgate.app.view import ReportContext, build_view
from pytest_evalgate.gates import decide
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Run
from pytest_evalgate.records.verdicts import Calls, GateChange, HistoryRow, SliceResult
from pytest_evalgate.reports.acknowledging import acknowledgement
from pytest_evalgate.reports.diff import word_diff
from pytest_evalgate.reports.markdown import (
    COMMENT_LIMIT,
    COMMENT_LINES,
    MARKER,
    SUMMARY_LIMIT,
    render_comment,
    render_summary,
)
from pytest_evalgate.reports.view import ChangedCaseRow, Links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from markdown_it.token import Token
    from tests.reports.conftest import Scene, Screen

    from pytest_evalgate.reports.view import ReportView


_GOLDEN = Path(__file__).parent / "golden" / "markdown"
_DROP = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.85}
_LINKS = Links(
    "https://github.com/acme/bot", "8c1f2d0" + "0" * 33, "evals", "https://github.com/acme/bot/actions/runs/7"
)
_CHANGES = (
    GateChange("scorer added", "suites.support.scorers.iexact", "none", '{"kind":"iexact"}', "stricter"),
    GateChange("gate changed", "suites.support.gates[0].min", "0.9", "0.5", "weaker"),
    GateChange(
        "gate removed", "suites.support.gates[1]", '{"kind":"must-pass"}', "none", "weaker", "moved (qa@example.org)"
    ),
)


def _scene(screen: Screen, now: Any, before: Any = None, *gates: dict[str, Any], **fields: Any) -> Scene:
    return screen.scene(now, before, gates or None, **fields)


def _pass(screen: Screen, stored: Path) -> ReportView:
    support = _scene(screen, "P" * 231 + "m" * 9, "P" * 222 + "m" * 18, _DROP, _RATE)
    sql = _scene(screen, "P" * 590 + "m" * 10, "P" * 590 + "m" * 10, {**_DROP, "margin": 0.05}, name="sql-gen")
    return screen.view(support, sql, stored=stored)


def _fail_by_rate(screen: Screen, stored: Path) -> ReportView:
    reasons = dict.fromkeys(range(50, 54), "number: got 30, wanted 14") | {54: "regex: no match", 55: "exact: empty"}
    now, before = "P" * 46 + "m" * 14, "P" * 47 + "m" * 13
    return screen.view(_scene(screen, now, before, _RATE, _DROP, name="sql-gen", reasons=reasons), stored=stored)


def _regression(screen: Screen, stored: Path) -> ReportView:
    reasons = {0: "contains: states 30 days; the policy says 14 days | see @legal #12 and https://example.org"}
    slices = {index: (("lang", "de" if index < 62 else "en"),) for index in range(240)}
    scene = _scene(
        screen, "m" * 19 + "P" * 221, "P" * 19 + "m" * 4 + "P" * 217, _DROP, _RATE, reasons=reasons, slices=slices
    )
    rows = tuple(_row(number, 0.92 - number / 200) for number in range(5))
    context = ReportContext((("model", "gpt-x-mini"), ("prompt", "3f9c")), history={"support-faq": rows}, links=_LINKS)
    view = screen.view(scene, stored=stored, context=context)
    return replace(view, verdict=replace(view.verdict, calls=Calls(240, 200, 40, 3, 90_000, 8_000, 0.831, 2)))


def _row(number: int, rate: float) -> HistoryRow:
    created = f"2026-11-{number + 1:02}T10:15:00Z"
    return HistoryRow(f"r{number}", created, None, "support-faq", 240, 1, rate, None, "g", "s", None, "pass")


def _inconclusive(screen: Screen, stored: Path) -> ReportView:
    scene = _scene(screen, "P" * 35 + "m" * 5, None, {**_RATE, "min": 0.8}, name="refusals")
    return screen.view(scene, warn=False, stored=stored)


def _incomplete(screen: Screen, stored: Path) -> ReportView:
    reasons = dict.fromkeys(range(203, 234), "429 after 5 attempts")
    scene = _scene(screen, "P" * 203 + "?" * 37, "P" * 240, _DROP, reasons=reasons, max_error_rate=0.02)
    return screen.view(scene, stored=stored)


def _not_evaluated(screen: Screen, stored: Path) -> ReportView:
    return screen.view(_scene(screen, "P" * 3 + "-" * 237, "P" * 240, _DROP, _RATE), not_run=["tone"], stored=stored)


def _invalid(screen: Screen, stored: Path) -> ReportView:
    problem = 'worker "gw1" collected other cases than the controller: run again once the file is no longer written'
    return screen.view(_scene(screen, "PPP", "PPP", _DROP), problems=(problem,), stored=stored)


def _weakened(screen: Screen, stored: Path) -> ReportView:
    view = screen.view(_scene(screen, "P" * 40, "P" * 40, _DROP), stored=stored)
    verdict = replace(view.verdict, verdict="fail", exit_code=1, changed_in_gate=_CHANGES)
    return replace(view, verdict=verdict, acknowledgement=acknowledgement(verdict))


def _advisory(screen: Screen, stored: Path) -> ReportView:
    new = _scene(screen, "m" * 20 + "P" * 20, "P" * 40, _DROP, name="new-suite", advisory=True)
    return screen.view(new, _scene(screen, "P" * 40, "P" * 40, _DROP), stored=stored)


def _first_run(screen: Screen, stored: Path) -> ReportView:
    return screen.view(_scene(screen, "P" * 30 + "m" * 10), stored=stored)


def _flaky(screen: Screen, stored: Path) -> ReportView:
    now, before = ["PPP"] * 20 + ["PPm"] * 4 + ["mmm"] * 6, ["PPP"] * 24 + ["Pmm"] * 6
    return screen.view(_scene(screen, now, before, _DROP, {**_RATE, "min": 0.5}, name="agents"), stored=stored)


def _stopped_early(screen: Screen, _: Path) -> ReportView:
    scene = _scene(screen, "m" * 10 + "P" * 202 + "-" * 288, "P" * 500, _DROP)
    run = Run("r1", "2026-11-21T10:15:00Z", None, (replace(scene.suite(), stopped="certainty"),))
    verdict = decide(run, {scene.name: scene.rules()}, warn_inconclusive=True)
    return build_view(verdict, run, {scene.name: scene.baseline()}, run_file="run.jsonl", verdict_file="verdict.json")


_VIEWS: list[Callable[[Screen, Path], ReportView]] = [
    _pass,
    _fail_by_rate,
    _regression,
    _inconclusive,
    _incomplete,
    _not_evaluated,
    _invalid,
    _weakened,
    _advisory,
    _first_run,
    _flaky,
    _stopped_early,
]


@pytest.mark.parametrize("render", [render_summary, render_comment], ids=["summary", "comment"])
@pytest.mark.parametrize("scene", _VIEWS, ids=lambda scene: scene.__name__.lstrip("_"))
def test_pages(
    screen: Screen,
    scene: Callable[[Screen, Path], ReportView],
    render: Callable[[ReportView], str],
    tmp_path: Path,
) -> None:
    text = render(scene(screen, tmp_path / "run.jsonl"))
    path = _GOLDEN / f"{scene.__name__.lstrip('_')}.{render.__name__.removeprefix('render_')}.md"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


_RENDERER = MarkdownIt("commonmark", {"linkify": True, "html": True}).enable(["table", "strikethrough", "linkify"])
_OWN_HTML = re.compile(
    r"(<!-- evalgate -->|</?(del|ins)>|</details>|<details( open)?><summary>[A-Za-z0-9 (),:<>/b]+</summary>)\n?"
)
_OWN_LINKS = re.compile(
    r"https://github\.com/acme/bot/(blob/8c1f2d00+/evals/golden\.jsonl#L3|actions/runs/7(#artifacts)?)"
)
_BOTH = pytest.mark.parametrize("render", [render_summary, render_comment], ids=["summary", "comment"])


def _tokens(page: str) -> Iterator[Token]:
    return _with_children(_RENDERER.parse(page))


def _with_children(blocks: list[Token]) -> Iterator[Token]:
    for token in blocks:
        yield token
        yield from token.children or ()


def _shape(blocks: list[Token]) -> list[str]:
    return [token.type for token in blocks]


@cache
def _plain_shape(render: Callable[[ReportView], str], links: Links | None) -> list[str]:
    return _shape(_RENDERER.parse(render(view_of("word", links))))


@pytest.mark.parametrize(("render", "links"), [(render_summary, _LINKS), (render_comment, None)])
@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_no_text_acts_in_any_field(text: str, render: Callable[[ReportView], str], links: Links | None) -> None:
    page = render(view_of(text, links))
    blocks = _RENDERER.parse(page)
    for token in _with_children(blocks):
        assert token.type != "image"
        if token.type == "link_open":
            assert links is not None
            assert _OWN_LINKS.fullmatch(str(token.attrs["href"]))
        if token.type in {"html_block", "html_inline"}:
            assert _OWN_HTML.fullmatch(token.content)
        if token.type == "text":
            assert not re.search(r"@\w|#[0-9]|(?<![a-z0-9])gh-[0-9]", token.content, re.IGNORECASE)
    assert _shape(blocks) == _plain_shape(render, links)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", page
    )


@pytest.fixture(scope="module")
def as_on_github() -> Callable[[str], str]:
    """Render Markdown and remove the HTML that GitHub removes, as for the pictures of the documentation."""
    path = Path(__file__).parents[2] / "docs" / "github_page.py"
    spec = importlib.util.spec_from_file_location("github_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rendered: Callable[[str], str] = module.rendered
    return rendered


def _elements(html: str) -> Counter[str]:
    return Counter(re.findall(r"<(/?\w+)", html))


def test_github_keeps_all_that_the_pages_use(as_on_github: Callable[[str], str]) -> None:
    kept = _elements(as_on_github(render_comment(view_of("word", _LINKS))))
    for element in ("table", "details", "summary", "del", "ins", "h2", "pre", "code", "li"):
        assert kept[element] > 0, element
        assert kept[element] == kept[f"/{element}"]
    assert as_on_github("<b style=z>b</b><script>alert(1)</script><img src=x onerror=y>") == (
        '<p><b>b</b><img src="x"></p>\n'
    )


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_no_text_adds_an_element_on_github(text: str, as_on_github: Callable[[str], str]) -> None:
    plain = _elements(as_on_github(render_comment(view_of("word", _LINKS))))
    assert _elements(as_on_github(render_comment(view_of(text, _LINKS)))).keys() <= plain.keys()


@pytest.mark.parametrize("text", ["<!-- evalgate -->", "x\n<!-- evalgate -->", "\n\n<!-- evalgate -->\n## PASS"])
def test_the_marker_is_only_on_the_first_line_and_never_from_foreign_text(text: str) -> None:
    first, *others = render_comment(view_of(text)).splitlines()
    assert first == "<!-- evalgate -->"
    outside = [token.content for token in _tokens("\n".join(others)) if token.type == "html_block"]
    assert not [content for content in outside if "evalgate" in content]
    assert not render_summary(view_of(text)).startswith("<!--")


_HUGE = "5 MB of `text` @octocat <b>\x1b| " * 160_000


@_BOTH
def test_outputs_of_five_megabytes_are_cut(render: Callable[[ReportView], str]) -> None:
    assert len(_HUGE) > 4_500_000
    assert len(render(view_of(_HUGE))) < 40_000


def _crowded(screen: Screen, stored: Path, suites: int, cases: int, slices: int) -> ReportView:
    """A large run: long reasons, many cases, many slices, many suites."""
    reasons = dict.fromkeys(range(cases), "why? because | " * 40)
    scenes = [
        _scene(screen, "m" * cases, "P" * cases, _DROP, name=f"suite-{number}", reasons=reasons)
        for number in range(suites)
    ]
    view = screen.view(*scenes, _scene(screen, "P" * 9, "P" * 9, _DROP, name="good"), stored=stored)
    pieces = tuple(SliceResult("lang", f"value {number}", 9, 9, 1.0, (0.7, 1.0)) for number in range(slices))
    *failed, good = view.suites
    return replace(view, suites=(*failed, replace(good, verdict=replace(good.verdict, slices=pieces))))


@pytest.mark.parametrize(
    ("suites", "cases", "slices", "cut"),
    [
        (1, 30, 10, None),
        (1, 30, 20_000, "slices of suites that pass"),
        (8, 130, 10, "slices of suites that pass, cases in full"),
        (20, 130, 10, "slices of suites that pass, cases in full, all but 10 cases of each list"),
        (200, 10, 10, "slices of suites that pass, cases in full, lists of cases"),
    ],
)
def test_a_summary_fits_and_its_last_line_names_the_parts_left_out(
    screen: Screen, tmp_path: Path, suites: int, cases: int, slices: int, cut: str | None
) -> None:
    text = render_summary(_crowded(screen, tmp_path / "run.jsonl", suites, cases, slices))
    assert len(text.encode()) <= SUMMARY_LIMIT
    last = text.splitlines()[-1]
    assert last.startswith(f"Left out to fit: {cut}. ") if cut else "Left out to fit" not in text
    assert ".evalgate/verdict.json" in last


def test_of_a_page_that_no_cut_makes_fit_the_first_lines_stay() -> None:
    view = view_of("word")
    view = replace(
        view, suites=view.suites * 1_500, verdict=replace(view.verdict, problems=("problem " * 50,) * 1_500)
    )
    text = render_summary(view)
    assert 500 << 10 < len(text.encode()) <= SUMMARY_LIMIT
    assert text.startswith("## Eval gate: FAIL - problem")
    assert text.splitlines()[-1].startswith("Left out to fit: all but the first parts. ")


def test_a_chart_needs_three_runs_and_contains_no_foreign_text() -> None:
    view = view_of('"evil"]')
    [chart] = [token for token in _tokens(render_summary(view)) if token.info == "mermaid"]
    assert "evil" not in chart.content
    [suite] = view.suites
    fewer = replace(view, suites=(replace(suite, history=suite.history[:2]),))
    assert "mermaid" not in render_summary(fewer)
    assert "mermaid" not in render_comment(view)


@pytest.mark.parametrize(("rate", "lowest"), [(0.0, 0), (0.05, 0), (0.51, 40), (0.95, 90), (0.903, 80), (1.0, 90)])
def test_a_chart_leaves_room_below_the_lowest_rate(rate: float, lowest: int) -> None:
    view = view_of("word")
    [suite] = view.suites
    rows = tuple(replace(row, pass_rate=rate) for row in suite.history)
    page = render_summary(replace(view, suites=(replace(suite, history=rows),)))
    assert f'y-axis "pass rate, %" {lowest} --> 100' in page


def test_weakenings_of_the_gate_are_first_and_never_left_out() -> None:
    changes = tuple(GateChange("gate changed", f"key {number}", "1", "0", "weaker") for number in range(30))
    others = tuple(GateChange("case added", f"case {number}", "", "", "neutral") for number in range(30))
    view = view_of("word")
    text = render_comment(replace(view, verdict=replace(view.verdict, changed_in_gate=(*others, *changes))))
    assert [text.count(f"`key {number}`") for number in range(30)] == [1] * 30
    assert text.count("\n") <= COMMENT_LINES
    assert "30 more are in `verdict.json`" in text
    assert text.index("What changed in the gate") < text.index("| Suite |")


def test_cases_without_an_output_are_not_listed_as_regressed(screen: Screen, tmp_path: Path) -> None:
    text = render_comment(_incomplete(screen, tmp_path / "run.jsonl"))
    assert "regressed case" not in text
    assert "<b>37 unanswered cases</b>" in text


def test_without_a_repository_a_case_names_its_line() -> None:
    view = view_of("refund-1")
    changed = ChangedCaseRow("refund-1", Place("", 0), (), "pass", "miss", "")
    [suite] = view.suites
    text = render_summary(replace(view, suites=(replace(suite, fixed=(changed,)),)))
    assert "| `refund-1` `refund-1:3` pass&nbsp;→&nbsp;miss | refund-1 | refund-1 |" in text
    assert "| `refund-1` pass&nbsp;→&nbsp;miss | refund-1 |  |" in text


def _clean(screen: Screen) -> ReportView:
    faq = screen.scene("P" * 39 + "m", "P" * 38 + "m" * 2, (_DROP,))
    sql = screen.scene("P" * 40, "P" * 40, (_DROP,), name="sql-gen")
    return screen.view(faq, sql)


def test_a_pass_is_one_line(screen: Screen) -> None:
    assert render_comment(_clean(screen)) == (
        f"{MARKER}\nEval gate: pass - 2 suites, 80 cases, no drop is proven (largest change: `support-faq` +2.5 pp)."
        " US$0.00.\n"
    )


def test_a_pass_without_baselines_has_no_changes(screen: Screen) -> None:
    view = screen.view(screen.scene("P" * 40, None, ({"kind": "pass-rate", "min": 0.5},)))
    assert render_comment(view) == f"{MARKER}\nEval gate: pass - 1 suite, 40 cases. US$0.00.\n"


def test_calls_of_unknown_price_are_counted(screen: Screen) -> None:
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
def test_a_pass_with_a_warning_is_a_whole_page(screen: Screen, changed: dict[str, Any]) -> None:
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
    [(1, 30, None), (12, 30, "all but 3 cases of each list"), (45, 30, "all but 3 cases of each list")],
)
def test_a_comment_fits_and_names_the_parts_left_out(
    screen: Screen, tmp_path: Path, suites: int, cases: int, cut: str | None
) -> None:
    reasons = dict.fromkeys(range(cases), "\U0001f600 because " * 40)
    scenes = [
        screen.scene("m" * cases, "P" * cases, (_DROP,), f"suite-{number}", reasons=reasons)
        for number in range(suites)
    ]
    text = render_comment(screen.view(*scenes, stored=tmp_path / "run.jsonl"))
    assert len(text.encode("utf-16-le")) // 2 <= COMMENT_LIMIT
    assert text.count("\n") <= COMMENT_LINES
    last = text.splitlines()[-1]
    assert last.startswith(f"Left out to fit: {cut}. ") if cut else "Left out to fit" not in text


def test_a_comment_has_at_most_72_lines_whatever_happens(screen: Screen, tmp_path: Path) -> None:
    reasons = {case: f"reason {case} " * 90 for case in range(60)}
    gates = (_DROP, _RATE, {"kind": "must-pass"})
    now = "m" * 30 + "?" * 10 + "P" * 20
    scenes = [
        screen.scene(now, "P" * 40 + "m" * 20, gates, f"suite-{number}", reasons=reasons, max_error_rate=0.9)
        for number in range(30)
    ]
    view = screen.view(*scenes, stored=tmp_path / "run.jsonl")
    long = "words and `more` words " * 300
    changes = tuple(
        GateChange("gate changed", f"suites.s.gates[{k}].{long}", long, long, "weaker") for k in range(400)
    )
    verdict = replace(view.verdict, verdict="fail", changed_in_gate=changes, problems=(long,) * 90, refused=long)
    verdict = replace(verdict, suites_not_run=tuple(f"other-{k} {long}" for k in range(900)), base_problem=long)
    suites = tuple(replace(one, verdict=replace(one.verdict, notes=(long,) * 9)) for one in view.suites)
    view = replace(view, verdict=verdict, suites=suites, notes=(long,) * 90, acknowledgement=acknowledgement(verdict))
    text = render_comment(view)
    assert text.count("\n") <= COMMENT_LINES == 72
    assert len(text.encode("utf-16-le")) // 2 <= COMMENT_LIMIT
    for words in ("## Eval gate: FAIL", "**Do this first:** undo what weakens", "| Suite |", "Left out to fit: "):
        assert words in text


def test_a_comment_begins_with_what_to_do_and_links_the_run(screen: Screen, tmp_path: Path) -> None:
    lines = render_comment(_regression(screen, tmp_path / "run.jsonl")).splitlines()
    assert lines[3].startswith("**Do this first:** read the worst cases below.")
    assert lines[-1].startswith(
        "[Summary](https://github.com/acme/bot/actions/runs/7) · "
        "[Artifacts](https://github.com/acme/bot/actions/runs/7#artifacts) · "
    )


def _worst(screen: Screen, stored: Path, **changed: Any) -> str:
    """Return the comment on one case that got worse; ``changed`` are its fields."""
    view = screen.view(_scene(screen, "m", "P", {"kind": "must-pass"}), stored=stored)
    [suite] = view.suites
    [worst] = suite.worst
    fields = {name: changed.pop(name) for name in ("output", "diff", "why", "judge") if name in changed}
    worst = replace(worst, case=replace(worst.case, **changed), **fields)
    return render_comment(replace(view, suites=(replace(suite, worst=(worst,)),)))


def test_the_words_that_changed_are_marked(screen: Screen, tmp_path: Path) -> None:
    now = "You can return it within 30 days."
    diff = word_diff("You can return it within 14 days.", now)
    why, judge = "states 30 days | not 14", "faq"
    text = _worst(screen, tmp_path / "run.jsonl", output=now, diff=diff, why=why, judge=judge)
    assert "| before | You can return it within <del>14</del> days\\. |" not in text
    assert "| before | You can return it within <del>14</del> days. |\n" in text
    assert "| now | You can return it within <ins>30</ins> days. |\n" in text
    assert "| pass&nbsp;→&nbsp;miss | states 30 days &#124; not 14 (judge `faq`) |\n" in text


@pytest.mark.parametrize(
    ("changed", "row"),
    [
        ({"output": "", "diff": ()}, "| now | no answer |"),
        ({"output": "all else", "diff": word_diff("some words", "all else")}, "| now | all else |"),
        ({"output": "You can return it within 14 days.", "diff": ()}, "| now | the same answer |"),
        ({"output": "new", "diff": (), "baseline_output": None}, "| now | new |"),
    ],
)
def test_answers_that_cannot_be_compared_are_not_marked(
    screen: Screen, tmp_path: Path, changed: dict[str, Any], row: str
) -> None:
    text = _worst(screen, tmp_path / "run.jsonl", **changed)
    assert row in text
    assert ("| before |" in text) == ("baseline_output" not in changed)
    assert "<ins>" not in text


def test_worst_cases_are_of_all_suites_in_turn(screen: Screen, tmp_path: Path) -> None:
    little = _scene(screen, "m" * 20 + "P" * 220, "P" * 240, _DROP, name="little")
    much = _scene(screen, "m" * 60 + "P" * 180, "P" * 240, _DROP, name="much")
    text = render_comment(screen.view(little, much, stored=tmp_path / "run.jsonl"))
    heads = re.findall(r"^\| `(much|little)` `(refund-\d+)` `\S+` \| How", text, re.MULTILINE)
    assert heads[:3] == [("much", "refund-001"), ("little", "refund-001"), ("much", "refund-002")]
    assert "<b>77 more regressed cases</b> (first 10)" in text


def test_a_weakening_shows_the_block_that_acknowledges_it(screen: Screen, tmp_path: Path) -> None:
    text = render_comment(_weakened(screen, tmp_path / "run.jsonl"))
    [block] = re.findall(r"```toml\n(.*?)\n```", text, re.DOTALL)
    [table] = tomllib.loads(block)["acknowledged"]
    assert table["change"] == "suites.support.gates[0].min"
    assert "<details open><summary>How to acknowledge it: paste this, fill it in" in text


def test_of_many_blocks_the_comment_shows_two(screen: Screen, tmp_path: Path) -> None:
    view = _weakened(screen, tmp_path / "run.jsonl")
    changes = tuple(GateChange("gate removed", f"suites.s.gates[{k}]", "", "none", "weaker") for k in range(5))
    verdict = replace(view.verdict, changed_in_gate=changes)
    view = replace(view, verdict=verdict, acknowledgement=acknowledgement(verdict))
    [block] = re.findall(r"```toml\n(.*?)\n```", render_comment(view), re.DOTALL)
    assert len(tomllib.loads(block)["acknowledged"]) == 2
    [block] = re.findall(r"```toml\n(.*?)\n```", render_summary(view), re.DOTALL)
    assert len(tomllib.loads(block)["acknowledged"]) == 5


def test_a_first_run_is_to_be_promoted(screen: Screen, tmp_path: Path) -> None:
    text = render_comment(_first_run(screen, tmp_path / "run.jsonl"))
    assert "**Do this first:** read the missed cases. If the other answers are right, record them" in text


def test_a_pass_of_so_few_cases_that_none_could_fail_makes_a_page(screen: Screen) -> None:
    view = screen.view(screen.scene("mmm", "PPP", (_DROP,)))
    assert view.verdict.verdict == "pass"
    assert "3 regressed cases" in render_comment(view)


def test_every_gate_that_did_not_pass_is_listed_once() -> None:
    text = render_comment(view_of("word"))
    assert text.count("\n- **FAIL** `word`, ") == 2
    assert text.count("\n- **UNSURE** `word`, ") == 1
