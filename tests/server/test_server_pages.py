"""The pages over a store, as functions: what they show, and that they work where files and texts are gone."""

from __future__ import annotations

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from tests.server.conftest import serving
from tests.server.page_reader import PageReader
from tests.support.stored_project import make_project

from pytest_evalgate.app.project import Project
from pytest_evalgate.errors import UserError
from pytest_evalgate.server.pages import (
    case_page,
    case_texts,
    compare_page,
    labels_page,
    overview_page,
    run_page,
    suite_page,
)
from pytest_evalgate.server.pages.page_frame import POLICY, assets
from pytest_evalgate.server.view_sources import PageQuery, ViewSources
from pytest_evalgate.store import Database
from pytest_evalgate.store.questions import NotStoredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    import httpx
    from tests.support.stored_project import StoredProject

RUNS, CASES = 18, 45


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    return make_project(tmp_path_factory.mktemp("made") / "shop", RUNS, CASES)


def found(root: Path) -> Project:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return Project.find()


@pytest.fixture(scope="module")
def sources(made: StoredProject) -> Iterator[ViewSources]:
    with ViewSources.opened(found(made.root)) as opened:
        yield opened


def read(page: ModuleType, sources: ViewSources, values: dict[str, str] | None = None, **names: str) -> PageReader:
    return PageReader.of(html(page, sources, values, **names))


def html(page: ModuleType, sources: ViewSources, values: dict[str, str] | None = None, **names: str) -> str:
    given = dict(values or {})
    filters = {name: given[name] for name in ("tier", "branch", "since") if name in given}
    text: str = page.page(sources, PageQuery(names, given, replace(sources.runs, **filters)))  # type: ignore[arg-type]
    return text


def test_the_overview_is_about_the_newest_run_of_the_release_tier(sources: ViewSources, made: StoredProject) -> None:
    page = read(overview_page, sources)
    assert f"Tier release , newest run {made.run_ids[13]} of 2026-11-02" in page.words
    assert "1 of 1 suite failed: support (" in page.words
    assert f"/runs/{made.run_ids[13]}" in page.addresses
    assert {"/suites/support", "/suites/refunds", "/", "/compare"} <= set(page.addresses)
    assert "US$" in page.words
    assert "18 runs since 2026-10-07" in page.words
    assert "team=search" in page.words
    assert re.search(r"Gates that failed last 2026-11-06 \S+ main : support , no-regression", page.words)


def test_the_overview_says_what_would_decide_the_undecided(sources: ViewSources) -> None:
    page = read(overview_page, sources, {"tier": "release", "until": "", "branch": "feature/3"})
    assert "NOT DECIDED" not in page.words
    assert "What would decide the undecided" in page.words
    assert "more cases" in page.words


def test_the_overview_takes_the_default_tier_where_nothing_was_released(sources: ViewSources) -> None:
    page = read(overview_page, sources, {"branch": "feature/0"})
    assert "Tier default , newest run" in page.words
    assert "No gate of a stored run failed." in page.words


def test_a_suite_has_series_slices_cases_judges_promotions_and_runs(sources: ViewSources, made: StoredProject) -> None:
    page = read(suite_page, sources, suite="support")
    for words in (
        "support: pass rate",
        "support: latency, 95th percentile",
        "support: cost of a run",
        "support: slices by lang",
        "Pass rate: down from 0.",
        "Changed in that run: target: assistant-1 -> assistant-2",
        "by release team",
        "39 days old, of 2026-09-28 (limit 90 days)",
        "All 9 metrics",
    ):
        assert words.removeprefix("by ") in page.words, words
    marks = re.findall(r">(promoted|baseline|golden set|target)</text>", html(suite_page, sources, suite="support"))
    assert set(marks) == {"promoted", "baseline", "golden set", "target"}
    assert f"/compare?a={made.run_ids[-2]}&b={made.run_ids[-1]}" in page.addresses
    assert "/labels/helpful" in page.addresses
    assert len(set(page.ids)) == len(page.ids)


def test_a_suite_can_be_filtered_and_show_a_further_metric(sources: ViewSources) -> None:
    page = read(suite_page, sources, {"tier": "release", "metric": "score.helpful"}, suite="support")
    assert "support: score.helpful" in page.words
    assert "of the 15 that a trend needs" in page.words
    none = read(suite_page, sources, {"branch": "none"}, suite="support")
    assert "No run that matches has results of this suite." in none.words


def test_a_name_that_is_not_stored_is_refused_with_the_near_one(sources: ViewSources) -> None:
    with pytest.raises(NotStoredError, match='no run has a suite "suport"; did you mean "support"'):
        html(suite_page, sources, suite="suport")
    with pytest.raises(NotStoredError, match='has a case "none"'):
        html(case_page, sources, suite="support", case="none")
    with pytest.raises(NotStoredError, match='no run "none" is stored'):
        html(run_page, sources, run="none")


