"""Changes in a series of runs that grade the same cases, tested by permutations of the runs.

If nothing changes, the runs of a suite are exchangeable: each is another draw of the same cases. A statistic of the
series is therefore compared with that of the same runs in seeded random orders, which needs no formula for its
variance and keeps its level for any number of cases.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np, special
from pytest_evalgate.stats.numeric import as_finite, check_counts, check_inside
from pytest_evalgate.stats.trend import CHANGE_POINT_MIN_RUNS, MIN_RUNS, MIN_SIDE_RUNS, change_point, explained_share

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_evalgate.stats.numeric import Numbers

PERMUTATIONS: Final = 2000
_FIRST: Final = 200
_LARGE_P: Final = 0.05
"""A p above this after the first 200 permutations is final: the test only becomes more conservative."""

_TOLERANCE: Final = 1e-9
"""Sums over the runs in another order differ by rounding errors below this."""

_CHANGED_SHARES: Final = (0.05, 0.2, 0.5, 0.99)
"""Shares of the cases that a change concerns; each is as probable as the others."""

_SHIFT_PENALTY: Final = 3.0  # nats: the shift of all cases is fitted, while the other likelihoods are averages
_STEP_PRIOR: Final = 1.0
"""Log odds of a step to a gradual change before any run is seen: a prompt or a model changes at one run."""

_SMALLEST_SHAPE: Final = 0.05
"""Smallest parameter of the beta distribution of the cases' pass probabilities, which keeps it proper."""

_MAD_SIGMA: Final = 1.4826
_MAD_EFFICIENCY: Final = 0.37  # of the MAD for normal values: Rousseeuw & Croux 1993
_MEDIAN_VARIANCE: Final = math.pi / 2  # of the median of normal values, relative to that of their mean

Array: TypeAlias = "npt.NDArray[np.float64]"
Orders: TypeAlias = "npt.NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class RunStep:
    """A split of the runs; ``index`` is the first run after it, and ``p`` allows for the search over all splits.

    ``is_gradual`` means that a straight line explains the runs better than any split. ``lost`` and ``gained`` are the
    cases that most probably changed with the split, by their index.
    """

    index: int
    p: float
    is_gradual: bool
    lost: tuple[int, ...] = ()
    gained: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RobustOutlier:
    """The distance of a value from the median of R earlier ones, in robust standard deviations, and its limit."""

    z: float
    limit: float

    @property
    def alert(self) -> bool:
        """Whether the value is beyond the limit."""
        return abs(self.z) > self.limit


def find_step(values: Numbers, passed: Array | None = None, *, seed: int = 0) -> RunStep:
    """Find the split of R >= 15 runs at which their level, or the set of cases that pass, changed.

    Two statistics are compared with those of permuted runs: the share of the variance of ``values`` that the best
    split explains (Worsley 1979), and the distance of the cases' pass rates on both sides, each in its own standard
    deviations. The second one finds a change of some cases that is hidden in the first one by the flips of the others.
    ``p`` is that of the smaller of the two p (min-p, Westfall & Young 1993).

    The place of the split has the largest likelihood of three kinds of changes: of some cases, of most of them, and
    one shift of all. Each case has a probability to pass from a beta distribution that is fitted to all cases.

    Args:
        values: The metric of each run. Shape (R,).
        passed: 1.0 for a case that passed, 0.0 for one that missed, NaN for one without a result. Shape (R, n).
        seed: Seed of the permutations.

    Raises:
        ValueError: fewer than 15 runs, a value that is NaN or infinite, or another number of rows in ``passed``.
    """
    level = as_finite("values", values, CHANGE_POINT_MIN_RUNS)
    if passed is not None and len(passed) != len(level):
        raise ValueError(f"passed must have {len(level)} rows, one for each run, got {len(passed)}")
    centred = level - level.mean()
    distances = None if passed is None else _distances(passed)
    if passed is None or distances is None:
        split = change_point(level, seed)
        return RunStep(split.index, split.p, _line_share(centred) > float(explained_share(centred).max()))
    between = distances

    def statistics(orders: Orders) -> Array:
        return np.stack((explained_share(centred[orders]).max(axis=1), _separation(between, orders)), axis=1)

    found = permutation_p(statistics, len(level), seed)
    changes = _CaseChanges.of(passed)
    likelihoods = changes.likelihoods()
    place = int(np.argmax(likelihoods))
    # the split is the best of many, and is compared as if it were one of them at random
    of_split = likelihoods[place] - math.log(len(likelihoods)) + _STEP_PRIOR
    is_gradual = changes.line - _SHIFT_PENALTY > of_split
    return RunStep(place + MIN_SIDE_RUNS, found, bool(is_gradual), *changes.changed(place))


