"""Questions on the command line: the store of the project, the filters that verbs share, and the answer as a table."""

from __future__ import annotations

import csv
import io
import json
import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.app.storing import place_of, project_name
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.printing import wrapped
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store import Database
from pytest_evalgate.store.filters import RunFilter, read_filter
from pytest_evalgate.text.escape import escape_cell, one_line
from pytest_evalgate.text.layout import align, truncate_columns
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.store import StorePlace
    from pytest_evalgate.store.questions import Answer

MOST_ROWS: Final = 100_000
_CELL_COLUMNS: Final = 40
_NONE: Final = "-"


@dataclass(frozen=True, slots=True)
class Asking:
    """The project of a question, and its open store."""

    project: Project
    name: str
    database: Database


def require_place(project: Project) -> StorePlace:
    """Return the place of the project's store.

    Raises:
        SettingsError: The store is switched off.
    """
    place = place_of(project.settings, project.state.path)
    if place is None:
        raise SettingsError('store = "off": remove the line to store runs')
    return place


@contextmanager
def asking() -> Iterator[Asking]:
    """Open the store of the project in the working directory, to query it."""
    project = Project.find()
    with Database.reading(require_place(project)) as database:
        yield Asking(project, project_name(project.root), database)


def add_filters(parser: argparse.ArgumentParser, *, pages: bool = True) -> None:
    """Add the filters that choose runs, ``--csv``, and with ``pages`` ``--limit`` and ``--after``."""
    option = parser.add_argument
    option("--run", dest="run_id", metavar="ID", help="only this run")
    option("--tier", metavar="TIER", help="only runs of this tier")
    option("--branch", metavar="NAME", help="only runs of this branch")
    option("--model", metavar="NAME", help="only runs in which the target asked this model")
    option("--label", action="append", default=[], metavar="KEY=VALUE", help="only runs with this label (up to 3)")
    option("--since", metavar="TIME", help="only runs from this time on: 30d, 12h, 2026-01-31")
    option("--until", metavar="TIME", help="only runs before this time")
    if pages:
        add_pages(parser)


def add_pages(parser: argparse.ArgumentParser, default: int = 50) -> None:
    """Add ``--csv``, ``--limit`` and ``--after``."""
    option = parser.add_argument
    option("--csv", action="store_true", help="print CSV")
    option("--limit", type=whole_number(MOST_ROWS), default=default, metavar="N", help=f"rows of a page ({default})")
    option("--after", metavar="KEY", help="the next page: the key that the page before printed")


def filter_of(args: argparse.Namespace, project: str) -> RunFilter:
    """Return the filters of the command line.

    Raises:
        FilterError: One of them cannot be used.
    """
    names = ("suite", "run_id", "tier", "branch", "model", "since", "until", "after")
    given = {name: getattr(args, name, None) for name in names}
    found = read_filter(project, given, args.label, datetime.now(UTC))
    return replace(found, limit=getattr(args, "limit", 1))


def print_answer(args: argparse.Namespace, answer: Answer, columns: Sequence[str], project: Project) -> int:
    """Print the rows of an answer as a table of ``columns``, or all their fields as JSON or CSV; return 0."""
    redactor = Redactor.of(key_variables(project.settings), os.environ)
    if args.json:
        value = {"rows": list(answer.rows), "after": answer.after, "notes": list(answer.notes)}
        print(redactor.redact(json.dumps(value, indent=1)))
    elif args.csv:
        print(redactor.redact(_csv(answer)), end="")
    else:
        print(redactor.redact("\n".join(_lines(answer, columns))))
    return 0


def _csv(answer: Answer) -> str:
    text = io.StringIO()
    names = list(answer.rows[0]) if answer.rows else []
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(row[name]) for name in names] for row in answer.rows)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return escape_cell(value)
    return escape_cell(json.dumps(value)) if isinstance(value, list) else value


def _lines(answer: Answer, columns: Sequence[str]) -> Iterator[str]:
    """Yield a table such as ``created  run_id  value``, then the notes and the key of the next page."""
    if not answer.rows:
        yield "nothing matches"
    shown = [column for column in columns if any(row.get(column) not in (None, "", []) for row in answer.rows)]
    if answer.rows:
        yield from align([shown, *([_cell(row.get(column)) for column in shown] for row in answer.rows)])
    for note in answer.notes:
        yield from wrapped(note)
    if answer.after is not None:
        yield f"  next page: --after {answer.after}"


def _cell(value: Any) -> str:
    if value is None or value in ("", []):
        return _NONE
    if isinstance(value, float):
        return f"{value:.4g}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return truncate_columns(one_line(text), _CELL_COLUMNS)
