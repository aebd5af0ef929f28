"""``pytest-evalgate schema``: the JSON Schemas of what people write and what tools read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.golden.load import json_schema as golden_schema
from pytest_evalgate.runs import kept

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "config": config.json_schema,
    "golden": golden_schema,
    "verdict": kept.json_schema,
}


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "schema",
        help="print the JSON Schema of the configuration, of a golden line, or of verdict.json",
        description="Print a JSON Schema: of [tool.evalgate] and evalgate.toml, of a line of a golden set, or of "
        "verdict.json.",
        epilog="example: pytest-evalgate schema config > evalgate.schema.json",
    )
    parser.add_argument("of", nargs="?", choices=SCHEMAS, default="config", help="which one (default: config)")
    parser.add_argument("--json", action="store_true", help="JSON is what it prints anyway")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    print(json.dumps(SCHEMAS[args.of](), indent=2))
    return 0
