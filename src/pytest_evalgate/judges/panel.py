"""Several people who labelled the same rows: how far they agree, and how near to them the judge comes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.judges.figures import Figure, codes_of, figure, of_tables, rate_of
from pytest_evalgate.stats.agreement import (
    Level,
    fleiss_kappa,
    judge_self_consistency,
    krippendorff_missing,
    position_bias,
)
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.judged import (
    calibration_errors,
    threshold_cost,
    threshold_fixed_specificity,
    threshold_youden,
)
from pytest_evalgate.stats.numeric import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judges.figures import Bootstrap
    from pytest_evalgate.stats.agreement import Winner

    _Cells = npt.NDArray[np.float64]
    Floats = npt.NDArray[np.float64]

_TWO = 2


@dataclass(frozen=True, slots=True)
class Panel:
    """The raters of ``rows`` that two or more of them labelled.

    ``alpha`` is Krippendorff's, over all of them; ``fleiss`` that of passes and fails where all raters labelled.
    ``human`` is the mean kappa of one rater against the majority of the others, which no judge can be asked to beat;
    ``judge`` is the judge's against the same majorities on the same rows.
    """

    raters: tuple[str, ...]
    rows: int
    level: Level
    alpha: Figure
    fleiss: Figure
    human: Figure
    judge: Figure


@dataclass(frozen=True, slots=True)
class RatedRow:
    """A row that people rated: what each said, in [0, 1], its cluster, and the judge's verdict if there is one."""

    ratings: Mapping[str, float]
    cluster: Hashable
    judge: bool | None


def panel_of(rows: Sequence[RatedRow], passing: float, bootstrap: Bootstrap) -> Panel | None:
    """Compare raters with each other and with the judge; None where no row has two ratings.

    Args:
        rows: The rows; those with one rating do not count.
        passing: From which rating on a row passes.
        bootstrap: Where the intervals come from.

    """
    shared = [row for row in rows if len(row.ratings) >= _TWO]
    if not shared:
        return None
    raters = tuple(dict.fromkeys(rater for row in shared for rater in row.ratings))
    level: Level = (
        "ordinal" if any(rating not in {0.0, 1.0} for row in shared for rating in row.ratings.values()) else "nominal"
    )
    human, judge = _against_the_others(shared, raters, passing, bootstrap)
    return Panel(
        raters=raters,
        rows=len(shared),
        level=level,
        alpha=_alpha(shared, raters, level, bootstrap),
        fleiss=_fleiss(shared, raters, passing, bootstrap),
        human=human,
        judge=judge,
    )


def _alpha(rows: Sequence[RatedRow], raters: Sequence[str], level: Level, bootstrap: Bootstrap) -> Figure:
    ratings = np.array([[row.ratings.get(rater, np.nan) for row in rows] for rater in raters])

    def alpha(of: npt.NDArray[np.float64]) -> float | None:
        return krippendorff_missing([[None if np.isnan(one) else one for one in row] for row in of.tolist()], level)

    return figure(
        alpha(ratings), [alpha(ratings[:, taken]) for taken in bootstrap.samples([row.cluster for row in rows])]
    )


def _fleiss(rows: Sequence[RatedRow], raters: Sequence[str], passing: float, bootstrap: Bootstrap) -> Figure:
    whole = [row for row in rows if len(row.ratings) == len(raters)]
    if not whole:
        return Figure(None)
    passes = np.array([sum(rating >= passing for rating in row.ratings.values()) for row in whole], dtype=np.float64)
    counts = np.stack((len(raters) - passes, passes), axis=1)
    return figure(fleiss_kappa(counts.tolist()), _fleiss_of_draws(counts, [row.cluster for row in whole], bootstrap))


