"""Allocation of a stratified sample: the number of rows to draw from each stratum.

A stratum h has N_h rows and a standard deviation S_h of the result that the sample estimates. The variance of the
weighted mean is the sum of ``(N_h / N)² S_h² / n_h (1 - n_h / N_h)``. Source: Cochran 1977, sections 5.3 to 5.9.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Allocation = Literal["proportional", "equal", "neyman"]
"""Rule of an allocation: n_h in proportion to N_h, to 1, or to N_h S_h."""

_PRIOR: Final = 2.0
"""Weight of the pooled variance in that of a stratum, in observations: 5 passes do not exclude failures."""

_FLOOR: Final = 0.05
"""Smallest deviation of a stratum, as a share of the pooled one."""


@dataclass(frozen=True, slots=True)
class PilotStratum:
    """Known results of a stratum: their number, mean and standard deviation."""

    n: int
    mean: float
    deviation: float


def pilot_strata(counts: Sequence[float], sums: Sequence[float], squares: Sequence[float]) -> list[PilotStratum]:
    """Return the mean and standard deviation of the results of each stratum, shape (strata,).

    Args:
        counts: Number of results of each stratum.
        sums: Sum of the results.
        squares: Sum of their squares.

    The variance is a weighted mean of the stratum's own and of the pooled one, which counts as 2 observations. A
    stratum without results has the pooled values. The pooled variance is that within strata.
    """
    total = sum(counts)
    overall = sum(sums) / total if total else 0.5
    within = sum(q - s * s / n for n, s, q in zip(counts, sums, squares, strict=True) if n)
    pooled = max(0.0, within / total) if total else 0.25
    floor = _FLOOR * math.sqrt(pooled)
    found = []
    for n, s, q in zip(counts, sums, squares, strict=True):
        own = max(0.0, q - s * s / n) if n else 0.0
        deviation = math.sqrt((own + _PRIOR * pooled) / (n + _PRIOR))
        found.append(PilotStratum(int(n), s / n if n else overall, max(deviation, floor)))
    return found


def allocate(
    sizes: Sequence[int],
    n: int,
    rule: Allocation = "proportional",
    *,
    deviations: Sequence[float] | None = None,
    minimum: int = 1,
) -> list[int]:
    """Divide ``n`` rows among strata, shape (strata,).

    Args:
        sizes: Number of rows of each stratum, each at least 1.
        n: Rows to draw. If it is at least the number of all rows, every row is drawn.
        rule: See `Allocation`.
        deviations: Standard deviation of each stratum, for Neyman's rule.
        minimum: Fewest rows of a stratum, or all of them if it has fewer.

    Shares below the minimum are raised to it, and shares above the size are cut to it; the rest is divided again. The
    shares are made whole by the largest remainders.

    Raises:
        ValueError: ``n`` does not suffice for the minimum of each stratum, or Neyman's rule has no deviations.
    """
    if rule == "neyman" and deviations is None:
        raise ValueError("Neyman's allocation needs the standard deviation of each stratum")
    rows = np.asarray(sizes, dtype=np.float64)
    if n >= rows.sum():
        return [int(size) for size in sizes]
    lower = np.minimum(rows, minimum)
    if n < lower.sum():
        raise ValueError(
            f"{len(sizes):,} strata with a minimum of {minimum:,} need {int(lower.sum()):,} rows, got {n:,}"
        )
    measure = {"proportional": rows, "equal": np.ones_like(rows)}.get(rule)
    if measure is None:
        measure = rows * np.asarray(deviations, dtype=np.float64)
        measure = rows if measure.sum() == 0 else measure
    return _rounded(_bounded(measure, float(n), lower, rows), n, rows)


def _bounded(
    measure: npt.NDArray[np.float64], n: float, lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return shares in proportion to ``measure`` between the bounds, which sum to ``n``.

    The sum of ``clip(t * measure, lower, upper)`` grows with t, so t is found by bisection.
    """
    positive = measure[measure > 0]
    low, high = 0.0, float(upper.max() / positive.min()) + 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(middle * measure, lower, upper).sum() < n:
            low = middle
        else:
            high = middle
    shares: npt.NDArray[np.float64] = np.clip(high * measure, lower, upper)
    return shares


def _rounded(shares: npt.NDArray[np.float64], n: int, upper: npt.NDArray[np.float64]) -> list[int]:
    whole = np.floor(shares + 1e-9).astype(np.int64)
    by_remainder = np.lexsort((np.arange(len(shares)), whole - shares))
    left = n - int(whole.sum())
    while left > 0:
        before = left
        for index in by_remainder:
            if left and whole[index] < upper[index]:
                whole[index] += 1
                left -= 1
        if left == before:  # every stratum is drawn whole
            break
    return [int(one) for one in whole]
