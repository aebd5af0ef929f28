"""Change of a suite, measured by people on a sample of the pairs, with the judge's verdicts on all of them as a help.

A judge may err more on one side of a comparison than on the other; no calibration can show that. Labels of both
outputs of some pairs can: the estimate is unbiased for any judge, and its verdicts only make it narrower.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.numeric import ROUNDING, Numbers, as_numbers, check_same_length, check_within, upper_t

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_PRIOR = 0.02
"""Pseudo-labels of +1 and of -1 in each stratum. Without them, a stratum in which no label differs has no variance.

Simulated with 8,000 builds a cell of 60 labels (benchmarks/run_labels.py): 95 % intervals of no change cover 95.5 to
96.2 %, and 4.5 to 4.8 % of builds fail at 0.05. With 0.1 they cover 97 to 98 %, and 99 % with a judge whose errors
are rare; without pseudo-labels 95 to 96 %.
"""


@dataclass(frozen=True, slots=True)
class LabelledDifferences:
    """One stratum of ``pairs`` pairs: the differences of the labelled ones, shape (n,), by people and by the judge.

    A difference is that of a pair, now minus before, from -1 to 1. If all pairs are labelled, or known to be equal
    because the outputs are, nothing is estimated.
    """

    pairs: int
    human: Numbers
    judge: Numbers


@dataclass(frozen=True, slots=True)
class DifferenceEstimate:
    """A mean difference, its standard error and degrees of freedom; ``weight`` (0 to 1) is that of the judge."""

    value: float
    se: float
    df: float
    weight: float

    def p_drop(self, beyond: float = 0.0) -> float:
        """Return the one-sided p of a drop of more than ``beyond``."""
        if self.se <= ROUNDING:
            return 0.0 if self.value < -beyond - ROUNDING else 1.0

        return float(special.stdtr(self.df, (self.value + beyond) / self.se))

    def bound(self, alpha: float) -> float:
        """Return the distance of the one-sided bounds at ``1 - alpha`` from the value."""
        return upper_t(alpha, self.df) * self.se


def ppi_difference(judged: Numbers, strata: Sequence[LabelledDifferences]) -> DifferenceEstimate:
    """Estimate the mean difference of all pairs from the labels of a stratified sample of them.

    ``weight * mean(judged) + sum_h N_h/N mean_h(human - weight * judge)``. The weight minimises the variance of the
    second term, ``sum_h (N_h/N)² (1 - n_h/N_h) s_h² / n_h``. The variance of the mean of the pairs themselves, as a
    sample of a population, is added: ``s² / N``. Degrees of freedom: Satterthwaite, with n_h - 1 of each stratum.

    Args:
        judged: Differences of all N pairs by the judge, shape (N,), from -1 to 1.
        strata: The strata, which contain N pairs together.

    Raises:
        ValueError: a stratum has no label or more labels than pairs, the numbers of pairs do not add up to N, or a
            value is NaN or outside [-1, 1].

    Source: Angelopoulos et al. 2023 (PPI, power tuning); Cochran 1977, 5 and 12 (double sampling).
    """
    values = as_numbers("judged", judged, -1.0, 1.0)
    columns = [_columns(at, one) for at, one in enumerate(strata)]
    total = sum(one.pairs for one in strata)
    if total != len(values):
        raise ValueError(f"the strata contain {total:,} pairs, but the judge decided {len(values):,}")
    factors = [
        (one.pairs / total) ** 2 * (1 - len(human) / one.pairs) / len(human)
        for one, (human, _) in zip(strata, columns, strict=True)
    ]
    weight = _best_weight(factors, columns)
    value = weight * float(values.mean())
    design = between = 0.0
    squares = []
    for one, (human, judge), factor in zip(strata, columns, factors, strict=True):
        share = one.pairs / total
        value += share * float((human - weight * judge).mean())
        spread = _spread(human - weight * judge, whole=factor == 0)
        design += factor * spread
        squares.append((factor * spread) ** 2 / max(1, len(human) - 1))
        between += share * (_spread(human, whole=factor == 0) + float(human.mean()) ** 2)
    of_pairs = max(0.0, between - value**2) / total
    variance = design + of_pairs
    squares.append(of_pairs**2 / max(1, total - 1))
    df = variance**2 / math.fsum(squares) if math.fsum(squares) > 0 else float(max(1, total - 1))
    return DifferenceEstimate(max(-1.0, min(1.0, value)), math.sqrt(variance), df, weight)


def _columns(at: int, stratum: LabelledDifferences) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    check_same_length(human=stratum.human, judge=stratum.judge)
    human = as_numbers(f"strata[{at}].human", stratum.human, -1.0, 1.0)
    check_within(f"strata[{at}].pairs", stratum.pairs, len(human), math.inf)
    return human, as_numbers(f"strata[{at}].judge", stratum.judge, -1.0, 1.0)


def _best_weight(
    factors: Sequence[float], columns: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
) -> float:
    """Return the weight that minimises the variance; 0 if the judge's differences are the same in every stratum."""
    together = judge_alone = 0.0
    for factor, (human, judge) in zip(factors, columns, strict=True):
        if len(human) > 1:
            together += factor * float(np.cov(human, judge)[0, 1])
            judge_alone += factor * float(judge.var(ddof=1))
    return min(1.0, max(0.0, together / judge_alone)) if judge_alone > ROUNDING else 0.0


