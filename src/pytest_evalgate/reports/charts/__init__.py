"""SVG charts: text stays text, colours follow the light or dark scheme, and nothing in them is executed."""

from __future__ import annotations

from pytest_evalgate.reports.charts.suite import RateRow, history_line, score_histogram, slice_rates
from pytest_evalgate.reports.charts.svg import STYLE, Chart, standalone

__all__ = [
    "STYLE",
    "Chart",
    "RateRow",
    "history_line",
    "score_histogram",
    "slice_rates",
    "standalone",
]
