"""The verb ``config``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl, settings
from pytest_evalgate.cli.config.explained import DEFAULT, Explainer, Value
from pytest_evalgate.cli.config.places import Places
from pytest_evalgate.cli.project import Project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "config",
        help="say what the configuration comes to, and where each value comes from",
        description="Print the values of the configuration that are not defaults; with --explain all of them, each "
        "with what set it: a variable, a tier, a line of the file, or the default.",
        epilog="example: pytest-evalgate config --explain suites.support",
    )
    parser.add_argument("key", nargs="?", default="", help="a key, or a table that they lie in (default: everything)")
    parser.add_argument("--explain", action="store_true", help="also the defaults, and where each value comes from")
    parser.add_argument("--tier", help="as this tier runs it (default: default_tier, $EVALGATE_TIER)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    project = Project.find()
    tier = settings.chosen_tier(project.settings, chosen.tier or os.environ.get("EVALGATE_TIER"))
    explainer = Explainer(project.settings, Places.in_project(project.root), os.environ, tier)
    values = [value for value in explainer.values() if _lies_in(value.key, chosen.key)]
    shown = [value for value in values if chosen.explain or value.origin != DEFAULT]
    if chosen.json:
        print(json.dumps([{"key": one.key, "value": one.value, "origin": one.origin} for one in shown], indent=1))
    else:
        print("\n".join(_lines(shown, explain=chosen.explain)) or f"{project.root}: nothing is set")
    return 0 if values else 1


def _lies_in(key: str, table: str) -> bool:
    return not table or key == table or key.startswith((f"{table}.", f"{table}["))


def _lines(values: Sequence[Value], *, explain: bool) -> Iterator[str]:
    from pytest_evalgate.reports.columns import aligned  # noqa: PLC0415 - the reports bring scipy

    rows = [(one.key, jsonl.canonical(one.value), one.origin) for one in values]
    yield from aligned([row if explain else row[:2] for row in rows]) if rows else ()
