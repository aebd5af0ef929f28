"""Pages of a store whose every text is hostile: the elements are those of a harmless store, and no text acts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import pytest
from tests.attacks import TERMINAL, XSS
from tests.builders import planned, run_of, suite_of
from tests.server.page_reader import PageReader
from tests.server.test_server_pages import found

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Output, Score, Trial
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.server import static_pages
from pytest_evalgate.server.pages import case_page, compare_page, labels_page, overview_page, run_page, suite_page
from pytest_evalgate.server.static_pages import file_name, write_pages
from pytest_evalgate.server.view_sources import PageQuery, ViewSources
from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.stored_run import StoredSource, TextRule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.app.project import Project

HARMLESS: Final = "!words"  # among the first of all suites, which the head of each page names
WORDS: Final = (HARMLESS, *XSS, *TERMINAL[:3])
KEY: Final = "sk-live-0123456789abcdefghij"
_TOML: Final = """
[models.candidate]
model = "m"
base_url = "http://127.0.0.1:9/v1"
api_key_env = "PAGES_KEY"
[judges.faq]
model = "candidate"
criteria = "It helps."
"""


def _source(words: str, number: int, folder: Path, *, later: bool) -> StoredSource:
    """Return a run in which every name and every text is ``words``; in the later of two runs, a case is missed."""
    results = []
    for at, value in enumerate((1.0, float(not later), 1.0, 0.0)):
        # the case ids differ, as ids of one suite must: the first is the hostile one
        case = planned(
            words if not at else f"{words}{at}",
            at + 1,
            place=Place(words, at + 1),
            slices=((words, words),),
            tags=(words,),
        )
        scores = (Score(words, value, bool(value), words), Score("rule", value, bool(value), words))
        output = Output(f"{words} {'later' if later else 'before'} {words}", latency_s=0.5)
        results.append(combine_trials(case, [Trial(0, value, output, scores, "" if value else words)]))
    asked = [replace(one, question={"input": words, "expected": words}) for one in results]
    suite = suite_of(asked, words, golden=(words,), golden_sha256=words)
    run = run_of(suite, run_id=f"{words}-{later}", commit=words, problems=(words,) if later else ())
    run = replace(run, created=f"2026-01-{1 + later:02}T{number // 60:02}:{number % 60:02}:00Z")
    file = folder / f"{number}-{later}.jsonl"
    info = RunInfo(labels={"team": words}, branch=words, tier=words, facts={f"{words}: target": words})
    run_file.write(run, file, info)
    judge = JudgeRule(words, None, words, None, report_only=True)
    rules = {words: SuiteRules(record_without_baseline=True, judges={words: judge})}
    verdict = decide(replace(run, problems=()), rules, warn_inconclusive=True)
    gates = tuple(replace(gate, of=words, message=words, result="fail") for gate in verdict.suites[words].gates)
    suites = {words: replace(verdict.suites[words], gates=gates)}
    texts = TextRule(lambda _, value: str(value))
    return StoredSource(
        "shop", run, info, replace(verdict, suites=suites), rows=lambda: run_file.rows(file), texts=texts
    )


def attacked_project(root: Path, runs: tuple[bool, ...] = (False, True)) -> Project:
    """Return a project with a store of runs for each text."""
    (root / "labels").mkdir(parents=True)
    (root / "evalgate.toml").write_text(_TOML, "utf-8")
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\n', "utf-8")
    project = found(root)
    with Database.open(StorePlace.at(project.state.path / "store.db")) as database:
        for number, words in enumerate(WORDS):
            for later in runs:
                assert push(database, _source(words, number, root.parent, later=later))
            _promote(database, words)
    return project


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewSources]:
    with ViewSources.opened(attacked_project(tmp_path_factory.mktemp("attacked") / "shop")) as opened:
        yield opened


def _promote(database: Database, words: str) -> None:
    names = ("suite", "promoted", "run_id", "author", "reason", "old_run_id", "old_sha256", "new_sha256")
    values = dict.fromkeys(names, words)
    database.change("promotion_insert", **values, project="shop", worse=json.dumps([words]))


def _pages(sources: ViewSources, words: str) -> Iterator[tuple[str, str]]:
    """Yield every page about one text, with the text in its filters as well where something would match."""
    runs = replace(sources.runs, tier=words, branch=words, labels=(f"team={words}",))
    values = dict.fromkeys(("tier", "branch", "label", "since", "metric", "rater", "saved"), words)
    yield "overview", overview_page.page(sources, PageQuery({}, values, runs))
    yield "suite", suite_page.page(sources, PageQuery({"suite": words}, values, replace(runs, branch=words)))
    yield "run", run_page.page(sources, PageQuery({"run": f"{words}-True"}, values, sources.runs))
    sides = {"a": f"{words}-False", "b": f"{words}-True"}
    yield "compare", compare_page.page(sources, PageQuery({}, values | sides | {"suite": words}, sources.runs))
    yield "case", case_page.page(sources, PageQuery({"suite": words, "case": words}, values, sources.runs))
    row: dict[str, object] = {
        "id": f"i{words}".strip(),
        "input": words,
        "expected": words,
        "output": words,
        "label": None,
    }
    row |= {"rubric": words, "context": [words], "judge": words, "sample": "0123456789abcdef/A/3"}
    sheet = sources.root / "labels" / "faq.jsonl"
    sheet.write_text(f"{json.dumps(row)}\n", "utf-8")
    yield "labels", labels_page.page(sources, PageQuery({"judge": "faq"}, {"rater": "anna"}, sources.runs))


@pytest.fixture(scope="module")
def harmless(sources: ViewSources) -> dict[str, PageReader]:
    return {name: PageReader.of(html) for name, html in _pages(sources, HARMLESS)}


@pytest.mark.parametrize("words", WORDS)
def test_a_hostile_text_is_a_text_in_every_page(
    sources: ViewSources, harmless: dict[str, PageReader], words: str
) -> None:
    for name, html in _pages(sources, words):
        page = PageReader.of(html)
        assert page.elements - harmless[name].elements == set(), name
        assert all(
            address == "data:," or (address[:1] in {"/", "#", "?"} and address[:2] != "//")
            for address in page.addresses
        ), name
        assert not page.scripts or "".join(page.scripts).strip() == "", name
        assert "on" not in {word for _, names in page.elements for word in names for word in [word[:2]]}, name


def test_the_harmless_pages_show_the_text_everywhere(harmless: dict[str, PageReader]) -> None:
    """If a page would not show the texts, nothing would have been attacked."""
    least = {"overview": 10, "suite": 25, "run": 15, "compare": 12, "case": 12, "labels": 6}
    assert {name: harmless[name].words.count(HARMLESS) >= number for name, number in least.items()} == dict.fromkeys(
        least, True
    )


def test_texts_lead_to_their_own_pages(sources: ViewSources) -> None:
    page = PageReader.of(overview_page.page(sources, PageQuery({}, {}, sources.runs)))
    suites = [address.removeprefix("/suites/") for address in page.addresses if address.startswith("/suites/")]
    assert len(set(suites)) == 50
    assert {unquote(name) for name in suites} <= set(WORDS)
    assert not any("/" in name for name in suites)


def test_static_pages_have_safe_names_and_links(
    sources: ViewSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_pages, "_SUITES", 12)
    written = write_pages(sources, tmp_path / "site")
    assert {path.parent.name for path in written} == {"site", "assets"}
    names = {path.name for path in written}
    assert all(name.isascii() and not set(name) & set('/\\:*?"<>| ') and len(name) < 120 for name in names)
    assert len({name.lower() for name in names}) == len(names)
    allowed = names | {f"assets/{name}" for name in names}
    for path in written:
        if path.suffix == ".html":
            page = PageReader.of(path.read_text("utf-8"))
            targets = {address.partition("#")[0] for address in page.addresses} - {"", "data:,"}
            assert targets <= allowed, path.name
            assert ("form", ("action", "class", "method")) not in page.elements


def test_names_of_files_differ_where_names_differ() -> None:
    names = ("support", "Support", "sup/port", "sup-port", "..", ".hidden", "CON", "x" * 300, "x" * 301, "", "a b")
    made = [file_name("suite", name) for name in names]
    assert len({name.lower() for name in made}) == len(names)
    assert made[0] == "suite-support.html"
    assert file_name("case", "a-b", "c") != file_name("case", "a", "b-c")


def test_a_key_in_a_text_is_not_in_a_page(
    sources: ViewSources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PAGES_KEY", KEY)
    with Database.open(sources.database.place) as database:
        source = _source(f"leak {KEY}", 0, tmp_path, later=True)
        push(database, replace(source, project="leaky", run=replace(source.run, id="leak-1")))
    with ViewSources.opened(sources.project) as opened:
        leaky = replace(opened, name="leaky")
        for path in write_pages(leaky, tmp_path / "site"):
            assert KEY.encode() not in path.read_bytes()
        assert KEY in overview_page.page(leaky, PageQuery({}, {}, leaky.runs))  # the redactor removed it above
