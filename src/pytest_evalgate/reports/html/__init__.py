"""HTML report: one file that loads nothing, with a content security policy that allows only its own script."""

from __future__ import annotations

from pytest_evalgate.reports.html.page import prepare, render_html

__all__ = ["prepare", "render_html"]
