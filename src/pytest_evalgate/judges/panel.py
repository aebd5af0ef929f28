"""Agreement of a judge: with the labels, with a panel of raters, and with itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.rates import Statistic, rate_of
from pytest_evalgate.stats.agreement import (
    AgreementGraded,
    Level,
    Winner,
    agreement_binary,
    agreement_graded,
    fleiss_kappa,
    judge_self_consistency,
    krippendorff_missing,
    position_bias,
)
from pytest_evalgate.stats.arrays import np

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judges.rates import Bootstrap

    Floats = npt.NDArray[np.float64]

VERDICT_METRICS: Final = ("balanced_accuracy", "kappa", "mcc", "krippendorff_nominal", "f1")
_PAIR: Final = 2


def verdict_agreement(
    human: Sequence[bool], judge: Sequence[bool], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Statistic]:
    """Compare n verdicts of a judge with human labels by each of `VERDICT_METRICS`. Shapes: (n,) each."""
    found = agreement_binary([float(one) for one in human], [float(one) for one in judge])
    drawn = metrics_of_tables(bootstrap.tables(_cells(human, judge), clusters))
    return {name: bootstrap.estimate(getattr(found, name), drawn[name]) for name in VERDICT_METRICS}


def _cells(human: Sequence[bool], judge: Sequence[bool]) -> Floats:
    """Mark the cell of each row: both pass, only the human passes, only the judge passes, both fail. Shape: (n, 4)."""
    people, machine = np.array(human, dtype=bool), np.array(judge, dtype=bool)
    columns = (people & machine, people & ~machine, ~people & machine, ~people & ~machine)
    return np.stack(columns, axis=1).astype(np.float64)


def metrics_of_tables(tables: Floats) -> Mapping[str, Floats]:
    """Return the metrics of many 2 x 2 tables at once, shape (B, 4) to (B,) each; NaN is undefined.

    The same values as `pytest_evalgate.stats.agreement.agreement_binary`, without a Python loop over the draws.
    """
    both, people, machine, neither = tables.T
    n = tables.sum(axis=1)
    human, judge = both + people, both + machine
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (human * judge + (n - human) * (n - judge)) / n**2
        spread = np.sqrt(human * judge * (n - human) * (n - judge))
        mixed = 2 * (human + judge) * (2 * n - human - judge) / (2 * n * (2 * n - 1))
        return {
            "balanced_accuracy": (both / human + neither / (n - human)) / 2,
            "kappa": ((both + neither) / n - chance) / (1 - chance),
            "mcc": np.where(spread > 0, (both * neither - people * machine) / spread, 0.0),
            "krippendorff_nominal": 1 - (people + machine) / n / mixed,
            "f1": 2 * both / (human + judge),
        }


def grade_agreement(
    human: Sequence[float], judge: Sequence[float], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Statistic]:
    """Compare n grades of a judge with human grades on one scale by each metric of `AgreementGraded`.

    Shapes: (n,) each.
    """
    people, machine = np.array(human, dtype=np.float64), np.array(judge, dtype=np.float64)
    found = agreement_graded(people, machine)
    drawn = [agreement_graded(people[rows], machine[rows]) for rows in bootstrap.samples(clusters)]
    names = [field.name for field in dataclasses.fields(AgreementGraded)]
    return {name: bootstrap.estimate(getattr(found, name), [getattr(one, name) for one in drawn]) for name in names}


@dataclass(frozen=True, slots=True)
class Panel:
    """Agreement among the raters of the ``rows`` that two or more of them labelled.

    ``alpha`` is Krippendorff's alpha over these rows, ``fleiss`` Fleiss' kappa of the rows that all raters labelled.
    ``human`` is the mean kappa of one rater with the majority of the others: the most that can be expected of a judge.
    ``judge`` is the judge's kappa with the same majorities on the same rows.
    """

    raters: tuple[str, ...]
    rows: int
    level: Level
    alpha: Statistic
    fleiss: Statistic
    human: Statistic
    judge: Statistic


@dataclass(frozen=True, slots=True)
class RatedRow:
    """One row: the ratings in [0, 1] by rater, its cluster, and the judge's verdict or None."""

    ratings: Mapping[str, float]
    cluster: Hashable
    judge: bool | None


