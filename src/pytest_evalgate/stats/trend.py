"""Figures of stored runs over time: advice on what single builds cannot see, never a verdict.

Values are in time order and in any unit (pass rate, score); falling is the bad direction. After a change of the
baseline that was accepted, begin anew with the runs since.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import Numbers, as_finite, as_numbers, check_counts, check_inside, check_within

FEWEST_RUNS = 7
"""Earlier runs that a median and its spread need."""

MOST_Z = 3.5
"""A robust z beyond this is an alert."""

MOST_SIGMAS = 3.0
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
    earlier = as_finite("history", history, FEWEST_RUNS)
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
    return RobustZ(median, mad, z, z_binomial, None if either is None else abs(either) > MOST_Z)


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
    alarms = np.abs(np.array(averages) - mu0) > MOST_SIGMAS * sigmas
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
