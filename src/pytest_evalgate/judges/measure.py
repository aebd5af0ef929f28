"""Measurement of a judge: its scores of labelled rows compared with the labels, and the calibration made from it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.build import fingerprint
from pytest_evalgate.judges.correlations import CorrelationReport, GradedRow, correlations_of
from pytest_evalgate.judges.panel import (
    OrderBias,
    Panel,
    RatedRow,
    SelfConsistency,
    grade_agreement,
    order_bias_of,
    panel_of,
    self_consistency_of,
    verdict_agreement,
)
from pytest_evalgate.judges.rates import Bootstrap, Rates, Statistic, WeightedRow, rates_of
from pytest_evalgate.judges.threshold import Aim, Point, Threshold, bins_of, choose, probability_metrics
from pytest_evalgate.records.corrected import LabelledSample, LabelledStratum
from pytest_evalgate.records.verdicts import Calibration
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from pytest_evalgate.judges.labels import Labelled, LabelSet
    from pytest_evalgate.judges.panel import Preference
    from pytest_evalgate.judges.rates import JudgeRate
    from pytest_evalgate.judges.threshold import Bin
    from pytest_evalgate.records.cases import Json, Place
    from pytest_evalgate.records.results import Score


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """Options of a measurement.

    ``aim`` is the criterion for the threshold of a graded judge, ``bootstrap`` gives the intervals. ``probabilities``
    is true if scores can be read as the probability of a pass. ``passing`` is the lowest rating with which a rater
    passes a row. ``same_scale`` is false if the grades of people and of the judge are on different scales: they are
    then only correlated.
    """

    aim: Aim = field(default_factory=Aim)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    probabilities: bool = False
    passing: float = 0.5
    same_scale: bool = True


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row on which judge and label disagree. ``passed`` is true if the ``label`` passes."""

    id: str
    place: Place
    label: str
    passed: bool
    score: float
    reason: str
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Statistics of a judge compared with labels. A statistic that the labels do not determine is None or empty.

    Attributes:
        rows: Rows with a label that passes or fails.
        unreadable: Rows of these without a readable score; they are excluded from all statistics.
        clusters: Number of clusters; None if every row is its own.
        weighted: True if rows represent different numbers of outputs. Rates then allow for it; the other statistics
            describe the rows unweighted.
        tpr: Share of the human passes that the judge passes.
        tnr: Share of the human fails that the judge fails.
        youden: ``tpr + tnr - 1``.
        accuracy: Share of the rows on which judge and label agree.
        verdicts: Metrics of agreement between verdicts, by name. The verdicts of a graded judge are out-of-fold: the
            threshold of each is chosen without that row.
        grades: Metrics of agreement between grades, by name.
        correlations: Correlations of the judge's scores with people's grades; None if labels are not numbers.
        threshold: The threshold of a graded judge.
        probability: Metrics of scores as probabilities, by name.
        bins: The bins of the reliability diagram.
        roc: The ROC curve.
        repeats: Agreement of the judge with itself.
        position: Effect of the order of two outputs.
        sample: The labels by stratum, if they were drawn from a run.
        panel: Agreement among raters.
        disagreements: The rows on which judge and label disagree.
        split: Ids of rows without a ``label`` on which the raters disagree.
    """

    rows: int
    unreadable: int
    clusters: int | None
    weighted: bool
    tpr: JudgeRate | None
    tnr: JudgeRate | None
    youden: Statistic
    accuracy: JudgeRate
    verdicts: Mapping[str, Statistic]
    grades: Mapping[str, Statistic]
    threshold: Threshold | None
    probability: Mapping[str, Statistic]
    bins: tuple[Bin, ...]
    roc: tuple[Point, ...]
    repeats: SelfConsistency | None
    position: OrderBias | None
    panel: Panel | None
    disagreements: tuple[Disagreement, ...]
    split: tuple[str, ...]
    sample: LabelledSample | None = None
    correlations: CorrelationReport | None = None


@dataclass(frozen=True, slots=True)
class _JudgedRow:
    """A row with a human label and a readable score. ``judge`` is the verdict, ``score`` the score it is based on."""

    row: Labelled
    human: bool
    score: float
    judge: bool
    reason: str
    rationale: str


def measure(rows: Sequence[Labelled], options: MeasureOptions) -> Measurement:
    """Compare the judge's scores of labelled rows with the labels.

    Rates have Wilson's interval, on the effective sample size if rows are clustered or weighted. The interval of
    ``youden`` is the square-and-add combination of the two (Newcombe 1998). All others are bootstrap intervals.

    Raises:
        UserError: no row has both a human label and a readable score.
    """
    labelled = [row for row in rows if row.passed is not None]
    judged, threshold = _judged_rows(labelled, options)
    if not judged:
        raise UserError(_nothing_to_measure(labelled))
    human, verdicts = [one.human for one in judged], [one.judge for one in judged]
    scores = [one.score for one in judged]
    clusters = [_cluster(one.row) for one in judged]
    clustered = any(one.row.cluster is not None for one in judged)
    graded = any(score not in {0.0, 1.0} for score in scores)
    rates = rates_of([_weighted(one, clustered=clustered) for one in judged])
    return Measurement(
        rows=len(labelled),
        unreadable=len(labelled) - len(judged),
        clusters=len(set(clusters)) if clustered else None,
        weighted=rates.design is not None and rates.design.is_stratified,
        tpr=rates.tpr,
        tnr=rates.tnr,
        youden=_youden(rates),
        accuracy=rates.accuracy,
        verdicts=verdict_agreement(human, verdicts, clusters, options.bootstrap),
        grades=_grades(judged, options.bootstrap) if graded and options.same_scale else {},
        threshold=threshold,
        probability=probability_metrics(scores, human, clusters, options.bootstrap)
        if graded and options.probabilities
        else {},
        bins=bins_of(scores, human) if graded else (),
        roc=_roc(threshold, rates),
        repeats=self_consistency_of(
            [[score.value for score in row.scores if score.value is not None] for row in labelled],
            [_cluster(row) for row in labelled],
            options.bootstrap,
        ),
        position=_position(labelled),
        panel=_panel(rows, judged, options),
        disagreements=tuple(
            Disagreement(
                *(one.row.case.id, one.row.case.place, one.row.label, one.human, one.score, one.reason, one.rationale)
            )
            for one in judged
            if one.human is not one.judge
        ),
        split=tuple(row.case.id for row in rows if not row.decided and _raters_disagree(row, options.passing)),
        sample=_sample(labelled, rates),
        correlations=_correlations(judged),
    )


def _weighted(one: _JudgedRow, *, clustered: bool) -> WeightedRow:
    row, source = one.row, one.row.drawn_from
    stratum = None if source is None else (f"{source.frame}/{source.name}", float(source.outputs))
    return WeightedRow(one.human, one.judge, row.weight, _cluster(row) if clustered else None, stratum)


def _sample(rows: Sequence[Labelled], rates: Rates) -> LabelledSample | None:
    if rates.design is None:
        return None
    frames = {None if row.drawn_from is None else row.drawn_from.frame for row in rows}
    frame = frames.pop() if len(frames) == 1 else None
    strata = rates.design.strata
    return LabelledSample(
        frame or "",
        tuple(LabelledStratum(one.outputs, one.both, one.human, one.judge, one.neither) for one in strata),
    )


def _judged_rows(rows: Sequence[Labelled], options: MeasureOptions) -> tuple[list[_JudgedRow], Threshold | None]:
    """Return the rows with a readable score. If a threshold can be chosen, it replaces the judge's own verdicts."""
    pairs = any(row.swapped is not None for row in rows)
    judged = [one for row in rows for one in _readable(row, in_both_orders=pairs)]
    scores = [one.score for one in judged]
    if all(score in {0.0, 1.0} for score in scores):
        return judged, None
    human, clusters = [one.human for one in judged], [_cluster(one.row) for one in judged]
    found = choose(scores, human, clusters, options.aim, options.bootstrap)
    if found is None:
        return judged, None
    threshold, verdicts = found
    return [dataclasses.replace(one, judge=verdict) for one, verdict in zip(judged, verdicts, strict=True)], threshold


