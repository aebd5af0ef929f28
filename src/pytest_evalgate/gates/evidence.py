"""What the gates look at: the counted cases of a run, completed in the worst and in the best way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_evalgate import stats
from pytest_evalgate.data import Accounting, ScoreSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.data import CaseResult

CONFIDENCE = 0.95

Completion = Literal["worst", "best"]
COMPLETIONS: tuple[Completion, ...] = ("worst", "best")


@dataclass(frozen=True, slots=True)
class Rate:
    """A pass rate over ``n`` cases: its 95 % interval and its one-sided exact lower bound at 95 %."""

    n: int
    value: float
    interval: tuple[float, float]
    lower: float


def account(results: Iterable[CaseResult]) -> Accounting:
    """Count the outcomes; every planned case has exactly one."""
    counts: Counter[str] = Counter(result.outcome for result in results)
    return Accounting(planned=counts.total(), **counts)


def counted(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases that enter the gates: all but those that their golden line skips."""
    return tuple(result for result in results if result.outcome != "skipped")


def value_of(result: CaseResult, completion: Completion) -> float:
    """Return the case's mean over its trials under ``completion``."""
    return result.lowest if completion == "worst" else result.highest


def rate_of(results: Sequence[CaseResult], completion: Completion) -> Rate:
    """Estimate the pass rate of at least one case.

    With one trial a case the counts are binomial; with several the effective number of cases takes the place of n
    (STATISTICS section 1, repeats), since trials of one case are not independent.
    """
    n = len(results)
    if all(len(result.trials) <= 1 for result in results):
        passes = round(sum(value_of(result, completion) for result in results))
        interval = stats.wilson_interval(passes=passes, n=n, confidence=CONFIDENCE)
        lower = stats.clopper_pearson_lower_one_sided(passes=passes, n=n, confidence=CONFIDENCE)
        return Rate(n, passes / n, (interval.lower, interval.upper), lower)
    trials = [len(result.trials) or 1 for result in results]
    passes_per_case = [
        round(value_of(result, completion) * count) for result, count in zip(results, trials, strict=True)
    ]
    estimate = stats.repeats_effective_n(passes=passes_per_case, trials=trials, confidence=CONFIDENCE)
    interval = estimate.wilson_two_sided
    return Rate(n, estimate.mean, (interval.lower, interval.upper), estimate.lower_one_sided_exact)


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
