"""Charts as SVG: their text is text, they follow light and dark, and nothing in them runs."""

from pytest_evalgate.reports.charts.chart import Chart, standalone
from pytest_evalgate.reports.charts.history import history_line
from pytest_evalgate.reports.charts.judge import reliability, roc
from pytest_evalgate.reports.charts.scores import score_histogram
from pytest_evalgate.reports.charts.slices import RateRow, slice_rates
from pytest_evalgate.reports.charts.style import STYLE

__all__ = [
    "STYLE",
    "Chart",
    "RateRow",
    "history_line",
    "reliability",
    "roc",
    "score_histogram",
    "slice_rates",
    "standalone",
]
