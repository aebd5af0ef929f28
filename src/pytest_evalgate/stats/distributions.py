"""Have the scores of two runs another shape, even where their means agree?"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from pytest_evalgate.stats.checks import Numbers, as_finite, as_numbers, check_same_length


@dataclass(frozen=True, slots=True)
class KsStatistic:
    """The largest distance ``D`` of two empirical distribution functions and its p; ties make that conservative."""

    D: float
    p: float


@dataclass(frozen=True, slots=True)
class JsDivergence:
    """How far two histograms lie apart: 0 for the same shares, 1 for no bin in common."""

    divergence_bits: float
    distance: float


def ks_statistic(a: Numbers, b: Numbers) -> KsStatistic:
    """Compare the distributions of two independent sets of n and m values.

    ``p`` is Kolmogorov's limit: good from about 20 values each, and conservative where many values are tied, as
    scores are. For pairs of the same cases use the delta tests. Shapes: (n,), (m,). Source: Smirnov 1939.

    Raises:
        ValueError: an empty set, or a value that is NaN or infinite.

    """
    one, other = np.sort(as_finite("a", a)), np.sort(as_finite("b", b))
    places = np.concatenate((one, other))
    shares = (np.searchsorted(values, places, side="right") / len(values) for values in (one, other))
    distance = float(np.max(np.abs(next(shares) - next(shares))))
    effective = len(one) * len(other) / (len(one) + len(other))
    return KsStatistic(D=distance, p=float(special.kolmogorov(distance * math.sqrt(effective))))


def js_divergence(counts_a: Numbers, counts_b: Numbers) -> JsDivergence:
    """Describe how far two histograms over the same B fixed bins lie apart, to base 2; the distance is the root.

    Shapes: (B,), (B,). Source: Lin 1991.

    Raises:
        ValueError: no bin, unequal lengths, a count that is negative, NaN or infinite, or a histogram without a count.

    """
    check_same_length(counts_a=counts_a, counts_b=counts_b)
    one, other = (_shares(name, counts) for name, counts in (("counts_a", counts_a), ("counts_b", counts_b)))
    middle = (one + other) / 2
    bits = float(np.sum(special.rel_entr(one, middle) + special.rel_entr(other, middle))) / (2 * math.log(2))
    bits = min(1.0, max(0.0, bits))  # rounding only
    return JsDivergence(divergence_bits=bits, distance=math.sqrt(bits))


def _shares(name: str, counts: Numbers) -> npt.NDArray[np.float64]:
    array = as_numbers(name, counts, 0, sys.float_info.max)
    if not array.any():
        raise ValueError(f"{name} must hold at least one count above 0, got {len(array)} empty bins")
    shares: npt.NDArray[np.float64] = array / array.sum()
    return shares
