"""When did it change? The one split of a series of runs that separates best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import Numbers, as_finite, check_counts

FEWEST_RUNS = 15
"""Below this many runs a split has too little on either side."""

FEWEST_A_SIDE = 4
"""Runs that each side of a split keeps."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first run (from 0) after the change, the means on both sides, and whether chance would do as well."""

    index: int
    before: float
    after: float
    t: float
    p: float


def change_point(values: Numbers, seed: int = 0, permutations: int = 2000) -> ChangePoint:
    """Find the split of n >= 15 runs in time order with the largest two-sided t, four runs or more on each side.

    ``p`` is the share of seeded permutations (the order seen counted in) whose best split is as good: it allows for
    the search. ``t`` is infinite where both sides are constant, 0 where all runs are alike. Shape: (n,).
    Source: Worsley 1979; permutation test.

    Raises:
        ValueError: fewer than 15 runs, a value that is NaN or infinite, ``seed`` that is not a whole number from 0, or
            no permutation.

    """
    array = as_finite("values", values, FEWEST_RUNS)
    check_counts(seed=seed)
    check_counts(1, permutations=permutations)
    centred = array - array.mean()
    explained = _explained(centred)
    place = int(np.argmax(explained))
    best, index = float(explained[place]), place + FEWEST_A_SIDE
    orders = np.random.default_rng(seed).permuted(np.tile(centred, (permutations, 1)), axis=1)
    as_good = int(np.count_nonzero(_explained(orders).max(axis=1) >= best - 1e-12))  # sums in another order
    return ChangePoint(
        index=index,
        before=float(array[:index].mean()),
        after=float(array[index:].mean()),
        t=_t(best, len(array)),
        p=(1 + as_good) / (1 + permutations),
    )


def _explained(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the share of variance that each split explains, along the last axis; t rises with it."""
    n = centred.shape[-1]
    first = np.arange(FEWEST_A_SIDE, n - FEWEST_A_SIDE + 1)
    sums = np.cumsum(centred, axis=-1)[..., first - 1]
    total = np.sum(centred**2, axis=-1, keepdims=True)
    share: npt.NDArray[np.float64] = sums**2 * n / (first * (n - first)) / np.where(total == 0, 1.0, total)
    return np.minimum(share, 1.0)


def _t(explained: float, n: int) -> float:
    rest = 1 - explained
    return math.sqrt(explained * (n - 2) / rest) if rest > 1e-12 else math.inf  # noqa: PLR2004 - rounding of a sum
