"""The HTML report: one file that needs nothing else, and lets nothing in it run but its own script."""

from __future__ import annotations

from pytest_evalgate.reports.html.page import prepare, render_html

__all__ = ["prepare", "render_html"]
