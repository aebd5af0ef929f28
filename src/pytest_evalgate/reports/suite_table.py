"""The table of suites and gates: one row a gate, behind its suite if it is the suite's first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.reports import cells
from pytest_evalgate.reports.columns import aligned, fit, width_of
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import GateResult, SuiteVerdict, VerdictName
    from pytest_evalgate.reports.view import SuiteView

_WIDEST_NAME = 24
_WIDEST_GATE = 40

_COLOURS: dict[VerdictName, str] = {"pass": "green", "fail": "red", "invalid": "red"}


@dataclass(frozen=True, slots=True)
class _Row:
    suite: tuple[str, str, str, str]
    gate: tuple[str, str]
    colour: str | None = None


_HEADINGS = _Row(("suite", "pass rate (95% CI)", "base", "change (bounds)"), ("gate", "result"))


def table_lines(suites: Sequence[SuiteView], width: int) -> Iterator[Line]:
    """One row a suite and gate; where that is too wide, the gates stand below their suite."""
    rows = [_HEADINGS, *(row for suite in suites for row in _rows(suite))]
    wide = aligned([row.suite + row.gate for row in rows])
    if max(map(width_of, wide)) <= width:
        yield from (Line(text, row.colour) for text, row in zip(wide, rows, strict=True))
        return
    heads, gates = aligned([row.suite for row in rows]), aligned([row.gate for row in rows])
    for head, gate, row in zip(heads, gates, rows, strict=True):
        if head:
            yield Line(head)
        if row is not _HEADINGS:
            yield Line(f"    {gate}", row.colour)


def gate_name(gate: GateResult) -> str:
    """Name a gate, as far as there is room."""
    return fit(one_line(cells.gate_name(gate)), _WIDEST_GATE)


def gate_colour(verdict: SuiteVerdict, gate: GateResult) -> str | None:
    """Return the colour of what a gate says; what does not block is never red."""
    return colour_of(gate.result) if cells.is_blocking(verdict) or gate.result == "pass" else "yellow"


def colour_of(verdict: VerdictName) -> str:
    """Return the colour of a verdict."""
    return _COLOURS.get(verdict, "yellow")


def _rows(suite: SuiteView) -> Iterator[_Row]:
    verdict = suite.verdict
    name = fit(one_line(suite.name), _WIDEST_NAME)
    first = (name, cells.rate(verdict), cells.base(verdict.delta), cells.change(verdict))
    for index, gate in enumerate(verdict.gates):
        here = ("", "", "", "") if index else first
        yield _Row(here, (gate_name(gate), cells.result_of(verdict, gate)), gate_colour(verdict, gate))
