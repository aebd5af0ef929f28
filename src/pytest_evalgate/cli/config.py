"""``pytest-evalgate config``: what the configuration comes to, and where each value comes from."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_evalgate import config
from pytest_evalgate.app.project import Project
from pytest_evalgate.config import CONFIG_FILE, PYPROJECT_FILE
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.results import Json

_PREFIX = "tool.evalgate."


@dataclass(frozen=True, slots=True)
class Places:
    """The lines on which the keys of a configuration stand, by path."""

    file: str
    lines: Mapping[str, int]

    @classmethod
    def in_project(cls, root: Path) -> Self:
        """Find those of the project at ``root``, whose configuration has been read: it is valid TOML."""
        for name, prefix in ((CONFIG_FILE, ""), (PYPROJECT_FILE, _PREFIX)):
            if (root / name).exists():
                lines = lines_of((root / name).read_text("utf-8-sig"))
                kept = {path.removeprefix(prefix): line for path, line in lines.items() if path.startswith(prefix)}
                if kept:
                    return cls(name, kept)
        return cls(CONFIG_FILE, {})

    def of(self, key: str) -> str | None:
        """Return ``file:line`` of what sets ``key``, or the value that it is a part of; None where nothing does."""
        while key:
            if key in self.lines:
                return f"{self.file}:{self.lines[key]}"
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return None


def flat(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the leaves of nested tables by their paths, such as ``suites.faq.gates[0].min``.

    A list is a leaf unless it holds tables.
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{path}[{index}]")
    else:
        yield path, value


def lines_of(text: str) -> dict[str, int]:
    """Return the 1-based line on which the statement of each leaf of a valid TOML file begins.

    The file is read again and again, longer by a line each time: what is new when it parses stands in the lines since
    it parsed last.
    """
    found: dict[str, int] = {}
    begin, read = 1, ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        read += line
        if begin == number and (not line.strip() or line.lstrip().startswith("#")):
            begin = number + 1
            continue
        try:
            leaves = dict(flat(tomllib.loads(read)))
        except tomllib.TOMLDecodeError:
            continue
        found |= {path: begin for path, value in leaves.items() if value != {} and path not in found}
        begin = number + 1
    return found


DEFAULT: Final = "default"

_OPTIONS: Final = {
    r"budget_usd": "EVALGATE_BUDGET_USD",
    r"suites\.[^.]+\.trials": "EVALGATE_TRIALS",
    r"suites\.[^.]+\.target\b.*": "EVALGATE_TARGET",
    r"suites\.[^.]+\.baseline": "EVALGATE_BASELINE",
    r"suites\.[^.]+\.stop": "EVALGATE_STOP",
}
"""Keys that an option of the command line, and so its variable, goes over."""

_OF_A_TIER: Final = re.compile(r"suites\.(?P<suite>.+)\.(?P<key>trials|sample|gates\b.*)")


@dataclass(frozen=True, slots=True)
class ExplainedValue:
    """A key, what it comes to, and what set it."""

    key: str
    value: Json
    origin: str


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains the configuration of one project.

    Args:
        settings: As its file has it.
        places: Where the keys of that file stand.
        environ: What goes over it; the command line goes over both, and is not known here.
        tier: The tier that would run.

    """

    settings: Settings
    places: Places
    environ: Mapping[str, str]
    tier: str

    def values(self) -> Iterable[ExplainedValue]:
        """Yield every value, in the order of the tables.

        Raises:
            SettingsError: there is no such tier.

        """
        chosen = config.for_tier(self.settings, self.tier)
        for key, value in flat(chosen.model_dump(mode="json")):
            yield self._value(key, value)

    def _value(self, key: str, value: Json) -> ExplainedValue:
        variable = next((name for pattern, name in _OPTIONS.items() if re.fullmatch(pattern, key)), None)
        written = self._written(key)
        if variable is None or not self.environ.get(variable):
            return ExplainedValue(key, value, written)
        return ExplainedValue(key, self.environ[variable], f"{variable} (over {written})")

    def _written(self, key: str) -> str:
        """Say where the value stands: in the tier that runs, in the suite, or nowhere."""
        found = _OF_A_TIER.fullmatch(key)
        if found is not None:
            of_tier = f"suites.{found['suite']}.tiers.{self.tier}.{found['key']}"
            if (place := self.places.of(of_tier)) is not None:
                return f"{place} (tier {self.tier})"
        return self.places.of(key) or DEFAULT


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


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    tier = config.chosen_tier(project.settings, args.tier or os.environ.get("EVALGATE_TIER"))
    explainer = Explainer(project.settings, Places.in_project(project.root), os.environ, tier)
    values = [value for value in explainer.values() if _lies_in(value.key, args.key)]
    shown = [value for value in values if args.explain or value.origin != DEFAULT]
    if args.json:
        print(json.dumps([{"key": one.key, "value": one.value, "origin": one.origin} for one in shown], indent=1))
    else:
        print("\n".join(_lines(shown, explain=args.explain)) or f"{project.root}: nothing is set")
    return 0 if values else 1


def _lies_in(key: str, table: str) -> bool:
    return not table or key == table or key.startswith((f"{table}.", f"{table}["))


def _lines(values: Sequence[ExplainedValue], *, explain: bool) -> Iterator[str]:
    from pytest_evalgate.text.layout import align  # noqa: PLC0415 - the reports bring scipy

    rows = [(one.key, jsonl.canonical(one.value), one.origin) for one in values]
    yield from align([row if explain else row[:2] for row in rows]) if rows else ()
