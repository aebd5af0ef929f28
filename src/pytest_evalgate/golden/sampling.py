"""Selection of a suite's cases: those of a split, and stratified samples that are reproducible from a seed."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_evalgate.records.cases import GoldenSet
    from pytest_evalgate.records.results import SuitePlan

    SliceName = tuple[str, str]  # ("lang", "de")
    Stratum = tuple[SliceName, ...]


def select_split(sets: Sequence[GoldenSet], split: str | None, *, place: str) -> tuple[GoldenSet, ...]:
    """Return golden sets with the cases of one split only; all of them if ``split`` is None.

    Raises:
        SettingsError: No case is of this split; the message begins with ``place``.
    """
    if split is None:
        return tuple(sets)
    chosen = tuple(replace(one, cases=tuple(case for case in one if case.split == split)) for one in sets)
    if not any(chosen):
        known = Counter(case.split or "none" for one in sets for case in one)
        splits = ", ".join(f"{name} ({count(number, 'case')})" for name, number in known.most_common())
        raise SettingsError(
            f'{place}: no row has the split "{split}"{did_you_mean(split, known)}; there are: {splits}'
        )
    return chosen


def sample_plan(plan: SuitePlan, size: int | None, always: Collection[str] = ()) -> SuitePlan:
    """Return the plan of the sample that `sample_ids` draws, or ``plan`` itself if that is the whole suite."""
    drawn = sample_ids(plan, size, always)
    if len(drawn) == len(plan.cases):
        return plan
    cases = tuple(case for case in plan.cases if case.id in drawn)
    return replace(plan, cases=cases, drawn_from=len(plan.cases))


def sample_ids(plan: SuitePlan, size: int | None, always: Collection[str] = ()) -> frozenset[str]:
    """Draw a sample of a suite and return the case ids.

    The seed is the suite's name and the digest of its golden sets, so the sample changes only when these do. A case
    that this branch edited is planned twice, with its text here and with its text at the base. Both are drawn together
    and count as one case. ``size`` counts cases that are not skipped; None returns all. Cases with a tag in ``always``
    are in every sample, even if they are skipped.
    """
    required = {case.golden_id for case in plan.cases if not set(always).isdisjoint(case.tags)}
    slices = {case.golden_id: case.slices for case in plan.cases if case.skip is None or case.golden_id in required}
    if size is None or size >= len(slices):
        return frozenset(case.id for case in plan.cases)
    drawn = set(draw_sample(slices, size, seed=f"{plan.name}\0{plan.golden_sha256}", always=required))
    return frozenset(case.id for case in plan.cases if case.golden_id in drawn)


def draw_sample(
    slices: Mapping[str, Collection[SliceName]], size: int, *, seed: str, always: Collection[str] = ()
) -> tuple[str, ...]:
    """Draw a stratified sample of case ids, and return them in the order of ``slices``.

    Cases with the same set of slices form one stratum. Allocation is proportional, rounded by systematic sampling, so
    every case has the same inclusion probability. A slice that would get no case gets one. If ``size`` is too small to
    cover every slice, no slice is guaranteed a case, so that none is favoured.

    ``slices`` contains the slice names of each case, by case id. The same seed and cases give the same sample, in any
    order of the cases. The ids in ``always`` are included; if there are at least ``size`` of them, they are the
    sample.
    """
    if size >= len(slices):
        return tuple(slices)
    strata = {case: tuple(sorted(set(names))) for case, names in slices.items()}
    order = {case: _hash(seed, case) for case in slices}  # a seeded permutation, independent of the input order
    chosen = {case for case in slices if case in always}
    if len(chosen) < size:
        required = chosen | _slice_cover(strata, order, chosen)
        if len(required) > size:
            required = chosen
        places = _allocate(
            Counter(strata.values()),
            size,
            at_least=Counter(strata[case] for case in required),
            start=int.from_bytes(_hash(seed, "")),
        )
        rest = sorted(strata.keys() - required, key=order.__getitem__)
        chosen = set()
        for case in (*required, *rest):
            if places[strata[case]] > 0:
                places[strata[case]] -= 1
                chosen.add(case)
    return tuple(case for case in slices if case in chosen)


def _slice_cover(strata: Mapping[str, Stratum], order: Mapping[str, bytes], chosen: Collection[str]) -> set[str]:
    """Return one case for each slice that ``chosen`` does not cover.

    Greedy set cover, rarest slice first: a case of a rare slice usually covers common ones as well.
    """
    cases_of: dict[SliceName, list[str]] = {}
    for case, stratum in strata.items():
        for name in stratum:
            cases_of.setdefault(name, []).append(case)
    covered = {name for case in chosen for name in strata[case]}
    cover = set()
    for name, cases in sorted(cases_of.items(), key=lambda item: (len(item[1]), item[0])):
        if name not in covered:
            case = min(cases, key=order.__getitem__)
            cover.add(case)
            covered.update(strata[case])
    return cover


def _allocate(
    sizes: Mapping[Stratum, int], places: int, *, at_least: Mapping[Stratum, int], start: int
) -> dict[Stratum, int]:
    """Divide ``places`` among strata in proportion to ``sizes``, with a minimum for each.

    Strata whose proportional share is below their minimum get the minimum; the rest is divided again. Shares are made
    whole by systematic sampling: the strata are laid end to end and a place goes to each stratum that contains one of
    ``places`` equally spaced points, the first at a seeded offset. Rounding would always favour the same strata.
    """
    open_sizes = dict(sorted(sizes.items()))
    total = sum(sizes.values())
    allocation: dict[Stratum, int] = {}
    while short := [s for s, size in open_sizes.items() if places * size < at_least.get(s, 0) * total]:
        for stratum in short:
            allocation[stratum] = at_least[stratum]
            places -= at_least[stratum]
        total -= sum(open_sizes.pop(stratum) for stratum in short)
    # integers throughout, so that the shares are exact
    edges = list(accumulate(open_sizes.values(), initial=0))
    points_before = [(places * edge + start % total) // total for edge in edges] if total else [0]
    for i, stratum in enumerate(open_sizes):
        allocation[stratum] = points_before[i + 1] - points_before[i]
    return allocation


def _hash(seed: str, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{text}".encode()).digest()