def _spread(values: npt.NDArray[np.float64], *, whole: bool) -> float:
    """Return the variance of one stratum; that of a sample is at least the one with the pseudo-labels."""
    if whole:
        return float(values.var())
    n = len(values) + 2 * _PRIOR
    smoothed = (float((values**2).sum()) + 2 * _PRIOR) / n - (float(values.sum()) / n) ** 2
    return max(smoothed, float(values.var(ddof=1)) if len(values) > 1 else smoothed)


@dataclass(frozen=True, slots=True)
class LabelledVerdicts:
    """One stratum of ``pairs`` pairs: labels and verdicts of the labelled ones (n,), 0 or 1, before and now."""

    pairs: int
    human_before: Numbers
    judge_before: Numbers
    human_now: Numbers
    judge_now: Numbers


@dataclass(frozen=True, slots=True)
class ErrorRateChange:
    """A rate of the judge on both sides of a comparison, and the two-sided p of a difference."""

    before: float
    now: float
    p: float


def error_rate_changes(
    strata: Sequence[LabelledVerdicts],
) -> tuple[ErrorRateChange | None, ErrorRateChange | None]:
    """Test whether a judge errs alike on both sides: its TPR and its TNR, each None without labels of that class.

    A rate is a ratio of two totals of the sample, ``sum w y f / sum w y`` with the weights ``N_h / n_h``; the variance
    of the difference of two rates is that of their linearised values in the strata (Taylor). An exact test of the
    counts would be biased: pairs were drawn by the judge's own verdicts. The p are adjusted by Holm.

    Raises:
        ValueError: a stratum has no label or more labels than pairs, or a value is not 0 or 1.
    """
    found = [_rate_change(strata, of_passes=of_passes) for of_passes in (True, False)]
    known = [one.p for one in found if one is not None]
    adjusted = dict(zip(known, holm_adjusted(known), strict=True)) if known else {}
    tpr, tnr = (None if one is None else replace(one, p=adjusted[one.p]) for one in found)
    return tpr, tnr


def _rate_change(strata: Sequence[LabelledVerdicts], *, of_passes: bool) -> ErrorRateChange | None:
    total = sum(one.pairs for one in strata)
    columns = []
    for at, one in enumerate(strata):
        names = ("human_before", "judge_before", "human_now", "judge_now")
        found = [as_numbers(f"strata[{at}].{name}", getattr(one, name), 0.0, 1.0) for name in names]
        columns.append([values if of_passes else 1 - values for values in found])
    rates, sizes = [], []
    for human, judge in ((0, 1), (2, 3)):
        wanted = _total(strata, [one[human] for one in columns])
        if wanted <= ROUNDING:
            return None
        rates.append(_total(strata, [one[human] * one[judge] for one in columns]) / wanted)
        sizes.append(wanted / total)
    variance = 0.0
    squares = []
    for one, (human_before, judge_before, human_now, judge_now) in zip(strata, columns, strict=True):
        n = len(human_now)
        moved = human_now * (judge_now - rates[1]) / sizes[1] - human_before * (judge_before - rates[0]) / sizes[0]
        spread = float(moved.var(ddof=1)) if n > 1 else float(moved.var())
        part = (one.pairs / total) ** 2 * spread / n
        variance += part
        squares.append(part**2 / max(1, n - 1))
    change = rates[1] - rates[0]
    if variance <= ROUNDING:
        return ErrorRateChange(rates[0], rates[1], 1.0 if abs(change) <= ROUNDING else 0.0)

    df = variance**2 / math.fsum(squares)
    p = 2 * float(special.stdtr(df, -abs(change) / math.sqrt(variance)))
    return ErrorRateChange(rates[0], rates[1], p)


def _total(strata: Sequence[LabelledVerdicts], values: Sequence[npt.NDArray[np.float64]]) -> float:
    return math.fsum(one.pairs * float(column.mean()) for one, column in zip(strata, values, strict=True))


def allocate_labels(
    sizes: Sequence[int], spreads: Sequence[float], n: int, drawn: Sequence[int], fewest: int
) -> list[int]:
    """Allocate ``n`` labels to strata so that the variance of the mean is smallest (Neyman), at least ``fewest`` each.

    Args:
        sizes: Pairs of each stratum.
        spreads: Expected standard deviations of the difference in each stratum.
        n: Labels in all.
        drawn: Labels that exist already; each stratum keeps them.
        fewest: Least labels of a stratum, if it has that many pairs.
    """
    shares = [max(had, min(size, fewest)) for size, had in zip(sizes, drawn, strict=True)]
    while sum(shares) < min(n, sum(sizes)):
        gains = [
            (size * spread) ** 2 / (max(1, share) * (share + 1)) if share < size else -1.0
            for size, spread, share in zip(sizes, spreads, shares, strict=True)
        ]
        shares[gains.index(max(gains))] += 1
    return shares
