"""What this branch changed in the gate itself: stands first, before any number that the gate produced."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.lines import wrapped
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import GateChange
    from pytest_evalgate.reports.lines import Line

_LISTED = 5
_INDENT = " " * 11


def gate_change_lines(changes: Sequence[GateChange], width: int) -> Iterator[Line]:
    """List the changes, those that weaken the gate first and whole, of the others a few of each kind."""
    if not changes:
        return
    weaker = sum(change.effect == "weaker" for change in changes)
    told = f"{weaker:,} of them weaker" if weaker else "none of them weaker"
    heading = f"WHAT CHANGED IN THE GATE: {count(len(changes), 'change')} against the base branch, {told}"
    yield from wrapped(heading, width)
    ordered = sorted(changes, key=lambda change: (change.effect != "weaker", change.what, change.effect))
    for (effect, what), group in groupby(ordered, key=attrgetter("effect", "what")):
        alike = list(group)
        listed = len(alike) if effect == "weaker" else _LISTED
        for change in alike[:listed]:
            yield from wrapped(f"  {_told(change)}", width, _colour(change))
        if len(alike) > listed:
            yield from wrapped(
                f"{_INDENT}... and {len(alike) - listed:,} more: {what} (all stand in verdict.json)", width
            )


def _told(change: GateChange) -> str:
    values = f": {one_line(change.before)} -> {one_line(change.now)}" if change.before or change.now else ""
    answered = "" if change.acknowledged is None else f" (acknowledged: {one_line(change.acknowledged)})"
    return f"{change.effect.upper():<8} {one_line(change.what)}  {one_line(change.where)}{values}{answered}"


def _colour(change: GateChange) -> str | None:
    if change.effect != "weaker":
        return None
    return "red" if change.acknowledged is None else "yellow"
