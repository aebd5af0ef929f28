"""The HTML report: one file that needs nothing else, and lets nothing in it run but its own script."""

from pytest_evalgate.reports.html.environment import prepare
from pytest_evalgate.reports.html.page import render_html

__all__ = ["prepare", "render_html"]
