"""The accounts of a run: what its calls add up to."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_evalgate.records.results import Accounting, Calls, ScoreSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.calls import CallRecord
    from pytest_evalgate.records.results import Baseline, BaselineCase, CaseResult, SuiteRun

_DECIMALS = 6


def call_records(results: Iterable[CaseResult]) -> Iterator[CallRecord]:
    """Iterate over every call of ``results``: the target's and the judges', those in vain included."""
    return (record for result in results for trial in result.trials for record in trial.calls)


def total_calls(records: Iterable[CallRecord]) -> Calls:
    """Add up calls; tokens and cost are those of the calls that were sent: what is remembered costs nothing."""
    every = list(records)
    sent = [record for record in every if record.attempts]
    return Calls(
        planned=len(every),
        sent=len(sent),
        cached=len(every) - len(sent),
        retried=sum(record.attempts - 1 for record in sent),
        tokens_in=sum(record.tokens_in or 0 for record in sent),
        tokens_out=sum(record.tokens_out or 0 for record in sent),
        cost_usd=round(math.fsum(record.cost_usd or 0.0 for record in sent), _DECIMALS),
        unknown_price=sum(record.cost_usd is None for record in sent),
    )


def count_outcomes(results: Iterable[CaseResult]) -> Accounting:
    """Count the outcomes; every planned case has exactly one."""
    counts: Counter[str] = Counter(result.outcome for result in results)
    return Accounting(planned=counts.total(), **counts)


def not_skipped(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases that enter the gates: all but those that their golden line skips."""
    return tuple(result for result in results if result.outcome != "skipped")


def head_results(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
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


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in both runs."""

    now: CaseResult
    before: BaselineCase

    @property
    def change(self) -> float:
        """Candidate minus baseline, missing answers counted as misses."""
        return self.now.lowest - self.before.mean


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs in plan order, and what could not be paired; only ``pairs`` enter a delta."""

    pairs: tuple[Pair, ...]
    edited: tuple[CaseResult, ...]
    added: tuple[CaseResult, ...]
    removed: tuple[str, ...]
    baseline_cases: int

    @property
    def regressed(self) -> tuple[Pair, ...]:
        """Pairs that got worse, the largest drop first; what was not run did not."""
        worse = (pair for pair in self.pairs if pair.change < 0 and pair.now.outcome != "not_run")
        return tuple(sorted(worse, key=lambda pair: pair.change))

    @property
    def fixed(self) -> tuple[Pair, ...]:
        """Pairs that got better, the largest gain first."""
        return tuple(sorted((pair for pair in self.pairs if pair.change > 0), key=lambda pair: -pair.change))

    @property
    def all_edited(self) -> bool:
        """Tell whether all cases that are in both runs differ: then it is the scorers that changed."""
        return not self.pairs and len(self.edited) > 1

    def in_slice(self, name: tuple[str, str]) -> Pairing:
        """Return the part that lies in one slice; nobody knows in which one a removed case lay."""
        pairs = tuple(pair for pair in self.pairs if name in pair.now.case.slices)
        edited = tuple(result for result in self.edited if name in result.case.slices)
        added = tuple(result for result in self.added if name in result.case.slices)
        return Pairing(pairs, edited, added, (), 0).partial

    @property
    def partial(self) -> Pairing:
        """The same where the rest of the baseline is not asked about."""
        return replace(self, removed=(), baseline_cases=len(self.pairs) + len(self.edited))

    @property
    def share(self) -> float:
        """Share of the baseline's cases that are paired."""
        return len(self.pairs) / self.baseline_cases if self.baseline_cases else 0.0


def pair(suite: SuiteRun, baseline: Baseline) -> Pairing:
    """Pair the counted cases of ``suite``, as the base branch has them where it differs, with ``baseline``.

    What a sample does not hold was not removed: its pairing knows of its own cases alone.
    """
    found = pair_results([result for result in not_skipped(suite.results) if result.case.side != "head"], baseline)
    return found if suite.plan.drawn_from is None else found.partial


def pair_results(results: Sequence[CaseResult], baseline: Baseline) -> Pairing:
    """Pair some results with ``baseline``."""
    pairs: list[Pair] = []
    edited: list[CaseResult] = []
    added: list[CaseResult] = []
    for result in results:
        before = baseline.cases.get(result.case.golden_id)
        if before is None:
            added.append(result)
        elif before.fingerprint != result.case.fingerprint:
            edited.append(result)
        else:
            pairs.append(Pair(result, before))
    here = {result.case.golden_id for result in results}
    removed = tuple(case_id for case_id in baseline.cases if case_id not in here)
    return Pairing(tuple(pairs), tuple(edited), tuple(added), removed, len(baseline.cases))