def _fleiss_of_draws(counts: _Cells, clusters: Sequence[Hashable], bootstrap: Bootstrap) -> npt.NDArray[np.float64]:
    """Return Fleiss' kappa of each draw, all at once: one by one, `fleiss_kappa` takes 6 ms for 450 rows."""
    raters = counts.sum(axis=1)
    agreeing = (np.sum(counts**2, axis=1) - raters) / (raters * (raters - 1))
    marks = np.stack((agreeing, counts[:, 1] / raters, np.ones_like(raters)), axis=1)
    agreeing, passing, n = bootstrap.tables(marks, clusters).T
    chance = (passing / n) ** 2 + (1 - passing / n) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((agreeing / n - chance) / (1 - chance), dtype=np.float64)


def _against_the_others(
    rows: Sequence[RatedRow], raters: Sequence[str], passing: float, bootstrap: Bootstrap
) -> tuple[Figure, Figure]:
    """Return the mean kappa of the raters, and that of the judge in the place of each, on rows that it has read."""
    judged = [row for row in rows if row.judge is not None]
    human, judge = (
        _mean([_kappas(_cells(judged or rows, rater, passing, in_place=in_place), bootstrap) for rater in raters])
        for in_place in (False, True)
    )
    return human, judge if judged else Figure(None)


def _cells(rows: Sequence[RatedRow], rater: str, passing: float, *, in_place: bool) -> tuple[_Cells, list[Hashable]]:
    """Mark what the majority of the others and the rater, or the judge in place of it, say; no mark without both."""
    cells = np.zeros((len(rows), 4))
    for cell, row in zip(cells, rows, strict=True):
        others = [rating >= passing for name, rating in row.ratings.items() if name != rater]
        if rater not in row.ratings or 2 * sum(others) == len(others):
            continue
        majority = 2 * sum(others) > len(others)
        says = bool(row.judge) if in_place else row.ratings[rater] >= passing
        cell[2 * (not majority) + (not says)] = 1.0
    return cells, [row.cluster for row in rows]


def _kappas(marked: tuple[_Cells, Sequence[Hashable]], bootstrap: Bootstrap) -> npt.NDArray[np.float64]:
    """Return the kappa of all rows, and then that of each draw."""
    cells, clusters = marked
    tables = np.concatenate((cells.sum(axis=0, keepdims=True), bootstrap.tables(cells, clusters)))
    return of_tables(tables)["kappa"]


def _mean(kappas: Sequence[npt.NDArray[np.float64]]) -> Figure:
    value, *drawn = np.mean(kappas, axis=0).tolist()
    return figure(None if np.isnan(value) else value, drawn)


