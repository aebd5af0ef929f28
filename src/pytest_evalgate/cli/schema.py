"""``pytest-evalgate schema``: the JSON Schema of the configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_evalgate import settings

if TYPE_CHECKING:
    import argparse


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "schema",
        help="print the JSON Schema of [tool.evalgate]",
        description="Print the JSON Schema of [tool.evalgate] and evalgate.toml.",
        epilog="example: pytest-evalgate schema > evalgate.schema.json",
    )
    parser.add_argument("--json", action="store_true", help="JSON is what it prints anyway")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the schema."""
    print(json.dumps(settings.json_schema(), indent=2))
    return 0
