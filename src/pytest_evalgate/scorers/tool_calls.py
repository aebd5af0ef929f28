"""The rule ``tool-calls``: the calls that an agent made, compared with those that the case expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.cases import Json
from pytest_evalgate.scorers.call_match import (
    Arguments,
    CallComparison,
    CallList,
    ExpectedCall,
    expected_calls,
    pairs_in_any_order,
    pairs_in_order,
)
from pytest_evalgate.scorers.extras import requires
from pytest_evalgate.scorers.text import Text, format_value
from pytest_evalgate.scorers.tool_schema import EXTRA, LIBRARY, toolbox_of
from pytest_evalgate.scorers.trajectory import UnreadableTrajectoryError, trajectory_of
from pytest_evalgate.text.jsonl import escape_text

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output
    from pytest_evalgate.scorers.tool_schema import Toolbox
    from pytest_evalgate.scorers.trajectory import ToolCall

Mode = Literal["exact", "ordered", "unordered", "subset", "superset"]


def _installed(value: bool) -> bool:  # noqa: FBT001 - pydantic passes the value of the key
    return bool(requires(LIBRARY, EXTRA)(value)) if value else value


Schema = Annotated[bool, AfterValidator(_installed)]
Tools = Sequence[Json] | None

NOT_RECORDED: Final = "the output does not contain its tool calls"
_MAX_NAMED: Final = 8  # calls that a reason names; the rest are counted
REMEDY: Final = 'record "tool_calls", "messages" or "trajectory" beside it, [] if no tool was called'


def tool_calls(  # noqa: PLR0913 - its keywords are what users may write
    case: Case,
    output: Output,
    /,
    *,
    mode: Mode = "exact",
    args: Arguments = "equal",
    ignore_args: Sequence[Text] = (),
    loose_text: bool = False,
    graded: bool = False,
    schema: Schema = False,
    calls: CallList | None = None,
    tools: Tools = None,
) -> Graded:
    """Pass if the agent called the expected tools with the expected arguments.

    The expected calls are ``calls``, or else the case's ``expected_tools``, or the list ``calls``, ``tool_calls`` or
    ``actions`` in its ``expected``. A call is the name of a tool, if any arguments are right, or an object with a
    ``name`` and ``arguments``. An empty list means that no tool should be called.

    ``mode``: ``exact`` (these calls in this order, no others), ``ordered`` (in this order, others between them),
    ``unordered`` (in any order, no others), ``subset`` (no call that is not expected), ``superset`` (all expected
    calls, in any order, and others).

    ``args``: ``equal``, ``subset`` (all expected arguments, and others), ``ignore``, or ``one-of``: each argument has
    a list of accepted values, as in BFCL, in which ``""`` means that it may be left out. ``ignore_args`` are not
    compared. With ``loose_text``, texts are compared as by BFCL's checker: without regard to case, and without spaces
    and the characters ``,./-_*^``.

    With ``graded``, the value is the F1 of the calls: those in the expected order (the longest common subsequence) for
    ``exact`` and ``ordered``, those in any order for ``unordered``; their precision for ``subset``, their recall for
    ``superset``.

    With ``schema``, each call must name one of the tools (``metadata.tools`` of the case, else ``tools``, else those
    of the model target), with arguments that its JSON Schema accepts (extra ``schema``).

    If the output does not contain its calls, the score is unknown, or 0 if a call is expected.

    Raises:
        ScorerError: The case has no expected calls, or they or its tools cannot be read.
    """
    wanted = expected_calls(case, calls)
    comparison = CallComparison(args, loose_text, frozenset(ignore_args))
    toolbox = toolbox_of(case, tools) if schema else None
    if toolbox is not None:
        toolbox.check_names(call.name for call in wanted)
    try:
        trajectory = trajectory_of(case, output)
    except UnreadableTrajectoryError as error:
        return None, str(error)
    if trajectory is None:
        needs_call = bool(wanted) and mode != "subset"
        return (0.0, NOT_RECORDED) if needs_call else (None, f"{NOT_RECORDED}: {REMEDY}")
    return _Match(wanted, trajectory.calls, mode, comparison, toolbox).graded(by_share=graded)


@dataclass(frozen=True, slots=True)
class _Match:
    """The calls that were made, compared with the expected ones."""

    wanted: tuple[ExpectedCall, ...]
    made: tuple[ToolCall, ...]
    mode: Mode
    comparison: CallComparison
    toolbox: Toolbox | None

    def graded(self, *, by_share: bool) -> Graded:
        """Return the value and the reason: the first difference, or the calls."""
        pairs = self._pairs() if by_share or self.mode != "exact" else []
        difference = self._difference(pairs)
        if by_share:
            value, share = self._share(pairs)
            return value, f"{share}: {difference}" if difference else share
        if difference:
            return 0.0, difference
        return 1.0, f"calls {_format_names(self.made)}" if self.made else "no tool was called"

    def _pairs(self) -> list[tuple[int, int]]:
        """Return the pairs (index of an expected call, index of a call) that are the same."""
        find = pairs_in_order if self.mode in ("exact", "ordered") else pairs_in_any_order
        return find(len(self.wanted), len(self.made), lambda row, column: not self._problem(row, column))

    def _problem(self, row: int, column: int) -> str:
        """Return how a call differs from an expected one, or which of its arguments the schema refuses."""
        wanted, made = self.wanted[row], self.made[column]
        return self.comparison.difference(wanted, made) or self._schema_problem(made, wanted)

    def _schema_problem(self, made: ToolCall, wanted: ExpectedCall | None = None) -> str:
        if self.toolbox is None:
            return ""
        return self.toolbox.problem(made, () if wanted is None else self.comparison.identical(wanted, made))

    def _share(self, pairs: list[tuple[int, int]]) -> tuple[float, str]:
        made, wanted, found = len(self.made), len(self.wanted), len(pairs)
        if self.mode == "subset":
            return (found / made if made else 1.0), f"{found} of {made} calls are expected"
        if self.mode == "superset":
            paired = {column for _, column in pairs}
            others = [call for column, call in enumerate(self.made) if column not in paired]
            wanted += sum(self._schema_problem(call) != "" for call in others)  # one that should not have been made
            return (found / wanted if wanted else 1.0), f"{found} of {wanted} expected calls were made"
        total = made + wanted  # F1 = 2 * found / (made + wanted)
        return (2 * found / total if total else 1.0), f"{found} of {wanted} expected calls in {made}"

    def _difference(self, pairs: list[tuple[int, int]]) -> str:
        """Return the first difference; empty if the calls are right."""
        if self.mode == "exact":
            return self._first_by_position()
        missing = [row for row in range(len(self.wanted)) if row not in {row for row, _ in pairs}]
        extra = [column for column in range(len(self.made)) if column not in {column for _, column in pairs}]
        if missing and self.mode != "subset":
            return self._missing(missing[0], extra)
        if extra and self.mode in ("unordered", "subset"):
            return self._extra(extra[0], missing)
        return self._invalid(extra)

    def _first_by_position(self) -> str:
        for index, (row, column) in enumerate(zip(range(len(self.wanted)), range(len(self.made)), strict=False), 1):
            if problem := self._problem(row, column):
                return f"call {index}: {problem}"
        if len(self.made) > len(self.wanted):
            return self._extra(len(self.wanted), [])
        if len(self.made) < len(self.wanted):
            return f"call {len(self.made) + 1} is missing: {self.wanted[len(self.made)]}"
        return ""

    def _missing(self, row: int, extra: list[int]) -> str:
        """Return what is missing: the difference of a call of the same tool, if one is left over."""
        wanted = self.wanted[row]
        near = next((column for column in extra if self.made[column].name == wanted.name), None)
        if near is not None and (problem := self._problem(row, near)):
            return f"call {near + 1}: {problem}"
        if any(call.name == wanted.name for call in self.made):
            where = " in this order" if self.mode == "ordered" else ""
            return f"expected call {row + 1} was not made{where}: {wanted}"
        return f"{format_value(wanted.name)} was not called"

    def _extra(self, column: int, missing: list[int]) -> str:
        made = self.made[column]
        near = next((row for row in missing if self.wanted[row].name == made.name), None)
        if near is not None and (problem := self._problem(near, column)):
            return f"call {column + 1}: {problem}"
        if not self.wanted:
            return f"call {column + 1}: {format_value(made.name)}, but no tool should be called"
        return f"call {column + 1}: {format_value(made.name)} is one call too many"

    def _invalid(self, extra: list[int]) -> str:
        """Return the first problem of a call beside the expected ones, which the mode allows but not the schema."""
        problems = ((column, self._schema_problem(self.made[column])) for column in extra)
        return next((f"call {column + 1}: {problem}" for column, problem in problems if problem), "")


def _format_names(calls: Sequence[ToolCall]) -> str:
    more = f" and {len(calls) - _MAX_NAMED} more" if len(calls) > _MAX_NAMED else ""
    return ", ".join(escape_text(call.name) for call in calls[:_MAX_NAMED]) + more
