"""The two forms that the gates want: the older side as a baseline, the newer one as a suite of a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_evalgate.data import Baseline, Place, PlannedCase, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.engine import settle
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.runs import baseline as baselines

if TYPE_CHECKING:
    from pytest_evalgate.cli.compare.sides import Held
    from pytest_evalgate.data import BaselineCase, CaseResult, Run

UNANSWERED = frozenset({"errored", "not_run"})


@dataclass(frozen=True, slots=True)
class Older:
    """What is compared with: the answered cases as a baseline, and the ids of those that have no answer."""

    baseline: Baseline
    unanswered: frozenset[str] = frozenset()


def older_of(held: Held, run: Run) -> Older:
    """Return a suite of ``run`` as a baseline; unlike one that is promoted, it need not be whole.

    Raises:
        BaselineError: no case has an answer.

    """
    if isinstance(held, Baseline):
        return Older(held)
    answered = tuple(result for result in held.results if result.outcome not in UNANSWERED)
    lacking = frozenset(
        result.case.golden_id for result in held.results if result.outcome in UNANSWERED and result.case.side != "base"
    )
    part = replace(held, results=answered)
    try:
        found = baselines.promote(replace(run, problems=()), part, reason="compared", now=run.created)
    except BaselineError as error:  # names what stands in the run file
        raise BaselineError(one_line(str(error))) from None
    return Older(replace(found, source=f"run {run.id}"), lacking)


def newer_of(held: Held) -> SuiteRun:
    """Return a baseline as a suite of a run; its cases have no place, slices, tags or cluster, as it keeps none."""
    if isinstance(held, SuiteRun):
        return held
    results = tuple(_result(case_id, case, held.scorers) for case_id, case in held.cases.items())
    source = held.provenance
    cases = tuple(result.case for result in results)
    plan = SuitePlan(held.suite, (), source.golden_sha256, source.scorers_sha256, held.trials, cases)
    return SuiteRun(plan, results)


def comparable(suite: SuiteRun, older: Older) -> SuiteRun:
    """Leave out the cases that say nothing about a change: not run here, or without an answer in ``older``.

    A suite that was stopped keeps what it did not run: its verdict was certain whatever these cases would have said,
    and those that it did run were not chosen at random.
    """
    kept = tuple(
        result
        for result in suite.results
        if result.case.golden_id not in older.unanswered and not (result.outcome == "not_run" and not suite.stopped)
    )
    return replace(suite, plan=replace(suite.plan, cases=tuple(result.case for result in kept)), results=kept)


def _result(case_id: str, case: BaselineCase, scorers: tuple[str, ...]) -> CaseResult:
    planned = PlannedCase(case_id, Place("", 0), case.fingerprint)
    columns = {name: case.scores.get(name, case.values) for name in scorers}
    return settle(
        planned, [Trial(index, value, scores=_scores(columns, index)) for index, value in enumerate(case.values)]
    )


def _scores(columns: dict[str, tuple[float, ...]], index: int) -> tuple[Score, ...]:
    """Return the scorers' marks; whether they passed is not known, as a baseline keeps no thresholds."""
    return tuple(Score(name, column[index], None) for name, column in columns.items() if index < len(column))
