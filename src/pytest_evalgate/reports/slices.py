"""The slices of a suite as a table."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import cells
from pytest_evalgate.reports.columns import fit, stack
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import p_value, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import SliceResult, SuiteVerdict

_WIDEST_NAME: Final = 24
_FEW: Final = 20
"""Of fewer cases a rate says next to nothing: its interval is 40 points wide."""

_HEADINGS: Final = ("value", "n", "pass rate (95% CI)", "change", "worse/better")


def slice_lines(name: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    """List every slice; of a suite that passes, only those that dropped: an average can hide them."""
    passed = verdict.verdict == "pass"
    shown = [piece for piece in verdict.slices if not passed or _dropped(piece)]
    for by, group in groupby(shown, key=attrgetter("by")):
        pieces = list(group)
        gated = any(piece.gated for piece in pieces)
        which = "WATCH slices that dropped" if passed else "slices"
        how = "gated" if gated else "not gated, each p by itself"
        yield from wrapped(f"  {which}: {one_line(name)} by {one_line(by)} ({how})", width)
        rows = [(*_HEADINGS, "p (Holm)" if gated else "p", "note"), *map(_row, pieces)]
        yield from (Line(f"    {text}") for text in stack(rows, width - 4, 3))


def _dropped(piece: SliceResult) -> bool:
    return piece.delta is not None and piece.delta.finding == "regressed"


def _row(piece: SliceResult) -> tuple[str, ...]:
    rate = f"{piece.passed:,}/{piece.n:,}  {cells.share(piece.pass_rate, piece.interval)}"
    return (fit(one_line(piece.value), _WIDEST_NAME), f"{piece.n:,}", rate, *_changes(piece), _note(piece))


def _changes(piece: SliceResult) -> Sequence[str]:
    delta = piece.delta
    if delta is None:
        return "-", "-", "-"
    p = delta.p if delta.p_adjusted is None else delta.p_adjusted
    return points(delta.delta), f"{delta.losses:,} / {delta.gains:,}", p_value(p)


def _note(piece: SliceResult) -> str:
    """Say what to think of a slice: proven to have dropped, worth a look, or too small for either."""
    if _dropped(piece):
        return "DROPPED" if piece.gated else "watch"
    if piece.n < _FEW:
        return f"n < {_FEW}: too few"
    return ""
