"""Rules for JSON documents that are valid by a JSON Schema (extra ``schema``): ``json-schema`` and ``contains-json``.

The library jsonschema-rs validates, by draft 2020-12 unless the schema names another draft in ``$schema``. It never
loads a schema over the network.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from pytest_evalgate.errors import ScorerError, UserError
from pytest_evalgate.scorers.extras import require
from pytest_evalgate.scorers.fences import without_fence
from pytest_evalgate.scorers.text import format_value, text_of
from pytest_evalgate.text import files
from pytest_evalgate.text.jsonl import canonical, escape_text, loads
from pytest_evalgate.text.problems import UNQUOTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded, Output

_LIBRARY: Final = "jsonschema_rs"
_GAVE_UP: Final = "Error executing regex"  # the library bounds backtracking, and does not tell this error from others
_MAX_NAMED: Final = 3  # problems that a reason names; the rest are counted
_MOST_STARTS: Final = 2_000
_MOST_READ: Final = 20_000_000
"""Bounds of the search for a document: brackets that begin none, and characters that are read for them. A text of
nothing but brackets would take time in proportion to the square of its length."""


def _usable(value: Any, info: ValidationInfo) -> Any:
    """Return a schema that can be used; a text is the path of its file, relative to the root folder."""
    try:
        schema = _from_file(value, (info.context or {}).get("root")) if isinstance(value, str) else value
        _validator(canonical(schema), formats=False)
    except (ScorerError, TypeError) as error:
        raise PydanticCustomError(UNQUOTED, "{message}", {"message": str(error)}) from error
    return schema


def _from_file(name: str, root: Path | None) -> Json:
    if root is None:
        raise ScorerError(f'"{name}" is a file, which only the configuration can name: write the schema itself')
    try:
        return loads(files.existing_path(root, name, name).read_bytes())
    except UserError as error:
        raise ScorerError(str(error).removeprefix(f"{name}: ")) from error
    except OSError as error:
        raise ScorerError(f"{name} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ScorerError(f"{name} is not JSON: {error}") from error


Schema = Annotated[Mapping[str, Any] | bool | str, AfterValidator(_usable)]
"""A JSON Schema, or the path of its file. It is compiled when the scorer is built."""


def json_schema(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    schema: Schema,
    formats: bool = False,
) -> Graded:
    """Pass if the output is a JSON document that is valid by ``schema``.

    The output is a JSON value, or text that parses strictly (no NaN, no duplicate keys), also in a code fence.
    ``schema`` is a table, or a file within the project. The default draft is 2020-12, in which ``format`` is no more
    than a note: with ``formats = true`` it is checked. Only references into the schema itself can be resolved.
    """
    try:
        document = _document(output)
    except ValueError as error:
        return 0.0, str(error)
    problems = _problems(document, schema, formats=formats)
    return (0.0, problems) if problems else (1.0, "is valid")


def contains_json(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    schema: Schema | None = None,
    formats: bool = False,
) -> Graded:
    """Pass if the output contains a JSON object or list, and one of them is valid by ``schema``, if given.

    The documents are searched for anywhere in the text, also in code fences; those inside of another one do not
    count. ``[1]`` in a text is a list. ``schema`` and ``formats`` are as for `json_schema`. The score is unknown
    (None) if the text has too many brackets to search.
    """
    documents = _Documents(text_of(output))
    first = None
    for document in documents:
        problems = "" if schema is None else _problems(document, schema, formats=formats)
        if not problems:
            return 1.0, f"contains {format_value(document)}"
        first = first or problems
    if documents.gave_up:
        return None, "the output has too many brackets to search for JSON"
    if first is None:
        return 0.0, documents.problem or "the output contains no JSON object and no list"
    return 0.0, f"none of its {documents.found} JSON documents is valid: {first}" if documents.found > 1 else first


def _document(output: Output) -> Json:
    """Return the JSON value of an output; raise ValueError with the reason if it is not JSON."""
    if isinstance(output.value, str):
        return loads(without_fence(output.value))
    if output.value is None:
        raise ValueError("the output is null")
    return json.loads(canonical(output.value))  # plain objects and lists, which the library needs


class _Documents:
    """The objects and lists in a text. ``problem`` is that of the first one that is no strict JSON."""

    def __init__(self, text: str) -> None:
        self.gave_up = False
        self.problem = ""
        self.found = 0
        self._text = text

    def __iter__(self) -> Iterator[Json]:
        text, start, starts, read = self._text, 0, 0, 0
        while (start := _next_bracket(text, start)) >= 0:
            try:
                _, end = _LENIENT.raw_decode(text, start)
            except (ValueError, RecursionError) as error:
                starts += 1
                read += getattr(error, "pos", len(text)) - start  # the place at which the decoder gave up
                if starts > _MOST_STARTS or read > _MOST_READ:
                    self.gave_up = True
                    return
                start += 1
                continue
            try:
                document = loads(text[start:end])
            except ValueError as error:
                self.problem = self.problem or str(error)
            else:
                self.found += 1
                yield document
            start = end


_LENIENT: Final = json.JSONDecoder(parse_int=len, parse_float=len)  # long integers would raise


def _next_bracket(text: str, start: int) -> int:
    found = [place for place in (text.find("{", start), text.find("[", start)) if place >= 0]
    return min(found, default=-1)


def _problems(document: Json, schema: Json, *, formats: bool) -> str:
    """Return why a document is not valid; empty if it is.

    Raises:
        ScorerError: A pattern of the schema takes too long on this document.
    """
    found = sorted(
        _validator(canonical(schema), formats=formats).iter_errors(document),
        key=lambda error: (len(error.instance_path), str(error.instance_path)),
    )
    if slow := next((error for error in found if error.message.startswith(_GAVE_UP)), None):
        raise ScorerError(f"{_named(slow)}: make the pattern of the schema simpler")
    named = [_named(error) for error in found[:_MAX_NAMED]]
    more = [f"and {len(found) - _MAX_NAMED} more"] if len(found) > _MAX_NAMED else []
    return "; ".join([*named, *more])


def _named(error: Any) -> str:
    place = ".".join(map(str, error.instance_path))
    message = escape_text(error.message, 120)
    return f"{escape_text(place)}: {message}" if place else message


def _refuse(address: str) -> Json:
    raise ValueError(f"{address} is not loaded")


@functools.lru_cache(maxsize=256)
def _validator(schema: str, *, formats: bool) -> Any:
    """Compile a schema, given as canonical JSON.

    Raises:
        ScorerError: The library is not installed, or the schema is malformed or refers to another document.
    """
    library = require(_LIBRARY, "schema")
    try:
        return library.validator_for(json.loads(schema), validate_formats=formats, retriever=_refuse)
    except ValueError as problem:
        error: Any = problem  # of the library, which has no other one
        if error.kind.name == "$ref":
            message = error.message.partition(" is not present")[0].removesuffix(" does not exist")
            raise ScorerError(f"{message} cannot be resolved: a schema may refer to its own $defs only") from None
        raise ScorerError(f"not a JSON Schema: {_named(error)}") from None
