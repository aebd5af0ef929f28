"""Overview: the suites of the project."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources


def page(sources: ViewSources, query: PageQuery) -> str:
    """Return the page as HTML."""
    heading = sources.name + query.runs.project
    return f"<!doctype html><html lang=en><title>{escape(sources.name)}</title><h1>{escape(heading)}</h1>"
