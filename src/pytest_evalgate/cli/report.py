"""``pytest-evalgate report``: render the reports of a stored run from the files in its folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.page_opening import open_page
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import ReportFormat, key_variables
from pytest_evalgate.text import files
from pytest_evalgate.text.layout import screen_width
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.reports.brief import Brief
    from pytest_evalgate.reports.view import ReportView

_TERMINAL, _BRIEF = "terminal", "brief"
_OWN_FORMATS = (_TERMINAL, _BRIEF)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", nargs="?", metavar="RUN", help="id of a run, or its folder (default: the newest)")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=[*get_args(ReportFormat), *_OWN_FORMATS],
        metavar="FORMAT",
        help=f"one of {', '.join([*get_args(ReportFormat), *_OWN_FORMATS])}; repeatable (default: html)",
    )
    parser.add_argument("--open", action="store_true", help="open the HTML report in a browser")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files (default: the state folder)")


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.release import brief_of  # noqa: PLC0415 - the reports import scipy
    from pytest_evalgate.app.view import ReportOptions, read_decided, view_of  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.github import links_of  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.writing import HTML_FILE, write_reports  # noqa: PLC0415 - the same

    project = Project.find()
    folder = project.state.path if args.out is None else args.out
    formats = [*(args.formats or []), *(["html"] if args.open or not args.formats else [])]
    page = files.relative_name(folder / HTML_FILE, project.root) if "html" in formats else None
    texts, links = TextPolicy.by(project.settings.report), links_of(os.environ, project.root)
    options = ReportOptions(project.root, texts, links, page)
    kept = project.decided(args.run_id)
    decided = read_decided(kept, texts=False)
    view = view_of(kept, decided, options)
    redactor = Redactor.of(key_variables(project.settings), os.environ)
    if _TERMINAL in formats and not args.json:
        _print(view, redactor)
    written = write_reports(view, [name for name in formats if name not in _OWN_FORMATS], folder)
    paths, facts = [*written.paths], {"run_id": view.verdict.run_id}
    if _BRIEF in formats:
        brief = brief_of(view, decided, project)
        facts["decision"] = brief.decision
        paths.append(_write_brief(brief, folder, redactor, is_printed=not args.json))
    names = [files.relative_name(path, Path.cwd()) for path in paths]
    for note in written.notes:
        print(f"pytest-evalgate: {note}", file=sys.stderr)
    if names or args.json:
        print(json.dumps({**facts, "files": names}, indent=1) if args.json else "\n".join(names))
    if args.open:
        open_page(folder / HTML_FILE)
    return 0


def _write_brief(brief: Brief, folder: Path, redactor: Redactor, *, is_printed: bool) -> Path:
    """Write the brief as Markdown, print it as text, and return its path."""
    from pytest_evalgate.reports.brief import BRIEF_FILE, render_brief, render_brief_text  # noqa: PLC0415 - if asked for

    if is_printed:
        for line in render_brief_text(brief, screen_width()):
            print(redactor.redact(line.text))
        print()
    path = folder / BRIEF_FILE
    files.write_atomically(path, redactor.redact(render_brief(brief)).encode())
    return path


VERB: Final = Verb(
    "Write the reports of a stored run that was decided.",
    "pytest-evalgate report 20261121T101500Z-3f9c --format markdown",
    _run,
    _add_arguments,
    json="print the names of the files as JSON",
)


def _print(view: ReportView, redactor: Redactor) -> None:
    from pytest_evalgate.reports.terminal import render, verdict_line  # noqa: PLC0415 - imports scipy

    width = screen_width()
    for line in (*render(view, width), verdict_line(view.verdict, view.notes)):
        print(redactor.redact(line.text))
