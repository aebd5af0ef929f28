"""Kinds of metrics: from the columns of a suite to the sums that its figures are functions of.

Missing outputs are completed as for every gate: in the best completion, all of them were right. In the worst one they
are wrong; a figure that a missing output could make worse without limit is `Prepared.unbounded`.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import (
    ClassificationMetric,
    ConfidenceMetric,
    RankingMetric,
    RegressionMetric,
    SpansMetric,
)
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.measured import ConfusionMatrix, ReliabilityBin
from pytest_evalgate.stats import confusion, sums
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.resampling import EARLIER, FigureGroup, Ranked, Sample
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.config import Metric
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.gates.trial_columns import TrialColumns
    from pytest_evalgate.stats.resampling import Array

    Units = npt.NDArray[np.int64] | None
    SampleOf = Callable[[Sequence[TrialColumns], Units], Sample]

UNREADABLE: Final = "(unreadable)"
"""The class of predictions that are no class, in the matrix."""

_MOST_CLASSES: Final = 200
_MOST_STRAYS: Final = 50
"""Predictions that no case has as its label; with more of them, the application answers in prose."""


class MetricProblem(Exception):  # noqa: N818 - not an error of the program
    """A metric that cannot be computed; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One metric of a suite before its figures are computed.

    ``sample`` returns the sums of one run, or of two. ``shift`` is added to the sums in the worst completion. ``n`` is
    the number of cases of each class. ``lacking`` trials have no value that could enter the figures, which is the
    fault of their outputs.
    """

    groups: tuple[FigureGroup, ...]
    sample: SampleOf
    shift: Array | None = None
    unbounded: Callable[[str], bool] = lambda name: False  # noqa: ARG005 - no figure is
    n: Mapping[str, int] = field(default_factory=dict)
    matrix: ConfusionMatrix | None = None
    bins: tuple[ReliabilityBin, ...] = ()
    notes: tuple[str, ...] = ()
    lacking: int = 0


def prepare(metric: Metric, now: TrialColumns, before: TrialColumns | None, completion: Completion) -> Prepared:
    """Prepare a metric on the trials of a run, and on those of its pairs with the baseline if there are any.

    Raises:
        MetricProblem: It cannot be computed.
    """
    match metric:
        case ClassificationMetric():
            return _classification(metric, now, before, completion)
        case RegressionMetric():
            return _regression(metric, now, completion)
        case ConfidenceMetric():
            return _confidence(metric, now, completion)
        case RankingMetric():
            return _ranking(metric, now, completion)
        case SpansMetric():
            return _spans(now, before, completion)


def _classification(
    metric: ClassificationMetric, now: TrialColumns, before: TrialColumns | None, completion: Completion
) -> Prepared:
    known = [values for one in (now, before) if one is not None for values in one.values if values is not None]
    truth = {str(values[0]) for values in known}
    strays = {str(values[1]) for values in known if values[1] is not None} - truth
    notes: list[str] = []
    if len(strays) > _MOST_STRAYS and not metric.labels:
        notes.append(
            f"{count(len(strays), 'different prediction')} are no label of the golden set: all count as unreadable"
        )
        strays = set()
    names = tuple(metric.labels) or tuple(sorted(truth | strays))
    if not names:
        raise MetricProblem("no case has a label")
    if len(names) > _MOST_CLASSES:
        raise MetricProblem(f"{len(names):,} classes: a metric has at most {_MOST_CLASSES}")
    index = {name: at for at, name in enumerate(names)}
    classes = len(names)

    def predictions(trials: TrialColumns) -> confusion.Predictions:
        kept = trials.take(trials.is_known())
        read = [(index[str(label)], index.get(str(got), confusion.NO_CLASS)) for label, got in kept.values]  # type: ignore[misc]
        label, got = np.array(read, dtype=np.intp).reshape(-1, 2).T
        if completion == "best":
            got = np.where(kept.missing, label, got)
        return confusion.Predictions(label, got, kept.case, kept.share)

    def sample(runs: Sequence[TrialColumns], units: Units) -> Sample:
        return confusion.confusion_sample(tuple(map(predictions, runs)), classes, units)

    own = predictions(now)
    unlabelled = float(now.share[~now.is_known()].sum())
    shift = None
    if completion == "worst" and bool(now.missing.any()):
        # a missing output could be a wrong prediction of any class
        wrong = float(now.share[now.missing].sum())
        shift = np.concatenate([[0.0], np.zeros(classes), np.full(classes, wrong), np.full(classes, unlabelled)])
    unread = int(np.count_nonzero((own.predicted == confusion.NO_CLASS) & ~now.missing[now.is_known()]))
    if unread and not notes:
        notes.append(
            f"{count(unread, 'prediction')} {'is' if unread == 1 else 'are'} none of the classes: counted as wrong"
        )
    cells = confusion.confusion_counts(own, classes)
    cases = np.bincount(own.label, own.share, minlength=classes).astype(np.float64)
    _, first = np.unique(own.case, return_index=True)
    support = np.bincount(own.label[first], minlength=classes)
    return Prepared(
        confusion.confusion_groups(names, cases),
        sample,
        shift,
        lambda name: name == "mcc",
        {name: int(support[at]) for at, name in enumerate(names)},
        _matrix(names, cells),
        notes=tuple(notes),
    )


def _matrix(names: tuple[str, ...], cells: npt.NDArray[np.int64]) -> ConfusionMatrix:
    """Return the matrix; unreadable predictions are a class of their own, which no case has."""
    if cells[:, -1].any():
        square = np.vstack([cells, np.zeros((1, cells.shape[1]), dtype=np.int64)])
        names = (*names, UNREADABLE)
    else:
        square = cells[:, :-1]
    return ConfusionMatrix(names, tuple(tuple(row) for row in square.tolist()))


def _linear(rows_of: Callable[[TrialColumns], Array]) -> SampleOf:
    """Return the function that makes a sample of the sums of trials."""

    def sample(runs: Sequence[TrialColumns], units: Units) -> Sample:
        return Sample.of(np.hstack([one.by_case(rows_of(one)) for one in runs]), units)

    return sample


def _regression(metric: RegressionMetric, now: TrialColumns, completion: Completion) -> Prepared:
    def readable(trials: TrialColumns) -> tuple[TrialColumns, Array, Array]:
        label, got = (
            np.array([np.nan if one is None or one[at] is None else one[at] for one in trials.values], np.float64)
            for at in (0, 1)
        )
        if metric.unreadable is not None:
            got = np.where(np.isnan(got) & ~trials.missing, metric.unreadable, got)
        if completion == "best":
            got = np.where(trials.missing, label, got)
        kept = ~np.isnan(got) & ~np.isnan(label)
        return trials.take(kept), label[kept], got[kept]

    own, truth, predicted = readable(now)
    if not len(truth):
        raise MetricProblem("no prediction is a number")
    errors, centre = np.abs(predicted - truth), float(truth.mean())
    # all errors are equal, mostly 0: an imaginary case gives the bounds some width
    worst = max(float(errors.max()), float(truth.std())) if np.ptp(errors) == 0 else 0.0

    def sample(runs: Sequence[TrialColumns], units: Units) -> Sample:
        rows, ranked = [], []
        for trials, key in zip(runs, (("spearman", ""), ("spearman", EARLIER)), strict=False):
            kept, label, got = readable(trials)
            rows.append(kept.by_case(sums.regression_rows(label, got, centre)))
            unit = kept.case if units is None else units[kept.case]
            ranked.append(Ranked(key, label, got, unit, kept.share))
        return Sample.of(np.hstack(rows), units, ranked)

    lacking = int(np.count_nonzero(~now.missing)) - int(np.count_nonzero(~own.missing))
    notes = [f"{count(lacking, 'prediction')} could not be read as a number: left out"] if lacking else []
    if metric.unreadable is not None:
        filled = sum(one is not None and one[1] is None for one in now.take(~now.missing).values)
        notes += (
            [f"{count(filled, 'prediction')} could not be read: counted as {metric.unreadable:g}"] if filled else []
        )
    return Prepared(
        sums.regression_groups(worst), sample, unbounded=lambda _: True, notes=tuple(notes), lacking=lacking
    )


def _confidence(metric: ConfidenceMetric, now: TrialColumns, completion: Completion) -> Prepared:
    def columns(trials: TrialColumns) -> tuple[Array, Array]:
        stated = np.array([np.nan if not one or one[0] is None else one[0] for one in trials.values], np.float64)
        unknown = np.isnan(trials.passed)
        stated = np.where(unknown, 1.0 if completion == "best" else np.nan, stated)
        return stated, np.where(unknown, 1.0, trials.passed)

    stated, passed = columns(now)
    readable = ~np.isnan(stated) & ~np.isnan(now.passed)
    if not readable.any():
        raise MetricProblem(f"no output has a confidence in [0, 1] at {metric.confidence}")
    edges = sums.equal_mass_edges(stated[readable], metric.bins)
    unread = int(np.count_nonzero(np.isnan(stated) & ~np.isnan(now.passed)))
    bin_of = np.searchsorted(edges, stated[readable], side="right")
    number = np.bincount(bin_of, minlength=len(edges) + 1)
    share = now.share[readable]
    mass, *sums_of = (
        np.bincount(bin_of, share * one, minlength=len(number)) for one in (1.0, stated[readable], passed[readable])
    )
    bins = tuple(
        ReliabilityBin(int(n), float(mean / weight), float(right / weight))
        for n, weight, mean, right in zip(number, mass, *sums_of, strict=True)
        if n
    )
    return Prepared(
        sums.confidence_groups(3 + len(edges) + 1),
        _linear(lambda trials: sums.confidence_rows(*columns(trials), edges)),
        unbounded=lambda name: name == "ece",
        bins=bins,
        notes=(f"{count(unread, 'confidence')} could not be read: counted as an error of 1",) if unread else (),
    )


def _ranking(metric: RankingMetric, now: TrialColumns, completion: Completion) -> Prepared:
    width = len(metric.figures)

    def rows_of(trials: TrialColumns) -> Array:
        assumed = 1.0 if completion == "best" else 0.0
        rows = np.zeros((len(trials.values), 1 + width))
        for at, (values, missing) in enumerate(zip(trials.values, trials.missing.tolist(), strict=True)):
            if values != ():  # otherwise no document is relevant, so there is nothing to find
                rows[at, 0] = 1
                rows[at, 1:] = assumed if missing or not values else [one or 0.0 for one in values]
        return rows

    without = sum(values == () for values in now.values)
    if without == len(now.values):
        raise MetricProblem("no case has a relevant document")
    unread = sum(bool(values) and values[0] is None for values in now.take(~now.missing).values if values)
    notes = [f"{count(without, 'trial')} of cases without a relevant document: left out"] if without else []
    notes += [f"{count(unread, 'ranking')} could not be read: counted as 0"] if unread else []
    return Prepared(sums.mean_groups(metric.figures), _linear(rows_of), notes=tuple(notes))


_PER_LABEL: Final = 1 + sums.SPAN_COLUMNS


def _spans(now: TrialColumns, before: TrialColumns | None, completion: Completion) -> Prepared:
    runs = [one for one in (now, before) if one is not None]
    labels = sorted({label for one in runs for values in one.values for label, _ in _labelled(values)})
    if not labels:
        raise MetricProblem("no span is expected, and none was found")
    index = {label: at for at, label in enumerate(labels)}

    def rows_of(trials: TrialColumns) -> Array:
        rows = np.zeros((len(trials.values), 1 + sums.SPAN_COLUMNS * len(labels)))
        rows[:, 0] = 1
        for row, (values, missing) in enumerate(zip(trials.values, trials.missing.tolist(), strict=True)):
            for label, numbers in _labelled(values):
                assumed = missing and completion == "best"
                first = 1 + sums.SPAN_COLUMNS * index[label]
                rows[row, first : first + sums.SPAN_COLUMNS] = numbers[:1] if assumed else numbers
        return rows

    gold = rows_of(now)[:, 1 :: sums.SPAN_COLUMNS].sum(axis=0)
    unread = sum(bool(values) and values[0] is None for values in now.take(~now.missing).values if values)
    unlabelled = not bool(now.is_known().all())
    return Prepared(
        sums.span_groups(labels),
        _linear(rows_of),
        unbounded=lambda name: unlabelled or not name.endswith("recall"),
        n={label: int(gold[at]) for at, label in enumerate(labels)},
        notes=(f"{count(unread, 'output')} could not be read as spans: counted as none",) if unread else (),
    )


def _labelled(values: tuple[str | float | None, ...] | None) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each label of a trial with its counts; an output that could not be read begins with None."""
    if values:
        for at in range(1 if values[0] is None else 0, len(values), _PER_LABEL):
            yield str(values[at]), values[at + 1 : at + _PER_LABEL]
