"""Several trials per case: what they are worth in independent cases."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_counts, check_same_length
from pytest_evalgate.stats.intervals import Interval, clopper_pearson_lower_one_sided, wilson_interval


@dataclass(frozen=True, slots=True)
class RepeatsRate:
    """A pass rate over repeated trials, with bounds on its effective number of cases."""

    mean: float
    n_eff: float
    lower_one_sided_exact: float
    wilson_two_sided: Interval


@dataclass(frozen=True, slots=True)
class Icc:
    """How alike the trials of one case are (1: a further trial tells nothing new), and what that costs."""

    icc: float
    design_effect: float


def effective_n(mean: float, se: float, fewest: float, most: float) -> float:
    """Return the number of independent cases whose rate ``mean`` would have standard error ``se``.

    ``mean (1 - mean) / se²`` clipped to ``[fewest, most]``; no spread at all proves nothing and counts as ``fewest``.
    Source: Korn & Graubard 1998.
    """
    if se == 0:
        return float(fewest)
    return float(np.clip(mean * (1 - mean) / se**2, fewest, most))


def repeats_effective_n(passes: Numbers, trials: Numbers, confidence: float = 0.95) -> RepeatsRate:
    """Estimate the pass rate of N cases of which case i passed ``passes[i]`` of ``trials[i]`` trials.

    The rate is the mean of the per-case rates. Its variance between cases gives the effective n, from N (trials of a
    case always agree, or N = 1) to the number of all trials, and this the exact one-sided lower bound and the
    two-sided Wilson interval, both at ``confidence``. Below 50 cases the bound may cover less (0.88 at n = 20).
    Shapes: (N,), (N,). Source: Korn & Graubard 1998.

    Raises:
        ValueError: no case, unequal lengths, a case without a trial or with passes outside 0 to its trials, NaN, or
            ``confidence`` outside (0.5, 1).

    """
    rates = _case_rates(passes, trials)
    cases, mean = len(rates), float(rates.mean())
    se = float(rates.std(ddof=1) / np.sqrt(cases)) if np.ptp(rates) > 0 else 0.0
    n_eff = effective_n(mean, se, cases, float(np.sum(trials)))
    return RepeatsRate(
        mean=mean,
        n_eff=n_eff,
        lower_one_sided_exact=clopper_pearson_lower_one_sided(mean * n_eff, n_eff, confidence),
        wilson_two_sided=wilson_interval(mean * n_eff, n_eff, confidence),
    )


def icc_anova(passes: Numbers, k: int) -> Icc | None:
    """Estimate the intraclass correlation of ``k`` trials of each of N cases from their passes, shape (N,).

    ``design_effect = 1 + (k - 1) icc`` is the factor by which the variance exceeds that of independent trials. None
    where it is undefined: one trial, one case, or all trials alike. Source: Fisher 1925, analysis of variance.

    Raises:
        ValueError: no case, ``k`` is not a whole number above 0, or passes are NaN or outside 0 to ``k``.

    """
    check_counts(1, k=k)
    rates = _case_rates(passes, [k] * len(passes))
    if k == 1 or len(rates) == 1:
        return None
    between = k * float(rates.var(ddof=1))
    within = k * float(np.mean(rates * (1 - rates))) / (k - 1)
    total = between + (k - 1) * within
    if total == 0:
        return None
    icc = (between - within) / total
    return Icc(icc=icc, design_effect=1 + (k - 1) * icc)


def _case_rates(passes: Numbers, trials: Numbers) -> npt.NDArray[np.float64]:
    check_same_length(passes=passes, trials=trials)
    each = as_numbers("trials", trials, 1, sys.float_info.max)
    return as_numbers("passes", passes, 0, each) / each
