"""How a page begins: the verdict and its reason, then what changed in the gate, then what makes the run invalid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports import headline
from pytest_evalgate.reports.markdown.parts import name, prose, table
from pytest_evalgate.wording import count, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Calls, GateChange
    from pytest_evalgate.reports.markdown.extent import Extent
    from pytest_evalgate.reports.view import ReportView


def opening(view: ReportView, extent: Extent) -> Iterator[str]:
    """Write what stands above the numbers."""
    yield f"## Eval gate: {headline.word(view.verdict.verdict)} - {prose(headline.reason(view))}"
    yield _in_short(view)
    if view.verdict.changed_in_gate:
        yield from _gate_changes(view.verdict.changed_in_gate, extent.listed)
    yield from (f"**INVALID** {prose(problem)}" for problem in view.verdict.problems)
    if view.verdict.refused is not None:
        yield f"**NOT EVALUATED** {prose(view.verdict.refused)}"


def spent(calls: Calls) -> str:
    """Say what the calls cost, and of how many nobody knows it."""
    unknown = f" and {count(calls.unknown_price, 'call')} of unknown price" if calls.unknown_price else ""
    return f"{usd(calls.cost_usd)}{unknown}"


def _in_short(view: ReportView) -> str:
    gates = [gate for suite in view.suites for gate in suite.verdict.gates]
    passed = sum(gate.result == "pass" for gate in gates)
    cases = count(view.verdict.accounting.planned, "case")
    exit_note = headline.exit_note(view)
    told = [f"{passed:,} of {count(len(gates), 'gate')} passed", cases, spent(view.verdict.calls), exit_note]
    return " · ".join(told)


def _gate_changes(changes: Sequence[GateChange], listed: int) -> Iterator[str]:
    """List the changes, those that weaken the gate first and all of them."""
    ordered = sorted(changes, key=lambda change: (change.effect != "weaker", change.what, change.effect))
    weaker = sum(change.effect == "weaker" for change in changes)
    shown = ordered[: max(weaker, listed)]
    yield "### What changed in the gate"
    told = f"{weaker:,} of them weaker" if weaker else "none of them weaker"
    yield f"{count(len(changes), 'change')} against the base branch, {told}"
    yield table(("Effect", "What", "Where", "Before", "Now", "Acknowledged"), map(_row, shown))
    if len(ordered) > len(shown):
        yield f"{len(ordered) - len(shown):,} more stand in `verdict.json`"


def _row(change: GateChange) -> tuple[str, ...]:
    effect = change.effect.upper()
    texts = (change.before, change.now, change.acknowledged or "")
    return (
        f"**{effect}**" if effect == "WEAKER" else effect,
        prose(change.what),
        name(change.where),
        *map(prose, texts),
    )
