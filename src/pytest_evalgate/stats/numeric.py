"""Argument checks, quantiles and bisection, shared by the estimators.

A failed check raises a ``ValueError`` that names the argument, its value and the allowed range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_evalgate.stats.arrays import np, special

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

Numbers: TypeAlias = "Sequence[float] | npt.NDArray[np.float64]"
"""One number per case (or cluster), in case order, shape (n,)."""


def check_inside(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``low < value < high``; NaN fails."""
    if not low < value < high:
        raise ValueError(f"{name} must be strictly between {low:g} and {high:g}, got {value}")


def check_within(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``low <= value <= high``; NaN fails."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")


def check_alpha(alpha: float, name: str = "alpha") -> None:
    """Raise ValueError unless the one-sided significance level ``alpha`` is in (0, 0.5)."""
    check_inside(name, alpha, 0.0, 0.5)


def check_margin(margin: float | None) -> None:
    """Raise ValueError unless ``margin`` is None or in (0, 1): a share of the cases, not percentage points."""
    if margin is not None:
        check_inside("margin", margin, 0.0, 1.0)


def check_counts(fewest: int = 0, /, **counts: float) -> None:
    """Raise ValueError unless every count is a whole number of at least ``fewest``."""
    for name, value in counts.items():
        # NaN and infinity have no remainder of 0 either
        if not (value >= fewest and value % 1 == 0):
            raise ValueError(f"{name} must be a whole number, {fewest} or more, got {value}")


def check_rate(passes: float, n: float) -> None:
    """Raise ValueError unless ``n`` is positive and finite and ``passes`` from 0 to ``n``; both may be fractional."""
    if not 0 < n < math.inf:
        raise ValueError(f"n must be positive and finite, got {n}: an interval needs at least one case")
    check_within("passes", passes, 0, n)


def check_table(*, both_pass: int, losses: int, gains: int, both_fail: int) -> int:
    """Return the number of pairs of a two by two table; raise ValueError if it has none, or for an invalid count."""
    check_counts(both_pass=both_pass, losses=losses, gains=gains, both_fail=both_fail)
    n = both_pass + losses + gains + both_fail
    if n == 0:
        raise ValueError("the table of pairs is empty (n = 0): run both systems on at least one common case")
    return n


def as_numbers(
    name: str, values: Numbers, low: float, high: float | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``values`` as a float array of shape (n,), n >= 1, all from ``low`` to ``high``.

    ``high`` is one limit for all values, or an array with one for each. Otherwise raise ValueError.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a list of one or more numbers, got shape {array.shape}")
    bad = np.flatnonzero(~((array >= low) & (array <= high)))
    if bad.size:
        at, limit = bad[0], np.broadcast_to(high, array.shape)[bad[0]]
        raise ValueError(f"{name}[{at}] must be a number from {low:g} to {limit:g}, got {array[at]}")
    return array


def as_whole_numbers(
    name: str, values: Numbers, low: float, high: float | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``values`` as `as_numbers` does; also raise ValueError if one has a fraction."""
    array = as_numbers(name, values, low, high)
    bad = np.flatnonzero(array % 1)
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] must be a whole number, got {array[bad[0]]}")
    return array


def as_finite(name: str, values: Numbers, fewest: int = 1) -> npt.NDArray[np.float64]:
    """Return finite ``values`` of any unit as a float array of shape (n,), n >= ``fewest``, or raise ValueError."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < fewest:
        raise ValueError(f"{name} must be a list of {fewest} or more numbers, got shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] must be a finite number, got {array[bad[0]]}")
    return array


def check_same_length(**columns: Sequence[object] | npt.NDArray[np.float64]) -> None:
    """Raise ValueError unless all columns have the same length."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"one entry per case is needed in each of {lengths}")


def as_labels(name: str, values: Numbers) -> npt.NDArray[np.float64]:
    """Return passes (1, True) and fails (0, False) as a float array of shape (n,), n >= 1, or raise ValueError."""
    return as_whole_numbers(name, values, 0, 1)


def as_both_labels(name: str, values: Numbers) -> npt.NDArray[np.float64]:
    """Return labels as `as_labels` does; also raise ValueError if all labels are the same."""
    labels = as_labels(name, values)
    passes = int(labels.sum())
    if passes in (0, len(labels)):
        raise ValueError(
            f"{name} must contain passes and fails, got {passes} passes of {len(labels)}: label cases of both classes"
        )
    return labels


BISECTION_STEPS = 60
"""An interval of width 2 is below 2e-18 after 60 halvings, finer than any float near 1."""

ROUNDING = 1e-9
"""Differences of mean scores below this are rounding errors."""


_USUAL_Z: Final = {0.05: 1.6448536269514729, 0.025: 1.9599639845400545, (1 - 0.95) / 2: 1.959963984540054}
"""``-ndtri(alpha)`` of the usual levels: a suite that only reports its pass rate needs no scipy."""


def upper_z(alpha: float) -> float:
    """Return the upper ``alpha`` quantile of the standard normal distribution."""
    if alpha in _USUAL_Z:
        return _USUAL_Z[alpha]
    # by symmetry from the lower tail: 1 - alpha loses digits for a small alpha
    return float(-special.ndtri(alpha))


def upper_t(alpha: float, df: float) -> float:
    """Return the upper ``alpha`` quantile of Student's t with ``df`` degrees of freedom."""
    return float(-special.stdtrit(df, alpha))


def binomial_tail(
    successes: npt.ArrayLike, trials: npt.ArrayLike, rate: float | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``P(X >= successes)`` for ``X ~ Binomial(trials, rate)``, elementwise.

    Uses the regularised incomplete beta function, which stays accurate far into the tail.
    """
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = special.betainc(np.maximum(x, 1), np.maximum(n - x + 1, 1), rate)
    certain_or_impossible = np.where(x <= 0, 1.0, 0.0)
    return np.where((x <= 0) | (x > n), certain_or_impossible, tail)


def bisect(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the boundary between ``inside``, where ``holds`` is true, and ``outside``, where it is false.

    ``holds`` changes once between the two; the returned point is on the true side.
    """
    for _ in range(BISECTION_STEPS):
        middle = (inside + outside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
