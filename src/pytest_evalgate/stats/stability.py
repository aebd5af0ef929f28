"""Repeated trials: aggregates of the trials of a case, flip rates, and false alarms of identical runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import effective_n
from pytest_evalgate.stats.intervals import Interval, clopper_pearson_interval, wilson_interval
from pytest_evalgate.stats.numeric import (
    Numbers,
    as_whole_numbers,
    check_alpha,
    check_counts,
    check_inside,
    check_same_length,
)
from pytest_evalgate.stats.paired import midp, standard_error
from pytest_evalgate.stats.planning import mcnemar_power

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Aggregate = Literal["mean", "majority", "pass_at_k", "pass_hat_k"]

MAX_TRIALS = 1_000_000
"""Upper limit of the trials of one case; a larger value is an input error, such as a wrong column."""


@dataclass(frozen=True, slots=True)
class PassAtK:
    """The probability that at least one of k trials passes (``pass_at_k``), and that all pass (``pass_hat_k``)."""

    pass_at_k: float
    pass_hat_k: float


def pass_at_k(n: int, c: int, k: int) -> PassAtK:
    """Estimate pass@k and pass^k of one case with ``c`` passes in ``n`` trials.

    Unbiased: ``1 - C(n-c, k) / C(n, k)`` and ``C(c, k) / C(n, k)``. For ``pass_hat_k`` use ``n >= 2 k``.
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
    """Return one value in [0, 1] per case, for means and for the paired tests.

    "mean" is the share of trials that pass; "majority" is 1 if more than half of them pass (a tie fails); "pass_at_k"
    and "pass_hat_k" are the estimates of `pass_at_k` for ``k`` trials. The first two ignore ``k``. Shapes: (N,), (N,)
    to (N,).

    Raises:
        ValueError: no case, unequal lengths, a case without a trial or with successes outside 0 to its trials, a
            fraction, NaN, or fewer trials than ``k``.
    """
    check_same_length(successes=successes, trials=trials)
    n = as_whole_numbers("trials", trials, 1, MAX_TRIALS)
    c = as_whole_numbers("successes", successes, 0, n)
    if aggregate == "mean":
        return c / n
    if aggregate == "majority":
        return (2 * c > n).astype(np.float64)
    pairs = list(zip(n.astype(int).tolist(), c.astype(int).tolist(), strict=True))
    value = {pair: getattr(pass_at_k(*pair, k), aggregate) for pair in set(pairs)}  # many cases, few distinct pairs
    return np.array([value[pair] for pair in pairs])


@dataclass(frozen=True, slots=True)
class FlipRate:
    """The probability that two trials of one case differ, and the number of flaky cases (with trials that differ)."""

    rate: float
    interval: Interval
    flaky: int
    cases: int


@dataclass(frozen=True, slots=True)
class AaRuns:
    """False alarms and flips of identical runs (an A/A test).

    ``false_alarm_rate`` is counted over all ordered pairs of runs, of which ``independent`` enter its interval.
    ``expected_false_alarm_rate`` is computed from the flip rate.
    """

    false_alarm_rate: float
    false_alarm_interval: Interval
    expected_false_alarm_rate: float
    comparisons: int
    independent: int
    flips: FlipRate


