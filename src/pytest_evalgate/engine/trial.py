"""Running what never waits, without an event loop: asyncio alone costs 16 ms and 3 MB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_evalgate.errors import MissingOutput
from pytest_evalgate.records.calls import CallFailed
from pytest_evalgate.records.results import CaseResult, Trial
from pytest_evalgate.scorers import grade, passes

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from pytest_evalgate.protocols import Scorer, Target
    from pytest_evalgate.records.calls import CallRecord, Finish
    from pytest_evalgate.records.results import Case, Output, PlannedCase, Score

T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` that never waits for anything, without a loop.

    Raises:
        RuntimeError: it did wait.

    """
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("work that should never wait has waited")


_FINISH_MESSAGES: Final[Mapping[Finish, str]] = {
    "length": "the answer was cut off at the token limit: raise max_tokens, or ask for less",
    "content_filter": "the endpoint's content filter withheld the answer",
    "refusal": "the model refused",
}


@dataclass(frozen=True, slots=True)
class Grading:
    """How outputs are graded: the scorers, and the threshold of their weighted mean if the suite weighs them.

    Judges are asked after the rules, and only where these have not decided, unless ``judge_always``.
    """

    scorers: tuple[Scorer, ...]
    threshold: float | None = None
    judge_always: bool = False


async def run_case(target: Target, grading: Grading, case: Case, planned: PlannedCase, trials: int) -> CaseResult:
    """Run all trials of one case, one after the other.

    Raises:
        ScorerError: a scorer broke.

    """
    return combine_trials(planned, [await run_trial(target, grading, case, index) for index in range(trials)])


async def run_trial(target: Target, grading: Grading, case: Case, index: int) -> Trial:
    """Ask ``target`` once and grade the output.

    A MissingOutput makes the trial missing; any other exception is the target's own failure: a miss with the
    exception as its reason. So is an answer that is not one in full.

    Raises:
        ScorerError: a scorer broke.

    """
    try:
        output = await target.answer(case, index)
    except CallFailed as failed:
        return Trial(index, None, reason=str(failed), calls=(failed.record,) if failed.record else ())
    except MissingOutput as missing:
        return Trial(index, None, reason=str(missing))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the application raises counts against it
        return Trial(index, 0.0, reason=describe_error(error))
    return await grade_output(grading, case, index, output)


async def grade_output(grading: Grading, case: Case, index: int, output: Output) -> Trial:
    """Grade an output that is there already.

    Raises:
        ScorerError: a scorer broke.

    """
    calls: tuple[CallRecord, ...] = (output.call,) if output.call else ()
    if output.finish != "complete":
        return Trial(index, 0.0, output, reason=_FINISH_MESSAGES[output.finish], calls=calls)
    try:
        scores = await grade(case, output, grading.scorers, every=grading.judge_always)
    except CallFailed as failed:  # a judge that can be asked no more
        return Trial(index, None, output, reason=str(failed), calls=(*calls, *filter(None, [failed.record])))
    calls += tuple(call for score in scores for call in score.calls)
    scores = tuple(replace(score, calls=()) if score.calls else score for score in scores)
    passed = passes(scores, grading.threshold)
    value = None if passed is None else float(passed)
    return Trial(index, value, output, scores, _why(scores, passed=passed), calls)


def combine_trials(planned: PlannedCase, trials: Sequence[Trial]) -> CaseResult:
    """Make the case's result of its trials: it passes when most of them do, and is missing when one of them is."""
    values = [trial.value for trial in trials]
    if any(value is None for value in values):
        reason = next(trial.reason for trial in trials if trial.value is None)
        return CaseResult(planned, "errored", tuple(trials), reason)
    passed = 2 * sum(value for value in values if value is not None) > len(values)
    reason = "" if passed else next(trial.reason for trial in trials if not trial.value)
    return CaseResult(planned, "passed" if passed else "missed", tuple(trials), reason)


def describe_error(error: BaseException) -> str:
    """Name an exception in one line."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _why(scores: Iterable[Score], *, passed: bool | None) -> str:
    if passed:
        return ""
    guilty = [score for score in scores if score.counts and not score.passed]
    return "; ".join(f"{score.name}: {score.reason}" if score.reason else score.name for score in guilty)
