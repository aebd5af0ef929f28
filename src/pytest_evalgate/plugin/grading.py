"""From what the bodies of a marked test made to the result of its case."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_evalgate.data import Trial
from pytest_evalgate.engine import describe, grade_output, settle
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.plugin.failures import describe_miss, printable
from pytest_evalgate.plugin.results import error_result, publish

if TYPE_CHECKING:
    from pytest_evalgate.data import CaseResult, Output
    from pytest_evalgate.plugin.failures import Before
    from pytest_evalgate.plugin.golden_test import GoldenTest


async def grade(item: pytest.Item, golden_test: GoldenTest) -> CaseResult:
    """Grade what the bodies handed over and publish the result.

    Raises:
        ScorerError: a scorer broke.

    """
    planned = golden_test.suite.planned[golden_test.case.id]
    try:
        graded = golden_test.graded or await _grade_all(golden_test)
    except ScorerError as error:
        publish(item, golden_test.case, error_result(planned, str(error)))
        raise
    trials = [trial for trial in graded if trial is not None]
    if len(trials) < golden_test.suite.plan.trials:
        message = _without_output(item, len(trials), golden_test.suite.plan.trials)
        publish(item, golden_test.case, error_result(planned, message))
        pytest.fail(message, pytrace=False)
    result = settle(planned, trials)
    publish(item, golden_test.case, result)
    return result


async def grade_trial(
    golden_test: GoldenTest, index: int, made: Output | BaseException | None, ahead: Trial | None
) -> Trial | None:
    """Grade one trial; None where nobody gave an output.

    Args:
        golden_test: The test.
        index: Of the trial.
        made: What the body returned, recorded or raised.
        ahead: What the target's answer came to, graded, where there is a target. An exception of the body goes
            before it, and so does an output of the body's own.

    Raises:
        ScorerError: a scorer broke.

    """
    if made is None:
        return ahead
    if isinstance(made, BaseException):
        return replace(ahead or Trial(index, 0.0), value=0.0, reason=describe(made))
    case = golden_test.case
    if ahead is None or ahead.output is None:
        return await grade_output(golden_test.suite.grading_of(case), case, index, made)
    latency_s = ahead.output.latency_s if made.latency_s is None else made.latency_s
    graded = await grade_output(golden_test.suite.grading_of(case), case, index, replace(made, latency_s=latency_s))
    return replace(graded, calls=(*ahead.calls, *graded.calls))


def fail(golden_test: GoldenTest, result: CaseResult, before: Before | None) -> NoReturn:
    """Fail the test of a missed case: with what its body raised, else with the case laid out."""
    for made in golden_test.bodies.made:
        if isinstance(made, BaseException):
            raise made
    pytest.fail(f"{printable(result.reason)}\n{describe_miss(golden_test.case, result, before)}", pytrace=False)


async def _grade_all(golden_test: GoldenTest) -> list[Trial | None]:
    pairs = zip_longest(golden_test.bodies.made, golden_test.ahead)
    return [await grade_trial(golden_test, index, made, ahead) for index, (made, ahead) in enumerate(pairs)]


def _without_output(item: pytest.Item, given: int, trials: int) -> str:
    which = f" in {trials - given} of {trials} trials" if trials > 1 else ""
    return f"{item.nodeid} returned no output{which}: return it, or call evalgate.record(output)"
