"""Charts of the HTML report: those of a suite and those of a judge."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts.measured_charts import metric_charts
from pytest_evalgate.reports.charts.suite import RateRow, history_line, score_histogram, slice_rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import Calibration, SliceResult, SuiteVerdict
    from pytest_evalgate.reports.charts.svg import Chart
    from pytest_evalgate.reports.view import SuiteView


@dataclass(frozen=True, slots=True)
class ChartSet:
    """The charts of a suite by section of the page, as markup."""

    rates: tuple[Chart, ...]
    scores: tuple[Chart, ...]
    history: tuple[Chart, ...]
    metrics: tuple[Chart, ...] = ()


def suite_chart_set(
    suite: SuiteView,
    now: Mapping[str, Mapping[str, Sequence[float]]],
    calibrations: Mapping[str, Calibration],
) -> ChartSet:
    """Draw the charts of a suite; ``now`` are the scores of the run by suite and scorer."""
    name, required = suite.name, _required(suite.verdict, "pass-rate")
    before = suite.scores_before
    thresholds = {judge: one.threshold for judge, one in calibrations.items()}
    scores = (
        score_histogram(f"{name}: scores of {scorer}", values, before.get(scorer, ()), thresholds.get(scorer))
        for scorer, values in now.get(name, {}).items()
        if values
    )
    history = [history_line(f"{name}: history", suite.history, required)] if suite.history else []
    metrics = (chart for metric in suite.verdict.metrics for chart in metric_charts(name, metric))
    rates = as_markup(_rates(name, suite.verdict))
    return ChartSet(rates, as_markup(scores), as_markup(history), as_markup(metrics))


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
    """Return the highest rate that gates of a kind require, None if none requires a rate."""
    rates = (gate.required for gate in verdict.gates if (gate.kind, gate.of) == (kind, of))
    return max((rate for rate in rates if rate is not None), default=None)


def charts_by_judge(calibrations: Mapping[str, Calibration]) -> dict[str, tuple[Chart, ...]]:
    """Draw the charts of each calibrated judge."""
    return {name: as_markup(judge_charts(calibration)) for name, calibration in calibrations.items()}


def as_markup(charts: Iterable[Chart]) -> tuple[Chart, ...]:
    """Return the charts with their pictures as markup, which templates do not escape."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2, only for reports

    return tuple(replace(chart, svg=Markup(chart.svg)) for chart in charts)  # noqa: S704 - its texts are escaped


_Read = TypeVar("_Read")


def judge_charts(calibration: Calibration) -> tuple[Chart, ...]:
    """Draw the reliability diagram and the ROC curve of a judge, as far as its calibration contains their data.

    The ROC curve of a judge that returns only pass or fail follows from its two rates.
    """
    from pytest_evalgate.judges.threshold import Bin  # noqa: PLC0415 - few runs have a judge
    from pytest_evalgate.reports.charts.judge import reliability  # noqa: PLC0415 - the same

    measures = calibration.measures
    bins = _read(tuple[Bin, ...], measures.get("bins"))
    shown = [reliability(calibration.judge, bins, probabilities=bool(measures.get("probability")))] if bins else []
    return (*shown, *_curve(calibration))


def _curve(calibration: Calibration) -> Iterator[Chart]:
    from pytest_evalgate.judges.rates import JudgeRate  # noqa: PLC0415 - few runs have a judge
    from pytest_evalgate.judges.threshold import Point  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.charts.judge import roc  # noqa: PLC0415 - the same

    measures = calibration.measures
    tpr, tnr = (_read(JudgeRate, measures.get(which)) for which in ("tpr", "tnr"))
    if tpr is None or tnr is None:
        return
    chosen = measures.get("threshold")
    corner = (Point(None, 0.0, 0.0), Point(None, 1 - tnr.value, tpr.value), Point(None, 1.0, 1.0))
    points = _read(tuple[Point, ...], measures.get("roc")) or (corner if chosen is None else ())
    if points:
        yield roc(calibration.judge, points, tpr, tnr, _read(float, _within(_within(chosen, "auc"), "value")))


def _within(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _read(kind: type[_Read], value: Json) -> _Read | None:
    """Validate a value of a calibration; return None if it is missing or malformed, since the file may be edited."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None