def test_a_run_is_its_report(sources: ViewSources, made: StoredProject) -> None:
    text = html(run_page, sources, run=made.run_ids[-1])
    page = PageReader.of(text)
    assert "Changed cases" in page.words
    assert page.scripts  # the verdict and the cases as data
    assert "<style" not in text
    assert re.findall(r"<script(?! type=)[^>]*>", text) == ['<script src="/assets/report.js" defer>']
    assert "/assets/view.css" in page.addresses


def test_a_run_without_its_file_is_what_the_store_knows(sources: ViewSources, made: StoredProject) -> None:
    page = read(run_page, sources, run=made.run_ids[2])
    assert "Its run file is gone. This page shows what the store knows." in page.words
    assert f".evalgate/runs/{made.run_ids[2]}" in page.words
    for words in ("Missed in support", "no-regression", "200 sent, 0 cached", "team=care", "assistant-1"):
        assert words in page.words


def test_a_run_that_is_too_large_for_a_page_leads_to_its_report(
    sources: ViewSources, made: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "_LARGEST", 1000)
    page = read(run_page, sources, run=made.run_ids[-1])
    assert f"It is too large for a page: open its report with: pytest-evalgate report {made.run_ids[-1]}" in page.words
    monkeypatch.setattr(case_texts, "_LARGEST", 1000)
    page = read(case_page, sources, suite="support", case="support-018")
    assert page.words.count("texts were not stored") == case_page.RUNS


def test_a_damaged_run_is_what_the_store_knows(tmp_path: Path) -> None:
    made = make_project(tmp_path / "shop", 1, 9, kept=1)
    file = made.state / "runs" / made.run_ids[0] / "run.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    with ViewSources.opened(found(made.root)) as sources:
        assert "Its files cannot be used (" in read(run_page, sources, run=made.run_ids[0]).words
        page = read(case_page, sources, suite="support", case="support-001")
        assert "support-001" in page.words
        (file.parent / "verdict.json").unlink()
        assert "It was not decided. This page" in read(run_page, sources, run=made.run_ids[0]).words
        file.unlink()
        file.mkdir()
        assert "Its run file is gone" in read(run_page, sources, run=made.run_ids[0]).words


def test_a_comparison_is_the_test_of_the_gates_with_the_changed_words(
    sources: ViewSources, made: StoredProject
) -> None:
    page = read(compare_page, sources)
    assert "mcnemar-midp" in page.words
    assert ("ins", ()) in page.elements
    assert ("del", ()) in page.elements
    assert f"/runs/{made.run_ids[-2]}" in page.addresses
    gone = read(compare_page, sources, {"a": made.run_ids[0], "b": made.run_ids[1], "suite": "support"})
    assert "No texts: the run files are gone, and store_texts is off." in gone.words
    with pytest.raises(UserError, match="is not stored"):
        html(compare_page, sources, {"a": "none"})


def test_a_case_goes_through_time(sources: ViewSources, made: StoredProject) -> None:
    page = read(case_page, sources, suite="support", case="support-018")
    assert "Why was I charged twice for order 4117?" in page.words
    assert page.words.count("The run file is gone, and texts were not stored") == case_page.RUNS - 3
    assert f"/runs/{made.run_ids[-1]}" in page.addresses
    assert "helpful" in page.words
    assert "golden/support.jsonl:18" in page.words


def _rater(sources: ViewSources, **values: str) -> PageReader:
    return read(labels_page, sources, {"rater": "anna", **values}, judge="helpful")


def test_the_sheet_is_blind_until_the_label_is_saved(tmp_path: Path) -> None:
    made = make_project(tmp_path / "shop", 2, 30)
    file = made.root / "labels" / "helpful.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    with ViewSources.opened(found(made.root)) as sources:
        start = read(labels_page, sources, judge="helpful")
        assert "Your name" in start.words
        assert rows[0]["output"] not in start.words
        page = _rater(sources, saved=rows[0]["id"])
        assert "0 of 12 labelled by anna" in page.words
        assert rows[0]["output"] in page.words
        for hidden in ("Judge helpful:", "promises what the shop does not do", rows[0]["sample"], "answers the"):
            assert hidden not in page.words
        query = PageQuery({"judge": "helpful"}, {}, sources.runs)
        form = {"file": "labels/helpful.jsonl", "rater": "anna", "row": rows[0]["id"], "label": "pass"}
        address = labels_page.save(sources, query, form)
        assert address == f"/labels/helpful?file=labels%2Fhelpful.jsonl&rater=anna&saved={rows[0]['id']}"
        after = _rater(sources, saved=rows[0]["id"])
        assert "1 of 12 labelled by anna" in after.words
        assert re.search(r"Judge helpful: (● pass|✕ miss) 0\.\d+ (answers|promises)", after.words)
        assert rows[1]["output"] in after.words
        other = read(labels_page, sources, {"rater": "ben", "saved": rows[0]["id"]}, judge="helpful")
        assert "Judge helpful:" not in other.words
        for name, text, message in (
            ("label", "maybe", "not a label"),
            ("file", "../pyproject.toml", "no label file"),
            ("row", "none", "has no row"),
        ):
            with pytest.raises(UserError, match=message):
                labels_page.save(sources, query, {**form, name: text})
        for row in rows[1:]:
            labels_page.save(sources, query, {**form, "row": row["id"]})
        assert "pytest-evalgate calibrate helpful --labels labels/helpful.jsonl" in _rater(sources).words
        with pytest.raises(UserError, match='no judge "helpfull"; did you mean "helpful"'):
            html(labels_page, sources, judge="helpfull")


