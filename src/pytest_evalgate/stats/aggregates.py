"""One number per case from several trials: at least one passes, all pass, most pass, the share that passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_whole_numbers, check_counts, check_same_length

if TYPE_CHECKING:
    import numpy.typing as npt

Aggregate = Literal["mean", "majority", "pass_at_k", "pass_hat_k"]

MOST_TRIALS = 1_000_000
"""More trials of a case than anybody pays for; a limit so that a wrong column is noticed."""


@dataclass(frozen=True, slots=True)
class PassAtK:
    """The chance that of k trials at least one passes (``pass_at_k``), and that all do (``pass_hat_k``)."""

    pass_at_k: float
    pass_hat_k: float


def pass_at_k(n: int, c: int, k: int) -> PassAtK:
    """Estimate from ``c`` passes in ``n`` trials of one case how ``k`` trials of it fare.

    ``1 - C(n-c, k) / C(n, k)`` and ``C(c, k) / C(n, k)``, both without bias. For ``pass_hat_k`` take ``n >= 2 k``.
    Source: Chen et al. 2021; Yao et al. 2024.

    Raises:
        ValueError: not ``0 <= c <= n`` and ``1 <= k <= n`` in whole numbers.

    """
    check_counts(c=c)
    check_counts(c, n=n)
    check_counts(1, k=k)
    if k > n:
        raise ValueError(f"k must be at most the number of trials, got k = {k} of n = {n}: run more trials")
    ways = math.comb(n, k)
    return PassAtK(pass_at_k=1 - math.comb(n - c, k) / ways, pass_hat_k=math.comb(c, k) / ways)


def aggregate_values(successes: Numbers, trials: Numbers, aggregate: Aggregate, k: int = 1) -> npt.NDArray[np.float64]:
    """Return one value in [0, 1] per case, to be averaged here or compared with another run's in the delta tests.

    "mean" is the share of trials that pass, "majority" 1 where more than half of them do (a tie fails), "pass_at_k"
    and "pass_hat_k" are those of ``k`` trials, which the other two ignore. Shapes: (N,), (N,) to (N,).

    Raises:
        ValueError: no case, unequal lengths, a case without a trial or with successes outside 0 to its trials, a
            fraction, NaN, or fewer trials than ``k``.

    """
    check_same_length(successes=successes, trials=trials)
    n = as_whole_numbers("trials", trials, 1, MOST_TRIALS)
    c = as_whole_numbers("successes", successes, 0, n)
    if aggregate == "mean":
        return c / n
    if aggregate == "majority":
        return (2 * c > n).astype(np.float64)
    pairs = list(zip(n.astype(int).tolist(), c.astype(int).tolist(), strict=True))
    value = {pair: getattr(pass_at_k(*pair, k), aggregate) for pair in set(pairs)}  # few differ among many cases
    return np.array([value[pair] for pair in pairs])
