from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.reports.charts import RateRow, slice_rates

if TYPE_CHECKING:
    from pytest_evalgate.reports.charts import Chart

_ALL = RateRow("all cases", 240, 0.8625, (0.813, 0.9), 0.925, 0.85)
_DE = RateRow("lang=de", 62, 0.806, (0.691, 0.886), 0.903, 0.85, dropped=True)
_EN = RateRow("lang=en", 178, 0.882, (0.826, 0.922))


def _root(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own


def _of(chart: Chart, kind: str) -> list[ET.Element]:
    return [element for element in _root(chart).iter() if element.get("class") == kind]


def _words(chart: Chart) -> list[str]:
    return [text.text or "" for text in _root(chart).iter("text")]


def _drawn(chart: Chart, kind: str) -> int:
    """Count the marks of a kind, the one in the legend left out."""
    return max(0, sum(path.attrib["d"].count("M") for path in _of(chart, kind)) - 1)


def test_each_rate_has_a_dot_an_interval_and_its_number_of_cases() -> None:
    chart = slice_rates("faq", [_ALL, _EN])
    assert _drawn(chart, "now") == 2
    [ranges] = _of(chart, "range")
    assert ranges.attrib["d"].count("M") == 2
    assert {"86.2% of 240", "88.2% of 178"} <= set(_words(chart))


def test_a_drop_is_told_by_word_and_shape() -> None:
    chart = slice_rates("faq", [_ALL, _DE, _EN])
    assert (_drawn(chart, "now"), _drawn(chart, "bad")) == (2, 1)
    assert _words(chart).count("dropped") == 2, "in the legend, and beside the row"
    assert "Dropped: lang=de." in chart.svg


def test_where_nothing_dropped_nothing_says_so() -> None:
    chart = slice_rates("faq", [_ALL, _EN])
    assert not _of(chart, "bad")
    assert "ropped" not in chart.svg


def test_the_baseline_and_the_gate_are_drawn_where_there_are_some() -> None:
    ungated = RateRow("lang=fr", 20, 0.9, (0.7, 1.0), 0.95)
    some = slice_rates("faq", [_ALL, _DE, _EN, ungated])
    assert (_drawn(some, "before"), _drawn(some, "gate")) == (3, 2)
    neither = slice_rates("faq", [_EN])
    assert not [*_of(neither, "before"), *_of(neither, "gate")]


def test_the_legend_names_the_threshold_that_all_gates_share() -> None:
    other = RateRow("lang=fr", 20, 0.9, (0.7, 1.0), None, 0.6)
    assert "gate 85.0%" in _words(slice_rates("faq", [_ALL, _DE]))
    assert "gate" in _words(slice_rates("faq", [_ALL, other]))


def test_a_dot_lies_where_its_rate_is() -> None:
    chart = slice_rates("faq", [RateRow("all", 10, 0.5, (0.4, 0.6))])
    [_, mark] = _of(chart, "now")
    [ranges] = _of(chart, "range")
    start, end = (float(part.split()[0]) for part in ranges.attrib["d"].removeprefix("M").split("H"))
    assert float(mark.attrib["d"].removeprefix("M").split()[0]) + 4 == pytest.approx((start + end) / 2, abs=0.1)


def test_what_lies_below_its_gate_is_named() -> None:
    assert "Below the gate: lang=de." in slice_rates("faq", [_ALL, _DE, _EN]).svg


def test_the_table_holds_every_number() -> None:
    assert slice_rates("faq", [_ALL, _DE, _EN]).rows == (
        ("all cases", "240", "86.2%", "81.3-90.0", "92.5%", "85.0%", ""),
        ("lang=de", "62", "80.6%", "69.1-88.6", "90.3%", "85.0%", "dropped"),
        ("lang=en", "178", "88.2%", "82.6-92.2", "-", "-", ""),
    )


def test_forty_rows_are_drawn_and_all_are_in_the_table() -> None:
    rows = [_ALL, *(RateRow(f"topic={number}", 20, 0.9, (0.7, 1.0)) for number in range(44))]
    chart = slice_rates("faq", rows)
    assert _drawn(chart, "now") == 40
    assert len(chart.rows) == 45
    assert "5 more in the table" in _words(chart)
    assert "more in the table" not in slice_rates("faq", rows[:40]).svg
    assert len(chart.svg) < 8_000


def test_a_long_list_of_drops_is_counted() -> None:
    rows = [_ALL, *(RateRow(f"t={number}", 20, 0.5, (0.3, 0.7), dropped=True) for number in range(9))]
    assert "Dropped: t=0, t=1, t=2, t=3, t=4 and 4 more." in slice_rates("faq", rows).svg


def test_a_long_name_is_cut_where_it_is_drawn_and_whole_in_the_table() -> None:
    row = RateRow("metadata.document.type=a very long value indeed", 20, 0.5, (0.3, 0.7))
    chart = slice_rates("faq", [_ALL, row])
    assert "metadata.document.type=a ..." in _words(chart)
    assert chart.rows[1][0] == row.name


def test_wide_characters_count_twice() -> None:
    row = RateRow("言語=" + "日本語" * 9, 20, 0.5, (0.3, 0.7))
    [name] = [word for word in _words(slice_rates("faq", [_ALL, row])) if word.startswith("言語")]
    assert len(name) < 20


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_the_ends_of_the_scale_can_be_drawn(rate: float) -> None:
    assert slice_rates("faq", [RateRow("all", 1, rate, (rate, rate), rate, rate)]).rows[0][2] == f"{100 * rate:.1f}%"
