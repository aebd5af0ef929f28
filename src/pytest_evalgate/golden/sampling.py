"""Sampling: a part of a suite's cases that has its slices as the whole has them, the same whenever it is drawn."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_evalgate.records.results import SuitePlan

    SliceName = tuple[str, str]
    Stratum = tuple[SliceName, ...]


def draw_sample(
    cases: Mapping[str, Collection[SliceName]], size: int, *, seed: str, always: Collection[str] = ()
) -> tuple[str, ...]:
    """Draw a sample, stratified by the slices: cases that lie in the same slices are one stratum.

    A stratum gets its share of the sample, rounded up or down by the seed, so that every case has the same chance. A
    slice that would be left without a case gets one, the strata above it a little less; where the sample is too small
    to hold every slice, none is favoured. The order of ``cases`` does not enter.

    Args:
        cases: For each case, by id, the (by, value) pairs of its slices.
        size: How many cases to draw; all of them where there are no more.
        seed: What the draw depends on beside the cases.
        always: Ids of cases that are drawn whatever the seed says; where they are more than ``size``, nothing else is.

    Returns:
        The ids that were drawn, in the order of ``cases``.

    """
    if size >= len(cases):
        return tuple(cases)
    lottery = _Lottery(
        strata={case: tuple(sorted(set(slices))) for case, slices in cases.items()},
        ranks={case: _digest(seed, case) for case in cases},
        start=int.from_bytes(_digest(seed, "")),
    )
    drawn = lottery.draw_sample(size, {case for case in cases if case in always})
    return tuple(case for case in cases if case in drawn)


def sample_ids(plan: SuitePlan, size: int | None, always: Collection[str] = ()) -> frozenset[str]:
    """Return the ids of a sample of a suite; of all its cases where no more than ``size`` of them run.

    The seed is the suite's name and the digest of its golden sets: the sample stays as long as these do. A case that
    this branch has edited counts once, and is drawn as it stands here and at the base.

    Args:
        plan: The plan of all cases.
        size: How many cases to draw, of those that are not skipped; None draws them all.
        always: Tags of the cases that every sample holds, skipped or not.

    """
    kept = {case.golden_id for case in plan.cases if not set(always).isdisjoint(case.tags)}
    units = {case.golden_id: case.slices for case in plan.cases if case.skip is None or case.golden_id in kept}
    if size is None or size >= len(units):
        return frozenset(case.id for case in plan.cases)
    drawn = set(draw_sample(units, size, seed=f"{plan.name}\0{plan.golden_sha256}", always=kept))
    return frozenset(case.id for case in plan.cases if case.golden_id in drawn)


def sample_plan(plan: SuitePlan, size: int | None, always: Collection[str] = ()) -> SuitePlan:
    """Return the plan of a sample, as `sample_ids` draws it; the plan itself where that is the whole suite."""
    drawn = sample_ids(plan, size, always)
    if len(drawn) == len(plan.cases):
        return plan
    cases = tuple(case for case in plan.cases if case.id in drawn)
    return replace(plan, cases=cases, drawn_from=len(plan.cases))


@dataclass(frozen=True, slots=True)
class _Lottery:
    """Cases by id with their strata and their ranks, and where the shares of the strata begin: what the seed says."""

    strata: Mapping[str, Stratum]
    ranks: Mapping[str, bytes]
    start: int

    def draw_sample(self, size: int, kept: Collection[str]) -> set[str]:
        """Return ``size`` cases, those in ``kept`` among them."""
        if len(kept) >= size:
            return set(kept)
        fixed = {*kept, *self._covering(kept)}
        if len(fixed) > size:
            fixed = set(kept)
        sizes = Counter(self.strata.values())
        places = self._allotted(sizes, Counter(self.strata[case] for case in fixed), size)
        drawn: set[str] = set()
        for case in (*fixed, *sorted(self.strata.keys() - fixed, key=self.ranks.__getitem__)):
            if places[self.strata[case]] > 0:
                places[self.strata[case]] -= 1
                drawn.add(case)
        return drawn

    def _covering(self, kept: Collection[str]) -> Iterator[str]:
        """Yield cases so that every slice has one, the rarest slice first: its case often lies in others too."""
        holders: dict[SliceName, list[str]] = {}
        for case, stratum in self.strata.items():
            for name in stratum:
                holders.setdefault(name, []).append(case)
        covered = {name for case in kept for name in self.strata[case]}
        for name, cases in sorted(holders.items(), key=lambda held: (len(held[1]), held[0])):
            if name not in covered:
                chosen = min(cases, key=self.ranks.__getitem__)
                covered.update(self.strata[chosen])
                yield chosen

    def _allotted(self, sizes: Mapping[Stratum, int], least: Mapping[Stratum, int], left: int) -> dict[Stratum, int]:
        """Divide ``left`` places among the strata by their sizes, none below its ``least``.

        The shares stand in a row, and every whole number that a row of steps of length one hits, begun at a place that
        the seed chooses, is a place for the stratum that lies there.
        """
        shared, total = dict(sorted(sizes.items())), sum(sizes.values())
        places: dict[Stratum, int] = {}
        while short := [one for one, size in shared.items() if left * size < least.get(one, 0) * total]:
            for stratum in short:
                places[stratum] = least[stratum]
            left, total = left - sum(least[one] for one in short), total - sum(shared.pop(one) for one in short)
        bounds = list(accumulate(shared.values(), initial=0))
        hits = [(left * bound + self.start % total) // total for bound in bounds]
        return places | {one: hits[index + 1] - hits[index] for index, one in enumerate(shared)}


def _digest(seed: str, case: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{case}".encode()).digest()
