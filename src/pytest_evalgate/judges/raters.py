"""Raters: agreement of the people who label with each other, with gold labels, and with themselves; and their cost."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.rater_drift import drifts_of, majority_of
from pytest_evalgate.judges.rates import Bootstrap, Statistic, rate_of
from pytest_evalgate.judges.ratings import ONE_BATCH
from pytest_evalgate.stats.agreement import krippendorff_missing
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.coincidences import alphas, coincidences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judges.rater_drift import RaterDrift
    from pytest_evalgate.judges.ratings import Rating, Ratings
    from pytest_evalgate.stats.agreement import Level

    ByOutput = Mapping[str, Sequence[Rating]]

_PAIR: Final = 2
_MAX_CELLS: Final = 5_000_000  # 40 MB of coincidences; more values, such as 0 to 100, are drawn one by one
_SECONDS_PER_MINUTE: Final = 60
_SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class BatchAgreement:
    """Krippendorff's alpha over the ``outputs`` of a batch that two or more raters labelled; None if undefined.

    ``interval`` is its 95 % interval by a bootstrap of the outputs, or of their clusters.
    """

    batch: str
    raters: int
    outputs: int
    alpha: float | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class RaterCheck:
    """One rater of ``labels`` outputs.

    ``gold`` is the share of right labels on outputs with a gold label, ``others`` the agreement with the majority of
    the other raters, ``repeats`` the share of equal labels on outputs that the rater was given twice; each with its
    95 % interval and its number of outputs. ``drift`` is None without gold labels and majorities.
    """

    rater: str
    labels: int
    gold: Statistic
    gold_labels: int
    others: Statistic
    other_labels: int
    repeats: Statistic
    repeat_labels: int
    drift: RaterDrift | None
    minutes_per_row: float | None
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class RatersReport:
    """Agreement of the raters of a label file, per batch and over all of it, and each rater."""

    outputs: int
    alpha: BatchAgreement
    batches: tuple[BatchAgreement, ...]
    raters: tuple[RaterCheck, ...]
    cost: LabelCost | None = None


@dataclass(frozen=True, slots=True)
class LabelPrice:
    """The price of a label, or of an hour of labelling."""

    per_label: float | None = None
    per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class LabelCost:
    """The ``total`` cost of all ``labels``, those that only check the raters included, in the unit of the price.

    ``accepted`` outputs have a label that a calibration uses: an own, an adjudicated or a majority label.
    ``per_accepted`` is None if there are none.
    """

    total: float
    labels: int
    accepted: int
    per_accepted: float | None


def check_raters(ratings: Ratings, price: LabelPrice | None = None) -> RatersReport:
    """Measure the raters. Alpha and "the others" are over outputs with two or more labels.

    Repeated rows are in ``repeats``, in the times and in the cost alone. Source: Krippendorff 2011.

    Raises:
        SettingsError: the price is that of an hour, and a label has no time.
    """
    rows = [row for row in ratings.rows if row.repeat_of is None]
    batches = list(dict.fromkeys(row.batch for row in rows))
    names = list(dict.fromkeys(row.rater for row in ratings.rows))
    by_output: dict[str, list[Rating]] = {}
    for row in rows:
        by_output.setdefault(row.output, []).append(row)
    drifts = drifts_of(names, by_output)
    return RatersReport(
        outputs=len(by_output),
        alpha=_agreement(ONE_BATCH, rows, ratings.level),
        batches=tuple(
            _agreement(batch, [row for row in rows if row.batch == batch], ratings.level) for batch in batches
        )
        if len(batches) > 1
        else (),
        raters=tuple(
            _check([row for row in ratings.rows if row.rater == name], by_output, drifts.get(name)) for name in names
        ),
        cost=None if price is None else _cost(ratings, by_output, price),
    )


def _agreement(batch: str, rows: Sequence[Rating], level: Level) -> BatchAgreement:
    raters = list(dict.fromkeys(row.rater for row in rows))
    counts = Counter(row.output for row in rows)
    shared = [output for output in counts if counts[output] >= _PAIR]
    if not shared:
        return BatchAgreement(batch, len(raters), 0, None)
    values = {(row.rater, row.output): row.value for row in rows}
    table = [[values.get((rater, output)) for output in shared] for rater in raters]
    clusters = {row.output: row.cluster or row.output for row in rows}
    alpha = krippendorff_missing(table, level)
    bounds = _alpha_bounds(alpha, table, [clusters[output] for output in shared], level)
    return BatchAgreement(batch, len(raters), len(shared), alpha, bounds)


def _alpha_bounds(
    alpha: float | None, table: Sequence[Sequence[float | None]], clusters: Sequence[str], level: Level
) -> tuple[float, float] | None:
    ratings = np.array(table, dtype=np.float64)  # None becomes NaN
    values = np.unique(ratings[~np.isnan(ratings)])
    if len(values) ** 2 * len(clusters) > _MAX_CELLS:
        samples = Bootstrap().samples(clusters)
        drawn_alphas = [krippendorff_missing(_with_none(ratings[:, taken]), level) for taken in samples]
        return Bootstrap().estimate(alpha, drawn_alphas).interval
    counts = np.array([(ratings == value).sum(axis=0) for value in values], dtype=np.float64).T
    size = len(values)
    drawn = Bootstrap().tables(coincidences(counts).reshape(len(counts), size * size), clusters)
    return Bootstrap().estimate(alpha, alphas(drawn.reshape(-1, size, size), values, level)).interval


def _with_none(ratings: npt.NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(one) else one for one in row] for row in ratings.tolist()]


def _check(rows: Sequence[Rating], by_output: ByOutput, drift: RaterDrift | None) -> RaterCheck:
    name, once = rows[0].rater, [row for row in rows if row.repeat_of is None]
    gold = [row.passed is row.gold for row in once if row.gold is not None]
    others = []
    for row in once:
        majority = majority_of([other for other in by_output[row.output] if other.rater != name])
        if majority is not None:
            others.append(row.passed is majority)
    own = {row.output: row.passed for row in once}
    repeats = [row.passed is own[row.repeat_of] for row in rows if row.repeat_of in own]
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return RaterCheck(
        rater=name,
        labels=len(once),
        gold=_share(gold),
        gold_labels=len(gold),
        others=_share(others),
        other_labels=len(others),
        repeats=_share(repeats),
        repeat_labels=len(repeats),
        drift=drift,
        minutes_per_row=fmean(seconds) / _SECONDS_PER_MINUTE if seconds else None,
        median_seconds=median(seconds) if seconds else None,
    )


def _share(hits: Sequence[bool]) -> Statistic:
    return rate_of(hits).statistic if hits else Statistic(None)


def _cost(ratings: Ratings, by_output: ByOutput, price: LabelPrice) -> LabelCost:
    rows = ratings.rows
    if price.per_hour is not None:
        known = [row.seconds for row in rows if row.seconds is not None]
        if len(known) < len(rows):
            raise SettingsError(
                f"--hourly-rate needs the time of every label, but {len(rows) - len(known):,} of {len(rows):,} have "
                'no "seconds": add them, or use --cost-per-label'
            )
        total = price.per_hour * sum(known) / _SECONDS_PER_HOUR
    else:
        total = (price.per_label or 0.0) * len(rows)
    counted = {row.output for row in rows if row.counts}
    accepted = sum(
        output in ratings.settled or majority_of(found) is not None
        for output, found in by_output.items()
        if output in counted
    )
    return LabelCost(total, len(rows), accepted, total / accepted if accepted else None)
