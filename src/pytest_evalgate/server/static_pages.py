"""Static pages: the pages of the server as files with relative links, for GitHub Pages or an artefact of CI.

The same store gives the same bytes. There is no sheet of labels, and there are no forms, which need a server.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.server.pages import case_page, compare_page, overview_page, run_page, suite_page
from pytest_evalgate.server.pages.page_frame import assets
from pytest_evalgate.server.view_sources import PageQuery
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.server.view_sources import ViewSources

_SUITES: Final = 50
_RUNS: Final = 12
"""Newest runs of each suite that get a page: a report may have megabytes."""

_MISSED: Final = 30
_FLAKY: Final = 15
_PLAIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_OTHERS: Final = re.compile(r"[^a-z0-9._-]+")
_NOT_FILES: Final = frozenset({"view.js"})


def file_name(kind: str, *names: str) -> str:
    """Return the name of a page's file: readable, and different for different names on every file system.

    ::

        suite-support.html, case-faq-42-5f2a9c01d3.html
    """
    text = "-".join(names)
    if len(names) == 1 and _PLAIN.fullmatch(text):
        return f"{kind}-{text}.html"
    # file systems may ignore case, and two names may have the same readable part
    digest = sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{kind}-{_OTHERS.sub('-', text.lower()).strip('-.')[:60]}-{digest}.html"


@dataclass(frozen=True, slots=True)
class FileAddresses:
    """The addresses of the pages that are written; "" for all others, which become plain text."""

    suites: frozenset[str]
    runs: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    cases: frozenset[tuple[str, str]]

    def overview(self) -> str:  # noqa: D102 - as `Addresses`
        return "index.html"

    def suite(self, suite: str, metric: str = "") -> str:  # noqa: D102 - as `Addresses`
        return file_name("suite", suite) if suite in self.suites and not metric else ""

    def run(self, run_id: str) -> str:  # noqa: D102 - as `Addresses`
        return file_name("run", run_id) if run_id in self.runs else ""

    def compare(self, older: str, newer: str) -> str:  # noqa: D102 - as `Addresses`
        return file_name("compare", older, newer) if (older, newer) in self.pairs else ""

    def case(self, suite: str, case_id: str) -> str:  # noqa: D102 - as `Addresses`
        return file_name("case", suite, case_id) if (suite, case_id) in self.cases else ""

    def labels(self, judge: str) -> str:  # noqa: ARG002, D102 - as `Addresses`
        return ""

    def asset(self, name: str) -> str:  # noqa: D102 - as `Addresses`
        return f"assets/{name}"


def write_pages(sources: ViewSources, folder: Path) -> list[Path]:
    """Write all pages into a folder, and return their paths; ``index.html`` is the first.

    Pages of an earlier copy that are not written again are removed.

    Raises:
        UserError: The store has no run with results, or the folder has files of something else.
        StorageError: A file cannot be written.
    """
    old = _old_pages(folder)
    to = addresses_of(sources)
    written: list[Path] = []
    for name, html in _pages(sources, to):
        path = folder / name
        files.write_atomically(path, sources.redactor.redact(html).encode("utf-8", "replace"))
        written.append(path)
    for name, asset in assets().items():
        if name not in _NOT_FILES:
            files.write_atomically(folder / "assets" / name, asset.content)
            written.append(folder / "assets" / name)
    for path in sorted(old - set(written)):
        files.remove(path)
    return written


def _old_pages(folder: Path) -> set[Path]:
    """Return the pages of an earlier copy in a folder.

    Raises:
        UserError: The folder has a page, and is no such copy.
    """
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: give a folder")
    pages = set(folder.glob("*.html"))
    if pages and not (folder / "assets" / "view.css").exists():
        raise UserError(f"{folder} has pages of something else: give a new folder")
    return pages


def addresses_of(sources: ViewSources) -> FileAddresses:
    """Return the addresses of the pages to write: all suites, their newest runs, and the cases that they name."""
    database = sources.database
    suites = [row["suite"] for row in database.query("suite_names", project=sources.name)][:_SUITES]
    runs: dict[str, None] = {}
    pairs: dict[tuple[str, str], None] = {}
    cases: dict[tuple[str, str], None] = {}
    for suite in suites:
        chosen = replace(sources.runs, suite=suite)
        found = database.query("runs_of_suite", **replace(chosen, limit=_RUNS).parameters())
        runs |= dict.fromkeys(row["run_id"] for row in found)
        if len(found) > 1:
            pairs[(found[1]["run_id"], found[0]["run_id"])] = None
        flaky = database.query("flaky_cases", **replace(chosen, limit=_FLAKY).parameters(), last_runs=20)
        key = {"run_id": found[0]["run_id"] if found else None, "suite": suite}
        missed = database.query("missed_cases", **key, limit=_MISSED)
        cases |= dict.fromkeys((suite, row["case_id"]) for row in (*missed, *flaky))
    return FileAddresses(frozenset(suites), frozenset(runs), frozenset(pairs), frozenset(cases))


def _pages(sources: ViewSources, to: FileAddresses) -> Iterator[tuple[str, str]]:
    """Yield the name of each file and its page."""
    runs = sources.runs
    yield to.overview(), overview_page.page(sources, PageQuery({}, {}, runs), to)
    for suite in sorted(to.suites):
        yield to.suite(suite), suite_page.page(sources, PageQuery({"suite": suite}, {}, runs), to)
    for run in sorted(to.runs):
        yield to.run(run), run_page.page(sources, PageQuery({"run": run}, {}, runs), to)
    for older, newer in sorted(to.pairs):
        query = PageQuery({}, {"a": older, "b": newer}, runs)
        yield to.compare(older, newer), compare_page.page(sources, query, to)
    for suite, case in sorted(to.cases):
        query = PageQuery({"suite": suite, "case": case}, {}, runs)
        yield to.case(suite, case), case_page.page(sources, query, to)
