"""Agreement: of a judge with human labels, between human raters, and of a judge with itself."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import TYPE_CHECKING, Literal, get_args

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.intervals import Interval, wilson_interval
from pytest_evalgate.stats.numeric import (
    Numbers,
    as_finite,
    as_labels,
    as_whole_numbers,
    binomial_tail,
    check_same_length,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy.typing as npt

Level = Literal["nominal", "ordinal", "interval"]
"""Level of measurement of ratings; it determines the distance of two ratings in Krippendorff's alpha."""

Winner = Literal["X", "Y", "tie"]
"""The preferred one of two outputs X and Y."""

_PAIR = 2


@dataclass(frozen=True, slots=True)
class AgreementBinary:
    """Agreement of a judge's verdicts with human ones; a pass is the positive class.

    ``tpr`` is the share of human passes that the judge passes, ``tnr`` the share of human fails that it fails, with
    Wilson's 95 % intervals. Undefined values are None: a rate without cases of its class, ``balanced_accuracy``
    without both classes, ``kappa`` and ``krippendorff_nominal`` if all verdicts are equal, ``f1`` if there are no
    passes. ``mcc`` is 0 then. Use ``tpr`` and ``tnr`` to qualify a judge: the others depend on the pass rate.
    """

    human_pass: int
    human_fail: int
    judge_pass_given_human_pass: int
    judge_fail_given_human_fail: int
    tpr: float | None
    tnr: float | None
    tpr_wilson95: Interval | None
    tnr_wilson95: Interval | None
    accuracy: float
    balanced_accuracy: float | None
    kappa: float | None
    mcc: float
    krippendorff_nominal: float | None
    f1: float | None

    @property
    def valid(self) -> bool:
        """Whether there are human passes and human fails: without both classes a judge is not calibrated."""
        return self.human_pass > 0 and self.human_fail > 0


@dataclass(frozen=True, slots=True)
class AgreementGraded:
    """Agreement of a judge's grades with human ones; None where undefined, as for constant grades.

    The kappas weight a difference by its number of steps on the scale of all grades that occur, or by its square.
    """

    kappa_linear: float | None
    kappa_quadratic: float | None
    krippendorff_ordinal: float | None
    krippendorff_interval: float | None
    spearman: float | None
    kendall_tau_b: float | None


