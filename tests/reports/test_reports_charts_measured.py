"""Charts of metrics: well-formed SVG in which every mark is inside of the picture, and tables of their data."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.attacks import XSS

from pytest_evalgate.records.measured import ConfusionMatrix, MetricResult, ReliabilityBin
from pytest_evalgate.reports.charts.measured_charts import confusion, metric_charts, stated_reliability

if TYPE_CHECKING:
    from pytest_evalgate.reports.charts.svg import Chart

_MATRIX = ConfusionMatrix(("a", "b", "(unreadable)"), ((8, 1, 1), (0, 5, 0), (0, 0, 0)))


def _drawn(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own


def test_the_matrix_has_a_cell_for_each_number_that_is_not_zero() -> None:
    chart = confusion("faq: intent", _MATRIX)
    cells = [one for one in _drawn(chart).iter("rect") if "cell" in one.attrib["class"]]
    assert [one.attrib["class"] for one in cells] == ["cell", "cell wrong", "cell wrong", "cell"]
    assert [one.attrib["fill-opacity"] for one in cells] == ["0.55", "0.20", "0.20", "0.65"]
    assert chart.rows == (("a", "a", "8"), ("a", "b", "1"), ("a", "(unreadable)", "1"), ("b", "b", "5"))
    assert "13 of 15 predictions are right (86.7%)." in chart.svg


def test_every_mark_is_inside_of_the_picture() -> None:
    labels = tuple(f"class-{at}" for at in range(30))
    chart = confusion("faq: intent", ConfusionMatrix(labels, tuple((1,) * 30 for _ in labels)))
    drawn = _drawn(chart)
    width, height = (int(drawn.attrib[name]) for name in ("width", "height"))
    for one in drawn.iter("rect"):
        x, y, wide, high = (float(one.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + wide <= width
        assert 0 <= y < y + high <= height


def test_the_diagram_has_a_circle_for_each_bin() -> None:
    chart = stated_reliability("faq: confidence", (ReliabilityBin(40, 0.2, 0.1), ReliabilityBin(10, 0.9, 0.95)))
    [circles] = [one for one in _drawn(chart).iter("path") if one.attrib["class"] == "now"]
    assert circles.attrib["d"].count("M") == 2
    assert chart.rows == (("0.200", "10.0%", "40"), ("0.900", "95.0%", "10"))


def test_a_matrix_of_many_classes_is_not_drawn() -> None:
    labels = tuple(f"c{at}" for at in range(31))
    large = ConfusionMatrix(labels, tuple((1,) * 31 for _ in labels))
    assert list(metric_charts("faq", MetricResult("classification", "c", 9, (), large))) == []
    assert len(list(metric_charts("faq", MetricResult("classification", "c", 9, (), _MATRIX)))) == 1


@pytest.mark.parametrize("attack", XSS)
def test_names_of_classes_are_escaped(attack: str) -> None:
    chart = confusion(attack, ConfusionMatrix((attack, "b"), ((1, 2), (3, 4))))
    assert _drawn(chart).tag == "svg"
