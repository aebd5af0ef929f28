"""Holds a judge against people: labelled rows that it has graded to every figure of it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_evalgate.errors import UserError
from pytest_evalgate.judges.build import fingerprint
from pytest_evalgate.judges.figures import (
    Bootstrap,
    Figure,
    Rates,
    WeightedRow,
    grade_figures,
    rates_of,
    verdict_figures,
)
from pytest_evalgate.judges.panel import (
    Aim,
    OrderBias,
    Panel,
    Point,
    RatedRow,
    SelfConsistency,
    Threshold,
    bins_of,
    choose,
    order_bias_of,
    panel_of,
    probability_figures,
    self_consistency_of,
)
from pytest_evalgate.records.results import Calibration
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from pytest_evalgate.judges.figures import JudgeRate
    from pytest_evalgate.judges.labels import Labelled, LabelSet
    from pytest_evalgate.judges.panel import Bin
    from pytest_evalgate.records.results import Json, Place, Score


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How a judge is measured.

    ``aim`` says what the threshold of a graded judge is chosen for, ``bootstrap`` where intervals come from.
    ``probabilities`` says that scores can be read as the probability of a pass, ``passing`` from which rating on a
    single rater passes a row.
    """

    aim: Aim = field(default_factory=Aim)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    probabilities: bool = False
    passing: float = 0.5


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row on which the judge and people differ; ``label`` is what people said, and ``passed`` what it means."""

    id: str
    place: Place
    label: str
    passed: bool
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """Everything that labels say of a judge; what they cannot say is None or empty.

    Of ``rows`` with a label the judge could not read ``unreadable``; these are in no figure. ``tpr`` is the share of
    human passes that it passes, ``tnr`` that of human fails that it fails, each None without its class; ``youden`` is
    ``tpr + tnr - 1``. The verdicts of a graded judge are those of thresholds that did not see the row.
    ``verdicts`` and ``grades`` hold the figures of agreement, ``probability`` those of scores as probabilities, by
    name; ``bins`` are those of the reliability diagram. ``split`` are rows that raters part over and nobody decided.
    ``clusters`` is None where each row is its own. ``weighted`` says that rows stand for unequally many outputs: rates
    then allow for it, the other figures describe the rows as they are.
    """

    rows: int
    unreadable: int
    clusters: int | None
    weighted: bool
    tpr: JudgeRate | None
    tnr: JudgeRate | None
    youden: Figure
    accuracy: JudgeRate
    verdicts: Mapping[str, Figure]
    grades: Mapping[str, Figure]
    threshold: Threshold | None
    probability: Mapping[str, Figure]
    bins: tuple[Bin, ...]
    roc: tuple[Point, ...]
    repeats: SelfConsistency | None
    position: OrderBias | None
    panel: Panel | None
    disagreements: tuple[Disagreement, ...]
    split: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A row that people decided and the judge could read; ``judge`` is its verdict, ``score`` what that rests on."""

    row: Labelled
    human: bool
    score: float
    judge: bool
    reason: str

    @property
    def cluster(self) -> Hashable:
        return _cluster(self.row)

    @property
    def right(self) -> bool:
        return self.human is self.judge

    def weighted_row(self, *, clustered: bool) -> WeightedRow:
        return WeightedRow(self.human, self.judge, self.row.weight, self.cluster if clustered else None)


