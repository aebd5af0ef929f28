"""How the cases of a suite ended, and what their scorers said."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_evalgate.data import Accounting, ScoreSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.data import CaseResult


def account(results: Iterable[CaseResult]) -> Accounting:
    """Count the outcomes; every planned case has exactly one."""
    counts: Counter[str] = Counter(result.outcome for result in results)
    return Accounting(planned=counts.total(), **counts)


def counted(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases that enter the gates: all but those that their golden line skips."""
    return tuple(result for result in results if result.outcome != "skipped")


def of_branch(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases as this branch has them, without those that only its base still holds."""
    return tuple(result for result in results if result.case.side != "base")


def is_missing(result: CaseResult) -> bool:
    """Tell whether the case, or the mark of one of its scorers, could have been another one."""
    if result.outcome in {"errored", "not_run"}:
        return True
    return any(score.value is None for trial in result.trials for score in trial.scores)


def score_summaries(results: Iterable[CaseResult]) -> Mapping[str, ScoreSummary]:
    """Average each scorer's values over all trials in which it could tell."""
    values: dict[str, list[float | None]] = {}
    for result in results:
        for trial in result.trials:
            for score in trial.scores:
                values.setdefault(score.name, []).append(score.value)
    return {name: _summary(found) for name, found in values.items()}


def _summary(values: Iterable[float | None]) -> ScoreSummary:
    known = [value for value in values if value is not None]
    return ScoreSummary(sum(known) / len(known) if known else None, len(known))