def _readable(row: Labelled, *, in_both_orders: bool) -> Iterator[_JudgedRow]:
    """Yield the row with the judge's own verdict; a pair only if the winner is the same in both orders."""
    first = next(iter(row.scores), None)
    if first is None or first.value is None or first.passed is None or row.passed is None:
        return
    if not in_both_orders or (row.swapped is not None and row.swapped.passed is first.passed):
        yield _JudgedRow(row, row.passed, first.value, first.passed, first.reason, first.rationale)


def _nothing_to_measure(rows: Sequence[Labelled]) -> str:
    if not rows:
        return 'no row has a label that passes or fails: fill in "label"'
    reasons = (score.reason for row in rows for score in row.scores if score.reason)
    return f"the judge gave no readable score for any of {count(len(rows), 'row')}: {next(reasons, 'no verdict')}"


def _cluster(row: Labelled) -> Hashable:
    return (None, row.case.id) if row.cluster is None else row.cluster


def _youden(rates: Rates) -> Statistic:
    if rates.tpr is None or rates.tnr is None:
        return Statistic(None)
    if rates.design is not None and rates.design.is_stratified:  # the two rates are dependent
        found = rates.design.youden()
        return Statistic(found.value, (found.lower, found.upper))
    both = (rates.tpr, rates.tnr)
    value = sum(rate.value for rate in both) - 1
    below, above = (math.hypot(*(rate.value - rate.interval[end] for rate in both)) for end in (0, 1))
    return Statistic(value, (value - below, value + above))


def _grades(judged: Sequence[_JudgedRow], bootstrap: Bootstrap) -> dict[str, Statistic]:
    grades = [one.row.grade for one in judged if one.row.grade is not None]
    if len(grades) < len(judged):
        return {}
    return grade_agreement(grades, [one.score for one in judged], [_cluster(one.row) for one in judged], bootstrap)


