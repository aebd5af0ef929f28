"""Comparison of tool calls: the calls that a case expects, and the first difference of a call that was made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.cases import Json
from pytest_evalgate.scorers.compare import json_equal
from pytest_evalgate.scorers.text import format_value
from pytest_evalgate.scorers.trajectory import arguments_of, name_of, parse_arguments
from pytest_evalgate.text.jsonl import canonical, escape_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.scorers.trajectory import ToolCall

Arguments = Literal["equal", "subset", "one-of", "ignore"]
"""How the arguments of a call are compared with those of an expected call."""

LEFT_OUT: Final = ""
"""The accepted value of an argument that may be left out, in a list of accepted values."""

_MAX_NAMED: Final = 3  # accepted values that a reason names; the rest are counted
_WRAPPERS: Final = ("calls", "tool_calls", "actions")
_LOOSE: Final = re.compile(r"[ ,./\-_*^]")


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """A call that a case expects. ``arguments`` is None if any are right."""

    name: str
    arguments: Mapping[str, Json] | None = None

    def __str__(self) -> str:
        """Return the call for a reason."""
        name = escape_text(self.name)
        return name if self.arguments is None else f"{name}({format_value(dict(self.arguments))})"


def _check_list(value: Any) -> Any:
    if isinstance(value, str):  # to pydantic, it is a sequence of characters
        raise ValueError(f"must be a list: write [{format_value(value)}]")  # noqa: TRY004 - pydantic takes ValueError
    return value


CallList = Annotated[Sequence[Json], BeforeValidator(_check_list)]
"""Calls in a specification: names of tools, or objects with a name and arguments."""


def expected_calls(case: Case, given: Sequence[Json] | None = None) -> tuple[ExpectedCall, ...]:
    """Return the calls that a case expects: ``given``, else ``expected_tools``, else ``expected.calls``.

    In place of ``calls``, ``expected`` may have ``tool_calls`` or ``actions``. An empty list means that no call is
    expected.

    Raises:
        ScorerError: The case says nothing about its calls, or one of them cannot be read.
    """
    if given is not None:
        return read_calls(given, "calls")
    if case.expected_tools is not None:
        return read_calls(case.expected_tools, "expected_tools")
    wanted = case.expected
    for name in _WRAPPERS if isinstance(wanted, Mapping) else ():
        if isinstance(wanted.get(name), list | tuple):
            return read_calls(wanted[name], f"expected.{name}")
    raise ScorerError('no expected calls: add "expected_tools" to the case, [] if no tool should be called')


def read_calls(calls: Sequence[Json], place: str) -> tuple[ExpectedCall, ...]:
    """Read a list of expected calls: the name of a tool, or an object with a name and arguments."""
    return tuple(_read_call(call, f"{place}[{index}]") for index, call in enumerate(calls))


def _read_call(call: Json, place: str) -> ExpectedCall:
    if isinstance(call, str) and call.strip():
        return ExpectedCall(call)
    if not isinstance(call, Mapping) or not name_of(call):
        raise ScorerError(
            f"{place} is {format_value(call)}: write the name of a tool, or an object such as "
            '{"name": "search", "arguments": {"city": "Paris"}}'
        )
    arguments, problem = parse_arguments(arguments_of(call))
    if problem:
        raise ScorerError(f"{place}: {problem}")
    return ExpectedCall(name_of(call), arguments)


@dataclass(frozen=True, slots=True)
class CallComparison:
    """The way in which calls are compared.

    ``loose_text`` compares texts as BFCL does: without regard to case and to spaces and ``,./-_*^``; ' is ".
    ``ignored`` are the names of arguments that are not compared.
    """

    arguments: Arguments = "equal"
    loose_text: bool = False
    ignored: frozenset[str] = frozenset()

    def difference(self, wanted: ExpectedCall, made: ToolCall) -> str:
        """Return the first difference of a call from the expected one; empty if there is none."""
        if made.name != wanted.name:
            return f"{format_value(made.name)} instead of {format_value(wanted.name)}"
        if wanted.arguments is None or self.arguments == "ignore":
            return ""
        if made.arguments is None:
            return made.problem or "its arguments are not recorded"
        expected = {name: value for name, value in wanted.arguments.items() if name not in self.ignored}
        given = {name: value for name, value in made.arguments.items() if name not in self.ignored}
        return next(filter(None, (self._argument(name, expected[name], given) for name in expected)), "") or (
            "" if self.arguments == "subset" else self._unexpected(expected, given)
        )

    def identical(self, wanted: ExpectedCall, made: ToolCall) -> frozenset[str]:
        """Return the names of the arguments that are an expected value to the letter: 5.0 is not 5.

        With ``loose_text``, texts are in their loose form: BFCL's ground truth also differs in case from the values
        that its own schemas list.
        """
        form = loosened if self.loose_text else _unchanged
        return frozenset(
            name
            for name, value in (made.arguments or {}).items()
            if wanted.arguments is not None and name in wanted.arguments
            for accepted in self._alternatives(wanted.arguments[name])
            if accepted != LEFT_OUT and canonical(form(value)) == canonical(form(accepted))
        )

    def _alternatives(self, wanted: Json) -> Sequence[Json]:
        return _accepted(wanted) if self.arguments == "one-of" else [wanted]

    def _argument(self, name: str, wanted: Json, given: Mapping[str, Json]) -> str:
        accepted = self._alternatives(wanted)
        if name not in given:
            is_optional = self.arguments == "one-of" and LEFT_OUT in accepted
            return "" if is_optional else f"argument {format_value(name)} is missing"
        same = self._accepts if self.arguments == "one-of" else self._same
        if any(same(given[name], one) for one in accepted):
            return ""
        if len(accepted) == 1 and self.arguments != "one-of":
            return self._member(name, given[name], wanted)
        return f"argument {format_value(name)}: {format_value(given[name])} instead of {_format_accepted(accepted)}"

    def _member(self, path: str, value: Json, wanted: Json) -> str:
        """Return the first difference of a value that differs; of a long one, its member is named, not the whole."""
        if isinstance(value, Mapping) and isinstance(wanted, Mapping):
            for key in wanted:
                if key not in value:
                    return f"argument {format_value(f'{path}.{key}')} is missing"
                if not self._same(value[key], wanted[key]):
                    return self._member(f"{path}.{key}", value[key], wanted[key])
            return (
                f"argument {format_value(f'{path}.{next(key for key in value if key not in wanted)}')} is not expected"
            )
        if isinstance(value, list | tuple) and isinstance(wanted, list | tuple) and len(value) == len(wanted):
            pairs = enumerate(zip(value, wanted, strict=True))
            index = next(index for index, (one, other) in pairs if not self._same(one, other))
            return self._member(f"{path}.{index}", value[index], wanted[index])
        return f"argument {format_value(path)}: {format_value(value)} instead of {format_value(wanted)}"

    def _unexpected(self, expected: Mapping[str, Json], given: Mapping[str, Json]) -> str:
        more = [name for name in given if name not in expected]
        return f"argument {format_value(more[0])} is not expected" if more else ""

    def _accepts(self, value: Json, accepted: Json) -> bool:
        """Return whether a value is accepted. The members of an accepted object are lists of accepted values."""
        if isinstance(accepted, Mapping):
            if not isinstance(value, Mapping) or not value.keys() <= accepted.keys():
                return False
            return all(
                any(self._accepts(value[name], one) for one in _accepted(members))
                if name in value
                else LEFT_OUT in _accepted(members)
                for name, members in accepted.items()
            )
        if isinstance(accepted, list | tuple) and any(isinstance(one, Mapping) for one in accepted):
            is_list = isinstance(value, list | tuple) and len(value) == len(accepted)
            return is_list and all(map(self._accepts, value, accepted))
        return self._same(value, accepted)

    def _same(self, one: Json, other: Json) -> bool:
        return json_equal(loosened(one), loosened(other)) if self.loose_text else json_equal(one, other)


def _accepted(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else [value]


def _unchanged(value: Json) -> Json:
    return value


def _format_accepted(accepted: Sequence[Json]) -> str:
    """Return the accepted values for a reason."""
    named = [format_value(one) for one in accepted if one != LEFT_OUT] or ["nothing"]
    if len(named) == 1:
        return named[0]
    more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    return f"one of {', '.join(named[:_MAX_NAMED])}{more}"


def loosened(value: Json) -> Json:
    """Return a value with its texts in the form in which BFCL's checker compares them."""
    if isinstance(value, str):
        return _LOOSE.sub("", value).lower().replace("'", '"')
    if isinstance(value, Mapping):
        return {name: loosened(member) for name, member in value.items()}
    return [loosened(member) for member in value] if isinstance(value, list | tuple) else value


