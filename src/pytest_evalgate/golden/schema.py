"""The JSON Schema of a line of a golden set, for editors and for those who write one by program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.golden.identity import LONGEST_ID
from pytest_evalgate.golden.record import Row

if TYPE_CHECKING:
    from pytest_evalgate.data import Json


def json_schema() -> dict[str, Json]:
    """Return the schema of the canonical record. Fields that it does not name are kept in the metadata."""
    schema = Row.model_json_schema()
    named = {"id": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_ID}, {"type": "integer"}]}}
    return {
        **schema,
        "title": "A line of a golden set",
        "description": "One case; without an id, a digest of its content names it.",
        "properties": {**named, **schema["properties"]},
        "additionalProperties": True,
    }
