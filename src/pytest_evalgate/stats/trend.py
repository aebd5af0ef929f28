"""When did it change? The one split of a series of runs that separates best."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from pytest_evalgate.stats.numeric import (
    Numbers,
    as_finite,
    as_numbers,
    check_counts,
    check_inside,
    check_same_length,
    check_within,
)

CHANGE_POINT_MIN_RUNS = 15
"""Below this many runs a split has too little on either side."""

MIN_SIDE_RUNS = 4
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
    array = as_finite("values", values, CHANGE_POINT_MIN_RUNS)
    check_counts(seed=seed)
    check_counts(1, permutations=permutations)
    centred = array - array.mean()
    explained = _explained(centred)
    place = int(np.argmax(explained))
    best, index = float(explained[place]), place + MIN_SIDE_RUNS
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
    first = np.arange(MIN_SIDE_RUNS, n - MIN_SIDE_RUNS + 1)
    sums = np.cumsum(centred, axis=-1)[..., first - 1]
    total = np.sum(centred**2, axis=-1, keepdims=True)
    share: npt.NDArray[np.float64] = sums**2 * n / (first * (n - first)) / np.where(total == 0, 1.0, total)
    return np.minimum(share, 1.0)


def _t(explained: float, n: int) -> float:
    rest = 1 - explained
    return math.sqrt(explained * (n - 2) / rest) if rest > 1e-12 else math.inf  # noqa: PLR2004 - rounding of a sum


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


MIN_RUNS = 7
"""Earlier runs that a median and its spread need."""

MAX_Z = 3.5
"""A robust z beyond this is an alert."""

MAX_SIGMAS = 3.0
"""A moving average that lies further from its target is an alarm."""


@dataclass(frozen=True, slots=True)
class RobustZ:
    """How far a run lies from the median of the earlier ones.

    ``z`` is None where more than half of them are alike (``mad`` is 0); ``z_binomial`` stands in, if the number of
    cases is known. ``alert`` is None without either.
    """

    median: float
    mad: float
    z: float | None
    z_binomial: float | None
    alert: bool | None


@dataclass(frozen=True, slots=True)
class Ewma:
    """The moving average after each run, its standard deviation, and the first run (from 0) that is out of limits."""

    ewma: tuple[float, ...]
    sigma_i: tuple[float, ...]
    alarm_index: int | None


@dataclass(frozen=True, slots=True)
class Cusum:
    """The sum of shortfalls after each run, and the first run (from 0) at which it exceeds the limit."""

    s: tuple[float, ...]
    alarm_index: int | None


def robust_z(history: Numbers, value: float, n: int | None = None) -> RobustZ:
    """Compare one run with at least seven earlier ones: ``(value - median) / (1.4826 MAD)``, an alert beyond 3.5.

    If the MAD is 0 and the values are pass rates of ``n`` cases, the binomial standard error of the median stands in;
    one pass and one failure are added to it, so that a median of 1 has one too. Source: Iglewicz & Hoaglin 1993.

    Raises:
        ValueError: fewer than seven earlier runs, a value that is NaN or infinite, or, with ``n``, outside [0, 1], or
            ``n`` is not a whole number above 0.

    """
    earlier = as_finite("history", history, MIN_RUNS)
    as_finite("value", [value])
    if n is not None:
        check_counts(1, n=n)
        as_numbers("history", earlier, 0.0, 1.0)
        check_within("value", value, 0.0, 1.0)
    median = float(np.median(earlier))
    mad = float(np.median(np.abs(earlier - median)))
    z = (value - median) / (1.4826 * mad) if mad > 0 else None
    z_binomial = None if n is None or z is not None else (value - median) / _binomial_se(median, n)
    either = z_binomial if z is None else z
    return RobustZ(median, mad, z, z_binomial, None if either is None else abs(either) > MAX_Z)


def ewma(values: Numbers, lam: float, mu0: float, sigma: float) -> Ewma:
    """Follow n runs by an exponentially weighted moving average; alarm beyond three standard deviations, either way.

    ``z_i = lam x_i + (1 - lam) z_{i-1}`` from ``mu0``; ``sigma`` is the run-to-run standard deviation of identical
    runs (``run_sigma``), ``lam`` usually 0.2. Shape: (n,). Source: Roberts 1959.

    Raises:
        ValueError: no run, a value that is NaN or infinite, ``lam`` outside (0, 1], or ``sigma`` that is not positive.

    """
    check_inside("lam", lam, 0.0, math.nextafter(1.0, 2.0))  # 1 itself is allowed
    check_inside("sigma", sigma, 0.0, math.inf)
    as_finite("mu0", [mu0])
    averages, average = [], mu0
    for value in as_finite("values", values).tolist():
        average = lam * value + (1 - lam) * average
        averages.append(average)
    runs = np.arange(1, len(averages) + 1)
    sigmas = sigma * np.sqrt(lam / (2 - lam) * (1 - (1 - lam) ** (2 * runs)))
    alarms = np.abs(np.array(averages) - mu0) > MAX_SIGMAS * sigmas
    return Ewma(tuple(averages), tuple(sigmas.tolist()), _first(alarms))


def cusum_down(values: Numbers, mu0: float, k: float, h: float) -> Cusum:
    """Sum up how far n runs fall short of ``mu0 - k``; alarm where the sum exceeds ``h``. The one to use by default.

    ``S_i = max(0, S_{i-1} + mu0 - x_i - k)`` finds slow drops that each single build passes. ``k`` is usually half of
    ``run_sigma``, ``h`` five times it. Shape: (n,). Source: Page 1954.

    Raises:
        ValueError: no run, a value that is NaN or infinite, ``k`` that is negative, or ``h`` that is not positive.

    """
    check_within("k", k, 0.0, math.inf)
    check_inside("h", h, 0.0, math.inf)
    as_finite("mu0", [mu0])
    sums, total = [], 0.0
    for value in as_finite("values", values).tolist():
        total = max(0.0, total + mu0 - value - k)
        sums.append(total)
    return Cusum(tuple(sums), _first(np.array(sums) > h))


def run_sigma(rates: Numbers, discordance: float, n: int) -> float:
    """Return the run-to-run standard deviation of identical runs' pass rates, at least ``sqrt(discordance / 2 / n)``.

    The floor is what flips alone make of ``n`` cases when a share ``discordance`` of them differs between two
    identical runs. Shape: (R,), R >= 2. Source: the variance of a mean of ``n`` independent trials.

    Raises:
        ValueError: fewer than two runs, a rate that is NaN or outside [0, 1], ``discordance`` outside [0, 1], or ``n``
            is not a whole number above 0.

    """
    check_within("discordance", discordance, 0.0, 1.0)
    check_counts(1, n=n)
    array = as_numbers("rates", as_finite("rates", rates, 2), 0.0, 1.0)
    return max(float(array.std(ddof=1)), math.sqrt(discordance / 2 / n))


def _binomial_se(rate: float, n: int) -> float:
    smoothed = (rate * n + 1) / (n + 2)
    return math.sqrt(smoothed * (1 - smoothed) / n)


def _first(alarms: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(alarms)) if alarms.any() else None
