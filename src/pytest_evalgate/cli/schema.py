"""``pytest-evalgate schema``: JSON Schemas of the files that users write and tools read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.golden.load import json_schema as golden_schema
from pytest_evalgate.runs import kept

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping


def _openapi() -> dict[str, Any]:
    from pytest_evalgate.server import openapi  # noqa: PLC0415 - scipy

    return openapi.document()


SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "config": config.json_schema,
    "golden": golden_schema,
    "verdict": kept.json_schema,
    "openapi": _openapi,
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("of", nargs="?", choices=SCHEMAS, default="config", help="which schema (default: config)")


def _run(args: argparse.Namespace) -> int:
    print(json.dumps(SCHEMAS[args.of](), indent=2))
    return 0


VERB: Final = Verb(
    "Print a JSON Schema: of the configuration, a line of a golden set or verdict.json; or the OpenAPI document.",
    "pytest-evalgate schema config > evalgate.schema.json",
    _run,
    _add_arguments,
    json="no effect: a schema is always printed as JSON",
)
