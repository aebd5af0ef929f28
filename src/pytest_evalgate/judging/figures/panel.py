"""Several people who labelled the same rows: how far they agree, and how near to them the judge comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, figure
from pytest_evalgate.judging.figures.verdicts import of_tables
from pytest_evalgate.stats.raters import Level, fleiss_kappa, krippendorff_missing

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judging.figures.figure import Bootstrap

    _Cells = npt.NDArray[np.float64]

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
class Rated:
    """A row that people rated: what each said, in [0, 1], its cluster, and the judge's verdict if there is one."""

    ratings: Mapping[str, float]
    cluster: Hashable
    judge: bool | None


def panel_of(rows: Sequence[Rated], passing: float, bootstrap: Bootstrap) -> Panel | None:
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


def _alpha(rows: Sequence[Rated], raters: Sequence[str], level: Level, bootstrap: Bootstrap) -> Figure:
    ratings = np.array([[row.ratings.get(rater, np.nan) for row in rows] for rater in raters])

    def alpha(of: npt.NDArray[np.float64]) -> float | None:
        return krippendorff_missing([[None if np.isnan(one) else one for one in row] for row in of.tolist()], level)

    return figure(
        alpha(ratings), [alpha(ratings[:, taken]) for taken in bootstrap.samples([row.cluster for row in rows])]
    )


def _fleiss(rows: Sequence[Rated], raters: Sequence[str], passing: float, bootstrap: Bootstrap) -> Figure:
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
    rows: Sequence[Rated], raters: Sequence[str], passing: float, bootstrap: Bootstrap
) -> tuple[Figure, Figure]:
    """Return the mean kappa of the raters, and that of the judge in the place of each, on rows that it has read."""
    judged = [row for row in rows if row.judge is not None]
    human, judge = (
        _mean([_kappas(_cells(judged or rows, rater, passing, in_place=in_place), bootstrap) for rater in raters])
        for in_place in (False, True)
    )
    return human, judge if judged else Figure(None)


def _cells(rows: Sequence[Rated], rater: str, passing: float, *, in_place: bool) -> tuple[_Cells, list[Hashable]]:
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