@dataclass(frozen=True, slots=True)
class Classification:
    """Agreement of predicted labels with true ones, from 0 to 1; ``mcc`` and ``kappa`` from -1 to 1.

    ``macro_f1`` and ``weighted_f1`` average the F1 of each label; ``micro_f1`` equals the accuracy.
    ``balanced_accuracy`` is the mean recall of the labels that occur in the truth. ``mcc`` is 0 if either side has a
    single label. ``kappa`` is None if both sides have the same single label, since the expected agreement is 1.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    micro_f1: float
    weighted_f1: float
    mcc: float
    kappa: float | None


@dataclass(frozen=True, slots=True)
class JudgeSelfConsistency:
    """The probability that two verdicts on one item differ, and the share of items whose verdicts are all equal."""

    flip_rate: float
    unanimous: float


@dataclass(frozen=True, slots=True)
class PositionBias:
    """The effect of presentation order on a pairwise judge.

    ``consistency`` is the share of pairs with the same winner in both orders; ``inconsistent_first`` counts those in
    which the output shown first won both times, ``inconsistent_second`` the reverse. A small ``p_two_sided`` indicates
    a preference for one position.
    """

    consistency: float
    inconsistent_first: int
    inconsistent_second: int
    p_two_sided: float


def agreement_binary(human: Numbers, judge: Numbers) -> AgreementBinary:
    """Measure the agreement of n verdicts of a judge with human verdicts: passed (1) or failed (0).

    Shapes: (n,), (n,). Source: Wilson 1927; Cohen 1960; Krippendorff 2011.

    Raises:
        ValueError: no case, unequal lengths, or a verdict other than 0 and 1.
    """
    check_same_length(human=human, judge=judge)
    wanted, got = as_labels("human", human), as_labels("judge", judge)
    passes, fails = int(wanted.sum()), int((1 - wanted).sum())
    right_passes, right_fails = int((wanted * got).sum()), int(((1 - wanted) * (1 - got)).sum())
    overall = classification(wanted.tolist(), got.tolist())
    all_passes = passes + int(got.sum())
    return AgreementBinary(
        human_pass=passes,
        human_fail=fails,
        judge_pass_given_human_pass=right_passes,
        judge_fail_given_human_fail=right_fails,
        tpr=right_passes / passes if passes else None,
        tnr=right_fails / fails if fails else None,
        tpr_wilson95=wilson_interval(right_passes, passes) if passes else None,
        tnr_wilson95=wilson_interval(right_fails, fails) if fails else None,
        accuracy=overall.accuracy,
        balanced_accuracy=overall.balanced_accuracy if passes and fails else None,
        kappa=overall.kappa,
        mcc=overall.mcc,
        krippendorff_nominal=krippendorff_missing([wanted.tolist(), got.tolist()], "nominal"),
        f1=2 * right_passes / all_passes if all_passes else None,
    )


def agreement_graded(human: Numbers, judge: Numbers) -> AgreementGraded:
    """Measure the agreement of n grades of a judge with human grades on the same scale.

    Shapes: (n,), (n,). Source: Cohen 1968; Krippendorff 2011; Spearman 1904; Kendall 1945.

    Raises:
        ValueError: no case, unequal lengths, or a grade that is NaN or infinite.
    """
    check_same_length(human=human, judge=judge)
    wanted, got = as_finite("human", human), as_finite("judge", judge)
    _, ranks = np.unique(np.concatenate((wanted, got)), return_inverse=True)
    one, other = np.split(ranks.astype(np.float64), 2)
    both = [wanted.tolist(), got.tolist()]
    spearman, kendall = _rank_correlations(one, other)
    return AgreementGraded(
        kappa_linear=_weighted_kappa(float(np.abs(one - other).mean()), _mean_distance(one, other)),
        kappa_quadratic=_weighted_kappa(
            float(((one - other) ** 2).mean()), float(one.var() + other.var() + (one.mean() - other.mean()) ** 2)
        ),
        krippendorff_ordinal=krippendorff_missing(both, "ordinal"),
        krippendorff_interval=krippendorff_missing(both, "interval"),
        spearman=spearman,
        kendall_tau_b=kendall,
    )


def _weighted_kappa(observed: float, by_chance: float) -> float | None:
    return None if by_chance == 0 else 1 - observed / by_chance


def _mean_distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the mean of ``|i - j|`` over all n² pairs, as the sum over steps of the share of pairs on both sides."""
    steps = np.arange(max(one.max(), other.max()))
    below, under = (np.searchsorted(np.sort(ranks), steps, side="right") / len(ranks) for ranks in (one, other))
    return float(np.sum(below * (1 - under) + under * (1 - below)))


