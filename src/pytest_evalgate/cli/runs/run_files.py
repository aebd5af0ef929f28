"""Actions of ``pytest-evalgate runs`` on the folder of a run: its log, and its report."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.page_opening import open_page
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.runs.run_log import path_of_log, read_log
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.cases import Json

_LINES: Final = 1000
_MOST_LINES: Final = 10_000_000


def add_logs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``runs logs``."""
    _add_run(parser)
    parser.add_argument("--suite", metavar="NAME", help="only events of this suite")
    parser.add_argument("--case", metavar="ID", help="only events of this case")
    parser.add_argument(
        "--errored", action="store_true", help="the cases without an output, with their last error and attempts"
    )
    parser.add_argument(
        "--limit", type=whole_number(_MOST_LINES), default=_LINES, metavar="N", help=f"most lines ({_LINES:,})"
    )


def logs(args: argparse.Namespace) -> int:
    """Print the events of a run's log."""
    project = Project.find()
    path = path_of_log(_run_file(project, args.run_id))
    if not path.is_file():
        raise RunFileError(f"{path}: this run has no log: it is of an earlier version, or its log was removed")
    events = (event for event in read_log(path, errored=args.errored) if _matches(event, args))
    rows: Iterable[dict[str, Json]] = _dead_letters(events) if args.errored else events
    shown = list(islice(rows, args.limit + 1))
    more = len(shown) > args.limit
    redactor = Redactor.of(key_variables(project.settings), os.environ)
    found = redactor.redact_json(shown[: args.limit])
    lines = [_dead_letter_line(row) if args.errored else _line(row) for row in found]
    if not lines:
        lines = ["every case has an output" if args.errored else "nothing matches"]
    if more:
        lines.append(f"  only the first {count(args.limit, 'line')}: raise --limit")
    print_result(args, {"rows": found, "more": more}, lines)
    return 0


def _run_file(project: Project, run: str | None) -> Path:
    folder = None if run is None else Path(run)
    return folder / "run.jsonl" if folder is not None and folder.is_dir() else project.run_path(run)


def _matches(event: Mapping[str, Json], args: argparse.Namespace) -> bool:
    return args.suite in (None, event.get("suite")) and args.case in (None, event.get("case"))


def _dead_letters(events: Iterable[Mapping[str, Json]]) -> Iterator[dict[str, Json]]:
    """Yield a row for each case without an output: its last error, and the attempts of all its trials."""
    rows: dict[tuple[Any, Any], dict[str, Json]] = {}
    for event in events:
        key = event.get("suite"), event.get("case")
        row = rows.setdefault(key, {"suite": key[0], "case": key[1], "trials": 0, "attempts": 0, "error": ""})
        row["trials"] += event.get("event") == "trial"
        row["attempts"] += event.get("attempts", 0)
        row["error"] = event.get("reason", row["error"])
    yield from rows.values()


def _dead_letter_line(row: Mapping[str, Json]) -> str:
    """Format a case without an output: ``faq refund-7: 5 attempts: HTTP 500``."""
    error = row["error"] or "no reason is known"
    return one_line(f"{row['suite']} {row['case']}: {count(row['attempts'], 'attempt')}: {error}")


def _line(event: Mapping[str, Json]) -> str:
    """Format an event: ``trial faq refund-7 outcome=passed target_s=0.81``."""
    first = [str(event.get(name)) for name in ("event", "suite", "case") if event.get(name) is not None]
    rest = [f"{name}={value}" for name, value in event.items() if name not in ("event", "suite", "case")]
    return one_line(" ".join([*first, *rest]))


def add_open(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``runs open``."""
    _add_run(parser)


def open_report(args: argparse.Namespace) -> int:
    """Write the HTML report of a run into its folder, and open it in a browser."""
    from pytest_evalgate.app.view import ReportOptions, read_decided, view_of  # noqa: PLC0415 - scipy
    from pytest_evalgate.reports.github import links_of  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.writing import HTML_FILE, write_reports  # noqa: PLC0415 - the same

    project = Project.find()
    kept = project.decided(args.run_id)
    page = kept.folder / HTML_FILE
    name = files.relative_name(page, project.root)
    options = ReportOptions(
        project.root, TextPolicy.by(project.settings.report), links_of(os.environ, project.root), name
    )
    write_reports(view_of(kept, read_decided(kept, texts=False), options), ["html"], kept.folder)
    print_result(args, {"file": name}, [name])
    open_page(page)
    return 0


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", nargs="?", metavar="RUN", help="id of a run, or its folder (default: the newest)")