def flip_rate(passes: Numbers, trials: Numbers, confidence: float = 0.95) -> FlipRate:
    """Estimate the probability that two trials of one case differ, over N cases with at least two trials each.

    The mean over cases of the share of unequal pairs of trials, ``2 s (k - s) / (k (k - 1))``, with Wilson's interval
    for the effective number of cases (between N and the number of disjoint pairs of trials). It equals the discordance
    of two identical runs, and twice the within-case variance. Shapes: (N,), (N,).
    Source: Korn & Graubard 1998 for the effective number.

    Raises:
        ValueError: no case, unequal lengths, a case with fewer than two trials or with passes outside 0 to its trials,
            a fraction, NaN, or ``confidence`` outside (0, 1).
    """
    check_same_length(passes=passes, trials=trials)
    check_inside("confidence", confidence, 0.0, 1.0)
    k = as_whole_numbers("trials", trials, 2, MAX_TRIALS)
    s = as_whole_numbers("passes", passes, 0, k)
    unequal = 2 * s * (k - s) / (k * (k - 1))
    rate, cases = float(unequal.mean()), len(unequal)
    se = standard_error(unequal) if cases > 1 else 0.0
    n_eff = effective_n(rate, se, cases, float(np.sum(k // 2)))
    return FlipRate(rate, wilson_interval(rate * n_eff, n_eff, confidence), int(np.count_nonzero(unequal)), cases)


def aa_runs(outcomes: Sequence[Numbers], alpha: float = 0.05, confidence: float = 0.95) -> AaRuns:
    """Measure the false alarms and the flips of R >= 2 identical runs of N cases, passed (1) or failed (0).

    Every ordered pair of runs is compared by the mid-p McNemar test at one-sided ``alpha``; each rejection is a false
    alarm. The comparisons share runs, so the exact interval counts only ``R // 2`` of them as independent. A rate far
    above ``alpha`` indicates that the runs were not identical (another model behind the same name, a shared cache).
    Shape: (R, N). Source: Clopper & Pearson 1934.

    Raises:
        ValueError: fewer than two runs, no case, runs of different length, an outcome other than 0 and 1, ``alpha``
            outside (0, 0.5) or ``confidence`` outside (0, 1).
    """
    check_alpha(alpha)
    check_inside("confidence", confidence, 0.0, 1.0)
    if len(outcomes) < 2:  # noqa: PLR2004 - a comparison has two sides
        raise ValueError(f"outcomes: at least 2 identical runs are needed, got {len(outcomes)}")
    check_same_length(**{f"outcomes[{i}]": run for i, run in enumerate(outcomes)})
    table = np.array([as_whole_numbers(f"outcomes[{i}]", run, 0, 1) for i, run in enumerate(outcomes)])
    runs, cases = table.shape
    flips = flip_rate(table.sum(axis=0), [runs] * cases, confidence)
    losses = table @ (1 - table.T)  # [i, j]: cases that run i passed and run j failed
    alarms = np.count_nonzero(midp(losses, losses + losses.T) <= alpha)  # none on the diagonal: no losses, p = 1
    rate, independent = float(alarms) / (runs * (runs - 1)), runs // 2
    return AaRuns(
        false_alarm_rate=rate,
        false_alarm_interval=clopper_pearson_interval(rate * independent, independent, confidence),
        expected_false_alarm_rate=mcnemar_power(cases, flips.rate / 2, flips.rate / 2, alpha),
        comparisons=runs * (runs - 1),
        independent=independent,
        flips=flips,
    )


def flaky_case_midp(
    *, baseline_passes: int, baseline_trials: int, candidate_passes: int, candidate_trials: int
) -> float:
    """Return the one-sided mid-p that one case got worse, against the hypothesis that it is as flaky as before.

    Fisher's exact test: the hypergeometric probability of this many candidate passes or fewer, given the passes of
    both runs together. Example: 3 of 5 before and 2 of 5 now is 0.30 (flaky); 5 of 5 before and 0 of 5 now is 0.002.
    Adjust the p of several cases with `holm_adjusted`. Source: Fagerland et al. 2017 for the mid-p.

    Raises:
        ValueError: a run without a trial of the case, or passes outside 0 to its trials, or not whole.
    """
    check_counts(baseline_passes=baseline_passes, candidate_passes=candidate_passes)
    check_counts(max(1, baseline_passes), baseline_trials=baseline_trials)
    check_counts(max(1, candidate_passes), candidate_trials=candidate_trials)
    passes = baseline_passes + candidate_passes

    def ways(candidates: int) -> int:
        return math.comb(candidate_trials, candidates) * math.comb(baseline_trials, passes - candidates)

    fewer = sum(map(ways, range(max(0, passes - baseline_trials), candidate_passes)))
    return (2 * fewer + ways(candidate_passes)) / (2 * math.comb(baseline_trials + candidate_trials, passes))