def _rank_correlations(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> tuple[float | None, float | None]:
    from scipy import stats  # noqa: PLC0415 - the import takes 0.75 s

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None, None
    return float(stats.spearmanr(one, other).statistic), float(stats.kendalltau(one, other).statistic)


def classification(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> Classification:
    """Measure the agreement of n predicted labels with n true ones, over all labels that occur on either side.

    A label's F1 is ``2 hits / (true + predicted)``. Shapes: (n,), (n,). Source: Cohen 1960; Gorodkin 2004 for the
    multiclass MCC; scikit-learn's conventions for undefined values.

    Raises:
        ValueError: no case, or unequal lengths.
    """
    check_same_length(truth=truth, predicted=predicted)
    n = len(truth)
    if n == 0:
        raise ValueError("truth must contain at least one label, got none")
    true, guessed = Counter(truth), Counter(predicted)
    hits = Counter(one for one, other in zip(truth, predicted, strict=True) if one == other)
    f1 = {label: 2 * hits[label] / (true[label] + guessed[label]) for label in true | guessed}
    accuracy, by_chance = hits.total() / n, _sum_of_products(true, guessed)
    spread = (n**2 - _sum_of_products(true, true)) * (n**2 - _sum_of_products(guessed, guessed))
    return Classification(
        accuracy=accuracy,
        balanced_accuracy=math.fsum(hits[label] / count for label, count in true.items()) / len(true),
        macro_f1=math.fsum(f1.values()) / len(f1),
        micro_f1=accuracy,
        weighted_f1=math.fsum(count * f1[label] for label, count in true.items()) / n,
        mcc=(hits.total() * n - by_chance) / math.sqrt(spread) if spread else 0.0,
        kappa=_chance_corrected(accuracy, by_chance / n**2),
    )


def _chance_corrected(observed: float, expected: float) -> float | None:
    """Return ``(observed - expected) / (1 - expected)``; None if the expected agreement is 1."""
    return None if expected == 1 else (observed - expected) / (1 - expected)


def _sum_of_products(one: Counter[Hashable], other: Counter[Hashable]) -> int:
    return sum(count * other[label] for label, count in one.items())


def krippendorff_missing(ratings: Sequence[Sequence[float | None]], level: Level) -> float | None:
    """Return Krippendorff's alpha of R raters over U units; a missing rating is None.

    ``1 - Do / De``: the mean disagreement of pairs within units, divided by that of all pairs of ratings. 1 is perfect
    agreement, 0 is chance; None if all ratings are equal. Units with fewer than two ratings are ignored. Shape: (R,
    U). Source: Krippendorff 2011.

    Raises:
        ValueError: raters with different numbers of units, a rating that is NaN or infinite, or no unit with two
            ratings.
    """
    values, units = _paired_ratings(ratings)
    if np.ptp(values) == 0:
        return None
    places = _places(values, level)
    disagreement = _unequal_pairs if level == "nominal" else _squared_distances
    sizes = np.bincount(units)
    observed = float(np.sum(disagreement(places, units) / (sizes - 1)))
    expected = float(disagreement(places, np.zeros_like(units))[0]) / (len(values) - 1)
    return 1 - observed / expected


def _paired_ratings(
    ratings: Sequence[Sequence[float | None]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return the ratings of all units with at least two, and the index of the unit of each rating."""
    check_same_length(**{f"ratings[{rater}]": row for rater, row in enumerate(ratings)})
    filled = [
        as_finite(f"ratings[{rater}]", [0.0 if one is None else one for one in row])
        for rater, row in enumerate(ratings)
    ]
    given = np.array([[one is not None for one in row] for row in ratings], dtype=bool)
    paired = given & (given.sum(axis=0) >= _PAIR)
    if not paired.any():
        raise ValueError("ratings: no unit has two ratings: rate some units twice")
    _, units = np.unique(np.nonzero(paired)[1], return_inverse=True)
    return np.array(filled)[paired], units


def _places(values: npt.NDArray[np.float64], level: Level) -> npt.NDArray[np.float64]:
    """Return the position of each rating on a line whose distances are those of ``level``."""
    if level == "interval":
        return values - float(values.mean())
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if level == "nominal":
        return codes.astype(np.float64)
    midranks = np.cumsum(counts) - counts / 2 - len(values) / 2
    return np.asarray(midranks[codes], dtype=np.float64)


def _squared_distances(places: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the sum of squared distances over the ordered pairs of each group."""
    sums, squares = np.bincount(groups, weights=places), np.bincount(groups, weights=places**2)
    return np.asarray(2 * (np.bincount(groups) * squares - sums**2), dtype=np.float64)


def _unequal_pairs(places: npt.NDArray[np.float64], groups: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the number of ordered pairs of each group whose members differ."""
    cells, counts = np.unique(np.stack((groups, places)), axis=1, return_counts=True)
    same = np.bincount(cells[0].astype(np.intp), weights=counts.astype(np.float64) ** 2)
    return np.asarray(np.bincount(groups) ** 2 - same, dtype=np.float64)


def fleiss_kappa(counts: Sequence[Numbers]) -> float | None:
    """Return Fleiss' kappa of m raters who each assigned N units to one of K categories.

    ``counts[i][c]`` is the number of raters who chose category c for unit i. 1 is perfect agreement, 0 is chance; None
    if all ratings are equal. Shape: (N, K). Source: Fleiss 1971.

    Raises:
        ValueError: no unit, rows of different length, a count that is negative or not whole, fewer than two ratings of
            a unit, or not equally many of each.
    """
    if len(counts) == 0:
        raise ValueError("counts must contain at least one unit, got none")
    check_same_length(**{f"counts[{unit}]": row for unit, row in enumerate(counts)})
    table = np.array([as_whole_numbers(f"counts[{i}]", row, 0, sys.float_info.max) for i, row in enumerate(counts)])
    sums = table.sum(axis=1)
    bad = np.flatnonzero((sums < _PAIR) | (sums != sums[0]))
    if bad.size:
        raise ValueError(
            f"counts[{bad[0]}] has {sums[bad[0]]:g} ratings, counts[0] has {sums[0]:g}: every unit needs the same "
            "number of ratings, at least 2"
        )
    raters = float(sums[0])
    agreeing = (np.sum(table**2, axis=1) - raters) / (raters * (raters - 1))
    shares = table.sum(axis=0) / table.sum()
    return _chance_corrected(float(agreeing.mean()), float(np.sum(shares**2)))


def judge_self_consistency(verdicts: Sequence[Numbers]) -> JudgeSelfConsistency:
    """Measure the self-consistency of a judge over N items, each with at least two verdicts or grades.

    ``flip_rate`` is the mean over items of the share of unequal pairs of verdicts; above 0.05, use the majority of
    three. Shape: N rows of at least 2.

    Raises:
        ValueError: no item, an item with fewer than two verdicts, or a verdict that is NaN or infinite.
    """
    if len(verdicts) == 0:
        raise ValueError("verdicts must contain at least one item, got none")
    rows = [as_finite(f"verdicts[{item}]", row, 2).tolist() for item, row in enumerate(verdicts)]
    flips = []
    for row in rows:
        k, same = len(row), sum(number**2 for number in Counter(row).values())
        flips.append((k * k - same) / (k * (k - 1)))
    return JudgeSelfConsistency(flip_rate=float(np.mean(flips)), unanimous=flips.count(0.0) / len(flips))


def position_bias(winner_x_shown_first: Sequence[Winner], winner_y_shown_first: Sequence[Winner]) -> PositionBias:
    """Test a pairwise judge for position bias, with n pairs of outputs shown in both orders.

    Exact two-sided binomial test of "the first one wins" among the pairs whose winner changes with the order, ties
    excluded; p is 1 if there are none. Shapes: (n,), (n,).

    Raises:
        ValueError: no pair, unequal lengths, or a winner other than "X", "Y" and "tie".
    """
    check_same_length(winner_x_shown_first=winner_x_shown_first, winner_y_shown_first=winner_y_shown_first)
    for name, winners in (
        ("winner_x_shown_first", winner_x_shown_first),
        ("winner_y_shown_first", winner_y_shown_first),
    ):
        if len(winners) == 0:
            raise ValueError(f"{name} must contain at least one winner, got none")
        for at, winner in enumerate(winners):
            if winner not in get_args(Winner):
                raise ValueError(f'{name}[{at}] must be "X", "Y" or "tie", got {winner!r}')
    pairs = list(zip(winner_x_shown_first, winner_y_shown_first, strict=True))
    first, second = pairs.count(("X", "Y")), pairs.count(("Y", "X"))
    return PositionBias(
        consistency=sum(one == other for one, other in pairs) / len(pairs),
        inconsistent_first=first,
        inconsistent_second=second,
        p_two_sided=min(1.0, 2 * float(binomial_tail(max(first, second), first + second, 0.5))),
    )
