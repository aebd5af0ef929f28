"""Correlation of a judge's scores with people's grades: of all rows, per group, and without a number's effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.rates import Statistic
from pytest_evalgate.stats.correlation import COEFFICIENTS, correlation, partial_correlation

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from pytest_evalgate.stats.correlation import Correlation

_FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class GradedRow:
    """The grade and the score of one row, its cluster, its group, and the number that is controlled for."""

    grade: float
    score: float
    cluster: Hashable
    group: str | None = None
    controlled: float | None = None


@dataclass(frozen=True, slots=True)
class GroupCorrelation:
    """The correlations of the ``n`` rows of one group, by coefficient."""

    group: str
    n: int
    values: Mapping[str, Statistic]


@dataclass(frozen=True, slots=True)
class CorrelationReport:
    """Correlations by coefficient: of all rows, those of each group, their mean over the groups, and partial ones.

    ``partial`` is without the effect of a number, over the ``controlled`` rows that have it. Intervals count clusters
    as one row each.
    """

    whole: Mapping[str, Statistic]
    groups: tuple[GroupCorrelation, ...] = ()
    mean_of_groups: Mapping[str, float] | None = None
    partial: Mapping[str, Statistic] | None = None
    controlled: int = 0


def correlations_of(rows: Sequence[GradedRow]) -> CorrelationReport:
    """Correlate grades and scores of at least one row. Rows without a group, or without the number, are left out."""
    groups: dict[str, list[GradedRow]] = {}
    for row in rows:
        if row.group is not None:
            groups.setdefault(row.group, []).append(row)
    found = tuple(GroupCorrelation(name, len(members), _values(members)) for name, members in groups.items())
    controlled = [row for row in rows if row.controlled is not None]
    return CorrelationReport(
        whole=_values(rows),
        groups=found,
        mean_of_groups=_means(found) if found else None,
        partial=_partial(controlled) if len(controlled) >= _FEWEST else None,
        controlled=len(controlled),
    )


def _values(rows: Sequence[GradedRow]) -> dict[str, Statistic]:
    grades, scores = [row.grade for row in rows], [row.score for row in rows]
    independent = len({row.cluster for row in rows})
    return {name: _statistic(correlation(grades, scores, name, independent=independent)) for name in COEFFICIENTS}


def _partial(rows: Sequence[GradedRow]) -> dict[str, Statistic]:
    grades, scores = [row.grade for row in rows], [row.score for row in rows]
    numbers = [row.controlled for row in rows if row.controlled is not None]
    independent = len({row.cluster for row in rows})
    return {
        name: _statistic(partial_correlation(grades, scores, numbers, name, independent=independent))
        for name in COEFFICIENTS
    }


def _means(groups: Sequence[GroupCorrelation]) -> dict[str, float]:
    """Return the mean of each coefficient over the groups in which it is defined."""
    means: dict[str, float] = {}
    for name in COEFFICIENTS:
        known = [value for group in groups if (value := group.values[name].value) is not None]
        if known:
            means[name] = sum(known) / len(known)
    return means


def _statistic(found: Correlation) -> Statistic:
    return Statistic(found.value, None if found.interval is None else (found.interval.lower, found.interval.upper))
