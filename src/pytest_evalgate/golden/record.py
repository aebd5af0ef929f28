"""The canonical record: one row of a golden set, checked field by field and turned into a `Case`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case, Place
from pytest_evalgate.errors import LineProblem
from pytest_evalgate.golden.fingerprint import content_id, fingerprint
from pytest_evalgate.golden.identity import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

_NEAR = 0.82  # "tag", "inputs" and "wieght" are slips; "text", "idx" and "meta" are names of their own
_LONGEST_SLIP = 40
_ASKS = ("messages", "vars", "output")
_WORDS = {
    "dict_type": "an object",
    "finite_number": "finite",
    "float_type": "a number",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_type": "a whole number",
    "less_than_equal": "at most {le}",
    "string_type": "a string",
    "tuple_type": "a list",
}


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _with_role(message: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(message.get("role"), str):
        raise ValueError('needs a "role" that is a string, such as "user"')  # noqa: TRY004 - pydantic takes ValueError
    return message


def _reason_to_skip(value: Any) -> str | None:
    if value is None or value is False:
        return None
    if value is True:
        return "skipped in the golden set"
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be true, false or the reason as a string")
    return value


_Listed = Strict(strict=False)  # JSON has lists where the records have tuples; the members stay strict
_Values = Annotated[tuple[Any, ...], _Listed]
_Names = Annotated[tuple[str, ...], _Listed]
_Texts = Annotated[tuple[str, ...], _Listed, BeforeValidator(_one_or_many)]
_Objects = Annotated[tuple[dict[str, Any], ...], _Listed]
_Messages = Annotated[tuple[Annotated[dict[str, Any], AfterValidator(_with_role)], ...], _Listed]


class Row(BaseModel):
    """The fields of a row beside its id; null means the same as leaving the field out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    input: Any = None
    messages: _Messages | None = None
    vars: dict[str, Any] | None = None
    expected: Any = None
    expected_any: _Values | None = None
    rubric: str | None = None
    context: _Texts | None = None
    reference_context: _Texts | None = None
    output: Any = None
    trajectory: _Values | None = None
    expected_tools: _Values | None = None
    asserts: _Objects | None = None
    tags: _Names | None = None
    slice: dict[str, str] | None = None
    metadata: dict[str, Any] | None = None
    split: str | None = None
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    trials: Annotated[int, Field(ge=1, le=1000)] | None = None
    skip: Annotated[str | None, BeforeValidator(_reason_to_skip)] = None
    human_label: Any = None


_EMPTY = Row()
_CHECKED = frozenset(Row.model_fields)
FIELDS = _CHECKED | {"id"}
"""The names that a row of the canonical record may have."""


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """What became of a row: a case, or problems; ``id`` is known as soon as the row gives a good one."""

    id: str | None
    case: Case | None
    problems: tuple[LineProblem, ...] = ()


def parse_row(row: Mapping[str, Any], place: Place) -> ParsedRow:
    """Turn a row of the canonical record into a case, or list everything that is wrong with it.

    A field with an unknown name is kept in the metadata, unless the name is a near miss of a known one.
    """
    faults = [*_name_faults(row), *_question_faults(row)]
    name, checked = None, _EMPTY
    try:
        name = None if row.get("id") is None else normalise(row["id"])
    except ValueError as error:
        faults.append(("id", str(error)))
    try:
        checked = Row(**{field: value for field, value in row.items() if field in _CHECKED})
    except ValidationError as error:
        faults += [_explain(detail) for detail in error.errors(include_url=False)]
    if faults:
        return ParsedRow(name, None, tuple(LineProblem(place.file, place.line, *fault) for fault in faults))
    case = _case(name, row, checked, place)
    return ParsedRow(case.id, case)


def _case(name: str | None, row: Mapping[str, Any], checked: Row, place: Place) -> Case:
    given = {field: value for field in checked.model_fields_set if (value := getattr(checked, field)) is not None}
    if unknown := {field: value for field, value in row.items() if field not in FIELDS}:
        given["metadata"] = {**given.get("metadata", {}), **unknown}
    draft = Case(id=name or "", **given)
    return Case(id=name or content_id(draft), place=place, fingerprint=fingerprint(draft), **given)


def _name_faults(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metadata = row.get("metadata")
    for name in row:
        if name in FIELDS:
            continue
        if name == "_meta":
            yield name, "must be an object, alone on the first line"
        elif near := _near_miss(name):
            yield jsonl.visible(name), f'unknown field; did you mean "{near}"? If not, move it into metadata'
        elif isinstance(metadata, dict) and name in metadata:
            yield jsonl.visible(name), "stands in the row and in its metadata; keep one"


def _question_faults(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "input" not in row and not any(row.get(name) for name in _ASKS):
        yield "", 'asks nothing: give "input" (null where only a recorded output is graded), "messages" or "vars"'


@lru_cache(maxsize=256)  # 0.2 ms a name, and the same few names stand in every row
def _near_miss(name: str) -> str | None:
    if len(name) > _LONGEST_SLIP:
        return None
    return next(iter(difflib.get_close_matches(name.strip().lower(), sorted(FIELDS), n=1, cutoff=_NEAR)), None)


def _explain(detail: ErrorDetails) -> tuple[str, str]:
    field = "".join(
        f"[{part}]" if isinstance(part, int) else f".{jsonl.visible(part)}" for part in detail["loc"]
    ).removeprefix(".")
    if detail["type"] not in _WORDS:
        return field, detail["msg"].removeprefix("Value error, ")
    wanted = _WORDS[detail["type"]].format(**detail.get("ctx", {}))
    return field, f"must be {wanted}, not {jsonl.canonical(detail['input'])[:60]}"
