"""Part of an output at a path, for scorers with a ``field``.

A path has parts with dots between them: keys of objects, indexes of lists (from 0; -1 is the last member), and ``*``
for all members of a list or an object.

* ``answer.text``: a part of the output. Text is parsed as JSON first.
* ``metadata.x``, ``trajectory.x``, ``messages.x``, ``context.x``: a part of what the output has beside its value, if
  the output itself does not have the first key. ``trajectory`` is the list of the agent's calls, each with ``name``,
  ``arguments``, ``result`` and ``error``; ``context`` is that of the output, else that of the case.
* ``output.x``: always a part of the output itself.

With ``*``, the part is the list of the values, with null for a member that has none: ``trajectory.*.name``. ``exact``,
``one-of``, ``json-fields`` and ``tool-calls`` compare a list as a list, rankings read it as the ranking, ``number``
reads the numbers of its members, and all other rules and judges grade its JSON text: ``contains`` finds a text in any
member.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import TRAJECTORY_KEYS
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Output

_OUTPUT: Final = "output"
_BESIDE: Final = ("metadata", "trajectory", "messages", "context")
_ABSENT: Final = object()


class NoPartError(Exception):
    """An output without the part; the message is the reason of the score."""


def part_of(output: Output, path: str, case: Case | None = None) -> Output:
    """Return ``output`` with the value at ``path``, as the module describes; ``case`` has the context of the case.

    There is no trajectory beside it, so that a rule on trajectories reads the one at ``path``.

    Raises:
        NoPartError: There is no such value, or it is null.
    """
    parts = path.split(".")
    value, problem = _parsed(output.value)
    if parts[0] == _OUTPUT:
        found = value if len(parts) == 1 else _at(value, parts[1:])
    elif parts[0] in _BESIDE and not (isinstance(value, Mapping) and parts[0] in value):
        problem = ""
        found = _at(_beside(case or Case(""), output, parts[0]), parts[1:])
    else:
        found = _at(value, parts)
    if found is _ABSENT or found is None:
        raise NoPartError(f"the output has no {path}" + (f": {problem}" if problem else ""))
    metadata = {name: member for name, member in output.metadata.items() if name not in TRAJECTORY_KEYS}
    return replace(output, value=found, metadata=metadata)


def has_part(output: Output, path: str, case: Case | None = None) -> bool:
    """Return whether `part_of` finds a value."""
    try:
        part_of(output, path, case)
    except NoPartError:
        return False
    return True


def reads_trajectory(path: str | None) -> bool:
    """Return whether the value at ``path`` may be a part of the trajectory."""
    return path is not None and path.partition(".")[0] == "trajectory"


def _parsed(value: Json) -> tuple[Json, str]:
    """Return the value of an output, parsed if it is text, and why text could not be parsed."""
    if not isinstance(value, str):
        return value, ""
    try:
        return jsonl.loads(value), ""
    except ValueError as error:
        return value, str(error)


def _beside(case: Case, output: Output, name: str) -> Json:
    if name == "metadata":
        return output.metadata
    if name == "context":
        return output.metadata.get("context") or list(case.context) or None
    if name == "messages":
        return output.metadata.get("messages")
    from pytest_evalgate.scorers.trajectory import (  # noqa: PLC0415 - it imports rules, which only their suites need
        UnreadableTrajectoryError,
        trajectory_of,
    )

    try:
        trajectory = trajectory_of(case, output)
    except UnreadableTrajectoryError as error:
        raise NoPartError(str(error)) from error
    return None if trajectory is None else [call.as_json for call in trajectory.calls]


def _at(value: Json, parts: Sequence[str]) -> Any:
    """Return the value at the path ``parts``; `_ABSENT` if there is none."""
    for index, part in enumerate(parts):
        if part == "*":
            members = list(value.values()) if isinstance(value, Mapping) else value
            if not isinstance(members, list | tuple):
                return _ABSENT
            rest = parts[index + 1 :]
            found = [_at(member, rest) for member in members]
            if "*" in rest:  # one list, however many levels have several members
                return [one for inner in found for one in (inner if isinstance(inner, list) else [None])]
            return [None if one is _ABSENT else one for one in found]
        value = _member(value, part)
        if value is _ABSENT:
            return _ABSENT
    return value


def _member(value: Json, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, _ABSENT)
    if isinstance(value, list | tuple) and part.removeprefix("-").isdecimal():
        index = int(part)
        return value[index] if -len(value) <= index < len(value) else _ABSENT
    return _ABSENT
