"""Run: its HTML report from the files in its folder; if they are gone, what the store knows about it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.reports.html import render_html
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.server.pages.case_texts import run_folder_file
from pytest_evalgate.server.pages.page_frame import SERVED, render, site_of, templates
from pytest_evalgate.store import questions
from pytest_evalgate.store.questions import NotStoredError
from pytest_evalgate.text import files
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.server.pages.page_frame import Addresses
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources

_LARGEST: Final = 16 << 20
"""Bytes of a run file that is rendered as a page: beyond, its report is a separate file."""

_MISSED: Final = 50
_REPORT: Final = ("pytest-evalgate", "report")


def page(sources: ViewSources, query: PageQuery, to: Addresses = SERVED) -> str:
    """Return the page as HTML.

    Raises:
        NotStoredError: The run is neither stored nor in the state folder.
    """
    run_id = query.names["run"]
    file = run_folder_file(sources, run_id)
    why = "Its run file is gone"
    if file is not None and not RunFolder(file.parent).verdict_file.exists():
        why = "It was not decided"
    elif file is not None and file.stat().st_size > _LARGEST:
        why = f"It is too large for a page: open its report with: {shlex.join([*_REPORT, run_id])}"
    elif file is not None:
        try:
            return _report(sources, file, to)
        except UserError as error:
            why = f"Its files cannot be used ({error})"
    return _stored(sources, run_id, why, to)


def _report(sources: ViewSources, file: Path, to: Addresses) -> str:
    from pytest_evalgate.app.view import ReportOptions, read_decided, view_of  # noqa: PLC0415 - scipy

    folder = RunFolder(file.parent)
    options = ReportOptions(sources.root, TextPolicy.by(sources.project.settings.report))
    view = view_of(folder, read_decided(folder), options)
    site = {"site": site_of(sources, to)}
    return b"".join(render_html(view, templates=templates(), values=site)).decode()


def _stored(sources: ViewSources, run_id: str, why: str, to: Addresses) -> str:
    database = sources.database
    found = database.query("runs", **replace(sources.runs, run_id=run_id, limit=1).parameters())
    if not found:
        raise NotStoredError(f"no run {quote_text(run_id)} is stored: list the runs with: pytest-evalgate runs list")
    detail: dict[str, Any] = questions.run_detail(database, found[0])
    missed = {
        suite["suite"]: database.query("missed_cases", run_id=run_id, suite=suite["suite"], limit=_MISSED)
        for suite in detail["suites"]
    }
    name = files.relative_name(sources.project.state.path / "runs" / run_id, sources.root)
    values = {"run": detail, "missed": missed, "why": why, "folder": name}
    return render("stored_run.html.j2", sources, to, values)
