from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.records.results import HistoryRow
from pytest_evalgate.reports.charts import history_line

if TYPE_CHECKING:
    from pytest_evalgate.records.results import VerdictName
    from pytest_evalgate.reports.charts import Chart

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


def test_a_better_run_stands_higher() -> None:
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


def test_labels_never_lie_on_each_other() -> None:
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


def test_the_table_holds_every_number() -> None:
    row = ("r0", "2026-11-01T10:00:00Z", "8c1f2d0ffff", "240", "90.0%", "pass", "")
    assert history_line("faq", [_ROW], None).rows == (row,)


def test_the_description_says_how_it_went() -> None:
    rows = [_ROW, replace(_ROW, pass_rate=0.8, verdict="fail", created="2026-11-03T00:00:00Z")]
    said = "2 runs from 2026-11-01 to 2026-11-03: the last 80.0%, the lowest 80.0%, the highest 90.0%; 1 failed."
    assert said in history_line("faq", rows, None).svg
