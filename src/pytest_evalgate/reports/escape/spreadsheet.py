"""Cells of a CSV file: a spreadsheet takes what begins like a formula for one."""

from __future__ import annotations

from typing import Final

from pytest_evalgate.reports.escape.visible import visible

_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WHITE: Final = ("\t", "\r", "\n")


def cell(text: str) -> str:
    """Return ``text`` as a cell: an apostrophe stands before what a spreadsheet would compute."""
    shown = visible(text, kept="\t\r\n")
    return f"'{shown}" if shown.startswith(_WHITE) or shown.lstrip().startswith(_FORMULA) else shown