def _correlations(judged: Sequence[_JudgedRow]) -> CorrelationReport | None:
    rows = [
        GradedRow(one.row.grade, one.score, _cluster(one.row), one.row.group, one.row.controlled)
        for one in judged
        if one.row.grade is not None
    ]
    return correlations_of(rows) if rows and len(rows) == len(judged) else None


def _roc(threshold: Threshold | None, rates: Rates) -> tuple[Point, ...]:
    """Return the ROC curve. That of a judge without grades has a single point between its two ends."""
    if threshold is not None:
        return threshold.roc
    if rates.tpr is None or rates.tnr is None:
        return ()
    return Point(None, 0.0, 0.0), Point(None, 1 - rates.tnr.value, rates.tpr.value), Point(None, 1.0, 1.0)


def _position(rows: Sequence[Labelled]) -> OrderBias | None:
    if all(row.swapped is None for row in rows):
        return None
    return order_bias_of(
        [bool(row.passed) for row in rows],
        [_preference(next(iter(row.scores), None)) for row in rows],
        [_preference(row.swapped) for row in rows],
    )


def _preference(score: Score | None) -> Preference:
    """Return the winner that a score names; None if the reply could not be read."""
    if score is None or score.value is None:
        return None
    return "tie" if score.passed is None else "X" if score.passed else "Y"


def _panel(rows: Sequence[Labelled], judged: Sequence[_JudgedRow], options: MeasureOptions) -> Panel | None:
    verdicts = {one.row.case.id: one.judge for one in judged}
    rated = [RatedRow(row.raters, _cluster(row), verdicts.get(row.case.id)) for row in rows]
    return panel_of(rated, options.passing, options.bootstrap)


def _raters_disagree(row: Labelled, passing: float) -> bool:
    return len({rating >= passing for rating in row.raters.values()}) > 1


_NOT_RECORDED: Final = frozenset({"verdicts", "grades", "disagreements", "split", "roc", "sample"})
_MAX_ROC_POINTS: Final = 33  # enough to draw the curve; the whole curve would be as long as the labels


@dataclass(frozen=True, slots=True)
class Source:
    """Origin of the scores: the judge's name with its ``parts``, or the path of stored scores in the label file.

    ``parts`` are empty for stored scores, because the judge that gave them is unknown.
    """

    judge: str
    parts: Mapping[str, str]
    stored: str | None = None


def record_of(
    measured: Measurement, labels: LabelSet, source: Source, options: MeasureOptions, created: str
) -> Calibration:
    """Return the calibration of a judge measured on ``labels``. ``created`` is in UTC, ISO 8601.

    Its counts are numbers of labels. If rows are clustered or weighted, they are effective sample sizes.
    """
    threshold = None if measured.threshold is None else measured.threshold.value
    judge_pass, human_pass = (0, 0) if measured.tpr is None else measured.tpr.counts
    judge_fail, human_fail = (0, 0) if measured.tnr is None else measured.tnr.counts
    return Calibration(
        judge=source.judge,
        fingerprint=fingerprint(source.parts, threshold),
        parts=source.parts,
        labels=labels.name,
        labels_sha256=labels.sha256,
        created=created,
        human_pass=human_pass,
        judge_pass=judge_pass,
        human_fail=human_fail,
        judge_fail=judge_fail,
        threshold=threshold,
        measures=_measures(measured, labels, source, options),
        sample=measured.sample,
    )


def _measures(measured: Measurement, labels: LabelSet, source: Source, options: MeasureOptions) -> dict[str, Json]:
    values = {field.name: getattr(measured, field.name) for field in dataclasses.fields(measured)}
    kept = {name: value for name, value in values.items() if name not in _NOT_RECORDED and value not in (None, {}, ())}
    return {
        "verdicts_from": source.stored or "asked",
        **({} if labels.assumed is None else {"assumed_pass_mark": labels.assumed}),
        **({"label_options": list(labels.options)} if labels.options else {}),
        "labels_that_pass": labels.counted(passed=True),
        "labels_that_fail": labels.counted(passed=False),
        "bootstrap": {"seed": options.bootstrap.seed, "draws": options.bootstrap.draws},
        **{name: _json(value) for name, value in {**kept, **measured.verdicts, **measured.grades}.items()},
        **({"roc": _json(_thin(measured.roc))} if measured.threshold is not None else {}),
    }


def _thin(curve: Sequence[Point]) -> tuple[Point, ...]:
    """Return at most 33 points of a curve at equal distances, both ends included."""
    gaps = min(len(curve), _MAX_ROC_POINTS) - 1
    return tuple(curve[round(at * (len(curve) - 1) / gaps)] for at in range(gaps + 1))


def _json(value: object) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _json(item) for name, item in fields.items() if name not in _NOT_RECORDED}
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, tuple) else value
