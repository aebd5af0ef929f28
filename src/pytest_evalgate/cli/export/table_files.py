"""Export to files: one folder for each table of the store, one file for each day and run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.export.destination import Destination
from pytest_evalgate.errors import SettingsError

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
    raise SettingsError(f"--format {args.format}: not available")


DESTINATION: Final = Destination(_export, _add_arguments)
