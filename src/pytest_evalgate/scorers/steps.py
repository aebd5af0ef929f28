"""The rule ``steps``: limits and constraints on the steps of an agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_evalgate.records.cases import Json
from pytest_evalgate.scorers.call_match import CallComparison, CallList, ExpectedCall, read_calls
from pytest_evalgate.scorers.compare import json_equal
from pytest_evalgate.scorers.text import Text, format_value
from pytest_evalgate.scorers.tool_calls import NOT_RECORDED, REMEDY, Schema
from pytest_evalgate.scorers.tool_schema import toolbox_of
from pytest_evalgate.scorers.trajectory import UnreadableTrajectoryError, trajectory_of
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output
    from pytest_evalgate.scorers.tool_schema import Toolbox
    from pytest_evalgate.scorers.trajectory import ToolCall, Trajectory

Most = Annotated[int, Field(ge=0)]
Names = Annotated[Sequence[Text], Field(min_length=2)]

_CONSTRAINTS: Final = ("max", "max_calls", "must", "must_not", "order", "answer", "recovers", "schema")
_MAX_NAMED: Final = 3  # problems that a reason names; the rest are counted


def _check_something(tools: Any, info: ValidationInfo) -> Any:
    """Check that the scorer constrains something; ``tools`` is its last key, so that all others are known."""
    given = info.data
    values = [given.get(name) for name in _CONSTRAINTS]
    if given.get("loop", True) and all(one is None or one is False or one in ((), []) for one in values):
        raise ValueError(f"there is nothing to check: give loop = false, or one of {', '.join(_CONSTRAINTS)}")
    return tools


Tools = Annotated[Sequence[Json] | None, Field(validate_default=True), AfterValidator(_check_something)]


def steps(  # noqa: PLR0913 - its keywords are what users may write
    case: Case,
    output: Output,
    /,
    *,
    max: Most | None = None,  # noqa: A002 - the name that users write
    max_calls: Most | None = None,
    loop: bool = True,
    must: CallList = (),
    must_not: CallList = (),
    order: Names | Sequence[Names] = (),
    answer: bool = False,
    recovers: bool = False,
    schema: Schema = False,
    tools: Tools = None,
) -> Graded:
    """Pass if the steps of the agent meet every constraint.

    * ``max``: at most this number of steps. A message of the agent is one step, with all of its calls; a call that is
      recorded outside of a message is a separate step. ``max_calls``: at most this number of calls.
    * ``loop = false``: no call is repeated with the same tool, the same arguments and the same result.
    * ``must``, ``must_not``: calls that the agent has to make, and those that it must not make: names of tools, or
      objects with a ``name`` and ``arguments``, which a call has beside others.
    * ``order``: tools, each of which is called only after the one before it in the list; or several such lists.
    * ``answer``: the last step is an answer, not a call.
    * ``recovers``: after each call that failed, a later call succeeds. A call failed if its result is marked as an
      error, is an object with an ``error``, or is text that begins with "Error".
    * ``schema``: each call names one of the tools, with arguments that its schema accepts, as for `tool-calls`.

    The score is unknown if the output does not contain its calls, or not the results or arguments that a constraint
    needs.

    Raises:
        ScorerError: A call of ``must`` or ``must_not``, or a tool, cannot be read.
    """
    toolbox = toolbox_of(case, tools) if schema else None
    wanted, banned = read_calls(must, "must"), read_calls(must_not, "must_not")
    try:
        trajectory = trajectory_of(case, output)
    except UnreadableTrajectoryError as error:
        return None, str(error)
    if trajectory is None:
        return None, f"{NOT_RECORDED}: {REMEDY}"
    made = trajectory.calls
    found: list[Graded] = [
        *_over(trajectory, max, max_calls),
        *_missing(made, wanted),
        *_banned(made, banned),
        *(problem for chain in _chains(order) for problem in _disorder(made, chain)),
        *(() if loop else _repeated(made)),
        *(_unrecovered(made) if recovers else ()),
        *(_invalid(made, toolbox) if toolbox is not None else ()),
        *([(0.0, "the last step is not an answer")] if answer and not trajectory.has_answer else []),
    ]
    problems = [reason for value, reason in found if value is not None]
    if problems:
        more = f" and {len(problems) - _MAX_NAMED} more" if len(problems) > _MAX_NAMED else ""
        return 0.0, "; ".join(problems[:_MAX_NAMED]) + more
    if found:
        return found[0]
    return 1.0, f"{count(len(trajectory.steps), 'step')}, {count(len(made), 'call')}"


Found = Iterator["Graded"]
"""What a constraint finds: (0, problem), or (None, reason) if it cannot tell."""


def _chains(order: Sequence[Any]) -> Sequence[Sequence[str]]:
    return [order] if order and isinstance(order[0], str) else order


def _over(trajectory: Trajectory, steps_at_most: int | None, calls_at_most: int | None) -> Found:
    for made, most, noun in (
        (len(trajectory.steps), steps_at_most, "step"),
        (len(trajectory.calls), calls_at_most, "call"),
    ):
        if most is not None and made > most:
            yield 0.0, f"{count(made, noun)}, more than {most:,}"


_LIKE: Final = CallComparison("subset")


def _missing(made: Sequence[ToolCall], wanted: Sequence[ExpectedCall]) -> Found:
    for one in wanted:
        if not any(_LIKE.difference(one, call) == "" for call in made):
            yield 0.0, f"{one} was not called"


def _banned(made: Sequence[ToolCall], banned: Sequence[ExpectedCall]) -> Found:
    for index, call in enumerate(made, 1):
        for one in banned:
            if call.name == one.name and one.arguments is not None and call.arguments is None:
                yield None, f"call {index}: the arguments of {format_value(call.name)} are not recorded"
            elif not _LIKE.difference(one, call):
                yield 0.0, f"call {index}: {one} must not be called"


def _disorder(made: Sequence[ToolCall], chain: Sequence[str]) -> Found:
    """Yield the first call of each tool of a chain that comes before the tool it has to follow."""
    names = [call.name for call in made]
    for before, after in pairwise(chain):
        if after in names and before not in names[: names.index(after)]:
            yield 0.0, f"call {names.index(after) + 1}: {format_value(after)} before {format_value(before)} was called"


def _repeated(made: Sequence[ToolCall]) -> Found:
    for index, call in enumerate(made):
        for earlier, other in enumerate(made[:index]):
            if call.name != other.name:
                continue
            if call.arguments is None or other.arguments is None:
                yield None, f"the arguments of {format_value(call.name)} are not recorded, so a loop cannot be seen"
                return
            is_same = call.answered == other.answered and json_equal(call.result, other.result)
            if is_same and json_equal(call.arguments, other.arguments):
                yield 0.0, f"call {index + 1} repeats call {earlier + 1}: {format_value(call.name)}"
                break


def _unrecovered(made: Sequence[ToolCall]) -> Found:
    if made and not any(call.answered for call in made):
        yield None, "the results of the calls are not recorded"
        return
    last = max((index for index, call in enumerate(made) if call.answered and not call.error), default=-1)
    for index, call in enumerate(made[last + 1 :], last + 2):
        if call.error:
            yield 0.0, f"call {index}: {format_value(call.name)} failed, and no later call succeeded: {call.error}"


def _invalid(made: Sequence[ToolCall], toolbox: Toolbox) -> Found:
    for index, call in enumerate(made, 1):
        if problem := toolbox.problem(call):
            yield 0.0, f"call {index}: {problem}"