def measure(rows: Sequence[Labelled], options: MeasureOptions) -> Measurement:
    """Hold what a judge said of labelled rows against what people say of them.

    Rates have Wilson's interval, on what the rows are worth where these come in clusters or are weighted; that of
    ``youden`` adds the squares of the two (Newcombe 1998); all others are the bootstrap's.

    Raises:
        UserError: there is no row that people decided and the judge could read.

    """
    decided = [row for row in rows if row.passed is not None]
    judged, threshold = _judged(decided, options)
    if not judged:
        raise UserError(_nothing_to_measure(decided))
    human, clusters = [one.human for one in judged], [one.cluster for one in judged]
    clustered = any(one.row.cluster is not None for one in judged)
    rates = rates_of([one.weighted_row(clustered=clustered) for one in judged])
    scores, graded = [one.score for one in judged], any(one.score not in {0.0, 1.0} for one in judged)
    return Measurement(
        rows=len(decided),
        unreadable=len(decided) - len(judged),
        clusters=len(set(clusters)) if clustered else None,
        weighted=len({one.row.weight for one in judged}) > 1,
        tpr=rates.tpr,
        tnr=rates.tnr,
        youden=_youden(rates),
        accuracy=rates.accuracy,
        verdicts=verdict_figures(human, [one.judge for one in judged], clusters, options.bootstrap),
        grades=_grades(judged, options.bootstrap) if graded else {},
        threshold=threshold,
        probability=probability_figures(scores, human, clusters, options.bootstrap)
        if graded and options.probabilities
        else {},
        bins=bins_of(scores, human) if graded else (),
        roc=_roc(threshold, rates),
        repeats=_repeats(decided, options.bootstrap),
        position=_position(decided),
        panel=_panel(rows, judged, options),
        disagreements=tuple(_disagreement(one) for one in judged if not one.right),
        split=tuple(row.case.id for row in rows if not row.decided and _parts(row, options.passing)),
    )


def _judged(rows: Sequence[Labelled], options: MeasureOptions) -> tuple[list[_Judged], Threshold | None]:
    """Return the rows that the judge could read; its verdicts come from a threshold where one can be chosen."""
    pairs = any(row.swapped is not None for row in rows)
    judged = [one for row in rows for one in _readable(row, in_both_orders=pairs)]
    scores = [one.score for one in judged]
    if all(score in {0.0, 1.0} for score in scores):
        return judged, None
    human, clusters = [one.human for one in judged], [one.cluster for one in judged]
    found = choose(scores, human, clusters, options.aim, options.bootstrap)
    if found is None:
        return judged, None
    threshold, verdicts = found
    return [
        _Judged(one.row, one.human, one.score, verdict, one.reason)
        for one, verdict in zip(judged, verdicts, strict=True)
    ], threshold


def _readable(row: Labelled, *, in_both_orders: bool) -> Iterator[_Judged]:
    """Yield the row with the judge's own verdict; of a pair only where both orders have the same winner."""
    first = next(iter(row.scores), None)
    if first is None or first.value is None or first.passed is None or row.passed is None:
        return
    if not in_both_orders or (row.swapped is not None and row.swapped.passed is first.passed):
        yield _Judged(row, row.passed, first.value, first.passed, first.reason)


def _nothing_to_measure(rows: Sequence[Labelled]) -> str:
    if not rows:
        return "people decided on no row: give each a label"
    reasons = (score.reason for row in rows for score in row.scores if score.reason)
    return f"the judge could tell of none of {count(len(rows), 'row')}: {next(reasons, 'it gave no verdict')}"


def _cluster(row: Labelled) -> Hashable:
    return (None, row.case.id) if row.cluster is None else row.cluster


def _youden(rates: Rates) -> Figure:
    if rates.tpr is None or rates.tnr is None:
        return Figure(None)
    both = (rates.tpr, rates.tnr)
    value = sum(rate.value for rate in both) - 1
    below, above = (math.hypot(*(rate.value - rate.interval[end] for rate in both)) for end in (0, 1))
    return Figure(value, (value - below, value + above))


def _grades(judged: Sequence[_Judged], bootstrap: Bootstrap) -> dict[str, Figure]:
    grades = [one.row.grade for one in judged if one.row.grade is not None]
    if len(grades) < len(judged):
        return {}
    return grade_figures(grades, [one.score for one in judged], [one.cluster for one in judged], bootstrap)


def _roc(threshold: Threshold | None, rates: Rates) -> tuple[Point, ...]:
    """Return the curve of a graded judge; that of a judge who only passes or fails has a single point."""
    if threshold is not None:
        return threshold.roc
    if rates.tpr is None or rates.tnr is None:
        return ()
    return Point(None, 0.0, 0.0), Point(None, 1 - rates.tnr.value, rates.tpr.value), Point(None, 1.0, 1.0)


