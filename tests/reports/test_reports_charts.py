from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.judging.figures.probability import bins_of
from pytest_evalgate.judging.figures.rates import rate_of
from pytest_evalgate.judging.figures.threshold import Point
from pytest_evalgate.reports.charts import reliability, roc

if TYPE_CHECKING:
    from pytest_evalgate.judging.figures.probability import Bin

_SVG = "{http://www.w3.org/2000/svg}"
_CURVE = (Point(None, 0.0, 0.0), Point(0.8, 0.25, 0.75), Point(0.2, 1.0, 1.0))
_TPR, _TNR = rate_of([True] * 30 + [False] * 10), rate_of([True] * 15 + [False] * 5)


def _bins() -> tuple[Bin, ...]:
    return bins_of([0.05] * 10 + [0.95] * 30, [False] * 10 + [True] * 27 + [False] * 3)


def _charts(name: str = "faq") -> list[str]:
    return [reliability(name, _bins(), probabilities=True), roc(name, _CURVE, _TPR, _TNR, 0.75)]


@pytest.mark.parametrize("text", _charts())
def test_a_chart_is_described_and_its_text_is_text(text: str) -> None:
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert root.attrib["role"] == "img"
    assert root.find(f"{_SVG}title") is not None
    described = root.find(f"{_SVG}desc")
    assert described is not None
    assert described.text
    assert len(root.findall(f"{_SVG}text")) > 10


@pytest.mark.parametrize("text", _charts())
def test_a_chart_follows_light_and_dark_and_runs_nothing(text: str) -> None:
    assert "prefers-color-scheme: dark" in text
    assert "currentColor" in text
    inside = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not [word for word in ("script", "onload", "href", "http", "@import", "url(") if word in inside]


@pytest.mark.parametrize("text", _charts('<script>&"'))
def test_a_name_cannot_leave_its_place(text: str) -> None:
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert root.find(f"{_SVG}script") is None
    assert "<script>" in root.attrib["aria-label"]


def test_bins_stand_where_they_are_with_their_counts() -> None:
    root = ET.fromstring(reliability("faq", _bins(), probabilities=True))  # noqa: S314 - our own
    [low, high] = root.findall(f"{_SVG}circle")
    assert float(low.attrib["cx"]) == pytest.approx(60 + 320 * 0.05, abs=0.1)
    assert float(high.attrib["cy"]) == pytest.approx(44 + 320 * 0.1, abs=0.1)
    bars = [float(bar.attrib["height"]) for bar in root.findall(f"{_SVG}rect")]
    assert bars[0] == pytest.approx(bars[1] / 3, abs=0.1)
    assert {"10", "30"} <= {text.text for text in root.findall(f"{_SVG}text")}


def test_only_probabilities_have_a_line_to_lie_on() -> None:
    dashed = 'class="even"'
    assert dashed in reliability("faq", _bins(), probabilities=True)
    assert dashed not in reliability("faq", _bins(), probabilities=False)


def test_the_judge_stands_on_its_curve_with_both_intervals() -> None:
    root = ET.fromstring(roc("faq", _CURVE, _TPR, _TNR, 0.75))  # noqa: S314 - our own
    [mark] = root.findall(f"{_SVG}circle")
    assert (float(mark.attrib["cx"]), float(mark.attrib["cy"])) == (60 + 320 * 0.25, 44 + 320 * 0.25)
    across, up = (line for line in root.findall(f"{_SVG}line") if line.attrib["class"] == "range")
    assert across.attrib["x1"] == across.attrib["x2"]
    assert up.attrib["y1"] == up.attrib["y2"]
    curve = root.find(f"{_SVG}polyline")
    assert curve is not None
    assert curve.attrib["points"] == "60.0,364.0 140.0,124.0 380.0,44.0"


def test_a_judge_without_scores_has_no_area() -> None:
    assert "AUC" in roc("faq", _CURVE, _TPR, _TNR, 0.75)
    assert "AUC" not in roc("faq", _CURVE, _TPR, _TNR, None)
