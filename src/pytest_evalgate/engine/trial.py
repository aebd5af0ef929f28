"""Trials: call the target, grade the output, combine the trials of a case.

Works without an event loop if nothing awaits (`run_sync`): importing asyncio alone takes 16 ms and 3 MB.
"""

from __future__ import annotations

from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_evalgate.errors import MissingOutput
from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import FINISH_MESSAGES, ApplicationFailure, CallFailed
from pytest_evalgate.records.raised import raised_by
from pytest_evalgate.records.results import CaseResult, Trial
from pytest_evalgate.records.traces import Timing
from pytest_evalgate.scorers import grade, passes
from pytest_evalgate.scorers.scorer import of_trial
from pytest_evalgate.targets.outputs import expects_empty, is_empty, split_output
from pytest_evalgate.text import files
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from pytest_evalgate.protocols import Scorer, Target
    from pytest_evalgate.records.calls import CallRecord
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output, PlannedCase
    from pytest_evalgate.scorers.readings import MetricReader

T = TypeVar("T")

UNSCORED: Final = "no score decides it: its judges only report"
_EMPTY: Final = "the output is empty: set allow_empty = true in the suite if an empty text is an answer"


@dataclass(frozen=True, slots=True)
class Grading:
    """Scorers of a case: rules, then judges. Judges run only if the rules have not decided, or if ``judge_always``.

    ``threshold`` is the minimum of the weighted mean of the scores; None if every score has to pass by itself. Without
    ``mean``, it is used only if a score has a weight.
    ``strip_reasoning`` grades the answer without the reasoning before it. An empty text is an answer if
    ``allow_empty``, or if the case expects one. ``readers`` read the values of the suite's metrics. ``timed`` records
    when trials begin and end.
    """

    scorers: tuple[Scorer, ...]
    threshold: float | None = None
    judge_always: bool = False
    strip_reasoning: bool = True
    allow_empty: bool = False
    mean: bool = False
    readers: tuple[MetricReader, ...] = ()
    timed: bool = False

    def graded(self, output: Output) -> Output:
        """Return the output that the scorers grade."""
        return split_output(output) if self.strip_reasoning else output

    def with_readings(self, case: Case, trial: Trial) -> Trial:
        """Return ``trial`` with the values of the suite's metrics; an incomplete output has no prediction.

        Raises:
            ScorerError: The case has no usable label.
        """
        if not self.readers:
            return trial
        output = trial.output if trial.output is not None and trial.output.finish == "complete" else None
        return replace(trial, readings=tuple(reader.read(case, output) for reader in self.readers))


async def run_case(target: Target, grading: Grading, case: Case, planned: PlannedCase, trials: int) -> CaseResult:
    """Run all trials of one case, one after the other; raises like `grade_output`."""
    return combine_trials(planned, [await run_trial(target, grading, case, index) for index in range(trials)])


async def run_trial(target: Target, grading: Grading, case: Case, index: int) -> Trial:
    """Call ``target`` once and grade its output.

    A trial without an output is that of `answer_of`. An incomplete output is a miss, too. Raises like `grade_output`.
    """
    started = time()
    answer = await answer_of(target, case, index)
    trial = answer if isinstance(answer, Trial) else await _graded(grading, case, index, answer)
    return _timed(grading, grading.with_readings(case, trial), started)


async def answer_of(target: Target, case: Case, index: int) -> Output | Trial:
    """Call ``target`` once. Return its output, or the trial if there is none.

    MissingOutput makes the trial missing, and so does a full disk or a lack of file descriptors. Any other exception
    is a failure of the target: a miss with the exception as its reason.
    """
    try:
        return await target.answer(case, index)
    except CallFailed as failed:
        calls = (failed.record,) if failed.record else ()
        return Trial(index, None, reason=str(failed), calls=calls, is_final=failed.is_final)
    except MissingOutput as missing:
        return Trial(index, None, reason=str(missing), is_final=missing.is_final)
    except ApplicationFailure as failure:
        return Trial(index, 0.0, reason=str(failure), calls=(failure.record,) if failure.record else ())
    except Exception as error:  # noqa: BLE001 - any exception of the application counts against it
        value = None if files.is_exhaustion(error) else 0.0
        return Trial(index, value, reason=describe_error(error), raised=raised_by(error))