BINS = 10
PROBABILITY_FIGURES = ("brier", "log_loss", "ece")


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores above ``low`` up to ``high``: how many there are, their mean, and the share that people pass."""

    low: float
    high: float
    n: int
    score: float
    passed: float
    interval: tuple[float, float]


def probability_figures(
    scores: Sequence[float], human: Sequence[bool], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Figure]:
    """Hold n probabilities of a pass against what people say: Brier score, log loss (nats) and calibration error.

    Shapes: (n,) each.
    """
    values, labels = np.array(scores, dtype=np.float64), np.array(human, dtype=np.float64)
    found = calibration_errors(values, labels, BINS)
    drawn = [calibration_errors(values[rows], labels[rows], BINS) for rows in bootstrap.samples(clusters)]
    return {name: figure(getattr(found, name), [getattr(one, name) for one in drawn]) for name in PROBABILITY_FIGURES}


def bins_of(scores: Sequence[float], human: Sequence[bool]) -> tuple[Bin, ...]:
    """Sort n scores in [0, 1] into ten bins of equal width, closed above; those that hold none are left out."""
    members: dict[int, list[tuple[float, bool]]] = {}
    for score, passed in zip(scores, human, strict=True):
        members.setdefault(max(0, math.ceil(score * BINS - ROUNDING) - 1), []).append((score, passed))
    return tuple(_bin(number, members[number]) for number in sorted(members))


def _bin(number: int, members: Sequence[tuple[float, bool]]) -> Bin:
    n, passed = len(members), sum(passed for _, passed in members)
    bounds = wilson_interval(passed, n)
    mean = math.fsum(score for score, _ in members) / n
    return Bin(number / BINS, (number + 1) / BINS, n, mean, passed / n, (bounds.lower, bounds.upper))


@dataclass(frozen=True, slots=True)
class SelfConsistency:
    """How steady a judge is over ``items`` that it was asked about several times.

    ``flip_rate`` is the chance that two of its verdicts on one item differ, ``unanimous`` the share of items without a
    flip.
    """

    items: int
    flip_rate: Figure
    unanimous: Figure


@dataclass(frozen=True, slots=True)
class OrderBias:
    """What the order of showing does to a judge of pairs; counts of ``pairs``.

    ``right_first`` and ``right_swapped`` agree with people in one order and in the other, ``right_both`` in both.
    ``agree`` have the same winner in both orders, which is the share ``consistency``. Of those whose winner changes
    with the order, ``first_wins`` went to the answer shown first both times, ``second_wins`` to the other; ``p`` is
    small where one place is preferred.
    """

    pairs: int
    right_first: int
    right_swapped: int
    right_both: int
    agree: int
    consistency: Figure
    first_wins: int
    second_wins: int
    p: float


def self_consistency_of(
    verdicts: Sequence[Sequence[float]], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> SelfConsistency | None:
    """Measure how often a judge changes its mind; items with a single verdict do not count, None without any other.

    Shapes: n rows of verdicts or grades, (n,).
    """
    repeated = [(row, cluster) for row, cluster in zip(verdicts, clusters, strict=True) if len(row) >= _TWO]
    if not repeated:
        return None
    flips = np.array([judge_self_consistency([row]).flip_rate for row, _ in repeated])
    drawn = [float(flips[rows].mean()) for rows in bootstrap.samples([cluster for _, cluster in repeated])]
    unanimous = rate_of([flip == 0 for flip in flips.tolist()], clusters=[cluster for _, cluster in repeated])
    return SelfConsistency(len(repeated), figure(float(flips.mean()), drawn), unanimous.figure)


def order_bias_of(
    human: Sequence[bool], first: Sequence[bool | None], swapped: Sequence[bool | None]
) -> OrderBias | None:
    """Measure what a change of places does; None without a pair.

    A verdict says whether the answer that people may have passed wins, in the one order and in the other; None is a
    tie, or an answer that could not be read. Shapes: (n,) each.
    """
    if not human:
        return None
    found = position_bias([_winner(one) for one in first], [_winner(one) for one in swapped])
    right = [(one == passed, other == passed) for passed, one, other in zip(human, first, swapped, strict=True)]
    agree = [one == other for one, other in zip(first, swapped, strict=True)]
    return OrderBias(
        pairs=len(human),
        right_first=sum(one for one, _ in right),
        right_swapped=sum(other for _, other in right),
        right_both=sum(one and other for one, other in right),
        agree=sum(agree),
        consistency=rate_of(agree).figure,
        first_wins=found.inconsistent_first,
        second_wins=found.inconsistent_second,
        p=found.p_two_sided,
    )


def _winner(passed: bool | None) -> Winner:  # noqa: FBT001 - three values in, three words out
    return "tie" if passed is None else "X" if passed else "Y"


AimName = Literal["specificity", "youden", "cost"]
FOLDS = 5
_FEWEST_FOLDS = 2


@dataclass(frozen=True, slots=True)
class Aim:
    """What a threshold is chosen for.

    ``specificity`` passes as many human passes as it can while it fails at least that share of the human fails;
    ``youden`` parts the two best; ``cost`` makes false passes, each worth ``false_pass_cost`` false fails, and false
    fails together cost least.
    """

    name: AimName = "specificity"
    specificity: float = 0.9
    false_pass_cost: float = 1.0

    def choose(self, scores: Floats, human: Floats) -> float:
        """Return the threshold for these scores and labels; infinity where nothing may pass."""
        if self.name == "youden":
            return threshold_youden(scores, human).threshold
        if self.name == "cost":
            return threshold_cost(scores, human, self.false_pass_cost, 1.0).threshold
        return threshold_fixed_specificity(scores, human, self.specificity).threshold


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a ROC curve: what passes from ``threshold`` on, as shares of the human fails and passes."""

    threshold: float | None
    false_pass_rate: float
    true_pass_rate: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The threshold that all labels chose, None where nothing may pass by it.

    ``auc`` is the area under the ``roc`` curve of all labels. ``folds`` is the number of parts of which each was
    judged by the threshold that the others chose; their thresholds lie from ``least`` to ``most``.
    """

    value: float | None
    aim: AimName
    auc: Figure
    folds: int
    least: float | None
    most: float | None
    roc: tuple[Point, ...]


def choose(
    scores: Sequence[float], human: Sequence[bool], clusters: Sequence[Hashable], aim: Aim, bootstrap: Bootstrap
) -> tuple[Threshold, tuple[bool, ...]] | None:
    """Choose a threshold, and return it with the out-of-fold verdicts: each by a threshold that did not see its row.

    The folds are stratified, seeded, and hold whole clusters. None where labels of one class, or all of a class in one
    cluster, leave nothing to choose by. Shapes: (n,) each.
    """
    values, labels = np.array(scores, dtype=np.float64), np.array(human, dtype=np.float64)
    codes = codes_of(clusters)
    fold_of = _folds(labels, codes, bootstrap.seed)
    if fold_of is None:
        return None
    passed, chosen = np.zeros(len(values), dtype=bool), []
    for fold in range(int(fold_of.max()) + 1):
        held = fold_of == fold
        chosen.append(aim.choose(values[~held], labels[~held]))
        passed[held] = values[held] >= chosen[-1]
    value = aim.choose(values, labels)
    found = Threshold(
        value=_finite(value),
        aim=aim.name,
        auc=_auc(values, labels, clusters, bootstrap),
        folds=len(chosen),
        least=_finite(min(chosen)),
        most=_finite(max(chosen)),
        roc=roc_of(values, labels),
    )
    return found, tuple(passed.tolist() if found.value is not None else [False] * len(values))


def roc_of(scores: Floats, human: Floats) -> tuple[Point, ...]:
    """Return the ROC curve, from nothing passes to everything passes; both classes have to occur."""
    falling, places = np.unique(-scores, return_inverse=True)
    right, wrong = (np.cumsum(np.bincount(places, weights=ones)) / ones.sum() for ones in (human, 1 - human))
    points = zip((-falling).tolist(), wrong.tolist(), right.tolist(), strict=True)
    return (Point(None, 0.0, 0.0), *(Point(*point) for point in points))


def _folds(labels: Floats, codes: npt.NDArray[np.intp], seed: int) -> npt.NDArray[np.intp] | None:
    """Deal whole clusters out to folds, the large ones first, each to where its classes are fewest so far."""
    tables = np.stack([np.bincount(codes, weights=ones) for ones in (1 - labels, labels)], axis=1)
    count = min(FOLDS, *(int(np.count_nonzero(column)) for column in tables.T))
    if count < _FEWEST_FOLDS:
        return None
    shuffled = np.random.default_rng(seed).permutation(len(tables))
    order = shuffled[np.argsort(-tables[shuffled].sum(axis=1), kind="stable")]
    filled, fold_of = np.zeros((count, 2)), np.zeros(len(tables), dtype=np.intp)
    for cluster in order:
        after = ((filled + tables[cluster]) / tables.sum(axis=0)) ** 2 - (filled / tables.sum(axis=0)) ** 2
        fold_of[cluster] = int(np.argmin(after.sum(axis=1)))
        filled[fold_of[cluster]] += tables[cluster]
    rest = filled.sum(axis=0) - filled
    return fold_of[codes] if bool(np.all(rest > 0)) else None


def _auc(scores: Floats, human: Floats, clusters: Sequence[Hashable], bootstrap: Bootstrap) -> Figure:
    drawn = [_area(scores[rows], human[rows]) for rows in bootstrap.samples(clusters)]
    return figure(_area(scores, human), drawn)


def _area(scores: Floats, human: Floats) -> float | None:
    return None if np.ptp(human) == 0 else threshold_youden(scores, human).auc


def _finite(threshold: float) -> float | None:
    return threshold if math.isfinite(threshold) else None