def _repeats(rows: Sequence[Labelled], bootstrap: Bootstrap) -> SelfConsistency | None:
    asked = [[score.value for score in row.scores if score.value is not None] for row in rows]
    return self_consistency_of(asked, [_cluster(row) for row in rows], bootstrap)


def _position(rows: Sequence[Labelled]) -> OrderBias | None:
    if all(row.swapped is None for row in rows):
        return None
    return order_bias_of(
        [bool(row.passed) for row in rows],
        [_passed(next(iter(row.scores), None)) for row in rows],
        [_passed(row.swapped) for row in rows],
    )


def _passed(score: Score | None) -> bool | None:
    return None if score is None else score.passed


def _panel(rows: Sequence[Labelled], judged: Sequence[_Judged], options: MeasureOptions) -> Panel | None:
    verdicts = {one.row.case.id: one.judge for one in judged}
    rated = [RatedRow(row.raters, _cluster(row), verdicts.get(row.case.id)) for row in rows]
    return panel_of(rated, options.passing, options.bootstrap)


def _parts(row: Labelled, passing: float) -> bool:
    """Say whether the raters of a row differ."""
    return len({rating >= passing for rating in row.raters.values()}) > 1


def _disagreement(one: _Judged) -> Disagreement:
    return Disagreement(one.row.case.id, one.row.case.place, one.row.label, one.human, one.score, one.reason)


_LEFT_OUT = frozenset({"verdicts", "grades", "disagreements", "split", "roc"})
_CURVE = 33
"""Points of a curve that are kept at most; as a picture it needs no more."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where verdicts come from: the judge by its name, and its ``parts``, or the path in the labels they were read at.

    ``parts`` are empty where verdicts were read: nobody knows what gave them.
    """

    judge: str
    parts: Mapping[str, str]
    stored: str | None = None


def record_of(
    measured: Measurement, labels: LabelSet, source: Source, options: MeasureOptions, created: str
) -> Calibration:
    """Make the record of a judge held against ``labels``; ``created`` is UTC, ISO 8601.

    Its counts are those of the labels. Where rows come in clusters or are weighted, they are fewer: as many as these
    labels are worth in independent ones, rounded down.
    """
    threshold = None if measured.threshold is None else measured.threshold.value
    judge_pass, human_pass = _counts(measured.tpr)
    judge_fail, human_fail = _counts(measured.tnr)
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
    )


def _counts(rate: JudgeRate | None) -> tuple[int, int]:
    return (0, 0) if rate is None else rate.whole_counts


def _measures(measured: Measurement, labels: LabelSet, source: Source, options: MeasureOptions) -> dict[str, Json]:
    named = {field.name: getattr(measured, field.name) for field in dataclasses.fields(measured)}
    kept = {name: value for name, value in named.items() if name not in _LEFT_OUT and value not in (None, {}, ())}
    return {
        "verdicts_from": source.stored or "asked",
        "labels_that_pass": labels.counted(passed=True),
        "labels_that_fail": labels.counted(passed=False),
        "bootstrap": {"seed": options.bootstrap.seed, "draws": options.bootstrap.draws},
        **{name: _plain(value) for name, value in {**kept, **measured.verdicts, **measured.grades}.items()},
        **({"roc": _plain(_thinned(measured.roc))} if measured.threshold is not None else {}),
    }


def _thinned(curve: Sequence[Point]) -> tuple[Point, ...]:
    """Return points of a curve from end to end, evenly far apart."""
    gaps = min(len(curve), _CURVE) - 1
    return tuple(curve[round(at * (len(curve) - 1) / gaps)] for at in range(gaps + 1))


def _plain(value: object) -> Json:
    """Return a record as JSON; the whole curve is left out: it would be as long as the labels."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(item) for name, item in fields.items() if name not in _LEFT_OUT}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
