"""Descriptions of the keys of the configuration, for its JSON Schema and for the reference.

They are in a file of data, because docstrings of fields would be parsed at each import of the tables.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the configuration with a description of each key."""
    text = resources.files(__package__).joinpath("descriptions.toml").read_text("utf-8")
    tables = {"Settings": schema, **schema["$defs"]}
    for name, descriptions in tomllib.loads(text).items():
        properties = tables[name]["properties"]
        for key, description in descriptions.items():
            properties[key]["description"] = description
    return schema
