"""What belongs beside the numbers of a suite: slices, judges, warnings, and the trend over its last runs."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import cells
from pytest_evalgate.reports.escape.markdown import fenced
from pytest_evalgate.reports.markdown.parts import folded_away, name, prose, table
from pytest_evalgate.wording import count, p_value, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import HistoryRow, JudgeVerdict, SliceResult, SuiteVerdict
    from pytest_evalgate.reports.markdown.extent import Extent
    from pytest_evalgate.reports.view import SuiteView

_SLICE: Final = ("Slice", "Pass rate (95% CI)", "Change", "Worse / better", "p")
_JUDGE: Final = ("Judge", "True passes found", "True misses found", "Labels", "Passed", "Corrected", "May gate")
_FEWEST_RUNS: Final = 3


def asides(suite: SuiteView, extent: Extent) -> Iterator[str]:
    """Write what a reader should know before trusting the numbers."""
    verdict = suite.verdict
    if verdict.slices and (extent.passing_slices or verdict.verdict != "pass"):
        yield folded_away(count(len(verdict.slices), "slice"), *_slices(verdict))
    if verdict.judges:
        yield folded_away(count(len(verdict.judges), "judge"), table(_JUDGE, map(_judge, verdict.judges)))
    notes = [*verdict.notes, *_trend(verdict)]
    if notes:
        yield "\n".join(f"- NOTE {name(suite.name)}: {prose(note)}" for note in notes)
    if extent.trends and len(suite.history) >= _FEWEST_RUNS:
        yield folded_away("Pass rate over the last runs", _chart(suite.history))


def _slices(verdict: SuiteVerdict) -> Iterator[str]:
    for by, group in groupby(verdict.slices, key=attrgetter("by")):
        pieces = list(group)
        how = "gated, Holm's p" if any(piece.gated for piece in pieces) else "not gated, each p by itself"
        yield f"By {name(by)} ({how})"
        yield table(_SLICE, map(_slice, pieces))


def _slice(piece: SliceResult) -> tuple[str, ...]:
    rate = f"{piece.passed:,}/{piece.n:,} · {cells.share(piece.pass_rate, piece.interval)}"
    delta = piece.delta
    if delta is None:
        return name(piece.value), rate, "-", "-", "-"
    p = delta.p if delta.p_adjusted is None else delta.p_adjusted
    return name(piece.value), rate, points(delta.delta), f"{delta.losses:,} / {delta.gains:,}", p_value(p)


def _judge(judge: JudgeVerdict) -> tuple[str, ...]:
    found = [
        "-" if rate is None else f"{percent(rate[0])} (at least {percent(rate[1])})" for rate in (judge.tpr, judge.tnr)
    ]
    passed = "-" if judge.pass_rate is None else f"{percent(judge.pass_rate)} of {judge.scored:,}"
    corrected = "-" if judge.corrected is None else cells.share(judge.corrected.value, judge.corrected.interval)
    may = "yes" if judge.why_not is None else f"no: {prose(judge.why_not)}"
    return name(judge.name), *found, f"{judge.labels:,}", passed, corrected, may


def _trend(verdict: SuiteVerdict) -> Iterator[str]:
    if verdict.trend is not None and (verdict.trend.alarm or "unusually" in verdict.trend.message):
        yield verdict.trend.message


def _chart(history: Sequence[HistoryRow]) -> str:
    """Draw the rates; no text of others stands within, as Mermaid has an own language."""
    rates = [100 * row.pass_rate for row in history]
    lowest = max(10 * int(min(rates) / 10 - 0.5), 0)
    lines = (
        "xychart-beta",
        f'    x-axis "runs, the newest last" 1 --> {len(rates)}',
        f'    y-axis "pass rate, %" {lowest} --> 100',
        f"    line [{', '.join(f'{rate:.1f}' for rate in rates)}]",
    )
    return fenced("\n".join(lines), "mermaid")
