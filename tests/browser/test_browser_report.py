"""The HTML report in Chromium, opened from a file: it is found, filtered, searched and read, and sends nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.attacks import XSS, case_of, view_of

from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.raised import Raised
from pytest_evalgate.records.results import Score
from pytest_evalgate.reports.html import page as html_page

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.browser.conftest import Open, Opened

    from pytest_evalgate.reports.view import ReportView


def _with_answers(view: ReportView, before: str, now: str) -> ReportView:
    """Return the view with other answers in all of its cases."""
    cases = [
        replace(case, baseline_output=before, trials=tuple(replace(trial, output=now) for trial in case.trials))
        for case in view.cases
    ]
    return replace(view, cases=cases)


def test_it_opens_without_a_word_and_sends_nothing(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    report.page.get_by_role("link", name="refund-001").first.click()
    report.page.wait_for_selector("dialog[open]")
    assert report.said == []
    assert [url for url in report.sent if not url.startswith("file://")] == []
    assert len(report.sent) == 1


def test_only_the_rows_near_the_window_exist(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    assert report.counted() == "300 of 300 cases"
    assert len(report.rows()) < 60
    table = report.page.locator("#table")
    assert table.get_attribute("aria-rowcount") == "301"
    assert report.page.locator("#rows tr:not(.gap)").first.get_attribute("aria-rowindex") == "2"
    report.page.evaluate("document.getElementById('box').scrollTop = 1e6")
    report.page.wait_for_selector("tr[aria-rowindex='301']")
    assert len(report.rows()) < 60


@pytest.mark.parametrize(("width", "height"), [(1280, 52), (800, 72), (390, 218)])
def test_rows_have_the_height_of_the_style_sheet(opened: Open, regressed: ReportView, width: int, height: int) -> None:
    page = opened(
        _with_answers(regressed, "long " * 90 + "14", "more " + "long " * 90), viewport={"width": width, "height": 900}
    ).page
    page.locator("#rows td .clamped ins").first.wait_for()
    heights = "[...document.querySelectorAll('#rows tr:not(.gap)')].map(row => row.getBoundingClientRect().height)"
    assert set(page.evaluate(heights)) == {height}
    page.evaluate("document.getElementById('box').scrollTop = 1e6")
    page.wait_for_selector("tr[aria-rowindex='301']")


def test_a_row_has_question_and_both_answers(opened: Open, regressed: ReportView) -> None:
    same = "The same words at the start, which take more room than the eighty characters that are shown of them: "
    page = opened(_with_answers(regressed, f"{same}within 14 days", f"{same}within 30 days")).page
    heads = [text.rstrip(" \u2191\u2193") for text in page.locator("#heads th").all_text_contents()]
    assert heads == ["Case", "Result", "Question", "Answer", "Baseline's answer", "Reason"]
    page.locator("#rows td .clamped ins").first.wait_for()
    cells = page.locator("#rows tr:not(.gap)").first.locator("td")
    result, question, answer, before, reason = cells.all_inner_texts()
    assert result.split() == ["✕", "miss", "▼", "regressed", "was", "pass"]
    assert question == "How long do I have to return item 1?"
    assert answer.startswith("… ")
    assert answer.endswith("within 30 days")
    assert before.endswith("within 14 days")
    assert reason == "exact: got 30 days, wanted 14 days"
    assert cells.locator("ins, del").all_text_contents() == ["30", "14"]


def test_without_a_baseline_there_is_no_column_for_it(opened: Open, regressed: ReportView) -> None:
    cases = [replace(case, before=None, baseline_output=None) for case in regressed.cases]
    page = opened(replace(regressed, cases=cases)).page
    assert page.locator("#heads th").count() == 5


def test_what_needs_a_look_stands_first(opened: Open, regressed: ReportView) -> None:
    assert opened(regressed).rows()[:2] == ["refund-001", "refund-002"]


@pytest.mark.parametrize(
    ("chip", "told"),
    [("regressed", "19 of 300 cases"), ("fixed", "4 of 300 cases"), ("missed", "39 of 300"), ("flaky", "20 of 300")],
)
def test_a_chip_shows_only_its_cases(opened: Open, regressed: ReportView, chip: str, told: str) -> None:
    report = opened(regressed)
    report.page.get_by_role("button", name=chip).click()
    assert told in report.counted()
    assert report.page.get_by_role("button", name=chip).get_attribute("aria-pressed") == "true"
    assert f"show={chip}" in report.page.url
    report.page.get_by_role("button", name=chip).click()
    assert report.counted() == "300 of 300 cases"


def test_chips_add_up_and_the_choices_narrow(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    report.page.get_by_role("button", name="regressed").click()
    report.page.get_by_role("button", name="fixed").click()
    assert report.counted() == "23 of 300 cases"
    report.page.get_by_role("combobox", name="Slice").select_option("lang=en")
    assert report.counted() == "8 of 300 cases"
    report.page.get_by_role("combobox", name="Suite").select_option("tone")
    assert report.counted() == "0 of 300 cases"


def test_scores_that_disagree_have_a_chip(opened: Open) -> None:
    view = view_of("judge")
    (case,) = view.cases
    score = case.trials[0].scores[0]
    rule = replace(score, name="rule", passed=True)
    trials = (replace(case.trials[0], scores=(score, rule)),)
    report = opened(replace(view, cases=[case, replace(case, id="other", trials=trials)]))
    report.page.get_by_role("button", name="scores disagree").click()
    assert report.rows() == ["other"]


def test_the_search_finds_ids_reasons_and_every_text(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    for words, told in (
        ("refund-24", "1 of"),
        ("CANCEL button", "1 of"),
        ("return item 17?", "2 of"),
        ("vip", "1 of"),
    ):
        report.page.get_by_label("Search").fill(words)
        report.page.get_by_text(f"{told} 300 cases", exact=True).wait_for()
    report.page.get_by_label("Search").fill("")
    report.page.get_by_text("300 of 300 cases", exact=True).wait_for()


def test_headers_sort_up_down_and_not_at_all(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    head, button = report.page.locator("#heads th").first, report.page.get_by_role("button", name="Case")
    orders = []
    for _ in range(3):
        button.click()
        orders.append((head.get_attribute("aria-sort"), report.rows()[0]))
    assert orders == [("ascending", "refund-001"), ("descending", "refund-240"), ("none", "refund-001")]
    report.page.get_by_role("button", name="Result").click()
    assert "sort=result" in report.page.url


def test_the_address_brings_back_what_was_shown(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed, "#show=regressed,fixed&slice=lang%3Den&sort=-id&q=item")
    report.page.get_by_text("8 of 300 cases", exact=True).wait_for()
    assert report.rows()[0] == "refund-022"
    assert report.page.get_by_label("Search").input_value() == "item"


@pytest.mark.parametrize(
    "address", ["#case=support-faq/refund-014", "#case=refund-014", "#case=support-faq%2Frefund-014"]
)
def test_the_address_of_a_case_opens_it(opened: Open, regressed: ReportView, address: str) -> None:
    report = opened(regressed, address)
    dialog = report.page.locator("dialog[open]")
    dialog.wait_for()
    assert dialog.get_by_role("heading", level=2).inner_text() == "refund-014"
    assert "How long do I have to return item 14?" in dialog.inner_text()


def test_keys_walk_open_and_close(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    for key in ("j", "j", "j", "k"):
        report.page.keyboard.press(key)
    focused = "document.activeElement.textContent"
    assert report.page.evaluate(focused) == "refund-002"
    report.page.keyboard.press("Enter")
    report.page.wait_for_selector("dialog[open]")
    assert "case=support-faq/refund-002" in report.page.url
    report.page.keyboard.press("j")
    report.page.locator("#case-title", has_text="refund-003").wait_for()
    report.page.keyboard.press("Escape")
    report.page.wait_for_selector("dialog", state="hidden")
    assert report.page.evaluate(focused) == "refund-003"
    assert "case=" not in report.page.url


def test_keys_walk_beyond_the_rows_that_exist(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    for _ in range(90):
        report.page.keyboard.press("j")
    assert report.page.evaluate("document.activeElement.closest('tr').getAttribute('aria-rowindex')") == "91"


def test_a_slash_leads_to_the_search(opened: Open, regressed: ReportView) -> None:
    page = opened(regressed).page
    page.keyboard.press("/")
    page.keyboard.type("item/1")
    assert page.get_by_label("Search").input_value() == "item/1"


def test_letters_in_the_search_are_letters(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    report.page.get_by_label("Search").press_sequentially("jk")
    assert report.page.get_by_label("Search").input_value() == "jk"


def test_the_diff_marks_the_words_that_changed(opened: Open, regressed: ReportView) -> None:
    view = _with_answers(
        regressed, "You can return it within 14 days of delivery.", "You may return it within 30 days."
    )
    dialog = _dialog(opened(view, "#case=support-faq/refund-001"))
    assert dialog["del"] == ["can", "14", " of delivery"]
    assert dialog["ins"] == ["may", "30"]
    assert dialog["panes"][2:] == [
        "You can return it within 14 days of delivery.",
        "You may return it within 30 days.",
    ]


@pytest.mark.parametrize(
    ("before", "now", "gone", "come"),
    [
        ("same", "same", [], []),
        ("", "all new", [], ["all new"]),
        ("all gone", "", ["all gone"], []),
        ("a b c", "c b a", ["a b ", "c"], ["c", " b a"]),
        ("東京です", "京都です", ["東京です"], ["京都です"]),
        ("x " * 6000, "y " * 6000, ["x " * 5999 + "x"], ["y " * 5999 + "y"]),
    ],
)
def test_whatever_the_answers_are_the_diff_loses_nothing(
    opened: Open, regressed: ReportView, before: str, now: str, gone: list[str], come: list[str]
) -> None:
    dialog = _dialog(opened(_with_answers(regressed, before, now), "#case=support-faq/refund-001"))
    assert dialog["panes"][2:] == [before, now]
    if "b" not in before.split():  # of two longest sequences either is right
        assert (dialog["del"], dialog["ins"]) == (gone, come)


def _dialog(report: Opened) -> dict[str, list[str]]:
    report.page.wait_for_selector("dialog[open]")
    every = {"del": "dialog del", "ins": "dialog ins", "panes": "dialog .texts dd"}
    return {name: report.page.locator(where).all_text_contents() for name, where in every.items()}


def test_every_trial_is_told_with_its_scores_time_and_cost(opened: Open) -> None:
    report = opened(view_of("x", None), "#case=x/x")
    report.page.wait_for_selector("dialog[open]")
    said = report.page.locator("dialog").inner_text()
    for words in (
        "Trial 1 ✕ miss 0.250 s · US$0.0010 · 12 tokens",
        "Trial 2 ● pass",
        "Answer, trial 1 of 2",
        "0.50",
    ):
        assert words in " ".join(said.split())


def test_the_traceback_of_the_application_is_shown_and_found(opened: Open, regressed: ReportView) -> None:
    case = next(iter(regressed.cases))
    raised = Raised("bot.py:12 in answer", 'Traceback\n  File "bot.py", line 12\nKeyError: <b>stornieren</b>')
    trials = tuple(replace(trial, output="", raised=raised) for trial in case.trials)
    report = opened(replace(regressed, cases=[replace(case, trials=trials)]), "#case=support-faq/refund-001")
    shown = report.page.locator("dialog[open] .trace")
    shown.wait_for()
    assert shown.locator("dt").inner_text() == "Traceback of the application"
    assert shown.locator("dd").inner_text() == raised.traceback
    report.page.keyboard.press("Escape")
    report.page.get_by_label("Search").fill("keyerror: <b>")
    report.page.get_by_text("1 of 1 cases", exact=True).wait_for()


def test_the_rationale_of_a_judge_is_shown_and_found(opened: Open, regressed: ReportView) -> None:
    case = next(iter(regressed.cases))
    trial = case.trials[0]
    judged = Score("faq", 0.0, passed=False, rationale="The <b>policy</b> says 14 days.")
    cases = [replace(case, trials=(replace(trial, scores=(judged,)),))]
    report = opened(replace(regressed, cases=cases), "#case=support-faq/refund-001")
    shown = report.page.locator("dialog[open] td p.why")
    shown.wait_for()
    assert shown.inner_text() == judged.rationale
    report.page.keyboard.press("Escape")
    report.page.get_by_label("Search").fill("policy</b> says")
    report.page.get_by_text("1 of 1 cases", exact=True).wait_for()


def test_an_answerless_case_opens(opened: Open, regressed: ReportView) -> None:
    case = replace(next(iter(regressed.cases)), outcome="errored", trials=(), value=None, baseline_output=None)
    report = opened(replace(regressed, cases=[case]), "#case=support-faq/refund-001")
    report.page.wait_for_selector("dialog[open]")
    assert report.page.locator("dialog dt").all_text_contents() == ["Question", "Expected"]
    assert report.said == []


def test_the_verdict_can_be_kept(opened: Open, regressed: ReportView) -> None:
    report = opened(regressed)
    with report.page.expect_download() as download:
        report.page.get_by_role("link", name="download").click()
    assert download.value.suggested_filename == "verdict.json"
    assert json.loads(download.value.path().read_bytes())["run_id"] == regressed.verdict.run_id


def test_without_javascript_the_gate_and_its_cases_can_be_read(opened: Open, regressed: ReportView) -> None:
    page = opened(regressed, java_script_enabled=False).page
    for words in ("FAIL", "19 cases got worse", "refund-001"):
        assert page.get_by_text(words).first.is_visible()
    assert page.locator("noscript .note").is_visible()
    assert not page.locator("#all").is_visible()
    page.locator("details.whole summary").first.click()
    assert page.get_by_text("How long do I have to return item 1?").first.is_visible()


def test_it_is_dark_where_the_reader_wants_it(opened: Open, regressed: ReportView) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened(regressed, color_scheme=scheme).page.evaluate(colour) for scheme in ("light", "dark"))
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)")


@pytest.mark.parametrize("width", [390, 800])
def test_in_a_narrow_window_the_page_and_its_tables_fit(opened: Open, regressed: ReportView, width: int) -> None:
    page = opened(regressed, viewport={"width": width, "height": 800}).page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for table in (".gates", ".cases", "#table"):
        room = "table => [table.parentElement.scrollWidth, table.parentElement.clientWidth]"
        wide, shown = page.locator(table).first.evaluate(room)
        assert wide <= shown, table


def test_texts_beside_the_report_are_read_when_they_are_chosen(
    opened: Open, regressed: ReportView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_page, "_SPILL", 1000)

    def spill(name: str, parts: Iterable[bytes]) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"".join(parts))

    report = opened(regressed, "#q=item+17", spill=spill)
    report.page.get_by_text("select that file above the table").wait_for()
    report.page.locator("#files").set_input_files(tmp_path / "report_files/texts-0000.json.gz")
    report.page.get_by_text("12 of 300 cases", exact=True).wait_for()


def test_hostile_texts_stay_texts_in_a_case(opened: Open) -> None:
    view = view_of(XSS[0])
    cases = [replace(case_of(text, Place(text, 3)), id=f"{number} {text}") for number, text in enumerate(XSS)]
    report = opened(replace(view, cases=cases))
    report.page.get_by_label("Search").fill("alert")
    for case in cases:
        report.page.evaluate(
            "path => { location.hash = '#case=' + encodeURIComponent(path); }", f"{case.suite}/{case.id}"
        )
        report.page.wait_for_function("id => document.getElementById('case-title')?.textContent === id", arg=case.id)
    assert (report.said, len(report.sent)) == ([], 1)
    assert report.page.evaluate("window.__pwned === undefined")


@pytest.mark.parametrize("first", range(0, len(XSS), 20))
def test_hostile_texts_stay_texts_in_every_section(opened: Open, first: int) -> None:
    report = opened(view_of(" ".join(XSS[first : first + 20])))
    assert report.page.locator("main script, main img, main iframe, main svg script, main style").count() == 0
    assert (report.said, len(report.sent)) == ([], 1)


def test_ten_thousand_cases_are_filtered_and_searched(opened: Open, regressed: ReportView) -> None:
    first = next(iter(regressed.cases))
    cases = [replace(first, id=f"c{number:05}", input=f"question {number}", change="same") for number in range(10_000)]
    report = opened(replace(regressed, cases=[*cases, replace(first, id="the last", input="a needle")]))
    assert report.counted() == "10,001 of 10,001 cases"
    assert len(report.rows()) < 60
    report.page.get_by_label("Search").fill("a needle")
    report.page.get_by_text("1 of 10,001 cases", exact=True).wait_for()
    assert report.rows() == ["the last"]
