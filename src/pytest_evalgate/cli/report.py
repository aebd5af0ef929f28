"""``pytest-evalgate report``: render the reports of a stored run from the files in its folder."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import ReportFormat, key_variables
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.reports.view import ReportView

_TERMINAL = "terminal"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", nargs="?", metavar="RUN", help="id of a run, or its folder (default: the newest)")
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=[*get_args(ReportFormat), _TERMINAL],
        metavar="FORMAT",
        help=f"one of {', '.join(get_args(ReportFormat))}, {_TERMINAL}; repeatable (default: html)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files (default: the state folder)")


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.view import ReportOptions, read_decided, view_of  # noqa: PLC0415 - the reports import scipy
    from pytest_evalgate.reports.github import links_of  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.writing import HTML_FILE, write_reports  # noqa: PLC0415 - the same

    project = Project.find()
    folder = project.state.path if args.out is None else args.out
    formats = args.formats or ["html"]
    page = files.relative_name(folder / HTML_FILE, project.root) if "html" in formats else None
    texts, links = TextPolicy.by(project.settings.report), links_of(os.environ, project.root)
    options = ReportOptions(project.root, texts, links, page)
    kept = project.decided(args.run_id)
    view = view_of(kept, read_decided(kept), options)
    if _TERMINAL in formats:
        _print(view, Redactor.of(key_variables(project.settings), os.environ))
    written = write_reports(view, [name for name in formats if name != _TERMINAL], folder)
    names = [files.relative_name(path, Path.cwd()) for path in written.paths]
    for note in written.notes:
        print(f"pytest-evalgate: {note}", file=sys.stderr)
    if names or args.json:
        print(json.dumps({"run_id": view.verdict.run_id, "files": names}, indent=1) if args.json else "\n".join(names))
    return 0


VERB: Final = Verb(
    "Write the reports of a stored run that was decided.",
    "pytest-evalgate report 20261121T101500Z-3f9c --format markdown",
    _run,
    _add_arguments,
    json="print the names of the files as JSON",
)


def _print(view: ReportView, redactor: Redactor) -> None:
    from pytest_evalgate.reports.terminal import render, verdict_line  # noqa: PLC0415 - imports scipy

    width = shutil.get_terminal_size().columns
    for line in (*render(view, width), verdict_line(view.verdict, view.notes)):
        print(redactor.redact(line.text))
