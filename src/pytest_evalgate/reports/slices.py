"""The slices of a suite as a table."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_evalgate.reports.columns import aligned, fit
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line
from pytest_evalgate.wording import p_value, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import SliceResult, SuiteVerdict

_WIDEST_NAME = 24


def slice_lines(name: str, verdict: SuiteVerdict) -> Iterator[Line]:
    """List every slice; of a suite that passes, only those that dropped: an average can hide them."""
    passed = verdict.verdict == "pass"
    shown = [piece for piece in verdict.slices if not passed or _dropped(piece)]
    for by, group in groupby(shown, key=attrgetter("by")):
        pieces = list(group)
        which = "WATCH slices that dropped" if passed else "slices"
        yield Line(f"  {which}: {name} by {one_line(by)} ({_how(pieces)})")
        rows = [("value", "pass rate (95% CI)", "change", "worse/better", "p"), *map(_row, pieces)]
        yield from (Line(f"    {text}") for text in aligned(rows))


def _how(pieces: Sequence[SliceResult]) -> str:
    return "gated, Holm's p" if any(piece.gated for piece in pieces) else "not gated, each p by itself"


def _dropped(piece: SliceResult) -> bool:
    return piece.delta is not None and piece.delta.finding == "regressed"


def _row(piece: SliceResult) -> tuple[str, str, str, str, str]:
    share = f"{percent(piece.pass_rate)} ({100 * piece.interval[0]:.1f}-{100 * piece.interval[1]:.1f})"
    rate = f"{piece.passed:,}/{piece.n:,}  {share}"
    name = fit(one_line(piece.value), _WIDEST_NAME)
    if piece.delta is None:
        return name, rate, "-", "-", "-"
    delta = piece.delta
    p = delta.p if delta.p_adjusted is None else delta.p_adjusted
    return name, rate, points(delta.delta), f"{delta.losses:,} / {delta.gains:,}", p_value(p)
