"""Charts in general: the parts that every chart has, and the axis."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.rates import rate_of
from pytest_evalgate.judges.threshold import Point, bins_of
from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.reports.charts.judge import reliability, roc
from pytest_evalgate.reports.charts.suite import RateRow, history_line, score_histogram, slice_rates
from pytest_evalgate.reports.charts.svg import STYLE, Axis, standalone

if TYPE_CHECKING:
    from pytest_evalgate.reports.charts.svg import Chart


_ELEMENTS = {"svg", "title", "desc", "g", "text", "line", "polyline", "path", "rect"}
_ATTRIBUTES = {
    *("class", "viewBox", "width", "height", "role", "aria-label", "transform", "text-anchor"),
    *("x", "y", "x1", "y1", "x2", "y2", "d", "points"),
}
_CURVE = (Point(None, 0.0, 0.0), Point(0.8, 0.25, 0.75), Point(0.2, 1.0, 1.0))
_HOSTILE = "</desc><script>alert(1)</script>\"' onload=x &amp; \x00\x1b\u202e\ud800\uffff]]>"


def _charts(words: str = "faq") -> dict[str, Chart]:
    row = HistoryRow(words, words, words, words, 240, 1, 0.9, None, words, words, words, "pass")
    later = HistoryRow("r2", "2026-11-21T10:00:00Z", None, words, 240, 1, 0.8, None, "g", "s", None, "fail")
    bins = bins_of([0.05] * 10 + [0.95] * 30, [False] * 10 + [True] * 27 + [False] * 3)
    rate = rate_of([True] * 30 + [False] * 10)
    rates = [
        RateRow(words, 240, 0.86, (0.81, 0.9), 0.92, 0.85, dropped=True),
        RateRow(words, 40, 0.9, (0.8, 0.95)),
    ]
    return {
        "slices": slice_rates(words, rates),
        "scores": score_histogram(words, [0.1, 0.5, 0.9], [0.2, 0.9], 0.5),
        "history": history_line(words, [row, later], 0.85),
        "reliability": reliability(words, bins, probabilities=True),
        "roc": roc(words, _CURVE, rate, rate, 0.75),
    }


def _root(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own


_NAMES = sorted(_charts())


@pytest.mark.parametrize("name", _NAMES)
def test_a_chart_is_described_in_words_and_its_text_is_text(name: str) -> None:
    root = _root(_charts()[name])
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == root.findtext("title") == _charts()[name].title
    assert "%" in (root.findtext("desc") or "") or "mean" in (root.findtext("desc") or "")
    assert len(list(root.iter("text"))) > 8


@pytest.mark.parametrize("name", _NAMES)
def test_a_chart_has_a_table_of_its_data(name: str) -> None:
    chart = _charts()[name]
    assert chart.rows
    assert {len(row) for row in chart.rows} == {len(chart.headings)}


@pytest.mark.parametrize("name", _NAMES)
def test_several_charts_fit_on_a_page_with_a_strict_policy(name: str) -> None:
    root = _root(_charts()[name])
    assert {element.tag for element in root.iter()} <= _ELEMENTS
    assert {attribute for element in root.iter() for attribute in element.attrib} <= _ATTRIBUTES


@pytest.mark.parametrize("name", _NAMES)
def test_hostile_words_stay_words(name: str) -> None:
    chart = _charts(_HOSTILE)[name]
    root = _root(chart)
    assert {element.tag for element in root.iter()} <= _ELEMENTS
    assert "<script>" in chart.title
    assert "<script>" in root.attrib["aria-label"]
    assert "\\x1b" in chart.title
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\u202e\ud800\uffff]", chart.svg + chart.title + "".join(sum(chart.rows, ()))
    )


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_words_break_a_chart(words: str) -> None:
    for chart in _charts(words).values():
        root = _root(chart)
        assert {element.tag for element in root.iter()} <= _ELEMENTS
        assert {attribute for element in root.iter() for attribute in element.attrib} <= _ATTRIBUTES
        assert all(cell.isprintable() for row in chart.rows for cell in row if cell.isascii())


@given(st.text(max_size=60))
def test_the_data_of_a_chart_can_be_written_as_utf8(words: str) -> None:
    for chart in _charts(words).values():
        "".join((chart.svg, chart.title, *chart.headings, *sum(chart.rows, ()))).encode()


@pytest.mark.parametrize("name", _NAMES)
def test_each_class_of_a_chart_has_a_look(name: str) -> None:
    root = _root(_charts()[name])
    assert all(f".{element.attrib['class']} " in STYLE for element in root.iter() if "class" in element.attrib)


def test_the_style_sheet_applies_to_charts_only_and_loads_nothing() -> None:
    flat = re.sub(r"@media [^{]*\{(.*)\}", r"\1", STYLE)
    selectors = [one for head in re.findall(r"([^{}]+)\{", flat) for one in head.split(",")]
    assert all(selector.split()[0] == ".chart" for selector in selectors)
    assert not [word for word in ("url(", "@import", "http", "<") if word in STYLE]


def test_the_style_sheet_covers_light_dark_and_print() -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE
    assert "currentColor" in STYLE


@pytest.mark.parametrize("name", _NAMES)
def test_a_standalone_chart_contains_its_style_sheet(name: str) -> None:
    text = standalone(_charts(_HOSTILE)[name])
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    [style] = root.findall("{http://www.w3.org/2000/svg}style")
    assert STYLE in (style.text or "")
    assert text.endswith("</svg>\n")


@pytest.mark.parametrize("name", _NAMES)
def test_a_chart_is_a_few_kilobytes(name: str) -> None:
    assert len(_charts()[name].svg) < 6_000


@pytest.mark.parametrize("name", _NAMES)
def test_a_long_title_is_cut_in_the_picture_and_nowhere_else(name: str) -> None:
    chart = _charts("word " * 100)[name]
    [head] = [text for text in _root(chart).iter("text") if text.get("class") == "head"]
    assert len(head.text or "") < 70
    assert chart.title.count("word") == 100


_SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("shares", "ends"),
    [
        ([0.93], (80, 100)),
        ([1.0], (80, 100)),
        ([0.0], (0, 20)),
        ([0.35, 0.92], (30, 100)),
        ([0.5, 0.5], (30, 50)),
        ([0.02, 0.99], (0, 100)),
    ],
)
def test_a_scale_spans_whole_tenths_and_at_least_two(shares: list[float], ends: tuple[int, int]) -> None:
    found = Axis.around(shares, 0, 100)
    assert (found.low, found.high) == ends


@given(_SHARES)
def test_positions_are_within_the_axis_and_in_order(shares: list[float]) -> None:
    scale = Axis.around(shares, 300, 100)
    spots = [scale.at(share) for share in sorted(shares)]
    assert spots == sorted(spots, reverse=True)
    assert all(100 <= spot <= 300 for spot in spots)


@given(_SHARES)
def test_every_scale_has_a_few_ticks_at_round_percents(shares: list[float]) -> None:
    ticks = Axis.around(shares, 0, 100).ticks
    assert 3 <= len(ticks) <= 6
    assert all(int(words.removesuffix("%")) % 5 == 0 for words, _ in ticks)


def test_ticks_are_at_the_positions_of_their_shares() -> None:
    assert Axis(80, 100, 0, 200).ticks == (("80%", 0), ("85%", 50), ("90%", 100), ("95%", 150), ("100%", 200))


def test_a_share_beyond_an_end_is_drawn_at_that_end() -> None:
    scale = Axis(50, 100, 0, 100)
    assert (scale.at(0.2), scale.at(1.5)) == (0, 100)
