"""``pytest-evalgate label adjudicate``: a sheet of the outputs on which raters disagree, and its way back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.printing import WIDTH, print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.file_lock import exclusive
from pytest_evalgate.text.layout import align_or_stack, truncate_columns
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_evalgate.judges.adjudication import DisputedOutput, Disputes
    from pytest_evalgate.judges.labels import Columns

_LISTED: Final = 10
_ID_WIDTH: Final = 24
_LABELS_WIDTH: Final = 54


def add_pass_label(parser: argparse.ArgumentParser) -> None:
    """Add ``--pass-label``."""
    parser.add_argument(
        "--pass-label", action="append", default=[], metavar="LABEL", help="a label that means pass; repeatable"
    )


def add_raters(parser: argparse.ArgumentParser) -> None:
    """Add ``--rater``."""
    parser.add_argument(
        "--rater", action="append", default=[], metavar="PATH", help="field with one rater's label; repeatable"
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labels", type=Path, metavar="FILE", help="label file with the labels of two or more raters")
    add_pass_label(parser)
    add_raters(parser)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--out", type=Path, metavar="SHEET", help="new file for the sheet, JSONL or .csv")
    ways.add_argument("--from", dest="sheet", type=Path, metavar="SHEET", help="filled in sheet, written into FILE")


def _adjudicate(args: argparse.Namespace) -> int:
    from pytest_evalgate.judges.adjudication import disputes_in, sheet_of  # noqa: PLC0415 - scipy, 0.75 s
    from pytest_evalgate.judges.labels import Columns  # noqa: PLC0415 - as above

    columns = Columns(tuple(args.pass_label), tuple(args.rater))
    if args.sheet is not None:
        return _settle(args, columns)
    found = disputes_in(args.labels, columns, Path.cwd())
    if args.out is not None:
        if args.out.exists():
            raise SettingsError(f"{args.out} exists and may contain labels: choose another file")
        files.write_atomically(args.out, sheet_of(found, is_csv=args.out.suffix.lower() == ".csv").encode())
    shown = {"outputs": found.outputs, "disputed": [_json(one) for one in found.disputed]}
    print_result(args, shown, _lines(args, found))
    return 0


def _json(one: DisputedOutput) -> dict[str, object]:
    return {"id": one.id, "undecided": one.undecided, "use": one.use, "labels": dict(one.labels)}


def _lines(args: argparse.Namespace, found: Disputes) -> Iterator[str]:
    """Render the list.

    Sample::

        labels/support.csv: raters disagree on 2 of 60 outputs, 1 of them undecided
          output     use  labels
          refund-14  4.5  pass, fail
    """
    name, number = one_line(files.relative_name(args.labels, Path.cwd())), len(found.disputed)
    if not number:
        yield f"{name}: nothing to adjudicate in {count(found.outputs, 'output')}"
        return
    undecided = sum(one.undecided for one in found.disputed)
    yield f"{name}: raters disagree on {number:,} of {count(found.outputs, 'output')}, {undecided:,} of them undecided"
    rows = [("output", "use", "labels")]
    rows += [
        (truncate_columns(one_line(one.id), _ID_WIDTH), f"{one.use:g}", truncate_columns(_labels(one), _LABELS_WIDTH))
        for one in found.disputed[:_LISTED]
    ]
    yield from (f"  {line}" for line in align_or_stack(rows, WIDTH - 2, 3))
    if number > _LISTED:
        yield f"  and {number - _LISTED:,} more"
    if args.out is None:
        yield "write them as a sheet to fill in: --out SHEET.csv"
    else:
        yield f'wrote {args.out}: fill in "adjudicated", then repeat the command with --from instead of --out'


def _labels(one: DisputedOutput) -> str:
    return one_line(", ".join(map(str, one.labels.values())))


def _settle(args: argparse.Namespace, columns: Columns) -> int:
    from pytest_evalgate.judges.adjudication import adjudicated_in, disputes_in, settle  # noqa: PLC0415 - scipy
    from pytest_evalgate.judges.label_saving import LABELS_LOCK  # noqa: PLC0415 - as above

    disputes_in(args.labels, columns, Path.cwd())  # refuses an invalid file before it is written
    settled = adjudicated_in(args.sheet, files.relative_name(args.sheet, Path.cwd()))
    if not settled:
        raise SettingsError(f'{args.sheet}: no label yet: fill in "adjudicated"')
    state = Project.find().state.path
    # the page that people label on saves into the same file
    with exclusive(state / LABELS_LOCK) if state.is_dir() else contextlib.nullcontext():
        files.write_atomically(args.labels, settle(args.labels, columns, Path.cwd(), settled))
    left = len(disputes_in(args.labels, columns, Path.cwd()).disputed)
    lines = (
        f"settled {count(len(settled), 'output')} in {args.labels}; {left:,} left on which raters disagree",
        "the label file has changed: run pytest-evalgate calibrate again",
    )
    print_result(args, {"settled": len(settled), "left": left}, lines)
    return 0


ADJUDICATE: Final = Verb(
    "List the outputs on which raters disagree, those that no majority decides first, then by the number of outputs "
    "that they represent. Write them as a sheet, and its filled in labels back into the label file, where they take "
    "precedence over those of the raters. Sends nothing.",
    "pytest-evalgate label adjudicate labels/faq.jsonl",
    _adjudicate,
    _add_arguments,
)