def test_only_label_files_of_the_project_are_offered(tmp_path: Path) -> None:
    made = make_project(tmp_path / "shop", 1, 9)
    folder = made.root / "labels"
    (folder / "other.csv").write_text("id,output,label\na,b,\n", "utf-8")
    (folder / "notes.txt").write_text("x", "utf-8")
    (folder / "out.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    (tmp_path / "elsewhere.jsonl").write_text('{"id": "secret", "output": "x", "label": null}\n', "utf-8")
    with ViewSources.opened(found(made.root)) as sources:
        text = html(labels_page, sources, judge="helpful")
        offered = re.findall(r'<option value="([^"]*)"', text)
        assert offered == ["labels/helpful.jsonl", "labels/other.csv"]
        shutil.rmtree(folder)
        page = read(labels_page, sources, judge="helpful")
        assert "pytest-evalgate label sample --judge helpful --out labels/helpful.jsonl" in page.words


def test_the_policy_needs_nothing_inline(sources: ViewSources, made: StoredProject) -> None:
    assert "unsafe" not in POLICY
    for page, names in every_page(made):
        text = html(page, sources, None, **names)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), page.__name__
        assert f'content="{POLICY}"'.replace("'", "&#39;") in text
    assert set(assets()) == {"view.css", "view.js", "report.js"}


def every_page(made: StoredProject) -> list[tuple[ModuleType, dict[str, str]]]:
    return [
        (overview_page, {}),
        (suite_page, {"suite": "support"}),
        (run_page, {"run": made.run_ids[-1]}),
        (run_page, {"run": made.run_ids[0]}),
        (compare_page, {}),
        (case_page, {"suite": "support", "case": "support-001"}),
        (labels_page, {"judge": "helpful"}),
    ]


def test_the_pages_read_no_table_of_single_scores_of_other_cases(
    sources: ViewSources, made: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages that people open first read aggregates; only a comparison reads the scores of its two runs."""
    asked: list[str] = []
    query = Database.query

    def noted(database: Database, name: str, **parameters: Any) -> Any:
        asked.append(name)
        return query(database, name, **parameters)

    monkeypatch.setattr(Database, "query", noted)
    for page, names in every_page(made):
        if page is not compare_page:
            html(page, sources, None, **names)
    assert set(asked) & {"scores_of_suite", "results_of_suite", "cases_of_suite"} == set()
    assert "recent_metrics" in asked


def test_labels_are_saved_over_http_and_wrong_ones_are_refused_with_a_reason(tmp_path: Path) -> None:
    made = make_project(tmp_path / "shop", 1, 24)
    file = made.root / "labels" / "helpful.jsonl"
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    with serving(found(made.root)) as served:
        own = {"Origin": f"http://127.0.0.1:{served.port}"}

        def post(headers: Mapping[str, str] = own, **form: str) -> httpx.Response:
            given = {"file": "labels/helpful.jsonl", "rater": "Ana", "row": rows[0]["id"], "label": "pass", **form}
            return served.send("POST", "/labels/helpful", data=given, headers=headers)

        for form, reason in (
            ({"label": "maybe"}, "maybe is not a label of this sheet: choose pass, fail"),
            ({"rater": "<b>"}, "the name of the rater must begin with a letter"),
            ({"file": "pyproject.toml"}, "no label file of judge helpful has this name"),
            ({"row": "none"}, "has no row"),
        ):
            refused = post(own, **form)
            assert (refused.status_code, reason in unescape(refused.text)) == (400, True), refused.text
        assert post({"Origin": "https://evil.example"}).status_code == 403
        assert "labels" not in json.loads(file.read_text("utf-8").splitlines()[0])
        with ThreadPoolExecutor(4) as threads:
            names = ("Ana", "Ben", "Cid", "Dora")
            answers = [threads.submit(post, rater=name, row=row["id"]) for row in rows for name in names]
        assert {answer.result().status_code for answer in answers} == {303}
        saved = [json.loads(line)["labels"] for line in file.read_text("utf-8").splitlines()]
        assert [sorted(one) for one in saved] == [sorted(names)] * len(rows)
        changed = post(label="fail")
        assert (changed.status_code, "already: to change it, edit labels/helpful.jsonl:1" in changed.text) == (
            400,
            True,
        )
        page = served.get(f"/labels/helpful?rater=Ana&saved={rows[0]['id']}")
        assert "Judge helpful:" in page.text
        assert "unsafe" not in page.headers["content-security-policy"]
