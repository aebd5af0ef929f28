"""Intervals of the change of a pass rate, from a two by two table of pairs (or from two separate sets)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_evalgate.stats.checks import check_alpha, check_counts
from pytest_evalgate.stats.intervals import Interval, wilson_interval
from pytest_evalgate.stats.numeric import bisect, upper_z


@dataclass(frozen=True, slots=True)
class UnpairedDelta:
    """The difference of two pass rates of different cases."""

    delta: float
    ci95: Interval


def tango_bounds(losses: int, gains: int, n: int, alpha: float = 0.05) -> Interval:
    """Return the two one-sided score bounds of ``delta``, each at confidence ``1 - alpha``: those of the gate.

    Source: Tango 1998.

    Raises:
        ValueError: a count is negative, not whole or NaN, ``n`` is 0 or less than losses and gains together, or
            ``alpha`` is outside (0, 0.5).

    """
    check_counts(losses=losses, gains=gains)
    check_counts(max(1, losses + gains), n=n)
    check_alpha(alpha)
    z = upper_z(alpha)
    return Interval(lower=_tango_lower(losses, gains, n, z), upper=-_tango_lower(gains, losses, n, z))


def unpaired_newcombe(
    *, baseline_passes: int, baseline_n: int, candidate_passes: int, candidate_n: int
) -> UnpairedDelta:
    """Return the difference of two pass rates of different cases, with its 95% square-and-add interval.

    A description for sets without ids: a gate needs pairs. Source: Newcombe 1998.

    Raises:
        ValueError: a set is empty, or its passes are not from 0 to its size.

    """
    baseline, candidate = wilson_interval(baseline_passes, baseline_n), wilson_interval(candidate_passes, candidate_n)
    before, after = baseline_passes / baseline_n, candidate_passes / candidate_n
    delta = after - before
    return UnpairedDelta(
        delta=delta,
        ci95=Interval(
            lower=delta - math.hypot(after - candidate.lower, baseline.upper - before),
            upper=delta + math.hypot(candidate.upper - after, before - baseline.lower),
        ),
    )


def _tango_lower(losses: int, gains: int, n: int, z: float) -> float:
    lowest = -1 + 1e-10  # at -1 itself the variance under the hypothesis is 0
    if _tango_z(lowest, losses, gains, n) < z:
        return -1.0
    return bisect(lambda d: _tango_z(d, losses, gains, n) >= z, inside=lowest, outside=(gains - losses) / n)


def _tango_z(d: float, losses: int, gains: int, n: int) -> float:
    """Return the score statistic of the hypothesis ``delta = d``; it falls as d rises."""
    numerator = gains - losses - n * d
    if numerator == 0:
        return 0.0
    # q, the loss rate that is most likely if delta is d, solves a q² + b q + c = 0
    a, b, c = 2 * n, (2 * n - gains + losses) * d - losses - gains, -losses * d * (1 - d)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    q = (root - b) / (2 * a) if b <= 0 else -2 * c / (root + b)  # never the difference of two like numbers
    return numerator / math.sqrt(n * (2 * q + d * (1 - d)))