async def grade_output(grading: Grading, case: Case, index: int, output: Output) -> Trial:
    """Grade an existing output, and read the values of the suite's metrics from it.

    Raises:
        ScorerError: a scorer failed.
    """
    started = time()
    return _timed(grading, grading.with_readings(case, await _graded(grading, case, index, output)), started)


def _timed(grading: Grading, trial: Trial, started: float) -> Trial:
    return replace(trial, timing=Timing(started, time())) if grading.timed else trial


async def _graded(grading: Grading, case: Case, index: int, output: Output) -> Trial:  # noqa: PLR0911 - one for each kind of result
    calls: tuple[CallRecord, ...] = (output.call,) if output.call else ()
    output = grading.graded(output)
    if output.finish != "complete":
        return Trial(index, 0.0, output, reason=describe_incomplete(output), calls=calls)
    if is_empty(output) and not (grading.allow_empty or expects_empty(case)):
        reason = describe_incomplete(replace(output, finish="reasoning")) if output.reasoning else _EMPTY
        return Trial(index, 0.0, output, reason=reason, calls=calls)
    started = perf_counter()
    try:
        scorers = of_trial(grading.scorers, index)
        scores = await grade(case, output, scorers, every=grading.judge_always, mean=grading.mean)
    except CallFailed as failed:  # the call of a judge
        calls = (*calls, *filter(None, [failed.record]))
        return Trial(index, None, output, reason=str(failed), calls=calls, is_final=failed.is_final)
    score_s = round(perf_counter() - started, 6)
    may_change = any(score.may_change for score in scores)
    if any(score.calls for score in scores):
        calls += tuple(call for score in scores for call in score.calls)
        scores = tuple(replace(score, calls=(), may_change=False) if score.calls else score for score in scores)
    counting = [score for score in scores if score.counts]
    if not counting:
        return Trial(index, None, output, scores, UNSCORED, calls, score_s=score_s)
    passed = passes(counting, grading.threshold, mean=grading.mean)
    if passed:
        return Trial(index, 1.0, output, scores, "", calls, score_s=score_s)
    failing = [score for score in counting if not score.passed]
    reason = "; ".join(f"{score.name}: {score.why}" if score.why else score.name for score in failing)
    if passed is None:
        return Trial(index, None, output, scores, reason, calls, is_final=not may_change, score_s=score_s)
    return Trial(index, 0.0, output, scores, reason, calls, score_s=score_s)


def combine_trials(planned: PlannedCase, trials: Sequence[Trial]) -> CaseResult:
    """Return the result of a case: passed if most trials passed, missing if any trial is missing.

    It is unscored if nothing is missing but a scorer that decides.
    """
    values = [trial.value for trial in trials]
    if len(trials) == 1 and (only := trials[0]).value is not None:  # most results
        return CaseResult(planned, "passed" if only.value else "missed", (only,), "" if only.value else only.reason)
    unknown = [trial for trial in trials if trial.value is None]
    if unknown and all(trial.is_unscored for trial in unknown):
        return CaseResult(planned, "unscored", tuple(trials), UNSCORED)
    if unknown:
        reason = next(trial.reason for trial in unknown if not trial.is_unscored)
        is_final = any(trial.is_final for trial in trials)
        return CaseResult(planned, "errored", tuple(trials), reason, is_final=is_final)
    passed = 2 * sum(value for value in values if value is not None) > len(values)
    reason = "" if passed else next(trial.reason for trial in trials if not trial.value)
    return CaseResult(planned, "passed" if passed else "missed", tuple(trials), reason)


def describe_incomplete(output: Output) -> str:
    """Return why an output is not complete, with the tokens of its reasoning if they are known."""
    reason = FINISH_MESSAGES[output.finish]
    if output.finish == "reasoning":
        reason += ", or set strip_reasoning = false in the suite to grade it as the answer"
    tokens = output.metadata.get("reasoning_tokens")
    if not isinstance(tokens, int) or output.finish not in ("length", "reasoning"):
        return reason
    return f"{reason} ({tokens:,} tokens of reasoning)"


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