def pairs_in_order(rows: int, columns: int, fits: Callable[[int, int], bool]) -> list[tuple[int, int]]:
    """Return the longest list of pairs (row, column) that fit and whose rows and columns both increase."""
    lengths = [[0] * (columns + 1) for _ in range(rows + 1)]
    fitting = [[fits(row, column) for column in range(columns)] for row in range(rows)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            best = max(lengths[row + 1][column], lengths[row][column + 1])
            lengths[row][column] = max(best, fitting[row][column] + lengths[row + 1][column + 1])
    pairs: list[tuple[int, int]] = []
    row = column = 0
    while row < rows and column < columns:
        if fitting[row][column] and lengths[row][column] == 1 + lengths[row + 1][column + 1]:
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif lengths[row + 1][column] >= lengths[row][column + 1]:
            row += 1
        else:
            column += 1
    return pairs


def pairs_in_any_order(rows: int, columns: int, fits: Callable[[int, int], bool]) -> list[tuple[int, int]]:
    """Return a largest list of pairs (row, column) that fit, with each row and each column at most once.

    Two expected calls may accept the same call, so the first that fits is not always the right one: augmenting paths
    (Berge 1957), searched breadth first.
    """
    fitting = [[column for column in range(columns) if fits(row, column)] for row in range(rows)]
    row_of: dict[int, int] = {}
    for start in range(rows):
        reached: dict[int, int] = {}  # column: the row from which it was reached
        queue, end = [start], None
        while queue and end is None:
            row = queue.pop(0)
            for column in fitting[row]:
                if column in reached:
                    continue
                reached[column] = row
                if column not in row_of:
                    end = column
                    break
                queue.append(row_of[column])
        while end is not None:
            row = reached[end]
            freed = next((column for column, taken in row_of.items() if taken == row), None)
            row_of[end] = row
            end = freed
    return sorted((row, column) for column, row in row_of.items())
