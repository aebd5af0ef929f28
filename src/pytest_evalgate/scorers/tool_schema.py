"""Tools that an agent may call, and the validation of a call's arguments against their JSON Schemas.

Tools are written as OpenAI's APIs write them (``{"type": "function", "function": {...}}`` or flat), as Anthropic does
(``input_schema``), or bare, with ``name`` and ``parameters``. An argument that a schema does not list is a problem,
unless the schema has ``additionalProperties``.

Schemas that use names of Python types (``dict``, ``float``, ``tuple``, ``any``) are those of BFCL, and are read as its
checker reads them: an ``integer`` is written without a decimal point, and a ``float`` may be a whole number.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers.extras import require
from pytest_evalgate.scorers.text import format_value
from pytest_evalgate.scorers.trajectory import name_of
from pytest_evalgate.text.jsonl import canonical, escape_text, loads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.scorers.trajectory import ToolCall

LIBRARY: Final = "jsonschema_rs"
EXTRA: Final = "schema"

_PYTHON_TYPES: Final = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "list": "array",
    "str": "string",
    "int": "integer",
    "bool": "boolean",
}
_ANY: Final = "any"
_LONGEST_MESSAGE: Final = 200
_SUBSCHEMAS: Final = ("properties", "$defs", "definitions")
_SCHEMA_KEYS: Final = ("parameters", "input_schema", "inputSchema")
_SEVERAL: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The parameter schemas of the tools of a case, by name."""

    schemas: Mapping[str, Mapping[str, Json]]

    def check_names(self, names: Iterable[str]) -> None:
        """Raise ScorerError if a tool that the case or the scorer names does not exist."""
        for name in names:
            if name not in self.schemas:
                raise ScorerError(f"{format_value(name)} is not one of the tools: {self._named()}")

    def problem(self, call: ToolCall, excepted: Collection[str] = ()) -> str:
        """Return the first problem of a call; empty if the tool exists and its schema accepts the arguments.

        ``excepted`` are the names of arguments that are right even if the schema refuses them.
        """
        if call.name not in self.schemas:
            return f"{format_value(call.name)} is not one of the tools: {self._named()}"
        if call.arguments is None:
            return call.problem or "its arguments are not recorded"
        for path, message in _problems(self.schemas[call.name], dict(call.arguments)):
            if not path:
                return message
            if path[0] not in excepted:
                return f"argument {format_value('.'.join(map(str, path)))}: {message}"
        return ""

    def _named(self) -> str:
        return ", ".join(map(escape_text, self.schemas)) or "there are none"


def toolbox_of(case: Case, tools: Sequence[Json] | None = None) -> Toolbox:
    """Return the tools of a case: its ``metadata.tools``, else ``tools``, which the scorer or its target has.

    Raises:
        ScorerError: There are none, or one of them cannot be read.
    """
    own = case.metadata.get("tools")
    listed = [own] if isinstance(own, Mapping) else own
    if listed is None:
        listed = tools
    if listed is None:
        raise ScorerError('schema = true needs the tools: add them as "tools" to the scorer or to the metadata')
    if not isinstance(listed, list | tuple):
        raise ScorerError(f"the tools are {format_value(listed)}: write a list of tools")
    return Toolbox(dict(_tool(tool, index) for index, tool in enumerate(listed)))


def _tool(tool: Json, index: int) -> tuple[str, Mapping[str, Json]]:
    inner = tool.get("function", tool) if isinstance(tool, Mapping) else None
    name = name_of(tool) if isinstance(tool, Mapping) else ""
    if not isinstance(inner, Mapping) or not name:
        raise ScorerError(f'tools[{index}] is {format_value(tool)}: write {{"name": "...", "parameters": {{...}}}}')
    schema: Any = next((inner[key] for key in _SCHEMA_KEYS if isinstance(inner.get(key), Mapping)), {})
    try:
        _compiled(canonical(schema))
    except ValueError as error:
        raise ScorerError(f"tools[{index}] ({name}): its parameters are no JSON Schema: {error}") from error
    return name, schema


def _problems(schema: Mapping[str, Json], arguments: Mapping[str, Json]) -> Iterable[tuple[list[Any], str]]:
    compiled = _compiled(canonical(schema))
    for error in compiled.validator.iter_errors(arguments):
        yield list(error.instance_path), escape_text(error.message, _LONGEST_MESSAGE)
    if compiled.is_python:
        yield from _not_whole(schema, arguments, [])


@dataclass(frozen=True, slots=True)
class _Compiled:
    validator: Any
    is_python: bool


@functools.lru_cache(maxsize=1024)  # compiling takes 30 us, and the cases of a golden set share their tools
def _compiled(schema: str) -> _Compiled:
    given = loads(schema)
    is_python = _has_python_types(given)
    standard = _standard(given) if is_python else given
    standard.setdefault("type", "object")
    if "properties" in standard and not any(key in standard for key in _SEVERAL):
        standard.setdefault("additionalProperties", False)
    return _Compiled(require(LIBRARY, EXTRA).validator_for(standard, retriever=_refuse), is_python)


def _refuse(address: str) -> Any:
    """Refuse to load the schema at an address: a row must not make a run send requests or read files."""
    raise ValueError(f"{address} is not loaded")


def _has_python_types(schema: Json) -> bool:
    if not isinstance(schema, Mapping):
        return isinstance(schema, list) and any(map(_has_python_types, schema))
    kind = schema.get("type")
    if isinstance(kind, str) and (kind in _PYTHON_TYPES or kind == _ANY):
        return True
    return any(map(_has_python_types, schema.values()))


def _standard(schema: Json) -> Any:
    """Return a schema with the types of JSON Schema in place of those of Python."""
    if not isinstance(schema, Mapping):
        return [_standard(one) for one in schema] if isinstance(schema, list) else schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SUBSCHEMAS and isinstance(value, Mapping):
            made[key] = {name: _standard(member) for name, member in value.items()}
        elif key == "type" and isinstance(value, str):
            if value != _ANY:
                made[key] = _PYTHON_TYPES.get(value, value)
        elif key in ("items", *_SEVERAL):
            made[key] = _standard(value)
        elif key not in ("default", "optional"):
            made[key] = value
    return made


def _not_whole(schema: Json, value: Json, path: list[Any]) -> Iterable[tuple[list[Any], str]]:
    """Yield the numbers with a decimal point at which a schema of BFCL has an integer; Python's 5.0 is not an int."""
    if not isinstance(schema, Mapping):
        return
    if schema.get("type") in ("integer", "int") and isinstance(value, float):
        yield path, f"{value} is written with a decimal point, and the type is integer"
    if isinstance(value, Mapping) and isinstance(schema.get("properties"), Mapping):
        for name, member in value.items():
            yield from _not_whole(schema["properties"].get(name), member, [*path, name])
    if isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from _not_whole(schema.get("items"), member, [*path, index])