def _line_share(centred: Array) -> float:
    """Return the share of the variance that a straight line explains."""
    total = float(np.sum(centred**2))
    return float(_line(len(centred)) @ centred) ** 2 / total if total else 0.0


def permutation_p(statistic: Callable[[Orders], Array], runs: int, seed: int = 0) -> float:
    """Return the p of a series: the share of 2,000 random orders of its runs with as large a statistic.

    ``statistic`` maps orders of shape (P, runs) to an array of shape (P,), or (P, m) for m statistics: then ``p`` is
    that of the smallest of their m p. The order as it is counts as one of them.

    Raises:
        ValueError: ``seed`` is not a whole number from 0.
    """
    check_counts(seed=seed)
    rng = np.random.default_rng(seed)
    first = rng.permuted(np.tile(np.arange(runs), (_FIRST + 1, 1)), axis=1)
    first[0] = np.arange(runs)
    found = statistic(first)
    if (p := _p_of_first(found)) > _LARGE_P:
        return p
    others = rng.permuted(np.tile(np.arange(runs), (PERMUTATIONS - _FIRST, 1)), axis=1)
    return _p_of_first(np.concatenate((found, statistic(others))))


def _p_of_first(found: Array) -> float:
    if found.ndim == 1:
        return float(np.mean(found >= found[0] - _TOLERANCE))
    ranks = np.stack([_share_as_large(column) for column in found.T], axis=1).min(axis=1)
    return float(np.mean(ranks <= ranks[0] + _TOLERANCE))


def _share_as_large(column: Array) -> Array:
    """Return for each value the share of values that are as large, itself included."""
    return 1 - np.searchsorted(np.sort(column), column - _TOLERANCE) / len(column)


def _distances(passed: Array) -> Array | None:
    """Return the products of all pairs of runs (R, R), each case in its own standard deviations; None without flips.

    They contain all that distances between runs depend on, so that permutations need not touch the cases.
    """
    present = ~np.isnan(passed)
    counted = present.sum(axis=0)
    mean = np.where(present, passed, 0.0).sum(axis=0) / np.maximum(counted, 1)
    variance = mean * (1 - mean)
    flips = variance > _TOLERANCE
    if not flips.any():
        return None
    scaled = np.where(present, passed - mean, 0.0)[:, flips] / np.sqrt(variance[flips])
    products: Array = scaled @ scaled.T
    return products


def _separation(products: Array, orders: Orders) -> Array:
    """Return for each order the largest squared distance between both sides of a split, relative to its mean."""
    runs = orders.shape[1]
    total = np.zeros(len(orders))
    best = np.zeros(len(orders))
    for at in range(runs - MIN_SIDE_RUNS):
        row = orders[:, at]
        total += 2 * products[row[:, None], orders[:, :at]].sum(axis=1) + products[row, row]
        done = at + 1
        if done >= MIN_SIDE_RUNS:
            np.maximum(best, total * runs / (done * (runs - done)), out=best)
    return best


def _line(runs: int) -> Array:
    """Return a straight line through R runs, of mean 0 and length 1."""
    line = np.arange(runs) - (runs - 1) / 2
    scaled: Array = line / np.sqrt(np.sum(line**2))
    return scaled


