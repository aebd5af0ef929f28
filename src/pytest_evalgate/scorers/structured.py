"""Rules for outputs that are JSON: ``json-valid`` and ``json-fields``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.cases import Json  # noqa: TC001 - read at run time from the signature
from pytest_evalgate.scorers.compare import comparable, json_equal, keyed
from pytest_evalgate.scorers.text import any_expected, format_value
from pytest_evalgate.text.jsonl import canonical, loads

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

_Path = tuple[str, ...]

_ABSENT: Final = object()
_MAX_NAMED: Final = 3  # different fields that a reason names; the rest are counted


def json_valid(case: Case, output: Output, /) -> Graded:  # noqa: ARG001 - every rule takes the case
    """Pass if the output is a JSON value, or text that parses strictly (no NaN, no duplicate keys)."""
    try:
        _parsed(output)
    except ValueError as error:
        return 0.0, str(error)
    return 1.0, "is JSON"


def json_fields(
    case: Case, output: Output, /, *, fields: Annotated[Mapping[str, Json], Field(min_length=1)] | None = None
) -> Graded:
    """Return the share of the expected fields that have the expected value in the output.

    ``fields`` contains the expected values by dotted path; a number in a path is an index in a list, from 0. Without
    ``fields``, the case's ``expected`` is the object that the output has to include; of several in ``expected_any``,
    the best match counts. The output is an object or a list, or text that parses as one.

    Raises:
        ScorerError: The expected value of the case is not an object, or has no fields.
    """
    choices = wanted_fields(case, fields=fields)
    try:
        got = _parsed(output)
    except ValueError as error:
        return 0.0, str(error)
    return max((_agreement(got, choice) for choice in choices), key=lambda graded: graded[0] or 0.0)


def wanted_fields(
    case: Case, *, fields: Mapping[str, Json] | None = None, **_others: object
) -> list[dict[_Path, Json]]:
    """Return the expected fields, once for each alternative; raise ScorerError if an expected value has none."""
    if fields is None:
        return [_fields_of(wanted) for wanted in any_expected(case)]
    return [{path: value for key in fields for path, value in _leaves(fields[key], tuple(key.split(".")))}]


def _parsed(output: Output) -> Json:
    """Return the JSON value of an output; raise ValueError with the reason if it is not JSON."""
    if isinstance(output.value, str):
        return loads(output.value)
    if output.value is None:
        raise ValueError("the output is null")
    canonical(output.value)  # raises ValueError for NaN
    return output.value


def _fields_of(wanted: Json) -> dict[_Path, Json]:
    if not isinstance(wanted, Mapping) or not wanted:
        raise ScorerError(f'"expected" is {format_value(wanted)}: json-fields needs an object with at least one field')
    return dict(_leaves(wanted, ()))


def _leaves(value: Json, path: _Path) -> Iterator[tuple[_Path, Json]]:
    """Yield the values of an object by path; a list and an empty object count as one value each."""
    if not isinstance(value, Mapping) or not value:
        yield path, value
        return
    for key, member in value.items():
        yield from _leaves(member, (*path, key))


def _agreement(got: Json, wanted: Mapping[_Path, Json]) -> Graded:
    found = {path: _at(got, path) for path in wanted}
    differing = [
        path
        for path, value in wanted.items()
        # an expected empty object matches every object
        if not (isinstance(found[path], Mapping) if isinstance(value, Mapping) else json_equal(found[path], value))
    ]
    if not differing:
        return 1.0, f"all {len(wanted)} fields agree"
    named = [
        f"{'.'.join(path)}: wanted {format_value(wanted[path])}, got "
        f"{'nothing' if found[path] is _ABSENT else format_value(found[path])}"
        for path in differing[:_MAX_NAMED]
    ]
    more = [f"and {len(differing) - _MAX_NAMED} more"] if len(differing) > _MAX_NAMED else []
    reason = "; ".join([*named, *more])
    return 1 - len(differing) / len(wanted), reason


def _at(value: Json, path: _Path) -> Json:
    for key in path:
        members = keyed(value) if isinstance(value, Mapping) else {}
        if comparable(key) in members or key in members:
            value = members[comparable(key) if comparable(key) in members else key]
        elif isinstance(value, list | tuple) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _ABSENT
    return value
