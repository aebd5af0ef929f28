"""``pytest-evalgate init``: the command line of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_evalgate import settings
from pytest_evalgate.cli.init import screen
from pytest_evalgate.cli.init.parts import PARTS, STARTER
from pytest_evalgate.cli.init.placing import place_all
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    import argparse

_ABOUT = (
    "Write what a project begins with into the working folder: the one in which pytest.ini or pyproject.toml lies. "
    f"Without a part: {STARTER.about}. No file is written over without --force: exit code 4 where one was in the way."
)
_IN_THE_WAY = 4


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "init",
        help="write a configuration to begin with, or the files of a CI",
        description=_ABOUT,
        epilog="example: pytest-evalgate init && pytest --eval-gate",
    )
    for name, part in PARTS.items():
        parser.add_argument(f"--{name}", dest="parts", action="append_const", const=part, help=part.about)
    parser.add_argument("--force", action="store_true", help="replace files that hold something else")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    parts = tuple(dict.fromkeys(chosen.parts or (STARTER,)))
    folder = Path.cwd()
    if any(part.configures for part in parts):
        _refuse_a_second_configuration(folder)
    templates = [template for part in parts for template in part.templates()]
    placed = place_all(templates, folder, force=chosen.force)
    if chosen.json:
        print(json.dumps(screen.encode(placed, parts), indent=1))
    else:
        print("\n".join(screen.render(placed, parts)))
    return _IN_THE_WAY if any(one.outcome == "kept" for one in placed) else 0


def _refuse_a_second_configuration(folder: Path) -> None:
    """Raise where ``pyproject.toml`` holds the configuration: with both, no session would start."""
    if not (folder / settings.CONFIG_FILE).exists() and settings.is_configured(folder):
        raise SettingsError(
            f"{settings.PYPROJECT_FILE}: [tool.evalgate] is there already, and {settings.CONFIG_FILE} beside it would "
            "be a second configuration: add suites to the first, or write CI files alone (--github, --gitlab)"
        )
