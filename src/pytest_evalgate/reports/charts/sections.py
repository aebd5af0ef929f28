"""Charts of the HTML report: which charts a suite and a judge have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from pytest_evalgate.reports.charts import RateRow, history_line, score_histogram, slice_rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """Draw all charts of a suite: its slices, the scores of each scorer, and its history.

    Args:
        name: The suite.
        verdict: Its verdict.
        scores_now: Its scores in [0, 1], by scorer.
        scores_before: The scores of its baseline, empty without one.
        history: Runs of any suites, oldest first.
        thresholds: The lowest score that passes, by scorer, if known.

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
    """Return the highest rate that gates of a kind require, None if none requires a rate."""
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
    """The charts of a suite by section of the page, as markup."""

    rates: tuple[Chart, ...]
    scores: tuple[Chart, ...]
    history: tuple[Chart, ...]


def suite_chart_set(
    suite: SuiteView,
    now: Mapping[str, Mapping[str, Sequence[float]]],
    calibrations: Mapping[str, Calibration],
) -> ChartSet:
    """Draw the charts of a suite; ``now`` are the scores of the run by suite and scorer."""
    name, verdict = suite.name, suite.verdict
    thresholds = {judge: one.threshold for judge, one in calibrations.items() if one.threshold is not None}
    return ChartSet(
        _as_markup(_rates(name, verdict)),
        _as_markup(_scores(name, now.get(name, {}), suite.scores_before, thresholds)),
        _as_markup(_past(name, verdict, suite.history)),
    )


def charts_by_judge(calibrations: Mapping[str, Calibration]) -> dict[str, tuple[Chart, ...]]:
    """Draw the charts of each calibrated judge."""
    return {name: _as_markup(judge_charts(calibration)) for name, calibration in calibrations.items()}


def _as_markup(charts: Iterable[Chart]) -> tuple[Chart, ...]:
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
    """Validate a value of a record; return None if it is missing or malformed: a person may have edited the file."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None
