"""The summary of a step, as GitHub shows it on the page of a run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.markdown.closing import where
from pytest_evalgate.reports.markdown.extent import Extent, fitted
from pytest_evalgate.reports.markdown.page import page
from pytest_evalgate.reports.view import DETAILED

if TYPE_CHECKING:
    from pytest_evalgate.reports.view import ReportView

LIMIT: Final = 900 << 10
"""Bytes; of a step whose summary exceeds 1 MiB GitHub shows none at all."""

_SLICES: Final = "slices of suites that pass"
_EXTENTS: Final = (
    Extent(listed=DETAILED, whole=DETAILED, trends=True),
    Extent(_SLICES, DETAILED, DETAILED, passing_slices=False, trends=True),
    Extent(f"{_SLICES}, cases in full", DETAILED, 0, passing_slices=False, trends=True),
    Extent(f"{_SLICES}, cases in full, all but 10 cases of each list", 10, 0, passing_slices=False),
    Extent(f"{_SLICES}, cases in full, lists of cases", 0, 0, passing_slices=False),
)


def render_summary(view: ReportView) -> str:
    """Render the summary: at most 900 KiB; what does not fit is cut, and the last line says so."""
    return fitted(partial(page, view), _EXTENTS, _bytes, LIMIT, where(view))


def _bytes(text: str) -> int:
    return len(text.encode())
