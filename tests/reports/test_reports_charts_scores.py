from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.reports.charts import score_histogram

if TYPE_CHECKING:
    from pytest_evalgate.reports.charts import Chart

_SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=50)


def _root(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own


def _of(chart: Chart, kind: str, tag: str) -> list[ET.Element]:
    return [element for element in _root(chart).iter(tag) if element.get("class") == kind]


def _words(chart: Chart) -> list[str]:
    return [text.text or "" for text in _root(chart).iter("text")]


def test_graded_scores_fall_into_twenty_bins() -> None:
    chart = score_histogram("faq", [0.02, 0.03, 0.5, 1.0], [], None)
    assert len(chart.rows) == 20
    assert [row for row in chart.rows if row[1] != "0"] == [
        ("0.00 to 0.05", "2", "50.0%"),
        ("0.50 to 0.55", "1", "25.0%"),
        ("0.95 to 1.00", "1", "25.0%"),
    ]
    assert len(_of(chart, "bar", "rect")) == 3


def test_scores_of_0_and_1_are_two_bars() -> None:
    chart = score_histogram("faq", [1.0] * 3 + [0.0], [1.0] * 2, 1.0)
    assert chart.rows == (("0", "1", "25.0%", "0", "0.0%"), ("1", "3", "75.0%", "2", "100.0%"))
    assert len(_of(chart, "bar", "rect")) == 2
    assert not _of(chart, "gate", "line"), "between 0 and 1 a threshold parts nothing"


def test_a_graded_baseline_brings_back_the_bins() -> None:
    assert len(score_histogram("faq", [1.0, 0.0], [0.5], None).rows) == 20


def test_heights_are_shares_so_that_unequal_numbers_compare() -> None:
    chart = score_histogram("faq", [0.2, 0.8], [0.2] * 50 + [0.8] * 50, None)
    low, high = (float(bar.attrib["y"]) for bar in _of(chart, "bar", "rect"))
    [_, outline] = _of(chart, "before", "path")
    assert low == high
    assert outline.attrib["d"].count(f"V{low:g}H") == 2


def test_without_a_baseline_there_is_no_outline() -> None:
    chart = score_histogram("faq", [0.2, 0.8], [], None)
    assert not _of(chart, "before", "path")
    assert "baseline" not in chart.svg
    assert chart.headings == ("score", "now", "share")


def test_the_counts_of_both_are_written() -> None:
    words = _words(score_histogram("faq", [0.2] * 7 + [0.8] * 1_234, [0.8] * 11, None))
    assert {"7", "1.2k", "11", "now, 1,241 scores", "baseline, 11 scores"} <= set(words)


@pytest.mark.parametrize(
    ("number", "short"), [(999, "999"), (1_000, "1.0k"), (9_949, "9.9k"), (9_950, "10k"), (999_499, "999k")]
)
def test_a_count_takes_at_most_four_characters(number: int, short: str) -> None:
    assert short in _words(score_histogram("faq", [0.5] * number, [], None))


def test_a_million_is_not_a_thousand_thousands() -> None:
    assert "1.0M" in _words(score_histogram("faq", [0.5] * 999_500, [], None))


def test_the_threshold_parts_the_bins_as_it_parts_the_scores() -> None:
    chart = score_histogram("faq", [0.45, 0.5], [], 0.5)
    [gate] = _of(chart, "gate", "line")
    below, above = (float(bar.attrib["x"]) for bar in _of(chart, "bar", "rect"))
    assert below < float(gate.attrib["x1"]) < above
    assert "1 of 2 reach the threshold of 0.5." in chart.svg


@pytest.mark.parametrize("edge", [number / 20 for number in range(20)])
def test_a_score_on_an_edge_lies_above_it(edge: float) -> None:
    [row] = [row for row in score_histogram("faq", [edge, 0.999], [], None).rows if row[0].startswith(f"{edge:.2f}")]
    assert row[1] != "0"


def test_a_rounding_error_below_an_edge_is_none() -> None:
    [row] = [row for row in score_histogram("faq", [math.nextafter(0.3, 0), 0.999], [], None).rows if row[1] != "0"][
        :1
    ]
    assert row[0] == "0.30 to 0.35"


@given(_SCORES, st.lists(st.floats(0, 1), max_size=50))
def test_every_score_is_counted_once(now: list[float], before: list[float]) -> None:
    chart = score_histogram("faq", now, before, 0.5)
    assert sum(int(row[1]) for row in chart.rows) == len(now)
    assert sum(int(row[3]) for row in chart.rows if before) == len(before)


@given(_SCORES, _SCORES)
def test_no_bar_leaves_the_plot(now: list[float], before: list[float]) -> None:
    chart = score_histogram("faq", now, before, None)
    bars = _of(chart, "bar", "rect")
    assert all(float(bar.attrib["height"]) >= 0 for bar in bars)
    assert len({round(float(bar.attrib["y"]) + float(bar.attrib["height"]), 1) for bar in bars}) == 1
    assert all(float(bar.attrib["height"]) <= 150 for bar in bars)
