"""Series of runs: outliers, control charts (EWMA, CUSUM), change points, and distances of two distributions."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
from pytest_evalgate.stats.numeric import (
    Numbers,
    as_finite,
    as_numbers,
    check_counts,
    check_inside,
    check_same_length,
    check_within,
)

if TYPE_CHECKING:
    import numpy.typing as npt

_TOLERANCE = 1e-12
"""Sums over the runs in another order differ by rounding errors below this."""

MIN_RUNS = 7
"""Fewest earlier runs for a median and a MAD."""

MAX_Z = 3.5
"""A robust z-score with a larger absolute value is an alert."""

MAX_SIGMAS = 3.0
"""Control limit of the EWMA chart, in standard deviations of the moving average."""

CHANGE_POINT_MIN_RUNS = 15
"""Fewest runs for a change point."""

MIN_SIDE_RUNS = 4
"""Fewest runs on each side of a change point."""


@dataclass(frozen=True, slots=True)
class RobustZ:
    """The robust z-score of a run among earlier runs.

    ``z`` is None if ``mad`` is 0 (more than half of the earlier runs are equal); then ``z_binomial`` replaces it if
    the number of cases is known. ``alert`` is None if both are None.
    """

    median: float
    mad: float
    z: float | None
    z_binomial: float | None
    alert: bool | None


@dataclass(frozen=True, slots=True)
class Ewma:
    """The moving average after each run, its standard deviation, and the index of the first run out of control."""

    ewma: tuple[float, ...]
    sigma_i: tuple[float, ...]
    alarm_index: int | None


@dataclass(frozen=True, slots=True)
class Cusum:
    """The cumulative shortfall after each run, and the index of the first run at which it exceeds the limit."""

    s: tuple[float, ...]
    alarm_index: int | None


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The index of the first run after the change, the means before and after it, its t and its permutation p."""

    index: int
    before: float
    after: float
    t: float
    p: float


@dataclass(frozen=True, slots=True)
class KsStatistic:
    """The largest distance ``D`` of two empirical distribution functions; ``p`` is conservative with ties."""

    D: float
    p: float


@dataclass(frozen=True, slots=True)
class JsDivergence:
    """The Jensen-Shannon divergence of two histograms and its root: 0 for equal shares, 1 for no common bin."""

    divergence_bits: float
    distance: float


