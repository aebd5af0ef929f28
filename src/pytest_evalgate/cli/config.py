"""``pytest-evalgate config``: the configuration in effect, and the origin of each value.

Flow: flatten the settings to keys such as ``suites.faq.trials``; for each, look for a variable that overrides it, then
for the line of the file that sets it, in the tier first; a value with neither is a default.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config.key_lines import KeyLines
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.layout import align

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.cases import Json

_DEFAULT: Final = "default"

_VARIABLES: Final = {
    r"budget_usd": "EVALGATE_BUDGET_USD",
    r"suites\.[^.]+\.trials": "EVALGATE_TRIALS",
    r"suites\.[^.]+\.target\b.*": "EVALGATE_TARGET",
    r"suites\.[^.]+\.baseline": "EVALGATE_BASELINE",
    r"suites\.[^.]+\.stop": "EVALGATE_STOP",
}
"""Environment variables that override keys of the configuration, by the pattern of the key."""

_TIER_KEY: Final = re.compile(r"suites\.(?P<suite>.+)\.(?P<key>trials|sample|gates\b.*)")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", nargs="?", default="", help="a key or a table (default: everything)")
    parser.add_argument("--explain", action="store_true", help="print defaults too, and the origin of each value")
    parser.add_argument("--tier", help="the tier to print (default: $EVALGATE_TIER, else default_tier)")


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    tier = config.chosen_tier(project.settings, args.tier or os.environ.get("EVALGATE_TIER"))
    found = explain(project.settings, _lines_in(project.root), os.environ, tier)
    parts = (f"{args.key}.", f"{args.key}[")
    values = [value for value in found if not args.key or value.key == args.key or value.key.startswith(parts)]
    printed = [value for value in values if args.explain or value.origin != _DEFAULT]
    print_result(args, printed, _lines(printed, explained=args.explain) or [f"{project.root}: nothing is set"])
    return 0 if values else 1


VERB: Final = Verb(
    "Print the values of the configuration that are not defaults. With --explain print all of them, each with its "
    "origin: a variable, a tier, a line of the file, or the default.",
    "pytest-evalgate config --explain suites.support",
    _run,
    _add_arguments,
)


def _lines(values: Sequence[ExplainedValue], *, explained: bool) -> list[str]:
    rows = [(one.key, jsonl.canonical(one.value), one.origin) for one in values]
    return align([row if explained else row[:2] for row in rows]) if rows else []


@dataclass(frozen=True, slots=True)
class ExplainedValue:
    """A key of the configuration, its value, and its origin."""

    key: str
    value: Json
    origin: str


def explain(settings: Settings, lines: KeyLines, environ: Mapping[str, str], tier: str) -> Iterator[ExplainedValue]:
    """Yield every value, in the order of the tables.

    Args:
        settings: Settings of the project, from its file.
        lines: Lines of that file.
        environ: Environment variables. Command line options of pytest, which override both, are ignored.
        tier: Tier to explain.

    Raises:
        SettingsError: there is no such tier.
    """
    for key, value in flatten(config.for_tier(settings, tier).model_dump(mode="json")):
        origin = _written(key, lines, tier)
        variable = next((name for pattern, name in _VARIABLES.items() if re.fullmatch(pattern, key)), "")
        if overriding := environ.get(variable):
            yield ExplainedValue(key, overriding, f"{variable} (over {origin})")
        else:
            yield ExplainedValue(key, value, origin)


def _written(key: str, lines: KeyLines, tier: str) -> str:
    """Return the origin of ``key``: its line in the tier, its line in the suite, or ``default``."""
    found = _TIER_KEY.fullmatch(key)
    if found is not None:
        place = lines.place_of(f"suites.{found['suite']}.tiers.{tier}.{found['key']}")
        if place is not None:
            return f"{place} (tier {tier})"
    return lines.place_of(key) or _DEFAULT


def _lines_in(root: Path) -> KeyLines:
    """Find the lines of the keys in the configuration file of the project at ``root``."""
    found = config.read_file(root)
    return KeyLines(config.CONFIG_FILE, {}, {}) if found is None else found.key_lines()


def flatten(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the leaves of nested tables with their keys, such as ``suites.faq.gates[0].min``.

    A list is a leaf unless it contains tables.
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for index, inner in enumerate(value):
            yield from flatten(inner, f"{path}[{index}]")
    else:
        yield path, value
