"""Canonical rows of golden sets, and their cases: fields, ids and fingerprints.

`parse_row` is the entry. Two runs are compared by fingerprints: an equal fingerprint shows that a case did not change,
an equal digest that a golden set did not.
"""

from __future__ import annotations

import difflib
import sys
import unicodedata
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.problems import InvalidKey, explain, format_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.cases import GoldenSet


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _objects(example: str) -> BeforeValidator:
    """Return the check of a list of objects; the message about another value shows ``example``."""

    def check(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            raise ValueError(f"must be a list of objects, such as {example}")  # noqa: TRY004 - pydantic takes ValueError
        for index, one in enumerate(value):
            if not isinstance(one, dict):
                raise InvalidKey((index,), f"must be an object, not {format_value(one, 'json')}, as in {example}")
        return value

    return BeforeValidator(check)


def _notes(value: Any) -> Any:
    if isinstance(value, list):
        value = tuple(value)
        if not value or not all(isinstance(note, str) and note.strip() for note in value):
            raise ValueError('must be a text or a list of texts, such as ["names the period", "is polite"]')
    return value


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


_Listed = Strict(strict=False)  # JSON lists become tuples; the members stay strict
_Values = Annotated[tuple[Any, ...], _Listed]
_Names = Annotated[tuple[str, ...], _Listed]
_Texts = Annotated[tuple[str, ...], _Listed, BeforeValidator(_one_or_many)]
_Notes = Annotated[str | tuple[str, ...], BeforeValidator(_notes)]
_Objects = Annotated[tuple[dict[str, Any], ...], _Listed, _objects('[{"kind": "contains", "value": "30 days"}]')]
_Messages = Annotated[
    tuple[Annotated[dict[str, Any], AfterValidator(_with_role)], ...],
    _Listed,
    _objects('[{"role": "user", "content": "..."}]'),
]


class GoldenRow(BaseModel):
    """The fields of a row without its id. Null means that the field is absent."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    input: Any = None
    messages: _Messages | None = None
    vars: dict[str, Any] | None = None
    expected: Any = None
    expected_any: _Values | None = None
    rubric: _Notes | None = None
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
    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    skip: Annotated[str | None, BeforeValidator(_reason_to_skip)] = None
    human_label: Any = None


_CHECKED: Final = frozenset(GoldenRow.model_fields)
FIELDS: Final = _CHECKED | {"id"}
"""The names of the fields of a canonical row."""

_EMPTY: Final = GoldenRow()
_SIMILARITY: Final = 0.82  # "tag", "inputs" and "wieght" are typing errors; "text", "idx" and "meta" are other names
_LONGEST_TYPO: Final = 40


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """The result of parsing a row: a case or problems. ``id`` is set if it is valid, even with problems."""

    id: str | None
    case: Case | None
    problems: tuple[LineProblem, ...] = ()


def parse_row(row: Mapping[str, Any], place: Place) -> ParsedRow:
    """Parse a canonical row into a case, or list all of its problems.

    A field with an unknown name goes into the metadata, unless the name is close to that of a known field.
    """
    problems = list(_name_problems(row))
    if "input" not in row and not any(row.get(name) for name in ("messages", "vars", "output")):
        problems.append(
            ("", 'has no input: add "input" (null if only a recorded output is graded), "messages" or "vars"')
        )
    name, checked = None, _EMPTY
    try:
        name = None if row.get("id") is None else normalise(row["id"])
    except ValueError as error:
        problems.append(("id", str(error)))
    known = {field: value for field, value in row.items() if field in _CHECKED}
    try:
        checked = GoldenRow(**known)
    except ValidationError as error:
        problems += [(problem.key, problem.message) for problem in explain(error, known, language="json")]
    if problems:
        return ParsedRow(name, None, tuple(LineProblem(place.file, place.line, *problem) for problem in problems))
    given = {field: value for field in checked.model_fields_set if (value := getattr(checked, field)) is not None}
    if unknown := {field: value for field, value in row.items() if field not in FIELDS}:
        given["metadata"] = {**given.get("metadata", {}), **unknown}
    draft = Case(id=name or "", **given)
    # an id from the content, because a line number would change with every row that is added above
    case_id = name or jsonl.digest(_identity(draft))[:12]
    case = Case(id=case_id, place=place, fingerprint=fingerprint(draft), **given)
    return ParsedRow(case.id, case)


def _name_problems(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metadata = row.get("metadata")
    for name in row:
        if name in FIELDS:
            continue
        if name == "_meta":
            yield name, "must be an object, alone on the first line"
        elif near := _near_miss(name):
            yield jsonl.escape_text(name), f'unknown field; did you mean "{near}"? If not, move it into metadata'
        elif isinstance(metadata, dict) and name in metadata:
            yield jsonl.escape_text(name), "is both in the row and in its metadata; keep one"


@lru_cache(maxsize=256)  # a search takes 0.2 ms, and all rows have the same few names
def _near_miss(name: str) -> str | None:
    if len(name) > _LONGEST_TYPO:
        return None
    near = difflib.get_close_matches(name.strip().lower(), sorted(FIELDS), n=1, cutoff=_SIMILARITY)
    return next(iter(near), None)


LONGEST_ID: Final = 200
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})  # control, zero-width, bidirectional, line break


def normalise(given: Any) -> str:
    """Return the id of a row, a string or a whole number, as NFC text.

    Raises:
        ValueError: The value cannot be an id; the message is the reason.
    """
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise ValueError(  # noqa: TRY004 - one error type for all problems
            f"must be a string or a whole number, not {jsonl.canonical(given)[:60]}"
        )
    name = unicodedata.normalize("NFC", str(given))
    if problem := _id_problem(name):
        raise ValueError(f"{jsonl.quote_text(name)} {problem}")
    return sys.intern(name)  # the case, the plan, the recordings and the results all contain it


_NOT_IN_IDS: Final = {
    "::": "which separates the parts of a test name",
    "##[": "which starts a command of GitHub runners: they run it in every log",
}


def _id_problem(name: str) -> str:
    if not name:
        return "is empty; remove the field to get an id that is generated from the content"
    if len(name) > LONGEST_ID:
        return f"is {len(name)} characters long, at most {LONGEST_ID}"
    if name != name.strip():
        return "starts or ends with white space"
    for text, reason in _NOT_IN_IDS.items():
        if text in name:
            return f'contains "{text}", {reason}'
    for character in name:
        if unicodedata.category(character) in _INVISIBLE:
            return f"contains the invisible character U+{ord(character):04X}"
    return ""


def duplicate_ids(named: Iterable[tuple[str, Place]]) -> list[LineProblem]:
    """Return a problem for each id that an earlier line of the same file has."""
    return [_duplicate(name, place, f"line {first.line}") for name, place, first in _repeats(named)]


def check_unique(sets: Iterable[GoldenSet]) -> list[LineProblem]:
    """Return a problem for each id that occurs again in ``sets``, the golden sets of one suite."""
    cases = [case for golden in sets for case in golden]
    at_base = {case.id: case.golden_id for case in cases if case.side == "base"}
    return [
        _taken_by_base(name, first, at_base[name]) if name in at_base else _duplicate(name, place, str(first))
        for name, place, first in _repeats((case.id, case.place) for case in cases)
    ]


def _repeats(named: Iterable[tuple[str, Place]]) -> Iterator[tuple[str, Place, Place]]:
    """Yield each repeated id, its place, and the place of its first occurrence."""
    first: dict[str, Place] = {}
    for name, place in named:
        if name in first:
            yield name, place, first[name]
        else:
            first[name] = place


def _taken_by_base(name: str, place: Place, golden_id: str) -> LineProblem:
    """Return the problem of a case whose id is that of another case in its form at the base branch."""
    of = f"in this run, {jsonl.quote_text(name)} is case {jsonl.quote_text(golden_id)} as the base branch has it"
    return LineProblem(place.file, place.line, "id", f"{of}: rename this case")


def _duplicate(name: str, place: Place, where: str) -> LineProblem:
    return LineProblem(place.file, place.line, "", f"duplicate id {jsonl.quote_text(name)} (first at {where})")


_DEFAULTS: Final = {field.name: getattr(Case(""), field.name) for field in fields(Case)}


class _NonDefaults:
    """Reader of the named fields of a case that differ from their defaults; called at least twice for every row."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._read = attrgetter(*names)
        self._defaults = tuple(_DEFAULTS[name] for name in names)

    def __call__(self, case: Case) -> dict[str, Any]:
        columns = zip(self._names, self._read(case), self._defaults, strict=True)
        return {name: value for name, value, default in columns if value is not default and value != default}


_IDENTITY: Final = ("input", "messages", "vars", "expected")
_GRADED: Final = ("expected_any", "rubric", "context", "reference_context", "expected_tools", "asserts", "threshold")
COMPARED: Final = (*_IDENTITY, *_GRADED)
"""The fields of a fingerprint."""

_identity = _NonDefaults(*_IDENTITY)
_graded_fields = _NonDefaults(*COMPARED)
_whole_row = _NonDefaults(*(name for name in _DEFAULTS if name not in {"place", "fingerprint"}))


def canonical_row(case: Case) -> dict[str, Any]:
    """Return a case as a row of a golden set: its id and the fields that differ from their defaults."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in _whole_row(case).items()}
    needs_input = case.input is None and not case.messages and not case.vars
    return {"id": given.pop("id"), **({"input": None} if needs_input else {}), **given}


def fingerprint(case: Case) -> str:
    """Return the SHA-256 of the question and the expected values, in hexadecimal; tags and metadata do not count.

    Fields with their default are left out, so that a field added to `Case` later changes no fingerprint.
    """
    return jsonl.digest(_graded_fields(case))


def set_digest(cases: Iterable[Case]) -> str:
    """Return the SHA-256 of all fields of all cases, in hexadecimal; the order and the lines do not count."""
    return jsonl.digest(sorted([case.id, row_digest(case)] for case in cases))


def row_digest(case: Case) -> str:
    """Return the SHA-256 of all fields of a case, in hexadecimal; its line does not count."""
    return jsonl.digest(_whole_row(case))
