"""The plan of a suite: what a run has to account for, made from its golden sets before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.records.results import PlannedCase, SuitePlan
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Case, GoldenSet, Json

    _Pairs = tuple[tuple[str, str], ...]

_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True, slots=True)
class BranchChanges:
    """What a branch changed in a golden set.

    ``changed`` holds the ids of the cases that do not stand so at its base; ``base_cases`` those of the base that do
    not stand so here, under ids that end in ``@base``.
    """

    changed: frozenset[str] = frozenset()
    base_cases: tuple[Case, ...] = ()


NO_CHANGES = BranchChanges()
"""A golden set that is as it is at the base, or of which no base is known."""


def make_plan(  # noqa: PLR0913 - what a suite is, by name
    name: str,
    sets: Sequence[GoldenSet],
    *,
    scorers: Json,
    trials: int,
    slices: Sequence[str],
    cluster: str | None = None,
    aggregate: str = "mean",
    sides: BranchChanges = NO_CHANGES,
) -> SuitePlan:
    """Plan every case of ``sets``.

    Args:
        name: The suite.
        sets: Its golden sets; ids are unique over all of them.
        scorers: What grades the cases, as JSON; part of each case's fingerprint.
        trials: Trials a case.
        slices: A tag key (``lang`` for tags like ``lang:de``), a dotted path into the case (``metadata.type``), or
            ``tag`` for bare tags.
        aggregate: What makes one number of a case's trials; a run with another one measured something else.
        sides: Which cases this branch changed, and how they stand at its base.
        cluster: What cases of one cluster share, named like a slice; None where cases stand for themselves.

    Raises:
        GoldenSetError: cases lie in no cluster.

    """
    scorers_sha256 = jsonl.digest(scorers)
    cases = [*(case for golden in sets for case in golden), *sides.base_cases]
    clusters = {} if cluster is None else _clusters(cases, cluster)
    planner = _Planner(scorers_sha256, slices, clusters, sides.changed)
    return SuitePlan(
        name=name,
        golden=tuple(golden.path for golden in sets),
        golden_sha256=sets[0].sha256 if len(sets) == 1 else jsonl.digest(sorted(golden.sha256 for golden in sets)),
        scorers_sha256=scorers_sha256 if aggregate == "mean" else jsonl.digest([scorers, aggregate]),
        trials=trials,
        cases=tuple(map(planner.planned, cases)),
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    """What cases of one suite are planned with."""

    scorers_sha256: str
    slices: Sequence[str]
    clusters: Mapping[str, str]
    changed: frozenset[str]
    shared: dict[_Pairs, _Pairs] = field(default_factory=dict)
    """Most cases lie in slices that others lie in too."""

    def planned(self, case: Case) -> PlannedCase:
        pairs = tuple(dict.fromkeys((by, value) for by in self.slices for value in slice_values(case, by)))
        return PlannedCase(
            id=case.id,
            place=case.place,
            fingerprint=jsonl.digest([case.fingerprint, self.scorers_sha256])[:_FINGERPRINT_LENGTH],
            tags=case.tags,
            slices=self.shared.setdefault(pairs, pairs),
            skip=case.skip,
            cluster=self.clusters.get(case.id),
            side="head" if case.id in self.changed else case.side,
        )


def _clusters(cases: Sequence[Case], by: str) -> dict[str, str]:
    """Return the cluster of each case by its id: exactly one each."""
    found = {case.id: tuple(slice_values(case, by)) for case in cases}
    problems = [
        LineProblem(
            case.place.file,
            case.place.line,
            by,
            f"case {case.id} lies in {len(found[case.id]) or 'no'} clusters: each case needs exactly one",
        )
        for case in cases
        if len(found[case.id]) != 1
    ]
    if problems:
        raise GoldenSetError(problems)
    return {case_id: names[0] for case_id, names in found.items()}


def slice_values(case: Case, by: str) -> Iterator[str]:
    """Iterate over the slices that a case lies in: see ``make_plan``."""
    if by == "tag":
        yield from (tag for tag in case.tags if ":" not in tag)
    elif by in case.slice:
        yield case.slice[by]
    elif "." in by:
        yield from _at_path(case, by)
    else:
        yield from (tag.partition(":")[2] for tag in case.tags if tag.startswith(f"{by}:"))


def _at_path(case: Case, path: str) -> Iterator[str]:
    first, *rest = path.split(".")
    value: Json = getattr(case, first, None)
    for key in rest:
        value = value.get(key) if hasattr(value, "get") else None
    if value is not None:
        yield value if isinstance(value, str) else jsonl.canonical(value)
