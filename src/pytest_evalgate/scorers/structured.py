"""Rules about outputs that are JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.results import Json  # noqa: TC001 - the builder reads it from the signature
from pytest_evalgate.scorers.text import any_expected, format_value, json_equal
from pytest_evalgate.text.jsonl import canonical, loads

if TYPE_CHECKING:
    from pytest_evalgate.records.results import Case, Graded, Output

_Path = tuple[str, ...]

_ABSENT: Final = object()
_MAX_NAMED: Final = 3  # how many fields that differ a reason names


def json_valid(case: Case, output: Output, /) -> Graded:  # noqa: ARG001 - every rule takes the case
    """Pass when the output is JSON: a value already, or text that parses strictly (no NaN, no duplicate keys)."""
    try:
        _parsed(output)
    except ValueError as error:
        return 0.0, str(error)
    return 1.0, "is JSON"


def json_fields(
    case: Case, output: Output, /, *, fields: Annotated[Mapping[str, Json], Field(min_length=1)] | None = None
) -> Graded:
    """Return the share of the wanted fields that the output has with the wanted value.

    Args:
        case: its ``expected`` is an object that has to be a part of the output, when there are no ``fields``; of
            several in ``expected_any`` the one that agrees best counts.
        output: an object or a list, or text that parses as one.
        fields: wanted value by dotted path; a number in a path is a place in a list, from 0.

    Raises:
        ScorerError: what the case expects is not an object, or an empty one.

    """
    choices = [_from_paths(fields)] if fields is not None else [_from_object(one) for one in any_expected(case)]
    try:
        got = _parsed(output)
    except ValueError as error:
        return 0.0, str(error)
    return max((_agreement(got, choice) for choice in choices), key=lambda graded: graded[0] or 0.0)


def _parsed(output: Output) -> Json:
    """Return the JSON value of an output; ValueError says why there is none."""
    if isinstance(output.value, str):
        return loads(output.value)
    if output.value is None:
        raise ValueError("the output is null")
    canonical(output.value)  # refuses NaN
    return output.value


def _from_paths(fields: Mapping[str, Json]) -> dict[_Path, Json]:
    return {
        path: value for dotted, wanted in fields.items() for path, value in _leaves(wanted, tuple(dotted.split(".")))
    }


def _from_object(wanted: Json) -> dict[_Path, Json]:
    if not isinstance(wanted, Mapping) or not wanted:
        raise ScorerError(f'"expected" is {format_value(wanted)}: json-fields needs an object with fields in it')
    return dict(_leaves(wanted, ()))


def _leaves(value: Json, path: _Path) -> Iterator[tuple[_Path, Json]]:
    """Yield what an object wants: its values by path; a list and an empty object are one value each."""
    if not isinstance(value, Mapping) or not value:
        yield path, value
        return
    for key, member in value.items():
        yield from _leaves(member, (*path, key))


def _agreement(got: Json, wanted: Mapping[_Path, Json]) -> Graded:
    found = {path: _at(got, path) for path in wanted}
    differing = [path for path, value in wanted.items() if not _agrees(found[path], value)]
    if not differing:
        return 1.0, f"all {len(wanted)} fields agree"
    named = (f"{'.'.join(path)}: wanted {format_value(wanted[path])}, got {_shown(found[path])}" for path in differing)
    more = f"; and {len(differing) - _MAX_NAMED} more" if len(differing) > _MAX_NAMED else ""
    reason = "; ".join(one for one, _ in zip(named, range(_MAX_NAMED), strict=False)) + more
    return 1 - len(differing) / len(wanted), reason


def _at(value: Json, path: _Path) -> Json:
    for key in path:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list | tuple) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _ABSENT
    return value


def _agrees(got: Json, wanted: Json) -> bool:
    if isinstance(wanted, Mapping):  # an empty object is a part of every object
        return isinstance(got, Mapping)
    return json_equal(got, wanted)


def _shown(value: Json) -> str:
    return "nothing" if value is _ABSENT else format_value(value)