def panel_of(rows: Sequence[RatedRow], passing: float, bootstrap: Bootstrap) -> Panel | None:
    """Compare raters with each other and with the judge; ``passing`` is the lowest rating that passes.

    Rows with one rating are ignored; None if there are no others.
    """
    shared = [row for row in rows if len(row.ratings) >= _PAIR]
    if not shared:
        return None
    raters = tuple(dict.fromkeys(rater for row in shared for rater in row.ratings))
    graded = any(rating not in {0.0, 1.0} for row in shared for rating in row.ratings.values())
    level: Level = "ordinal" if graded else "nominal"
    judged = [row for row in shared if row.judge is not None]
    human, judge = (
        _mean_kappa(judged or shared, raters, passing, bootstrap, judge_replaces_rater=replaces)
        for replaces in (False, True)
    )
    return Panel(
        raters=raters,
        rows=len(shared),
        level=level,
        alpha=_alpha(shared, raters, level, bootstrap),
        fleiss=_fleiss(shared, raters, passing, bootstrap),
        human=human,
        judge=judge if judged else Statistic(None),
    )


def _alpha(rows: Sequence[RatedRow], raters: Sequence[str], level: Level, bootstrap: Bootstrap) -> Statistic:
    ratings = np.array([[row.ratings.get(rater, np.nan) for row in rows] for rater in raters])

    def alpha(of: Floats) -> float | None:
        return krippendorff_missing([[None if np.isnan(one) else one for one in row] for row in of.tolist()], level)

    drawn = [alpha(ratings[:, taken]) for taken in bootstrap.samples([row.cluster for row in rows])]
    return bootstrap.estimate(alpha(ratings), drawn)


def _fleiss(rows: Sequence[RatedRow], raters: Sequence[str], passing: float, bootstrap: Bootstrap) -> Statistic:
    complete = [row for row in rows if len(row.ratings) == len(raters)]
    if not complete:
        return Statistic(None)
    passes = np.array(
        [sum(rating >= passing for rating in row.ratings.values()) for row in complete], dtype=np.float64
    )
    counts = np.stack((len(raters) - passes, passes), axis=1)
    drawn = _fleiss_of_draws(counts, [row.cluster for row in complete], bootstrap)
    return bootstrap.estimate(fleiss_kappa(counts.tolist()), drawn)


def _fleiss_of_draws(counts: Floats, clusters: Sequence[Hashable], bootstrap: Bootstrap) -> Floats:
    """Return Fleiss' kappa of all draws at once: one call of `fleiss_kappa` takes 6 ms for 450 rows."""
    raters = counts.sum(axis=1)
    agreeing = (np.sum(counts**2, axis=1) - raters) / (raters * (raters - 1))
    marks = np.stack((agreeing, counts[:, 1] / raters, np.ones_like(raters)), axis=1)
    agreeing, passing, n = bootstrap.tables(marks, clusters).T
    chance = (passing / n) ** 2 + (1 - passing / n) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((agreeing / n - chance) / (1 - chance), dtype=np.float64)


