"""The charts of the page, by the section in which they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from pytest_evalgate.judges.figures import JudgeRate
from pytest_evalgate.judges.panel import Bin, Point
from pytest_evalgate.reports.charts import RateRow, history_line, reliability, roc, score_histogram, slice_rates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Calibration, HistoryRow, Json, SliceResult, SuiteVerdict
    from pytest_evalgate.reports.charts import Chart
    from pytest_evalgate.reports.view import SuiteView


def suite_charts(
    name: str,
    verdict: SuiteVerdict,
    scores_now: Mapping[str, Sequence[float]],
    scores_before: Mapping[str, Sequence[float]],
    history: Sequence[HistoryRow],
    thresholds: Mapping[str, float],
) -> tuple[Chart, ...]:
    """Draw what there is to draw of a suite: its slices, the scores of each scorer, and its history.

    Args:
        name: The suite.
        verdict: What its gates say.
        scores_now: Its scores in [0, 1], by scorer.
        scores_before: Those of its baseline, empty without one.
        history: Rows of any suites, oldest first.
        thresholds: From which score on an output passes, by scorer, where that is known.

    """
    return (
        *_rates(name, verdict),
        *_scores(name, scores_now, scores_before, thresholds),
        *_past(name, verdict, history),
    )


def _rates(name: str, verdict: SuiteVerdict) -> Iterator[Chart]:
    if verdict.pass_rate is None or verdict.interval is None:
        return
    whole = RateRow(
        name="all cases",
        n=verdict.cases,
        rate=verdict.pass_rate,
        interval=verdict.interval,
        before=None if verdict.delta is None else verdict.delta.baseline_rate,
        required=_required(verdict, "pass-rate"),
        dropped=verdict.delta is not None and verdict.delta.finding == "regressed",
    )
    slices = sorted((_slice(piece, verdict) for piece in verdict.slices), key=lambda row: not row.dropped)
    yield slice_rates(f"{name}: pass rates", [whole, *slices])


def _slice(piece: SliceResult, verdict: SuiteVerdict) -> RateRow:
    return RateRow(
        name=f"{piece.by}={piece.value}",
        n=piece.n,
        rate=piece.pass_rate,
        interval=piece.interval,
        before=None if piece.delta is None else piece.delta.baseline_rate,
        required=_required(verdict, "slice", piece.by),
        dropped=piece.delta is not None and piece.delta.finding == "regressed",
    )


def _required(verdict: SuiteVerdict, kind: str, of: str = "") -> float | None:
    """Return the most that gates of a kind ask for, None where none asks for a rate."""
    asked = (gate.required for gate in verdict.gates if (gate.kind, gate.of) == (kind, of))
    return max((share for share in asked if share is not None), default=None)


def _scores(
    name: str,
    now: Mapping[str, Sequence[float]],
    before: Mapping[str, Sequence[float]],
    thresholds: Mapping[str, float],
) -> Iterator[Chart]:
    for scorer, values in now.items():
        if values:
            title = f"{name}: scores of {scorer}"
            yield score_histogram(title, values, before.get(scorer, ()), thresholds.get(scorer))


def _past(name: str, verdict: SuiteVerdict, history: Sequence[HistoryRow]) -> Iterator[Chart]:
    rows = [row for row in history if row.suite == name]
    if rows:
        yield history_line(f"{name}: history", rows, _required(verdict, "pass-rate"))


@dataclass(frozen=True, slots=True)
class ChartSet:
    """The charts of a suite; their pictures are markup."""

    rates: tuple[Chart, ...]
    scores: tuple[Chart, ...]
    history: tuple[Chart, ...]


def suite_chart_set(
    suite: SuiteView,
    now: Mapping[str, Mapping[str, Sequence[float]]],
    calibrations: Mapping[str, Calibration],
) -> ChartSet:
    """Draw a suite's charts: ``now`` are the scores of the run by suite and scorer."""
    name, verdict = suite.name, suite.verdict
    thresholds = {judge: one.threshold for judge, one in calibrations.items() if one.threshold is not None}
    rates = suite_charts(name, verdict, {}, {}, (), {})
    spread = suite_charts(name, verdict, now.get(name, {}), suite.scores_before, (), thresholds)[len(rates) :]
    past = suite_charts(name, verdict, {}, {}, suite.history, {})[len(rates) :]
    return ChartSet(*(_as_markup(charts) for charts in (rates, spread, past)))


def charts_by_judge(calibrations: Mapping[str, Calibration]) -> dict[str, tuple[Chart, ...]]:
    """Draw the charts of each judge that has been calibrated."""
    if not calibrations:
        return {}

    return {name: _as_markup(judge_charts(calibration)) for name, calibration in calibrations.items()}


def _as_markup(charts: tuple[Chart, ...]) -> tuple[Chart, ...]:
    from markupsafe import Markup  # noqa: PLC0415 - only who writes a report needs it

    return tuple(replace(chart, svg=Markup(chart.svg)) for chart in charts)  # noqa: S704 - its words are escaped


_Read = TypeVar("_Read")


def judge_charts(calibration: Calibration) -> tuple[Chart, ...]:
    """Draw what the record of a judge holds: its reliability diagram and its ROC curve.

    What the record does not hold, or not as it was written, is left out. The curve of a judge that only passes or
    fails follows from its two rates.
    """
    measures = calibration.measures
    bins = _read(tuple[Bin, ...], measures.get("bins"))
    shown = [reliability(calibration.judge, bins, probabilities=bool(measures.get("probability")))] if bins else []
    return (*shown, *_curve(calibration))


def _curve(calibration: Calibration) -> Iterator[Chart]:
    measures = calibration.measures
    tpr, tnr = (_read(JudgeRate, measures.get(which)) for which in ("tpr", "tnr"))
    if tpr is None or tnr is None:
        return
    chosen = measures.get("threshold")
    points = _read(tuple[Point, ...], measures.get("roc")) or (_corner(tpr, tnr) if chosen is None else ())
    if points:
        yield roc(calibration.judge, points, tpr, tnr, _read(float, _within(_within(chosen, "auc"), "value")))


def _corner(tpr: JudgeRate, tnr: JudgeRate) -> tuple[Point, ...]:
    return Point(None, 0.0, 0.0), Point(None, 1 - tnr.value, tpr.value), Point(None, 1.0, 1.0)


def _within(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _read(kind: type[_Read], value: Json) -> _Read | None:
    """Read what a record holds; None where it is not there or not what it should be."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None
