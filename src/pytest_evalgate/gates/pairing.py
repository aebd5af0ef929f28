"""Pairs the cases of a run with those of a baseline: same id, same content, same scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_evalgate.gates.outcomes import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import Baseline, BaselineCase, CaseResult, SuiteRun


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
    def rescored(self) -> bool:
        """Tell whether all cases that are in both runs differ: then it is the scorers that changed."""
        return not self.pairs and len(self.edited) > 1

    def within(self, name: tuple[str, str]) -> Pairing:
        """Return the part that lies in one slice; nobody knows in which one a removed case lay."""
        pairs = tuple(pair for pair in self.pairs if name in pair.now.case.slices)
        edited = tuple(result for result in self.edited if name in result.case.slices)
        added = tuple(result for result in self.added if name in result.case.slices)
        return Pairing(pairs, edited, added, (), 0).of_part

    @property
    def of_part(self) -> Pairing:
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
    found = pair_results([result for result in counted(suite.results) if result.case.side != "head"], baseline)
    return found if suite.plan.drawn_from is None else found.of_part


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