def robust_z(history: Numbers, value: float, n: int | None = None) -> RobustZ:
    """Compare one run with at least seven earlier ones: ``(value - median) / (1.4826 MAD)``, an alert beyond 3.5.

    If the MAD is 0 and the values are pass rates of ``n`` cases, the binomial standard error of the median replaces
    it. One pass and one failure are added first, so that a median of 1 has a standard error above 0. Shape: (R,), R >=
    7. Source: Iglewicz & Hoaglin 1993.

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
    z_binomial = None
    if z is None and n is not None:
        smoothed = (median * n + 1) / (n + 2)
        z_binomial = (value - median) / math.sqrt(smoothed * (1 - smoothed) / n)
    either = z_binomial if z is None else z
    return RobustZ(median, mad, z, z_binomial, None if either is None else abs(either) > MAX_Z)


def ewma(values: Numbers, lam: float, mu0: float, sigma: float) -> Ewma:
    """Return the EWMA control chart of n runs, with two-sided limits at three standard deviations.

    ``z_i = lam x_i + (1 - lam) z_{i-1}``, starting at ``mu0``. ``sigma`` is the run-to-run standard deviation of
    identical runs (`run_sigma`), ``lam`` usually 0.2. Shape: (n,). Source: Roberts 1959.

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
    """Return the one-sided CUSUM control chart of n runs for a drop below ``mu0``; alarm when the sum exceeds ``h``.

    ``S_i = max(0, S_{i-1} + mu0 - x_i - k)``: it detects slow drops that every single build passes. ``k`` is usually
    half of `run_sigma`, ``h`` five times it. Shape: (n,). Source: Page 1954.

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


def _first(alarms: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(alarms)) if alarms.any() else None


def run_sigma(rates: Numbers, discordance: float, n: int) -> float:
    """Return the run-to-run standard deviation of identical runs' pass rates, at least ``sqrt(discordance / 2 / n)``.

    The minimum is the standard deviation from flips alone, when a share ``discordance`` of the ``n`` cases differs
    between two identical runs. Shape: (R,), R >= 2. Source: the variance of a mean of ``n`` independent trials.

    Raises:
        ValueError: fewer than two runs, a rate that is NaN or outside [0, 1], ``discordance`` outside [0, 1], or ``n``
            is not a whole number above 0.
    """
    check_within("discordance", discordance, 0.0, 1.0)
    check_counts(1, n=n)
    array = as_numbers("rates", as_finite("rates", rates, 2), 0.0, 1.0)
    return max(float(array.std(ddof=1)), math.sqrt(discordance / 2 / n))


def change_point(values: Numbers, seed: int = 0, permutations: int = 2000) -> ChangePoint:
    """Find the split of n >= 15 runs in time order with the largest two-sided t, four runs or more on each side.

    ``p`` is the share of seeded permutations (the observed order included) whose best split has as large a t, so it
    allows for the search over splits. ``t`` is infinite if both sides are constant, 0 if all runs are equal.
    Shape: (n,). Source: Worsley 1979.

    Raises:
        ValueError: fewer than 15 runs, a value that is NaN or infinite, ``seed`` that is not a whole number from 0, or
            no permutation.
    """
    array = as_finite("values", values, CHANGE_POINT_MIN_RUNS)
    check_counts(seed=seed)
    check_counts(1, permutations=permutations)
    centred = array - array.mean()
    explained = explained_share(centred)
    place = int(np.argmax(explained))
    best, index = float(explained[place]), place + MIN_SIDE_RUNS
    orders = np.random.default_rng(seed).permuted(np.tile(centred, (permutations, 1)), axis=1)
    as_good = int(np.count_nonzero(explained_share(orders).max(axis=1) >= best - _TOLERANCE))
    return ChangePoint(
        index=index,
        before=float(array[:index].mean()),
        after=float(array[index:].mean()),
        t=math.sqrt(best * (len(array) - 2) / (1 - best)) if 1 - best > _TOLERANCE else math.inf,
        p=(1 + as_good) / (1 + permutations),
    )


def explained_share(centred: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the share of the variance that each split explains, along the last axis; t increases with it."""
    n = centred.shape[-1]
    first = np.arange(MIN_SIDE_RUNS, n - MIN_SIDE_RUNS + 1)
    sums = np.cumsum(centred, axis=-1)[..., first - 1]
    total = np.sum(centred**2, axis=-1, keepdims=True)
    share: npt.NDArray[np.float64] = sums**2 * n / (first * (n - first)) / np.where(total == 0, 1.0, total)
    return np.minimum(share, 1.0)


def ks_statistic(a: Numbers, b: Numbers) -> KsStatistic:
    """Compare the distributions of two independent sets of n and m values.

    Two-sample Kolmogorov-Smirnov test. ``p`` is asymptotic: accurate from about 20 values each, conservative if many
    values are tied, as scores are. For the same cases in two runs use the paired tests. Shapes: (n,), (m,).
    Source: Smirnov 1939.

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
    """Return the Jensen-Shannon divergence of two histograms over the same B bins, in bits, and its square root.

    Shapes: (B,), (B,). Source: Lin 1991.

    Raises:
        ValueError: no bin, unequal lengths, a count that is negative, NaN or infinite, or a histogram without a count.
    """
    check_same_length(counts_a=counts_a, counts_b=counts_b)
    shares = []
    for name, counts in (("counts_a", counts_a), ("counts_b", counts_b)):
        array = as_numbers(name, counts, 0, sys.float_info.max)
        if not array.any():
            raise ValueError(f"{name} must contain at least one count above 0, got {len(array)} empty bins")
        shares.append(array / array.sum())
    one, other = shares
    middle = (one + other) / 2
    bits = float(np.sum(special.rel_entr(one, middle) + special.rel_entr(other, middle))) / (2 * math.log(2))
    bits = min(1.0, max(0.0, bits))  # rounding only
    return JsDivergence(divergence_bits=bits, distance=math.sqrt(bits))
