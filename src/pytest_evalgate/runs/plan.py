"""The plan of a suite: what a run has to account for, made from its golden sets before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.data import PlannedCase, SuitePlan
from pytest_evalgate.errors import GoldenSetError, LineProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Case, GoldenSet, Json

    _Pairs = tuple[tuple[str, str], ...]

_FINGERPRINT_LENGTH = 16


def make_plan(  # noqa: PLR0913 - what a suite is, by name
    name: str,
    sets: Sequence[GoldenSet],
    *,
    scorers: Json,
    trials: int,
    slices: Sequence[str],
    cluster: str | None = None,
    aggregate: str = "mean",
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
        cluster: What cases of one cluster share, named like a slice; None where cases stand for themselves.

    Raises:
        GoldenSetError: cases lie in no cluster.

    """
    clusters = {} if cluster is None else _clusters(sets, cluster)
    scorers_sha256 = jsonl.digest(scorers)
    shared: dict[_Pairs, _Pairs] = {}  # most cases lie in slices that others lie in too
    return SuitePlan(
        name=name,
        golden=tuple(golden.path for golden in sets),
        golden_sha256=sets[0].sha256 if len(sets) == 1 else jsonl.digest(sorted(golden.sha256 for golden in sets)),
        scorers_sha256=scorers_sha256 if aggregate == "mean" else jsonl.digest([scorers, aggregate]),
        trials=trials,
        cases=tuple(
            _planned(case, scorers_sha256, slices, shared, clusters.get(case.id)) for golden in sets for case in golden
        ),
    )


def _clusters(sets: Sequence[GoldenSet], by: str) -> dict[str, str]:
    """Return the cluster of each case by its id: exactly one each."""
    found = {case.id: tuple(_slice_values(case, by)) for golden in sets for case in golden}
    problems = [
        LineProblem(
            case.place.file,
            case.place.line,
            by,
            f"case {case.id} lies in {len(found[case.id]) or 'no'} clusters: each case needs exactly one",
        )
        for golden in sets
        for case in golden
        if len(found[case.id]) != 1
    ]
    if problems:
        raise GoldenSetError(problems)
    return {case_id: names[0] for case_id, names in found.items()}


def _planned(
    case: Case, scorers_sha256: str, slices: Sequence[str], shared: dict[_Pairs, _Pairs], cluster: str | None
) -> PlannedCase:
    fingerprint = jsonl.digest([case.fingerprint, scorers_sha256])[:_FINGERPRINT_LENGTH]
    pairs = tuple(dict.fromkeys((by, value) for by in slices for value in _slice_values(case, by)))
    return PlannedCase(
        case.id, case.place, fingerprint, case.tags, shared.setdefault(pairs, pairs), case.skip, cluster
    )


def _slice_values(case: Case, by: str) -> Iterator[str]:
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
