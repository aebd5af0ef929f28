"""Reports render a finished view."""

from pytest_evalgate.reports.terminal import Line, render, verdict_line
from pytest_evalgate.reports.view import ReportView, build_view

__all__ = ["Line", "ReportView", "build_view", "render", "verdict_line"]
