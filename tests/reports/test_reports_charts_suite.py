"""Charts of a suite: history, scores and slices."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.reports.charts.suite import RateRow, history_line, score_histogram, slice_rates

if TYPE_CHECKING:
    from pytest_evalgate.records.verdicts import VerdictName
    from pytest_evalgate.reports.charts.svg import Chart


_ROW = HistoryRow("r0", "2026-11-01T10:00:00Z", "8c1f2d0ffff", "faq", 240, 1, 0.9, None, "g", "s", "b", "pass")


def _rows(number: int) -> list[HistoryRow]:
    return [replace(_ROW, run_id=f"r{at}", created=f"2026-{at:05}T10:00:00Z") for at in range(number)]


def _root(chart: Chart) -> ET.Element:
    return ET.fromstring(chart.svg)  # noqa: S314 - our own


def _of(chart: Chart, kind: str, tag: str = "path") -> list[ET.Element]:
    return [element for element in _root(chart).iter(tag) if element.get("class") == kind]


def _words(chart: Chart) -> list[str]:
    return [text.text or "" for text in _root(chart).iter("text")]


def _drawn(chart: Chart, kind: str) -> int:
    """Count the marks of a kind, the one in the legend left out."""
    return max(0, sum(path.attrib["d"].count("M") for path in _of(chart, kind)) - 1)


@pytest.mark.parametrize(
    ("verdict", "kind", "data"),
    [("pass", "now", "a4 4"), ("fail", "fail", "m0-8"), ("inconclusive", "unsure", "l5 5")],
)
def test_each_verdict_has_its_shape(verdict: VerdictName, kind: str, data: str) -> None:
    chart = history_line("faq", [replace(_ROW, verdict=verdict)], None)
    assert _drawn(chart, kind) == 1
    assert data in _of(chart, kind)[-1].attrib["d"]
    assert verdict in _words(chart)
    assert sum(bool(_of(chart, other)) for other in ("now", "fail", "unsure")) == 1


def test_the_line_goes_through_every_run_from_left_to_right() -> None:
    chart = history_line("faq", _rows(5), None)
    [curve] = _of(chart, "curve", "polyline")
    across = [float(spot.split(",")[0]) for spot in curve.attrib["points"].split()]
    assert len(across) == 5
    assert across == sorted(across)


def test_a_better_run_is_drawn_higher() -> None:
    chart = history_line("faq", [_ROW, replace(_ROW, pass_rate=0.95)], None)
    [curve] = _of(chart, "curve", "polyline")
    first, second = (float(spot.split(",")[1]) for spot in curve.attrib["points"].split())
    assert second < first


def test_at_most_sixty_runs_are_drawn_the_newest() -> None:
    chart = history_line("faq", _rows(70), 0.85)
    assert _drawn(chart, "now") == 60
    assert (chart.rows[0][0], chart.rows[-1][0], len(chart.rows)) == ("r10", "r69", 60)
    assert len(chart.svg) < 6_000


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"golden_sha256": "h"}, "golden set"),
        ({"scorers_sha256": "t"}, "scorers"),
        ({"baseline_run_id": "c"}, "baseline"),
        ({"baseline_run_id": None}, "baseline"),
    ],
)
def test_a_change_is_marked_at_the_first_run_after_it(change: dict[str, str | None], what: str) -> None:
    changed = [replace(row, **change) if at >= 2 else row for at, row in enumerate(_rows(5))]  # type: ignore[arg-type]
    chart = history_line("faq", changed, None)
    assert _drawn(chart, "changed") == 1
    assert [row[-1] for row in chart.rows] == ["", "", what, "", ""]
    assert what in _words(chart)
    assert f"the {what} 1 time" in chart.svg
    assert "2026-00002" in _words(chart), "a marked run has its date"


def test_without_a_change_there_is_neither_mark_nor_lane() -> None:
    chart = history_line("faq", _rows(5), None)
    assert not _of(chart, "changed")
    assert not {"golden set", "scorers", "baseline"} & set(_words(chart))


def test_a_change_just_before_the_runs_that_are_drawn_is_one() -> None:
    rows = [replace(row, golden_sha256="old") if at == 0 else row for at, row in enumerate(_rows(61))]
    assert history_line("faq", rows, None).rows[0][-1] == "golden set"


def test_changes_of_several_kinds_have_a_lane_each() -> None:
    changed = replace(_ROW, golden_sha256="h", scorers_sha256="t", baseline_run_id="c")
    chart = history_line("faq", [_ROW, changed], None)
    assert _drawn(chart, "changed") == 3
    assert chart.rows[1][-1] == "golden set, scorers, baseline"


def test_the_first_and_the_last_run_have_date_and_commit() -> None:
    rows = _rows(9)
    words = _words(history_line("faq", [*rows[:-1], replace(rows[-1], commit="0123456789")], None))
    assert {"2026-00000", "2026-00008", "8c1f2d0", "0123456"} <= set(words)
    assert "2026-00004" not in words


def test_labels_never_overlap() -> None:
    rows = [replace(row, golden_sha256=str(at)) for at, row in enumerate(_rows(60))]
    root = _root(history_line("faq", rows, None))
    spots = [float(text.attrib["x"]) for text in root.iter("text") if (text.text or "").startswith("2026-")]
    assert len(spots) > 2
    assert all(after - before >= 78 for before, after in pairwise(spots))


def test_a_single_run_is_labelled_once() -> None:
    assert _words(history_line("faq", [_ROW], None)).count("2026-11-01") == 1


def test_a_run_without_a_commit_shows_none() -> None:
    chart = history_line("faq", [replace(_ROW, commit=None)], None)
    assert not _of(chart, "name", "text")
    assert chart.rows[0][2] == "-"


def test_the_threshold_is_a_line_with_its_number() -> None:
    chart = history_line("faq", _rows(3), 0.85)
    assert len(_of(chart, "gate", "line")) == 1
    assert "gate 85.0%" in _words(chart)
    assert not _of(history_line("faq", _rows(3), None), "gate", "line")


def test_the_table_has_every_number() -> None:
    row = ("r0", "2026-11-01T10:00:00Z", "8c1f2d0ffff", "240", "90.0%", "pass", "")
    assert history_line("faq", [_ROW], None).rows == (row,)


def test_the_description_summarises_the_history() -> None:
    rows = [_ROW, replace(_ROW, pass_rate=0.8, verdict="fail", created="2026-11-03T00:00:00Z")]
    said = "2 runs from 2026-11-01 to 2026-11-03: the last 80.0%, the lowest 80.0%, the highest 90.0%; 1 failed."
    assert said in history_line("faq", rows, None).svg


_SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=50)


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
def test_a_score_on_an_edge_is_in_the_upper_bin(edge: float) -> None:
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


_ALL = RateRow("all cases", 240, 0.8625, (0.813, 0.9), 0.925, 0.85)
_DE = RateRow("lang=de", 62, 0.806, (0.691, 0.886), 0.903, 0.85, dropped=True)
_EN = RateRow("lang=en", 178, 0.882, (0.826, 0.922))


def test_each_rate_has_a_dot_an_interval_and_its_number_of_cases() -> None:
    chart = slice_rates("faq", [_ALL, _EN])
    assert _drawn(chart, "now") == 2
    [ranges] = _of(chart, "range")
    assert ranges.attrib["d"].count("M") == 2
    assert {"86.2% of 240", "88.2% of 178"} <= set(_words(chart))


def test_a_drop_is_shown_by_word_and_shape() -> None:
    chart = slice_rates("faq", [_ALL, _DE, _EN])
    assert (_drawn(chart, "now"), _drawn(chart, "bad")) == (2, 1)
    assert _words(chart).count("dropped") == 2, "in the legend, and beside the row"
    assert "Dropped: lang=de." in chart.svg


def test_without_a_drop_no_mark_is_drawn() -> None:
    chart = slice_rates("faq", [_ALL, _EN])
    assert not _of(chart, "bad")
    assert "ropped" not in chart.svg


def test_the_baseline_and_the_gate_are_drawn_if_they_exist() -> None:
    ungated = RateRow("lang=fr", 20, 0.9, (0.7, 1.0), 0.95)
    some = slice_rates("faq", [_ALL, _DE, _EN, ungated])
    assert (_drawn(some, "before"), _drawn(some, "gate")) == (3, 2)
    neither = slice_rates("faq", [_EN])
    assert not [*_of(neither, "before"), *_of(neither, "gate")]


def test_the_legend_names_the_threshold_that_all_gates_share() -> None:
    other = RateRow("lang=fr", 20, 0.9, (0.7, 1.0), None, 0.6)
    assert "gate 85.0%" in _words(slice_rates("faq", [_ALL, _DE]))
    assert "gate" in _words(slice_rates("faq", [_ALL, other]))


def test_a_dot_is_drawn_at_its_rate() -> None:
    chart = slice_rates("faq", [RateRow("all", 10, 0.5, (0.4, 0.6))])
    [_, mark] = _of(chart, "now")
    [ranges] = _of(chart, "range")
    start, end = (float(part.split()[0]) for part in ranges.attrib["d"].removeprefix("M").split("H"))
    assert float(mark.attrib["d"].removeprefix("M").split()[0]) + 4 == pytest.approx((start + end) / 2, abs=0.1)


def test_slices_below_their_gate_are_named() -> None:
    assert "Below the gate: lang=de." in slice_rates("faq", [_ALL, _DE, _EN]).svg


def test_the_table_of_rates_has_every_number() -> None:
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


def test_a_long_name_is_truncated_in_the_picture_and_whole_in_the_table() -> None:
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
