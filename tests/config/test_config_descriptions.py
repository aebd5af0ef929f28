"""Each key of the configuration has a description, in one line of plain words."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from pytest_evalgate.config import json_schema


def _properties() -> dict[str, dict[str, Any]]:
    schema = json_schema()
    tables = {"Settings": schema, **schema["$defs"]}
    return {name: table["properties"] for name, table in tables.items() if "properties" in table}


def test_every_key_is_described() -> None:
    missing = [
        f"{name}.{key}"
        for name, properties in _properties().items()
        for key, value in properties.items()
        if not value.get("description")
    ]
    assert missing == [], "write them into config/descriptions.toml"


def test_descriptions_are_short_sentences() -> None:
    text = resources.files("pytest_evalgate.config").joinpath("descriptions.toml").read_text("utf-8")
    said = [line for table in tomllib.loads(text).values() for line in table.values()]
    assert [line for line in said if not line.endswith(".") or len(line) > 130 or "``" in line] == []
