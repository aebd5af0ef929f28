"""Export to files: one folder for each table of the store, one below it for each day."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.warehouse import Warehouse
from pytest_evalgate.cli.export.destination import Destination
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.store_question import asking, filter_of
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse

FORMATS: Final = ("parquet", "csv", "jsonl")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    files = parser.add_argument_group("--to files")
    files.add_argument("--format", choices=FORMATS, help="format of the files; parquet needs the extra warehouse")
    files.add_argument("--out", type=Path, metavar="DIR", help="folder of the files; created if it is missing")


def _export(args: argparse.Namespace) -> int:
    if args.format is None or args.out is None:
        raise SettingsError("export to files needs --format and --out: such as --format csv --out warehouse")
    with asking() as question:
        redactor = Redactor.of(key_variables(question.project.settings), os.environ)
        warehouse = Warehouse(args.out, args.format, redactor)
        found = warehouse.add(question.database, filter_of(args, question.name))
    written = f"{count(len(found.runs), 'run')} exported, {found.known:,} there already"
    print_result(args, found, [f"{args.out}: {written}; {count(len(found.files), 'file')} written"])
    return 0


DESTINATION: Final = Destination(_export, _add_arguments)
