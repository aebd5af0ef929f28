"""Which charts a report shows of a judge, from the record of its calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from pytest_evalgate.judging.figures.probability import Bin
from pytest_evalgate.judging.figures.rates import Rate
from pytest_evalgate.judging.figures.threshold import Point
from pytest_evalgate.reports.charts import reliability, roc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Calibration, Json
    from pytest_evalgate.reports.charts import Chart

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
    tpr, tnr = (_read(Rate, measures.get(which)) for which in ("tpr", "tnr"))
    if tpr is None or tnr is None:
        return
    chosen = measures.get("threshold")
    points = _read(tuple[Point, ...], measures.get("roc")) or (_corner(tpr, tnr) if chosen is None else ())
    if points:
        yield roc(calibration.judge, points, tpr, tnr, _read(float, _within(_within(chosen, "auc"), "value")))


def _corner(tpr: Rate, tnr: Rate) -> tuple[Point, ...]:
    return Point(None, 0.0, 0.0), Point(None, 1 - tnr.value, tpr.value), Point(None, 1.0, 1.0)


def _within(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _read(kind: type[_Read], value: Json) -> _Read | None:
    """Read what a record holds; None where it is not there or not what it should be."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None