@dataclass(frozen=True, slots=True)
class _CaseChanges:
    """Evidence of each case for a change at each split.

    ``evidence`` is the log likelihood ratio of two pass probabilities, one a side, to a common one; ``moved`` is the
    change of the pass rate in standard deviations. Shapes: (splits, n). ``shift`` is the log likelihood ratio of one
    shift of all cases, shape (splits,), and ``line`` that of a shift that grows from run to run.
    """

    evidence: Array
    moved: Array
    shift: Array
    line: float

    @classmethod
    def of(cls, passed: Array) -> Self:
        runs = len(passed)
        splits = np.arange(MIN_SIDE_RUNS, runs - MIN_SIDE_RUNS + 1)
        present = ~np.isnan(passed)
        known = np.where(present, passed, 0.0)
        passes, trials = (np.cumsum(array, axis=0) for array in (known, present.astype(np.float64)))
        all_passes, all_trials = passes[-1], trials[-1]
        first, n_first = passes[splits - 1], trials[splits - 1]
        last, n_last = all_passes - first, all_trials - n_first
        mean = all_passes / np.maximum(all_trials, 1)
        a, b = _beta_of(mean, all_trials)
        evidence = _marginal(first, n_first, a, b) + _marginal(last, n_last, a, b)
        evidence -= _marginal(all_passes, all_trials, a, b)
        smoothed = (all_passes + 0.5) / (all_trials + 1)
        error = np.sqrt(smoothed * (1 - smoothed) * (1 / np.maximum(n_first, 1) + 1 / np.maximum(n_last, 1)))
        moved = np.where(
            (n_first > 0) & (n_last > 0), last / np.maximum(n_last, 1) - first / np.maximum(n_first, 1), 0
        )
        deviations = np.where(present, passed - mean, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
        variance = float((mean * (1 - mean)).sum()) / passed.shape[1] ** 2 * runs / (runs - 1)
        twice = 2 * max(variance, _TOLERANCE)
        sums = np.cumsum(deviations)[splits - 1]
        shift = sums**2 * runs / (splits * (runs - splits)) / twice
        return cls(evidence, moved / error, shift, float(_line(runs) @ deviations) ** 2 / twice)

    def likelihoods(self) -> Array:
        """Return the log likelihood of each split, averaged over the kinds of changes."""
        direction = np.sign(self.moved.sum(axis=1, keepdims=True))
        # a change of a case counts if it has the direction of most: otherwise noise of n cases hides the split
        directed = self.evidence + math.log(2) + special.log_ndtr(self.moved * direction)
        some = [np.logaddexp(math.log1p(-share), math.log(share) + directed).sum(axis=1) for share in _CHANGED_SHARES]
        found: Array = np.logaddexp(np.logaddexp.reduce(some, axis=0), self.shift - _SHIFT_PENALTY)
        return found

    def changed(self, place: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the cases that passed more seldom after a split, and those that passed more often, surest first."""
        share = _CHANGED_SHARES[0]
        odds = math.log(share) - math.log1p(-share) + self.evidence[place]
        surest = [int(case) for case in np.argsort(-odds, kind="stable") if odds[case] > 0]
        moved = self.moved[place]
        return tuple(case for case in surest if moved[case] < 0), tuple(case for case in surest if moved[case] > 0)


def _marginal(passes: Array, trials: Array, a: float, b: float) -> Array:
    """Return the log likelihood of passes among trials whose probability has a beta distribution."""
    passed, missed = passes.astype(np.intp), (trials - passes).astype(np.intp)
    numbers = np.arange(int(trials.max(initial=0)) + 1)
    if len(numbers) ** 2 < passes.size:  # a table of all counts: 10,000 values instead of 81,000 for 100 runs
        found: Array = special.betaln(a + numbers[:, None], b + numbers)[passed, missed]
    else:
        found = special.betaln(a + passed, b + missed)
    return found - float(special.betaln(a, b))


def _beta_of(means: Array, trials: Array) -> tuple[float, float]:
    """Fit a beta distribution to the pass probabilities of cases, by the moments of their pass rates."""
    mean, average_trials = float(means.mean()), float(trials.mean())
    within = float((means * (1 - means)).mean()) / max(average_trials - 1, 1)
    between = max(float(means.var()) - within, 1e-4)
    size = max(mean * (1 - mean) / between - 1, _SMALLEST_SHAPE)
    return max(mean * size, _SMALLEST_SHAPE), max((1 - mean) * size, _SMALLEST_SHAPE)


def cusum_p(values: Numbers, *, seed: int = 0) -> float:
    """Return the permutation p of the two-sided CUSUM of R >= 15 runs about their mean: the largest absolute sum.

    It detects slow changes in both directions. Source: Page 1954; permutations: Taylor 2000.

    Raises:
        ValueError: fewer than 15 runs, or a value that is NaN or infinite.
    """
    level = as_finite("values", values, CHANGE_POINT_MIN_RUNS)
    centred = level - level.mean()
    return permutation_p(lambda orders: np.abs(np.cumsum(centred[orders], axis=1)).max(axis=1), len(level), seed)


@dataclass(frozen=True, slots=True)
class MannKendall:
    """Kendall's tau-b of the values and their order, from -1 (each is lower than the one before) to 1, and its p."""

    tau: float
    p: float


def mann_kendall(values: Numbers, *, seed: int = 0) -> MannKendall:
    """Test R >= 15 runs for a monotonic trend, by permutations, two-sided. Tau is 0 if all are equal.

    Source: Mann 1945, Kendall 1975.

    Raises:
        ValueError: fewer than 15 runs, or a value that is NaN or infinite.
    """
    level = as_finite("values", values, CHANGE_POINT_MIN_RUNS)
    runs = len(level)
    signs = np.sign(level[None, :] - level[:, None]).astype(np.float64)

    def concordant(orders: Orders) -> Array:
        total = np.zeros(len(orders))
        for at in range(1, runs):
            total += signs[orders[:, :at], orders[:, at][:, None]].sum(axis=1)
        return total

    untied = float(np.abs(signs).sum()) / 2
    score = float(concordant(np.arange(runs)[None])[0])
    p = permutation_p(lambda orders: np.abs(concordant(orders)), runs, seed)
    return MannKendall(score / math.sqrt(untied * runs * (runs - 1) / 2) if untied else 0.0, p)


def distribution_p(histograms: Array, distance: Callable[[Array, Array], Array], *, seed: int = 0) -> float:
    """Return the permutation p of a change of R >= 15 histograms over the same B bins.

    The statistic is the largest ``distance`` of the summed histograms on both sides of a split, with the weight
    ``sqrt(k (R - k))`` that makes splits comparable. Permuting whole runs allows for the cases that they share.

    Args:
        histograms: Counts. Shape (R, B).
        distance: Maps two arrays of counts of shape (..., B) to distances, such as `ks_of_counts`.
        seed: Seed of the permutations.

    Raises:
        ValueError: fewer than 15 runs, or a run without a count.
    """
    runs = len(histograms)
    check_counts(CHANGE_POINT_MIN_RUNS, runs=runs)
    if not (histograms.sum(axis=1) > 0).all():
        raise ValueError("each histogram must have a count above 0")
    splits = np.arange(MIN_SIDE_RUNS, runs - MIN_SIDE_RUNS + 1)
    weights = np.sqrt(splits * (runs - splits))

    def statistic(orders: Orders) -> Array:
        sums = np.cumsum(histograms[orders], axis=1)
        before = sums[:, splits - 1]
        found: Array = (distance(before, sums[:, -1:] - before) * weights).max(axis=1)
        return found

    return permutation_p(statistic, runs, seed)


def ks_of_counts(one: Array, other: Array) -> Array:
    """Return the Kolmogorov-Smirnov distance of histograms over the same B bins. Shapes: (..., B)."""
    shares = (np.cumsum(counts, axis=-1) / counts.sum(axis=-1, keepdims=True) for counts in (one, other))
    found: Array = np.abs(next(shares) - next(shares)).max(axis=-1)
    return found


def js_of_counts(one: Array, other: Array) -> Array:
    """Return the Jensen-Shannon distance of histograms over the same B bins, base 2. Shapes: (..., B). Lin 1991."""
    first, second = (counts / counts.sum(axis=-1, keepdims=True) for counts in (one, other))
    # the entropy of the middle minus the mean of both entropies: three logarithms a bin instead of four
    bits = special.entr((first + second) / 2) - (special.entr(first) + special.entr(second)) / 2
    found: Array = np.sqrt(np.clip(bits.sum(axis=-1) / math.log(2), 0.0, 1.0))
    return found


def robust_outlier(
    history: Numbers, value: float, rate: float, *, step: float = 0.0, floor: float = 0.0
) -> RobustOutlier:
    """Compare a value with R >= 7 earlier ones: ``(value - median) / sigma``, sigma being ``1.4826 MAD``.

    The limit is that of a normal deviate with the two-sided false alarm ``rate``, widened for the errors of the median
    and of the MAD: a t quantile of 0.37 (R - 1) degrees of freedom. For a rate of 0.0027, that of 3 sigma, it is 3.7
    for 40 runs. Sources: Iglewicz & Hoaglin 1993; Rousseeuw & Croux 1993.

    Args:
        history: Earlier values. Shape (R,).
        value: The newest value.
        rate: Share of values that are beyond the limit if nothing changes.
        step: Distance of possible values, such as 1/n for a share of n cases. The MAD has the same steps; a quarter of
            one is added, without which the rate is 1.5 times the stated one for 200 cases.
        floor: Smallest sigma. If it is 0 and the MAD is 0, any other value is infinitely far.

    Raises:
        ValueError: fewer than seven earlier runs, a value that is NaN or infinite, or ``rate`` outside (0, 1).
    """
    earlier = as_finite("history", history, MIN_RUNS)
    as_finite("value", [value])
    check_inside("rate", rate, 0.0, 1.0)
    median = float(np.median(earlier))
    sigma = max(_MAD_SIGMA * (float(np.median(np.abs(earlier - median))) + step / 4), floor)
    widened = math.sqrt(1 + _MEDIAN_VARIANCE / len(earlier))
    limit = -float(special.stdtrit(_MAD_EFFICIENCY * (len(earlier) - 1), rate / 2)) * widened
    deviation = value - median
    if not sigma:
        return RobustOutlier(math.copysign(math.inf, deviation) if deviation else 0.0, limit)
    return RobustOutlier(deviation / sigma, limit)
