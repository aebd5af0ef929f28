from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks import ALL

from pytest_evalgate.reports.charts.heat_map import MOST_RUNS, HeatColumn, slice_heat_map
from pytest_evalgate.reports.charts.metric_series import (
    RUNS_DRAWN,
    SeriesPoint,
    Unit,
    format_value,
    series_chart,
    sparkline,
)
from pytest_evalgate.reports.charts.svg import STYLE

POINT = SeriesPoint("r1", "2026-11-21T10:15:00Z", "8c1f2d0aa", 0.9, (0.85, 0.95), 240, "pass")


def _points(*values: float) -> list[SeriesPoint]:
    return [
        replace(POINT, run_id=f"r{at}", created=f"2026-11-{1 + at % 28:02}", value=value, bounds=(value - 0.05, value))
        for at, value in enumerate(values)
    ]


def _classes(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 - our own
    return [element.attrib["class"] for element in root.iter() if "class" in element.attrib]


def test_a_series_has_a_band_a_line_and_its_marks() -> None:
    points = _points(0.9, 0.91, 0.7)
    points[2] = replace(points[2], verdict="fail", marks=("golden set", "promoted"))
    chart = series_chart("support: pass rate", points, "share")
    assert {"band", "curve", "now", "fail", "changed", "change"} <= set(_classes(chart.svg))
    assert re.findall(r">(golden set|promoted)<", chart.svg) == ["golden set", "promoted"]
    newest = chart.rows[0]
    assert newest == ("r2", "2026-11-03", "8c1f2d0aa", "240", "70.0%", "65.0-70.0", "fail", "golden set, promoted")
    assert "3 runs from 2026-11-01 to 2026-11-03: the last 70.0%, the lowest 70.0%, the highest 91.0%." in chart.svg


def test_a_point_without_an_interval_interrupts_the_band() -> None:
    points = _points(0.9, 0.9, 0.9, 0.9, 0.9)
    points[2] = replace(points[2], bounds=None)
    band = re.findall(r'class="band" d="([^"]*)"', series_chart("t", points, "share").svg)
    assert [part.count("M") for part in band if "a4" not in part][-1] == 2


def test_only_the_last_runs_are_drawn() -> None:
    assert len(series_chart("t", _points(*[0.5] * 200), "share").rows) == RUNS_DRAWN


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [("share", 0.5, "50.0%"), ("usd", 1.5, "US$1.50"), ("seconds", 0.25, "0.25 s"), ("number", 12345.6, "1.235e+04")],
)
def test_values_are_in_their_unit(unit: Unit, value: float, words: str) -> None:
    assert format_value(value, unit) == words
    assert words in series_chart("t", [replace(POINT, value=value, bounds=None)], unit).svg


@given(
    st.lists(st.floats(0, 1e9), min_size=1, max_size=12),
    st.sampled_from(["usd", "seconds", "number"]),
)
def test_any_values_are_drawn_inside_of_the_picture(values: list[float], unit: Unit) -> None:
    points = [replace(POINT, value=value, bounds=None) for value in values]
    for svg in (series_chart("t", points, unit).svg, sparkline("t", points, unit)):
        height = float(re.findall(r'viewBox="0 0 \d+ (\d+)"', svg)[0])
        spots = re.findall(r'points="([^"]*)"', svg)[0].split()
        assert len(spots) == len(values)
        assert all(0 <= float(spot.split(",")[1]) <= height for spot in spots)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_shares_have_an_axis_within_0_and_100_percent(values: list[float]) -> None:
    svg = series_chart("t", [replace(POINT, value=value, bounds=None) for value in values], "share").svg
    ticks = [float(text) for text in re.findall(r">(-?[\d.]+)%<", svg)]
    assert min(ticks) >= 0
    assert max(ticks) <= 100


def test_a_sparkline_names_its_numbers() -> None:
    svg = sparkline("pass rate of support", _points(0.9, 0.8), "share")
    assert 'aria-label="pass rate of support: 2 runs from 2026-11-01 to 2026-11-02: the last 80.0%' in svg
    assert "band" in svg
    assert 'class="fail"' in sparkline("t", [replace(POINT, verdict="fail")], "share")


COLUMNS = [
    HeatColumn("r1", "2026-11-01T00:00:00Z", {"de": (0.9, 30), "en": (0.8, 40)}),
    HeatColumn("r2", "2026-11-02T00:00:00Z", {"de": (0.3, 30), "fr": (0.9, 20)}),
]


def test_the_lowest_slice_of_the_last_run_is_the_first_row_and_the_darkest() -> None:
    chart = slice_heat_map("support: slices by lang", COLUMNS)
    assert [row[0] for row in chart.rows] == ["de", "fr", "en"]
    assert chart.rows[0] == ("de", "90.0% of 30", "30.0% of 30")
    assert chart.rows[2] == ("en", "80.0% of 40", "-")
    shades = [float(text) for text in re.findall(r'fill-opacity="([\d.]+)"', chart.svg)]
    assert (max(shades), min(shades)) == (0.6, 0.0)
    assert "darker is lower: 30.0% to 90.0%" in chart.svg


def test_a_heat_map_is_bounded() -> None:
    wide = [HeatColumn(f"r{at}", f"2026-11-{at + 1:02}", {f"s{n}": (0.5, 1) for n in range(60)}) for at in range(20)]
    chart = slice_heat_map("t", wide)
    assert len(chart.headings) == MOST_RUNS + 1
    assert "20 slices more in the table" in chart.svg
    assert len(chart.rows) == 60


@pytest.mark.parametrize("words", ALL)
def test_texts_are_texts_and_classes_have_a_style(words: str) -> None:
    points = [replace(POINT, run_id=words, created=words, commit=words, verdict=words, marks=(words,))] * 2
    columns = [HeatColumn(words, words, {words: (0.5, 2)})] * 2
    charts = [series_chart(words, points, "share").svg, sparkline(words, points, "share")]
    for svg in (*charts, slice_heat_map(words, columns).svg):
        assert not re.search(r"<(?!/?(svg|title|desc|text|g|line|path|polyline|rect)\b)", svg)
        assert all(f".{name}" in STYLE for one in _classes(svg) for name in one.split() if name != "spark")
