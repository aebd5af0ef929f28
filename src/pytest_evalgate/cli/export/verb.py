"""The verb ``export``: its destinations and the options that they share.

A destination is a module beside this one with a ``Destination``; it imports its optional library when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.export import mlflow_runs, table_files
from pytest_evalgate.cli.options import add_suite
from pytest_evalgate.cli.store_question import add_filters
from pytest_evalgate.cli.verb import Verb

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pytest_evalgate.cli.export.destination import Destination

DESTINATIONS: Final[Mapping[str, Destination]] = {"files": table_files.DESTINATION, "mlflow": mlflow_runs.DESTINATION}
"""Values of ``--to``; the first is the default."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    default = next(iter(DESTINATIONS))
    parser.add_argument("--to", choices=list(DESTINATIONS), default=default, help=f"where to (default: {default})")
    for destination in DESTINATIONS.values():
        destination.add_arguments(parser)
    add_suite(parser, "all")
    add_filters(parser, pages=False)


def _export(args: argparse.Namespace) -> int:
    return DESTINATIONS[args.to].run(args)


VERB: Final = Verb(
    "Write stored runs for other tools: files of a warehouse, or runs of MLflow.",
    "pytest-evalgate export --format csv --out warehouse",
    _export,
    _add_arguments,
)
