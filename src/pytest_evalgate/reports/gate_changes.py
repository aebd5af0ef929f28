"""What this branch changed in the gate itself: stands first, before any number that the gate produced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import Line, wrapped
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import GateChange

_LISTED = 20


def gate_change_lines(changes: Sequence[GateChange], width: int) -> Iterator[Line]:
    """List the changes, those that weaken the gate first."""
    if not changes:
        return
    weaker = sum(change.effect == "weaker" for change in changes)
    told = f"{weaker:,} of them weaker" if weaker else "none of them weaker"
    yield Line(f"WHAT CHANGED IN THE GATE: {count(len(changes), 'change')} against the base branch, {told}")
    ordered = sorted(changes, key=lambda change: change.effect != "weaker")
    for change in ordered[:_LISTED]:
        yield from wrapped(f"  {_told(change)}", width, _colour(change))
    if len(ordered) > _LISTED:
        yield Line(f"  ... {len(ordered) - _LISTED:,} more in verdict.json")


def _told(change: GateChange) -> str:
    values = f": {one_line(change.before)} -> {one_line(change.now)}" if change.before or change.now else ""
    answered = "" if change.acknowledged is None else f" (acknowledged: {one_line(change.acknowledged)})"
    return f"{change.effect.upper():<8} {one_line(change.where)}  {one_line(change.what)}{values}{answered}"


def _colour(change: GateChange) -> str | None:
    if change.effect != "weaker":
        return None
    return "red" if change.acknowledged is None else "yellow"
