"""The table of suites and their gates, and what the gates say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports import cells
from pytest_evalgate.reports.markdown.parts import name, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import GateResult
    from pytest_evalgate.reports.view import SuiteView

_HEADINGS = ("", "Suite", "Pass rate (95% CI)", "Base", "Change (bounds)", "Gate")
_SAME = ("", "", "", "")


def gate_table(suites: Sequence[SuiteView]) -> str:
    """Write one row a gate; what is said of its suite stands in the first of them."""
    return table(_HEADINGS, (row for suite in suites for row in _rows(suite)))


def gate_messages(suite: SuiteView) -> Iterator[str]:
    """Write what the gates say that did not pass; what several of them say stands there once."""
    said = {gate.message: gate for gate in suite.verdict.gates if gate.result != "pass"}
    for message, gate in said.items():
        yield f"- {_result(suite, gate)} {name(suite.name)}, {prose(cells.gate_name(gate))}: {prose(message)}"


def _rows(suite: SuiteView) -> Iterator[tuple[str, ...]]:
    verdict = suite.verdict
    rate = cells.rate(verdict).replace("  ", " · ")
    first = (name(suite.name), rate, cells.base(verdict.delta), cells.change(verdict))
    for index, gate in enumerate(verdict.gates):
        yield (_result(suite, gate), *(_SAME if index else first), prose(cells.gate_name(gate)))


def _result(suite: SuiteView, gate: GateResult) -> str:
    word = cells.result_of(suite.verdict, gate)
    return word if gate.result == "pass" else f"**{word}**"
