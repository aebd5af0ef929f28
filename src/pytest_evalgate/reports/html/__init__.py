"""HTML report: one file that loads nothing, with a content security policy that allows only its own script."""

from __future__ import annotations

from pytest_evalgate.reports.html.page import environment, prepare, render_html, resource

__all__ = ["environment", "prepare", "render_html", "resource"]