def _mean_kappa(
    rows: Sequence[RatedRow],
    raters: Sequence[str],
    passing: float,
    bootstrap: Bootstrap,
    *,
    judge_replaces_rater: bool,
) -> Statistic:
    """Return the mean, over the raters, of the kappa of one rater with the majority of the others."""
    clusters = [row.cluster for row in rows]
    kappas = []
    for rater in raters:
        cells = np.zeros((len(rows), 4))
        for cell, row in zip(cells, rows, strict=True):
            others = [rating >= passing for name, rating in row.ratings.items() if name != rater]
            if rater in row.ratings and 2 * sum(others) != len(others):  # skip rows without a majority
                majority = 2 * sum(others) > len(others)
                verdict = bool(row.judge) if judge_replaces_rater else row.ratings[rater] >= passing
                cell[2 * (not majority) + (not verdict)] = 1.0
        tables = np.concatenate((cells.sum(axis=0, keepdims=True), bootstrap.tables(cells, clusters)))
        kappas.append(metrics_of_tables(tables)["kappa"])
    value, *drawn = np.mean(kappas, axis=0).tolist()
    return bootstrap.estimate(None if np.isnan(value) else value, drawn)


@dataclass(frozen=True, slots=True)
class SelfConsistency:
    """Agreement of a judge with itself on ``items`` that it graded several times.

    ``flip_rate`` is the probability that two of its verdicts on one item differ, ``unanimous`` the share of items on
    which all verdicts are equal.
    """

    items: int
    flip_rate: Statistic
    unanimous: Statistic


def self_consistency_of(
    verdicts: Sequence[Sequence[float]], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> SelfConsistency | None:
    """Measure how often a judge contradicts itself. Items with one verdict are ignored; None if there are no others.

    Shapes: n rows of verdicts or grades, (n,).
    """
    repeated = [(row, cluster) for row, cluster in zip(verdicts, clusters, strict=True) if len(row) >= _PAIR]
    if not repeated:
        return None
    repeated_clusters = [cluster for _, cluster in repeated]
    flips = np.array([judge_self_consistency([row]).flip_rate for row, _ in repeated])
    drawn = [float(flips[rows].mean()) for rows in bootstrap.samples(repeated_clusters)]
    unanimous = rate_of([flip == 0 for flip in flips.tolist()], repeated_clusters)
    return SelfConsistency(len(repeated), bootstrap.estimate(float(flips.mean()), drawn), unanimous.statistic)


Preference = Winner | None
"""The winner of one order: "X" is the output that the label is about. None: the reply could not be read."""


@dataclass(frozen=True, slots=True)
class OrderBias:
    """Effect of the order on a judge of ``pairs``: those whose replies could be read in both orders.

    ``unread`` pairs are in no other figure: an unread reply is neither a tie nor an agreement. ``right_first`` and
    ``right_swapped`` count the pairs on which the judge agrees with the label in one order and in the other,
    ``right_both`` in both. ``agree`` counts the pairs with the same winner, or a tie, in both orders; ``consistency``
    is their share. If the winner depends on the order, ``first_wins`` counts the pairs in which the first position won
    both times, ``second_wins`` the second; a small ``p`` means that one position is preferred.
    """

    pairs: int
    right_first: int
    right_swapped: int
    right_both: int
    agree: int
    consistency: Statistic
    first_wins: int
    second_wins: int
    p: float
    unread: int = 0


def order_bias_of(
    human: Sequence[bool], first: Sequence[Preference], swapped: Sequence[Preference]
) -> OrderBias | None:
    """Measure the effect of swapping the two outputs. None if no pair was read in both orders. Shapes: (n,) each."""
    every = zip(human, first, swapped, strict=True)
    read = [
        ("X" if passed else "Y", one, other) for passed, one, other in every if one is not None and other is not None
    ]
    if not read:
        return None
    found = position_bias([one for _, one, _ in read], [other for _, _, other in read])
    agree = [one == other for _, one, other in read]
    return OrderBias(
        pairs=len(read),
        right_first=sum(one == label for label, one, _ in read),
        right_swapped=sum(other == label for label, _, other in read),
        right_both=sum(one == other == label for label, one, other in read),
        agree=sum(agree),
        consistency=rate_of(agree).statistic,
        first_wins=found.inconsistent_first,
        second_wins=found.inconsistent_second,
        p=found.p_two_sided,
        unread=len(human) - len(read),
    )
