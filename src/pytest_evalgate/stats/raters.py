"""Do several raters mean the same? Krippendorff's alpha and Fleiss' kappa."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_finite, as_whole_numbers, check_same_length
from pytest_evalgate.stats.classes import above_chance

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Level = Literal["nominal", "ordinal", "interval"]
"""What the difference of two ratings means: only that they differ, how many ratings lie between, how far apart."""

_PAIR = 2


def krippendorff_missing(ratings: Sequence[Sequence[float | None]], level: Level) -> float | None:
    """Return Krippendorff's alpha of R raters over U units, of which each may leave some out (None).

    ``1 - Do / De``: the disagreement inside the units over that of all ratings mixed, each as a mean over pairs. 1 is
    perfect, 0 is chance; None where all ratings are the same, so that nothing could disagree. Units with fewer than
    two ratings do not count. Shape: (R, U). Source: Krippendorff 2011.

    Raises:
        ValueError: raters with different numbers of units, a rating that is NaN or infinite, or no unit with two
            ratings.

    """
    values, units = _paired_ratings(ratings)
    if np.ptp(values) == 0:
        return None
    places = _places(values, level)
    disagreement = _unequal_pairs if level == "nominal" else _squared_distances
    sizes = np.bincount(units)
    observed = float(np.sum(disagreement(places, units) / (sizes - 1)))
    expected = float(disagreement(places, np.zeros_like(units))[0]) / (len(values) - 1)
    return 1 - observed / expected


def fleiss_kappa(counts: Sequence[Numbers]) -> float | None:
    """Return Fleiss' kappa of N units that m raters each put into one of K categories.

    ``counts[i][c]`` says how many chose category c for unit i. 1 is perfect, 0 is chance; None where all ratings are
    the same. Shape: (N, K). Source: Fleiss 1971.

    Raises:
        ValueError: no unit, rows of different length, a count that is negative or not whole, fewer than two ratings of
            a unit, or not equally many of each.

    """
    table = _table(counts)
    raters = float(table[0].sum())
    agreeing = (np.sum(table**2, axis=1) - raters) / (raters * (raters - 1))
    shares = table.sum(axis=0) / table.sum()
    return above_chance(float(agreeing.mean()), float(np.sum(shares**2)))


def _paired_ratings(
    ratings: Sequence[Sequence[float | None]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return every rating of a unit that has two or more, and the number of that unit, counted from 0."""
    check_same_length(**{f"ratings[{rater}]": row for rater, row in enumerate(ratings)})
    filled = [
        as_finite(f"ratings[{rater}]", [0.0 if one is None else one for one in row])
        for rater, row in enumerate(ratings)
    ]
    given = np.array([[one is not None for one in row] for row in ratings], dtype=bool)
    paired = given & (given.sum(axis=0) >= _PAIR)
    if not paired.any():
        raise ValueError("ratings: no unit has two ratings, so nothing can be compared: have some units rated twice")
    _, units = np.unique(np.nonzero(paired)[1], return_inverse=True)
    return np.array(filled)[paired], units


def _places(values: npt.NDArray[np.float64], level: Level) -> npt.NDArray[np.float64]:
    """Return where each rating stands on a line, on which distances mean what ``level`` says."""
    if level == "interval":
        return values - float(values.mean())
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if level == "nominal":
        return codes.astype(np.float64)
    midranks = np.cumsum(counts) - counts / 2 - len(values) / 2
    return np.asarray(midranks[codes], dtype=np.float64)


def _squared_distances(places: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the sum of squared distances over the ordered pairs of each group."""
    sums, squares = np.bincount(groups, weights=places), np.bincount(groups, weights=places**2)
    return np.asarray(2 * (np.bincount(groups) * squares - sums**2), dtype=np.float64)


def _unequal_pairs(places: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the number of ordered pairs of each group whose members differ."""
    cells, counts = np.unique(np.stack((groups, places)), axis=1, return_counts=True)
    same = np.bincount(cells[0].astype(np.intp), weights=counts.astype(np.float64) ** 2)
    return np.asarray(np.bincount(groups) ** 2 - same, dtype=np.float64)


def _table(counts: Sequence[Numbers]) -> npt.NDArray[np.float64]:
    if len(counts) == 0:
        raise ValueError("counts must hold one or more units, got none")
    check_same_length(**{f"counts[{unit}]": row for unit, row in enumerate(counts)})
    table = np.array([as_whole_numbers(f"counts[{i}]", row, 0, sys.float_info.max) for i, row in enumerate(counts)])
    raters = table.sum(axis=1)
    bad = np.flatnonzero((raters < _PAIR) | (raters != raters[0]))
    if bad.size:
        raise ValueError(
            f"counts[{bad[0]}] holds {raters[bad[0]]:g} ratings, counts[0] {raters[0]:g}: every unit needs the same "
            "number of them, 2 or more"
        )
    return table
