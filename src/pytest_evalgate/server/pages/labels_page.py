"""Labels: a sheet for raters."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.server.view_sources import PageQuery, ViewSources


def page(sources: ViewSources, query: PageQuery) -> str:
    """Return the page as HTML."""
    heading = query.names["judge"]
    return f"<!doctype html><html lang=en><title>{escape(sources.name)}</title><h1>{escape(heading)}</h1>"


def save(sources: ViewSources, query: PageQuery, form: Mapping[str, str]) -> str:
    """Save a label, and return the path of the page to show next."""
    return f"/labels/{query.names['judge']}?saved={len(form)}&project={sources.name}"
