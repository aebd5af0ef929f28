"""Holds a judge against people: labelled rows that it has graded to every figure of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.errors import UserError
from pytest_evalgate.judging.figures.figure import Figure
from pytest_evalgate.judging.figures.grades import grade_figures
from pytest_evalgate.judging.figures.panel import Panel, Rated, panel_of
from pytest_evalgate.judging.figures.probability import bins_of, probability_figures
from pytest_evalgate.judging.figures.steadiness import Position, Repeats, position_of, repeats_of
from pytest_evalgate.judging.figures.threshold import Point, Threshold, choose
from pytest_evalgate.judging.figures.verdicts import verdict_figures
from pytest_evalgate.judging.figures.weighted import Marked, Rates, rates_of
from pytest_evalgate.judging.measured import Disagreement, How, Measured
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from pytest_evalgate.data import Score
    from pytest_evalgate.judging.figures.figure import Bootstrap
    from pytest_evalgate.judging.labels import Labelled


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

    def marked(self, *, clustered: bool) -> Marked:
        return Marked(self.human, self.judge, self.row.weight, self.cluster if clustered else None)


def measure(rows: Sequence[Labelled], how: How) -> Measured:
    """Hold what a judge said of labelled rows against what people say of them.

    Rates have Wilson's interval, on what the rows are worth where these come in clusters or are weighted; that of
    ``youden`` adds the squares of the two (Newcombe 1998); all others are the bootstrap's.

    Raises:
        UserError: there is no row that people decided and the judge could read.

    """
    decided = [row for row in rows if row.passed is not None]
    judged, threshold = _judged(decided, how)
    if not judged:
        raise UserError(_nothing_to_measure(decided))
    human, clusters = [one.human for one in judged], [one.cluster for one in judged]
    clustered = any(one.row.cluster is not None for one in judged)
    rates = rates_of([one.marked(clustered=clustered) for one in judged])
    scores, graded = [one.score for one in judged], any(one.score not in {0.0, 1.0} for one in judged)
    return Measured(
        rows=len(decided),
        unreadable=len(decided) - len(judged),
        clusters=len(set(clusters)) if clustered else None,
        weighted=len({one.row.weight for one in judged}) > 1,
        tpr=rates.tpr,
        tnr=rates.tnr,
        youden=_youden(rates),
        accuracy=rates.accuracy,
        verdicts=verdict_figures(human, [one.judge for one in judged], clusters, how.bootstrap),
        grades=_grades(judged, how.bootstrap) if graded else {},
        threshold=threshold,
        probability=probability_figures(scores, human, clusters, how.bootstrap)
        if graded and how.probabilities
        else {},
        bins=bins_of(scores, human) if graded else (),
        roc=_roc(threshold, rates),
        repeats=_repeats(decided, how.bootstrap),
        position=_position(decided),
        panel=_panel(rows, judged, how),
        disagreements=tuple(_disagreement(one) for one in judged if not one.right),
        split=tuple(row.case.id for row in rows if not row.decided and _parts(row, how.passing)),
    )


def _judged(rows: Sequence[Labelled], how: How) -> tuple[list[_Judged], Threshold | None]:
    """Return the rows that the judge could read; its verdicts come from a threshold where one can be chosen."""
    pairs = any(row.swapped is not None for row in rows)
    judged = [one for row in rows for one in _readable(row, in_both_orders=pairs)]
    scores = [one.score for one in judged]
    if all(score in {0.0, 1.0} for score in scores):
        return judged, None
    human, clusters = [one.human for one in judged], [one.cluster for one in judged]
    found = choose(scores, human, clusters, how.aim, how.bootstrap)
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


def _repeats(rows: Sequence[Labelled], bootstrap: Bootstrap) -> Repeats | None:
    asked = [[score.value for score in row.scores if score.value is not None] for row in rows]
    return repeats_of(asked, [_cluster(row) for row in rows], bootstrap)


def _position(rows: Sequence[Labelled]) -> Position | None:
    if all(row.swapped is None for row in rows):
        return None
    return position_of(
        [bool(row.passed) for row in rows],
        [_passed(next(iter(row.scores), None)) for row in rows],
        [_passed(row.swapped) for row in rows],
    )


def _passed(score: Score | None) -> bool | None:
    return None if score is None else score.passed


def _panel(rows: Sequence[Labelled], judged: Sequence[_Judged], how: How) -> Panel | None:
    verdicts = {one.row.case.id: one.judge for one in judged}
    rated = [Rated(row.raters, _cluster(row), verdicts.get(row.case.id)) for row in rows]
    return panel_of(rated, how.passing, how.bootstrap)


def _parts(row: Labelled, passing: float) -> bool:
    """Say whether the raters of a row differ."""
    return len({rating >= passing for rating in row.raters.values()}) > 1


def _disagreement(one: _Judged) -> Disagreement:
    return Disagreement(one.row.case.id, one.row.case.place, one.row.label, one.human, one.score, one.reason)
