"""``verdict.json``: the contract that other tools read."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.data import Verdict
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.redaction import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.data import Json

SCHEMA = 1
_NO_KEYS = Redactor()


def encode(verdict: Verdict) -> dict[str, Json]:
    """Return what the file holds."""
    return {"schema": SCHEMA, **dataclasses.asdict(verdict)}


def write(verdict: Verdict, path: Path, redactor: Redactor = _NO_KEYS) -> Verdict:
    """Write the verdict whole or not at all, and return it as it stands there.

    ``redactor`` takes out the keys that a message may hold.
    """
    text = json.dumps(encode(verdict), indent=1, ensure_ascii=True, allow_nan=False)
    cleaned = redactor.clean(text)
    files.write_atomically(path, cleaned.encode("ascii") + b"\n")
    return verdict if cleaned == text else read(path)


def read(path: Path) -> Verdict:
    """Read a verdict back.

    Raises:
        RunFileError: it is missing, torn, malformed or of a newer schema.

    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise RunFileError(f"{path}: no verdict ({error.strerror}): the run was not judged") from None
    except ValueError as error:
        raise RunFileError(f"{path}: not a verdict: {error}") from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, int):
        raise RunFileError(f"{path}: not a verdict of pytest-evalgate")
    if schema > SCHEMA:
        raise RunFileError(f"{path}: schema {schema} is newer than {SCHEMA}: upgrade pytest-evalgate")
    return _decode(value, path)


def json_schema() -> dict[str, Json]:
    """Return the JSON Schema of the file."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - few processes read a verdict

    schema = TypeAdapter(Verdict).json_schema(mode="serialization")
    return {**schema, "properties": {"schema": {"const": SCHEMA}, **schema["properties"]}}


def _decode(value: Json, path: Path) -> Verdict:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - few processes read a verdict

    try:
        return TypeAdapter(Verdict).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise RunFileError(f"{path}: {place}: {first['msg']}") from None
