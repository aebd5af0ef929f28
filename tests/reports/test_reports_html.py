"""The HTML report without a browser: its content, its safety, and that equal runs give equal bytes."""

from __future__ import annotations

import json
import re
import tracemalloc
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks import ALL, XSS, view_of

from pytest_evalgate.app.view import ReportContext
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.covered import CoveredField, CoveredValue
from pytest_evalgate.records.raised import Raised
from pytest_evalgate.records.results import Score
from pytest_evalgate.records.verdicts import Calibration, GateChange, HistoryRow
from pytest_evalgate.reports.html import data as html_data
from pytest_evalgate.reports.html import page as html_page
from pytest_evalgate.reports.html import render_html
from pytest_evalgate.reports.html.data import base64_size, disagree, dumps, encoded, gzipped
from pytest_evalgate.reports.view import CaseView, Links, TrialView
from pytest_evalgate.text.escape import escape_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView

_NO_REGRESSION = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.85}
_VOID = {"meta", "input"}


@dataclass
class Page(HTMLParser):
    """A parsed page: its elements with their attributes, its texts, its data scripts by id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.comments: list[str] = []
        self.islands: dict[str, str] = {}
        self.headings: list[str] = []
        self.pieces: list[str] = []
        self._open: list[str] = []
        self._island: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
        self._island = dict(attrs).get("id") if tag == "script" else None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._island = None

    def handle_data(self, data: str) -> None:
        if self._island is not None:
            self.islands[self._island] = self.islands.get(self._island, "") + data
        elif self._open[-1:] == ["h2"]:
            self.headings.append(data)
        if not {"script", "style"} & set(self._open):
            self.pieces.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def words(self) -> str:
        """All that can be read, without the room between."""
        return " ".join(" ".join(self.pieces).split())

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """The names of all elements and attributes, in order."""
        return [(tag, tuple(name for name, _ in attrs)) for tag, attrs in self.elements]

    def attributes(self, name: str) -> Iterator[str]:
        return (value or "" for _, attrs in self.elements for key, value in attrs if key == name)


def _page(view: ReportView, **options: Any) -> Page:
    return Page(_html(view, **options))


def _html(view: ReportView, **options: Any) -> str:
    return b"".join(render_html(view, **options)).decode()


def _notes(view: ReportView, **options: Any) -> tuple[str, ...]:
    made = render_html(view, **options)
    try:
        while True:
            next(made)
    except StopIteration as done:
        return tuple(done.value)


def _chunks(page: Page) -> list[Any]:
    numbered = sorted(name for name in page.islands if name.startswith("texts-"))
    return [row for name in numbered for row in _joined(_unpacked(page, name))]


def _joined(chunk: Any) -> list[Any]:
    """Join the texts of a chunk as the page does (`joinPieces` in report.js)."""

    def joined(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: joined(one) for name, one in value.items()}
        if not isinstance(value, list):
            return value
        if all(isinstance(one, dict) for one in value):
            return [joined(one) for one in value]
        return "".join(chunk["pieces"][part] if isinstance(part, int) else part for part in value)

    return [joined(row) for row in chunk["texts"]]


def _unpacked(page: Page, name: str) -> Any:
    return json.loads(zlib.decompress(b64decode(page.islands[name]), wbits=31))


@pytest.fixture(scope="module")
def regressed(screen: Screen, tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    rows = tuple(
        HistoryRow(
            f"r{day}", f"2026-11-{day:02}T00:00:00Z", "8c1f2d0", "support-faq", 240, 1, 0.9, 0.1, "g", "s", "b", "pass"
        )
        for day in range(1, 12)
    )
    context = ReportContext(facts=(("target", "model candidate"),), history={"support-faq": rows})
    scene = screen.scene(
        "m" * 19 + "P" * 221,
        "P" * 19 + "m" * 4 + "P" * 217,
        [_NO_REGRESSION, _RATE],
        slices={case: (("lang", "de" if case % 3 else "en"),) for case in range(240)},
        tags={0: ("refund", "vip")},
    )
    tone = screen.scene(["PPm", "PPP", "mmm"] * 20, None, [{"kind": "pass-rate", "min": 0.8}], name="tone")
    return screen.view(scene, tone, stored=tmp_path_factory.mktemp("run") / "run.jsonl", context=context)


def test_the_sections_are_in_reading_order(regressed: ReportView) -> None:
    change = GateChange("gate changed", "suites.support.gates[0].min", "0.9", "0.5", "weaker")
    view = replace(regressed, verdict=replace(regressed.verdict, changed_in_gate=(change,)))
    assert _page(view).headings == [
        "Next steps",
        "What changed in the gate",
        "Gates",
        "Changed cases",
        "All cases",
        "Slices",
        "Scores",
        "Judges and calibration",
        "History",
        "Run",
    ]


def test_wanted_values_with_their_cases(regressed: ReportView) -> None:
    values = (CoveredValue("R-1", 25, 24, ("support-001", "support-002")), CoveredValue("R-2", 0, 0))
    suite, *others = regressed.suites
    covered = replace(suite.verdict, coverage=(CoveredField("requirement", values, others=2, without=3),))
    page = _page(replace(regressed, suites=(replace(suite, verdict=covered), *others)))
    assert "Coverage" in page.headings
    text = page.words
    assert "requirement: 1 of 2 wanted values covered; no case has R-2; not every case passed of R-1." in text
    assert "R-1 25 24 support-001 , support-002 and 23 more" in text
    assert "R-2 0 0 ✕ no case" in text
    assert "2 other values in the golden set. 3 cases without a value." in text
    assert "Coverage" not in _page(regressed).headings


def test_the_banner_has_the_reason_and_the_next_steps(regressed: ReportView) -> None:
    words = _page(regressed).words
    assert "✕ FAIL support-faq -6.2 pp: 19 worse, 4 better" in words
    assert "accept on purpose pytest-evalgate baseline promote --suite support-faq" in words
    assert "300 planned 261 passed 39 missed" in words


def test_weakenings_of_the_gate_are_first_and_complete(regressed: ReportView) -> None:
    changes = [GateChange("case edited", f"golden:{line}", "a", "b", "neutral") for line in range(300)]
    changes.append(GateChange("margin", "suites.x", "0.02", "0.2", "weaker", "agreed (owner)"))
    words = _page(replace(regressed, verdict=replace(regressed.verdict, changed_in_gate=tuple(changes)))).words
    assert words.index("suites.x") < words.index("golden:0")
    assert "agreed (owner)" in words
    assert "100 more neutral changes are in verdict.json" in words
    assert "golden:200" not in words


def test_regressed_and_missed_cases_are_plain_html(regressed: ReportView) -> None:
    page = _page(regressed)
    assert page.words.count("You can return it within 14 days.") == 2 * 23  # in the list, and in full
    assert page.words.count("How long do I have to return item 19?") == 2
    assert "How long do I have to return item 1?" in page.words
    assert "#case=support-faq/refund-001" in set(page.attributes("href"))
    assert page.words.count("exact: got 30 days, wanted 14 days") >= 38


def test_each_gate_has_its_sentence_on_chance(regressed: ReportView) -> None:
    words = _page(regressed).words
    assert "19 cases got worse, 4 got better. A drop this large would happen by luck in fewer than 1 of" in words
    assert "mcnemar-midp p=0.00077, limit 0.05" in words


def test_a_traceback_is_in_the_plain_part(regressed: ReportView) -> None:
    case = next(iter(regressed.suites[0].details.values()))
    trials = tuple(replace(trial, raised=Raised("bot.py:3", "KeyError: <x>")) for trial in case.trials)
    suite = replace(regressed.suites[0], details={case.id: replace(case, trials=trials)})
    page = _page(replace(regressed, suites=(suite,), cases=[replace(case, trials=trials)]))
    assert "traceback of the application KeyError: <x>" in page.words
    assert _chunks(page)[0]["trials"][0]["traceback"] == "KeyError: <x>"


def test_the_list_marks_the_words_that_changed(regressed: ReportView) -> None:
    case = next(iter(regressed.suites[0].details.values()))
    trials = tuple(replace(trial, output="You can return it within 30 days.") for trial in case.trials)
    suite = replace(regressed.suites[0], details={case.id: replace(case, trials=trials)})
    html = _html(replace(regressed, suites=(suite,)))
    assert "You can return it within <ins>30</ins> days." in html
    assert "You can return it within <del>14</del> days." in html


def test_long_lists_are_cut_and_lead_to_the_table(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("m" * 250, "P" * 250, [_NO_REGRESSION]), stored=tmp_path / "run.jsonl")
    page = _page(view)
    assert "50 more: all regressed cases" in page.words
    assert "#show=regressed&suite=support-faq" in set(page.attributes("href"))


def test_texts_of_the_plain_part_are_cut_and_whole_in_the_chunks(regressed: ReportView) -> None:
    long = "word" * 1250
    case = replace(next(iter(regressed.cases)), input=long)
    suite = replace(regressed.suites[0], details={case.id: case})
    page = _page(replace(regressed, suites=(suite,), cases=[case]))
    assert "(5,000 characters)" in page.words
    assert long not in page.words
    assert _chunks(page)[0]["input"] == long


def test_a_case_without_an_output_is_shown_without_one(regressed: ReportView) -> None:
    case = replace(next(iter(regressed.suites[0].details.values())), trials=(), outcome="errored")
    suite = replace(regressed.suites[0], details={case.id: case})
    shape = (
        _html(replace(regressed, suites=(suite,))).partition('<details class="whole">')[2].partition("</article>")[0]
    )
    assert "<dt>Question</dt>" in shape
    assert "<dt>Answer</dt>" not in shape


def test_places_link_to_the_repository_if_it_is_known(regressed: ReportView) -> None:
    links = Links("https://github.com/acme/bot", "a" * 40, run="https://github.com/acme/bot/actions/runs/7")
    page = _page(replace(regressed, links=links))
    first = f"https://github.com/acme/bot/blob/{'a' * 40}/golden_sets/support.jsonl#L1"
    assert first in set(page.attributes("href"))
    assert _chunks(page)[0]["url"] == first
    assert "https://github.com/acme/bot/actions/runs/7" in page.words


def test_the_charts_are_in_their_sections(regressed: ReportView) -> None:
    html = _html(regressed)
    slices, scores, history, run = (html.index(f'id="{name}"') for name in ("slices", "scores", "history", "run"))
    assert slices < html.index("<title>support-faq: pass rates</title>") < scores
    assert history < html.index("<title>support-faq: history</title>") < run


def test_scores_are_drawn_beside_those_of_the_baseline(regressed: ReportView) -> None:
    case = _case(TrialView(1.0, "yes", "", (Score("likeness", 0.83, passed=True),)))
    first, *others = regressed.suites
    beside = (replace(first, scores_before={"likeness": [0.5, 0.7]}), *others)
    judge = Calibration("likeness", "f", {}, "l.jsonl", "s", "2026-11-01", 100, 90, 100, 90, threshold=0.6)
    words = _page(replace(regressed, cases=[case], suites=beside, calibrations={"likeness": judge})).words
    assert "support-faq: scores of likeness" in words
    assert "baseline, 2 scores" in words
    assert "passes from 0.6" in words


def test_a_calibrated_judge_is_drawn(regressed: ReportView) -> None:
    rate = {"value": 0.9, "interval": [0.8, 0.95], "hits": 90, "n": 100, "worth": 100}
    record = Calibration(
        "faq", "f", {}, "l.jsonl", "s", "2026-11-01", 100, 90, 100, 90, measures={"tpr": rate, "tnr": rate}
    )
    assert "faq: ROC" in _page(replace(regressed, calibrations={"faq": record})).words


def test_a_run_without_suites_has_a_message(regressed: ReportView) -> None:
    verdict = replace(
        regressed.verdict, suites={}, verdict="invalid", exit_code=4, problems=("golden.jsonl:3: no id",)
    )
    page = _page(replace(regressed, verdict=verdict, suites=(), cases=()))
    assert "No suite was decided." in page.words
    assert "INVALID: golden.jsonl:3: no id" in page.words
    assert page.headings == ["Gates", "Run"]


def test_the_page_contains_the_verdict_as_in_its_file(regressed: ReportView) -> None:
    verdict = json.loads(_page(regressed).islands["verdict"])
    assert verdict["verdict"] == "fail"
    assert verdict["suites"]["support-faq"]["delta"]["losses"] == 19


def test_the_index_has_the_columns_of_the_table(regressed: ReportView) -> None:
    index = _unpacked(_page(regressed), "index")
    rows, names = index["rows"], index["names"]
    assert len(rows) == 300
    ident, suite, outcome, change, value, before, tags, slices, flaky, disagreeing, reason = rows[0]
    assert (ident, names["suites"][suite], value, before, flaky, disagreeing) == (
        "refund-001",
        "support-faq",
        0,
        1,
        0,
        0,
    )
    assert (names["outcomes"][outcome]["name"], names["changes"][change]["name"]) == ("missed", "regressed")
    assert [names["tags"][tag] for tag in tags] == ["refund", "vip"]
    assert [names["slices"][one] for one in slices] == [["lang", "en"]]
    assert reason == "exact: got 30 days, wanted 14 days"
    assert [row[8] for row in rows[240:243]] == [1, 0, 0]


def test_a_reason_in_the_index_is_cut(regressed: ReportView) -> None:
    case = replace(_case(), reason="x" * 500)
    page = _page(replace(regressed, cases=[case]))
    assert _unpacked(page, "index")["rows"][0][10] == "x" * 120
    assert _chunks(page)[0]["reason"] == "x" * 500


def test_the_texts_are_in_chunks_in_the_order_of_the_index(
    regressed: ReportView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_data, "CHUNK", 500)
    cases = [replace(_case(), id=f"c{number}", input=f"input {number}") for number in range(1201)]
    page = _page(replace(regressed, cases=cases))
    assert sum(name.startswith("texts-") for name in page.islands) == 3
    assert [row["input"] for row in _chunks(page)] == [f"input {number}" for number in range(1201)]


def test_a_chunk_contains_every_field_of_a_trial(regressed: ReportView) -> None:
    judged = Score("faq", 0.41, passed=False, reason="says 30 days", counts=False, rationale="The policy says 14.")
    scores = (judged, Score("exact", None, passed=None))
    trial = TrialView(0.0, "30 days", "too many", scores, 0.8341, 0.0012, 345, "14 days?")
    (row,) = _chunks(_page(replace(regressed, cases=[_case(trial)])))
    assert row["trials"] == [
        {
            "value": 0.0,
            "output": "30 days",
            "reason": "too many",
            "scores": [
                {
                    "name": "faq",
                    "value": 0.41,
                    "passed": False,
                    "reason": "says 30 days",
                    "why": "The policy says 14.",
                    "counts": False,
                },
                {"name": "exact", "value": None, "passed": None, "reason": ""},
            ],
            "latency_s": 0.8341,
            "cost_usd": 0.0012,
            "tokens": 345,
            "reasoning": "14 days?",
        }
    ]


def _case(*trials: TrialView) -> CaseView:
    return CaseView("support-faq", "refund-001", Place("golden.jsonl", 1), "passed", trials=trials)


@pytest.mark.parametrize(
    ("passed", "judges", "disagreeing"),
    [
        ((True, False), {"a"}, True),
        ((True, True), {"a"}, False),
        ((True, False), set(), False),
        ((True, None), {"a"}, False),
        ((True, False, True), {"c"}, True),
    ],
)
def test_scores_disagree_only_if_one_is_of_a_judge(
    passed: tuple[bool | None, ...], judges: set[str], *, disagreeing: bool
) -> None:
    scores = tuple(Score(name, 0.5, one) for name, one in zip("abc", passed, strict=False))
    assert disagree(_case(TrialView(0.0, "x", "", scores)), frozenset(judges)) is disagreeing


def test_scores_of_different_trials_do_not_disagree() -> None:
    trials = [TrialView(value, "x", "", (Score("a", value, passed=value == 1),)) for value in (0.0, 1.0)]
    assert not disagree(_case(*trials), frozenset("a"))


# Nothing in it can act


_LINKS = Links("https://github.com/acme/bot", "a" * 40)


@pytest.fixture(scope="module")
def harmless() -> Page:
    return _page(view_of("x"))


@pytest.mark.parametrize("text", XSS)
def test_a_hostile_text_adds_no_element_and_no_attribute(text: str, harmless: Page) -> None:
    page = _page(view_of(text))
    assert page.shape == harmless.shape
    assert page.comments == []


@pytest.mark.parametrize("text", [one for one in ALL if one not in XSS])
def test_nor_does_any_other(text: str, harmless: Page) -> None:
    assert _page(view_of(text)).shape == harmless.shape


@pytest.mark.parametrize("text", XSS)
def test_addresses_stay_in_the_page_or_lead_to_the_repository(text: str) -> None:
    page = _page(view_of(text, _LINKS))
    assert all(re.match(r"#|https://github\.com/acme/bot/", address) for address in page.attributes("href") if address)
    assert not {name for _, names in page.shape for name in names if name.startswith("on") or name == "style"}


@pytest.mark.parametrize("text", XSS)
def test_a_hostile_text_comes_out_of_the_islands_as_it_went_in(text: str) -> None:
    page = _page(view_of(text))
    assert json.loads(page.islands["verdict"])["run_id"] == text
    assert _unpacked(page, "index")["rows"][0][0] == text
    assert _chunks(page)[0]["input"] == text


@given(st.text())
def test_json_in_a_script_has_no_html_and_the_same_value(text: str) -> None:
    json_element = escape_json(dumps([text, {text: text}]))
    assert not set(json_element) & set("<>&\u2028\u2029")
    assert json.loads(json_element) == [text, {text: text}]


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_encoded_and_is_read_again(text: str) -> None:
    assert json.loads(encoded(escape_json(dumps(text)))) == text
    assert json.loads(zlib.decompress(gzipped(dumps(text)), wbits=31)) == text


def test_a_lone_surrogate_does_not_break_the_page() -> None:
    assert _unpacked(_page(view_of("a\ud800b")), "index")["rows"][0][0] == "a\ud800b"


def test_the_policy_allows_only_its_style_and_script(regressed: ReportView) -> None:
    html = _html(regressed)
    (policy,) = (value for value in Page(html).attributes("content") if "default-src" in value)
    digests = {}
    for kind, tag in (("style-src", "style"), ("script-src", "script")):
        inside = html.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digests[kind] = b64encode(sha256(inside.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digests['style-src']}'",
        "script-src": f"'sha256-{digests['script-src']}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_script_never_writes_markup() -> None:
    script = _html(view_of("x")).split("<script>")[1]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|fetch\(|XMLHttp", script
    )


def test_nothing_is_loaded(regressed: ReportView) -> None:
    page = _page(regressed)
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.elements}
    assert not list(page.attributes("src"))


# The same every time, and not too large


def test_the_same_run_gives_the_same_bytes(regressed: ReportView) -> None:
    assert _html(regressed) == _html(regressed)


def test_compressed_data_contains_no_time() -> None:
    assert gzipped("text")[4:8] == bytes(4)


@given(st.binary())
def test_the_size_in_the_page_is_that_of_base64(data: bytes) -> None:
    assert base64_size(len(data)) == len(b64encode(data))


def test_a_small_report_has_no_note_on_its_size(regressed: ReportView) -> None:
    assert _notes(regressed) == ()


def test_a_large_report_warns(regressed: ReportView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "_WARN", 1000)
    (note,) = _notes(regressed)
    assert 'report.content = "excerpt"' in note
    assert note in _page(regressed).words


def test_a_larger_one_leaves_the_texts_to_files(regressed: ReportView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "_SPILL", 1000)
    written: dict[str, bytes] = {}

    def spill(name: str, parts: Iterable[bytes]) -> None:
        written[name] = b"".join(parts)

    page = _page(regressed, spill=spill)
    assert list(written) == ["report_files/texts-0000.json.gz"]
    assert len(json.loads(zlib.decompress(written["report_files/texts-0000.json.gz"], wbits=31))["texts"]) == 300
    assert _chunks(page) == []
    assert "their texts are in 1 file in report_files/ beside the report" in page.words
    assert "files" in set(page.attributes("id"))


def test_without_spilling_the_page_contains_all_texts(regressed: ReportView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "_SPILL", 1000)
    assert len(_chunks(_page(regressed))) == 300


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Cases that are made when they are drawn, and counted."""

    number: int
    draws: list[int]

    def __iter__(self) -> Iterator[CaseView]:
        self.draws.append(1)
        text = "What is asked, and what is answered. " * 30
        return (replace(_case(TrialView(1.0, text)), id=f"c{one}", input=text) for one in range(self.number))


def test_cases_are_read_once_and_not_stored(regressed: ReportView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_data, "_IN_MEMORY", 1 << 16)
    cases = _Drawn(10_000, [])
    _html(replace(regressed, cases=[]))  # what is loaded once does not count
    tracemalloc.start()
    try:
        for _ in render_html(replace(regressed, cases=cases)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(cases.draws) == 1
    assert peak < 11e6  # the texts alone are 22 MB
