"""Plan of a suite: the cases that a run must account for, made from the golden sets before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import PlannedCase, PlanPart, SuitePlan
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.records.cases import Case, GoldenSet, Json

_FINGERPRINT_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class BranchChanges:
    """The changes of a branch to a golden set.

    ``changed`` contains the ids of cases that the branch added or edited. ``base_cases`` are the cases of the base
    that it removed or edited; their ids end in ``@base``.
    """

    changed: frozenset[str] = frozenset()
    base_cases: tuple[Case, ...] = ()

    def of_split(self, split: str) -> BranchChanges:
        """Return the changes without the base's cases of other splits."""
        return BranchChanges(self.changed, tuple(case for case in self.base_cases if case.split == split))


NO_CHANGES: Final = BranchChanges()
"""For a golden set that is unchanged, or whose base is unknown."""


def planned_fingerprint(case: Case, scorers_sha256: str) -> str:
    """Return the fingerprint of a case in a plan: its content and the scorers of its suite."""
    return jsonl.digest([case.fingerprint, scorers_sha256])[:_FINGERPRINT_LENGTH]


def golden_digest(sets: Sequence[GoldenSet]) -> str:
    """Return the digest of the golden sets of a suite."""
    return sets[0].sha256 if len(sets) == 1 else jsonl.digest(sorted(golden.sha256 for golden in sets))


def make_plan(  # noqa: PLR0913 - the settings of a suite, by name
    name: str,
    sets: Sequence[GoldenSet],
    *,
    scorers: Json,
    trials: int,
    slices: Sequence[str],
    cluster: str | None = None,
    aggregate: str = "mean",
    sides: BranchChanges = NO_CHANGES,
    part: PlanPart | None = None,
) -> SuitePlan:
    """Return the plan of all cases of ``sets``.

    Args:
        name: The suite.
        sets: Its golden sets; ids are unique over all of them.
        scorers: The scorers as JSON, a part of each case's fingerprint.
        trials: Trials of each case without its own number.
        slices: Names of slices, see `slice_values`.
        aggregate: The rule that combines the trials of a case. Runs with different rules are not compared.
        sides: The changes of this branch.
        part: The position of the cases in the plan of the suite, if ``sets`` are the part of one shard.
        cluster: Name of the slice that cases of one cluster have in common; None if cases are independent.

    Raises:
        GoldenSetError: A case is not in exactly one cluster.
    """
    scorers_sha256 = jsonl.digest(scorers)
    cases = [*(case for golden in sets for case in golden), *sides.base_cases]
    clusters = {} if cluster is None else _clusters(cases, cluster)
    shared: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}  # saves memory: most slices recur

    def planned(case: Case) -> PlannedCase:
        pairs = slices_of(case, slices)
        return PlannedCase(
            id=case.id,
            place=case.place,
            fingerprint=planned_fingerprint(case, scorers_sha256),
            tags=case.tags,
            slices=shared.setdefault(pairs, pairs),
            skip=case.skip,
            cluster=clusters.get(case.id),
            side="head" if case.id in sides.changed else case.side,
            weight=case.weight,
            trials=case.trials,
            variant_of=variant_of(case),
        )

    return SuitePlan(
        name=name,
        golden=tuple(golden.path for golden in sets),
        golden_sha256=golden_digest(sets),
        scorers_sha256=scorers_sha256 if aggregate == "mean" else jsonl.digest([scorers, aggregate]),
        trials=trials,
        cases=tuple(map(planned, cases)),
        part=part,
    )


def _clusters(cases: Sequence[Case], by: str) -> dict[str, str]:
    found = {case.id: tuple(slice_values(case, by)) for case in cases}
    problems = [
        LineProblem(
            case.place.file,
            case.place.line,
            by,
            f"case {case.id} is in {len(found[case.id]) or 'no'} clusters: each case needs exactly one",
        )
        for case in cases
        if len(found[case.id]) != 1
    ]
    if problems:
        raise GoldenSetError(problems)
    return {case_id: names[0] for case_id, names in found.items()}


def variant_of(case: Case) -> str | None:
    """Return the id of the case that ``case`` is a variant of, from ``metadata.variant_of``; None if it is none."""
    value = case.metadata.get("variant_of")
    return value if isinstance(value, str) and value else None


def slices_of(case: Case, slices: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the (by, value) pairs of a case, each once."""
    return tuple(dict.fromkeys((by, value) for by in slices for value in slice_values(case, by)))


def slice_values(case: Case, by: str) -> Iterator[str]:
    """Yield the slices of a case.

    ``by`` is a tag key (``lang`` for tags like ``lang:de``), a dotted path into the case (``metadata.type``),
    ``expected`` (the class of a classifier), or ``tag`` for tags without a colon.
    """
    if by == "tag":
        yield from (tag for tag in case.tags if ":" not in tag)
    elif by == "expected" and case.expected is not None:
        yield case.expected if isinstance(case.expected, str) else jsonl.canonical(case.expected)
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
