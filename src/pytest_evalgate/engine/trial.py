"""Trials: call the target, grade the output, combine the trials of a case.

Works without an event loop if nothing awaits (`run_sync`): importing asyncio alone takes 16 ms and 3 MB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_evalgate.errors import MissingOutput
from pytest_evalgate.records.calls import ApplicationFailure, CallFailed
from pytest_evalgate.records.results import CaseResult, Trial
from pytest_evalgate.scorers import grade, passes
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from pytest_evalgate.protocols import Scorer, Target
    from pytest_evalgate.records.calls import CallRecord, Finish
    from pytest_evalgate.records.results import Case, Output, PlannedCase

T = TypeVar("T")

_FINISH_MESSAGES: Final[Mapping[Finish, str]] = {
    "length": "the reply was cut off at the token limit: raise max_tokens, or ask for a shorter output",
    "content_filter": "the endpoint's content filter withheld the reply",
    "refusal": "the model refused",
    "context_length": "the prompt is longer than the model's context: shorten it, or use a model with a longer one",
}


@dataclass(frozen=True, slots=True)
class Grading:
    """Scorers of a case: rules, then judges. Judges run only if the rules have not decided, or if ``judge_always``.

    ``threshold`` is the minimum of the weighted mean of the scores; None if every score has to pass by itself.
    """

    scorers: tuple[Scorer, ...]
    threshold: float | None = None
    judge_always: bool = False


async def run_case(target: Target, grading: Grading, case: Case, planned: PlannedCase, trials: int) -> CaseResult:
    """Run all trials of one case, one after the other; raises like `grade_output`."""
    return combine_trials(planned, [await run_trial(target, grading, case, index) for index in range(trials)])


async def run_trial(target: Target, grading: Grading, case: Case, index: int) -> Trial:
    """Call ``target`` once and grade its output.

    MissingOutput makes the trial missing. Any other exception is a failure of the target: a miss with the exception
    as its reason. An incomplete output is a miss, too. Raises like `grade_output`.
    """
    try:
        output = await target.answer(case, index)
    except CallFailed as failed:
        calls = (failed.record,) if failed.record else ()
        return Trial(index, None, reason=str(failed), calls=calls, is_final=failed.is_final)
    except MissingOutput as missing:
        return Trial(index, None, reason=str(missing), is_final=missing.is_final)
    except ApplicationFailure as failure:
        return Trial(index, 0.0, reason=str(failure), calls=(failure.record,) if failure.record else ())
    except Exception as error:  # noqa: BLE001 - any exception of the application counts against it
        return Trial(index, 0.0, reason=describe_error(error))
    return await grade_output(grading, case, index, output)


async def grade_output(grading: Grading, case: Case, index: int, output: Output) -> Trial:
    """Grade an existing output.

    Raises:
        ScorerError: a scorer failed.
    """
    calls: tuple[CallRecord, ...] = (output.call,) if output.call else ()
    if output.finish != "complete":
        return Trial(index, 0.0, output, reason=_FINISH_MESSAGES[output.finish], calls=calls)
    try:
        scores = await grade(case, output, grading.scorers, every=grading.judge_always)
    except CallFailed as failed:  # the call of a judge
        calls = (*calls, *filter(None, [failed.record]))
        return Trial(index, None, output, reason=str(failed), calls=calls, is_final=failed.is_final)
    calls += tuple(call for score in scores for call in score.calls)
    may_change = any(score.may_change for score in scores)
    scores = tuple(replace(score, calls=(), may_change=False) if score.calls else score for score in scores)
    passed = passes(scores, grading.threshold)
    failing = () if passed else [score for score in scores if score.counts and not score.passed]
    reason = "; ".join(f"{score.name}: {score.reason}" if score.reason else score.name for score in failing)
    if passed is None:
        return Trial(index, None, output, scores, reason, calls, is_final=not may_change)
    return Trial(index, float(passed), output, scores, reason, calls)


def combine_trials(planned: PlannedCase, trials: Sequence[Trial]) -> CaseResult:
    """Return the result of a case: passed if most trials passed, missing if any trial is missing."""
    values = [trial.value for trial in trials]
    if any(value is None for value in values):
        reason = next(trial.reason for trial in trials if trial.value is None)
        is_final = any(trial.is_final for trial in trials)
        return CaseResult(planned, "errored", tuple(trials), reason, is_final=is_final)
    passed = 2 * sum(value for value in values if value is not None) > len(values)
    reason = "" if passed else next(trial.reason for trial in trials if not trial.value)
    return CaseResult(planned, "passed" if passed else "missed", tuple(trials), reason)


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, without an event loop.

    Raises:
        RuntimeError: it suspended.
    """
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("the coroutine suspended: it needs an event loop")
