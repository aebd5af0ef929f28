"""``pytest-evalgate lint``: the command line of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    import argparse

_ABOUT = (
    "Read golden sets and say in which dialect they are written, which cases are malformed, double, tiny in their "
    "slice, private or given away by a prompt, and which gates cannot be met. Sends nothing. Exits with 1 where "
    "something is an error."
)


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "lint",
        help="what is wrong with golden sets before anything runs",
        description=_ABOUT,
        epilog="example: pytest-evalgate lint --suite support --strict",
    )
    option = parser.add_argument
    option("paths", nargs="*", type=Path, metavar="PATH", help="golden sets (default: those of all configured suites)")
    option("--suite", metavar="NAME", help="one configured suite")
    option("--strict", action="store_true", help="exit with 1 also where something is a warning")
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.lint import work  # noqa: PLC0415 - the settings bring pydantic

    if chosen.paths and chosen.suite is not None:
        raise SettingsError(f"{chosen.paths[0]} and --suite {chosen.suite}: name files, or a suite")
    report = work.lint_files(chosen.paths) if chosen.paths else work.lint_suites(chosen.suite)
    print(json.dumps(report.as_json(), indent=1) if chosen.json else "\n".join(report.lines()))
    return report.exit_code(strict=chosen.strict)
