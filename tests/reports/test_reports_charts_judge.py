from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.judges.rates import rate_of
from pytest_evalgate.judges.threshold import Point, bins_of
from pytest_evalgate.reports.charts.judge import reliability, roc
from pytest_evalgate.reports.charts.svg import circle

if TYPE_CHECKING:
    from pytest_evalgate.judges.threshold import Bin
    from pytest_evalgate.reports.charts import Chart

_CURVE = (Point(None, 0.0, 0.0), Point(0.8, 0.25, 0.75), Point(0.2, 1.0, 1.0))
_TPR, _TNR = rate_of([True] * 30 + [False] * 10), rate_of([True] * 15 + [False] * 5)


def _bins() -> tuple[Bin, ...]:
    return bins_of([0.05] * 10 + [0.95] * 30, [False] * 10 + [True] * 27 + [False] * 3)


def _root(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own


def _of(chart: Chart, kind: str) -> list[ET.Element]:
    return [element for element in _root(chart).iter() if element.get("class") == kind]


def test_bins_stand_where_they_are_with_their_counts() -> None:
    chart = reliability("faq", _bins(), probabilities=True)
    [marks] = _of(chart, "now")
    assert marks.attrib["d"] == circle(60 + 320 * 0.05, 44 + 320) + circle(60 + 320 * 0.95, 44 + 320 * 0.1)
    low, high = (float(bar.attrib["height"]) for bar in _of(chart, "count"))
    assert low == pytest.approx(high / 3, abs=0.1)
    assert {"10", "30"} <= {text.text for text in _root(chart).iter("text")}


def test_the_table_of_bins_holds_their_numbers() -> None:
    chart = reliability("faq", _bins(), probabilities=True)
    assert chart.rows == (
        ("0 to 0.1", "10", "0.050", "0.0%", "0.0-27.8"),
        ("0.9 to 1", "30", "0.950", "90.0%", "74.4-96.5"),
    )


def test_only_probabilities_have_a_line_to_lie_on() -> None:
    assert _of(reliability("faq", _bins(), probabilities=True), "even")
    assert not _of(reliability("faq", _bins(), probabilities=False), "even")


def test_the_judge_stands_on_its_curve_with_both_intervals() -> None:
    chart = roc("faq", _CURVE, _TPR, _TNR, 0.75)
    [mark] = _of(chart, "now")
    assert mark.attrib["d"] == circle(60 + 320 * 0.25, 44 + 320 * 0.25)
    upright, level = _of(chart, "range")
    assert upright.attrib["x1"] == upright.attrib["x2"]
    assert level.attrib["y1"] == level.attrib["y2"]
    [curve] = _of(chart, "curve")
    assert curve.attrib["points"] == "60,364 140,124 380,44"


def test_the_table_of_a_curve_holds_its_points() -> None:
    assert roc("faq", _CURVE, _TPR, _TNR, 0.75).rows == (
        ("-", "0.0%", "0.0%"),
        ("0.8", "25.0%", "75.0%"),
        ("0.2", "100.0%", "100.0%"),
    )


def test_a_judge_without_scores_has_no_area() -> None:
    assert "AUC" in roc("faq", _CURVE, _TPR, _TNR, 0.75).svg
    assert "AUC" not in roc("faq", _CURVE, _TPR, _TNR, None).svg
