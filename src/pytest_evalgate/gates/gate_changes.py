"""The gates of a suite, before and now: each gate of before has to be met by one that asks for as much.

A build passes where all gates pass. So a suite is not weaker where each old gate has a new one that fails whenever it
fails, in whatever order they stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.data import GateChange
from pytest_evalgate.gates.changes import NOTHING, shown, table_changes
from pytest_evalgate.settings import NoRegressionGate, SliceGate, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.settings import Gate, Suite

DEFAULT_GATE: Final = NoRegressionGate(kind="no-regression")
"""The gate of a suite that has none configured."""

_MATCHED_BY: Final = ("kind", "scorer", "by")


def gates_of(suite: Suite) -> tuple[Gate, ...]:
    """Return the gates that judge ``suite``."""
    return suite.gates or (DEFAULT_GATE,)


def identity(gate: Gate) -> tuple[object, ...]:
    """Return what gates have in common that can stand in for one another."""
    by_rate = isinstance(gate, SliceGate) and gate.min is not None
    return (*(getattr(gate, key, None) for key in _MATCHED_BY), by_rate)


def gate_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Compare the gates of two suites; ``where`` is the key of the suite."""
    old, new = _placed(where, before), _placed(where, now)
    met: set[str] = set()
    for place, gate in old.items():
        candidates = {
            now_place: tuple(table_changes(now_place, "gate changed", gate, other))
            for now_place, other in new.items()
            if identity(other) == identity(gate)
        }
        if not candidates:
            yield GateChange("gate removed", place, shown(gate), NOTHING, "weaker")
            continue
        best = min(candidates, key=lambda one: (*_losses(candidates[one]), one in met))
        met.add(best)
        yield from candidates[best]
    for place, gate in new.items():
        if place not in met:
            yield GateChange("gate added", place, NOTHING, shown(gate), "stricter")


def _placed(where: str, suite: Suite) -> dict[str, Gate]:
    written = f"{where}.{place_of(suite, 'gates')}"
    if not suite.gates:
        return {written: DEFAULT_GATE}
    return {f"{written}[{index}]": gate for index, gate in enumerate(suite.gates)}


def _losses(changes: tuple[GateChange, ...]) -> tuple[int, int]:
    return sum(change.effect == "weaker" for change in changes), len(changes)
