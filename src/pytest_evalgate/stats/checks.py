"""Refuse numbers that no estimator can use, by name and value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = Sequence[float] | npt.NDArray[np.float64]
"""One number per case (or cluster), in case order."""


def check_inside(name: str, value: float, low: float, high: float) -> None:
    """Require ``low < value < high``; NaN is refused.

    Raises:
        ValueError: names the argument, its value and the open range.

    """
    if not low < value < high:
        raise ValueError(f"{name} must lie strictly between {low:g} and {high:g}, got {value}")


def check_within(name: str, value: float, low: float, high: float) -> None:
    """Require ``low <= value <= high``; NaN is refused.

    Raises:
        ValueError: names the argument, its value and the closed range.

    """
    if not low <= value <= high:
        raise ValueError(f"{name} must lie from {low:g} to {high:g}, got {value}")


def check_alpha(alpha: float, name: str = "alpha") -> None:
    """Require a one-sided level in (0, 0.5).

    Raises:
        ValueError: ``alpha`` is outside; names it.

    """
    check_inside(name, alpha, 0.0, 0.5)


def check_margin(margin: float | None) -> None:
    """Require no margin at all, or one in (0, 1): a share of the cases, not percentage points.

    Raises:
        ValueError: ``margin`` is outside; names it.

    """
    if margin is not None:
        check_inside("margin", margin, 0.0, 1.0)


def check_counts(fewest: int = 0, /, **counts: float) -> None:
    """Require whole numbers, none of them below ``fewest``.

    Raises:
        ValueError: names the first count that is not one.

    """
    for name, value in counts.items():
        # NaN and infinity have no remainder of 0 either
        if not (value >= fewest and value % 1 == 0):
            raise ValueError(f"{name} must be a whole number, {fewest} or more, got {value}")


def check_rate(passes: float, n: float) -> None:
    """Require ``passes`` of ``n`` to be a rate; both may be fractional, as an effective n is.

    Raises:
        ValueError: ``n`` is not positive and finite, or ``passes`` is not from 0 to ``n``.

    """
    if not 0 < n < np.inf:
        raise ValueError(f"n must be positive and finite, got {n}: there is no interval without cases")
    check_within("passes", passes, 0, n)


def check_table(*, both_pass: int, losses: int, gains: int, both_fail: int) -> int:
    """Require a two by two table of pairs and return its number of pairs.

    Raises:
        ValueError: a count is negative, not whole or NaN, or there is no pair.

    """
    check_counts(both_pass=both_pass, losses=losses, gains=gains, both_fail=both_fail)
    n = both_pass + losses + gains + both_fail
    if n == 0:
        raise ValueError("the table of pairs is empty (n = 0): run both systems on at least one common case")
    return n


def as_numbers(
    name: str, values: Numbers, low: float, high: float | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return ``values`` as a float array of shape (n,), n >= 1, all from ``low`` to ``high`` (one, or one for each).

    Raises:
        ValueError: not one-dimensional, empty, or a value is NaN or out of range; names the first one.

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
    """Return ``as_numbers``, all of them whole.

    Raises:
        ValueError: as there, or a value has a fraction; names the first one.

    """
    array = as_numbers(name, values, low, high)
    bad = np.flatnonzero(array % 1)
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] must be a whole number, got {array[bad[0]]}")
    return array


def as_finite(name: str, values: Numbers, fewest: int = 1) -> npt.NDArray[np.float64]:
    """Return ``values`` of any unit as a float array of shape (n,), n >= ``fewest``.

    Raises:
        ValueError: not one-dimensional, too few, or a value is NaN or infinite; names the first one.

    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < fewest:
        raise ValueError(f"{name} must be a list of {fewest} or more numbers, got shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] must be a finite number, got {array[bad[0]]}")
    return array


def check_same_length(**columns: Sequence[object] | npt.NDArray[np.float64]) -> None:
    """Require columns of one table: the same number of rows in each.

    Raises:
        ValueError: names the columns and their lengths.

    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"one entry per case is needed in each of {lengths}")
