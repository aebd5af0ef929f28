"""The scorers of a suite, before and now, matched by the names of their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import jsonl
from pytest_evalgate.data import GateChange
from pytest_evalgate.gates.changes import NOTHING, shown
from pytest_evalgate.gates.directions import higher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.data import Effect
    from pytest_evalgate.settings import Suite

_PYTHON_THRESHOLD: Final = 0.5


def scorer_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Compare the scorers of two suites; ``where`` is the key of the suite.

    All scorers have to pass, so a further one is stricter. In a weighted mean every change may lift it.
    """
    old, new = _named(before), _named(now)
    weighted = any("weight" in spec for spec in (*old.values(), *new.values()))
    for name, spec in old.items():
        place = f"{where}.scorers.{name}"
        if name not in new:
            yield GateChange("scorer removed", place, shown(spec), NOTHING, "weaker")
        elif new[name] != spec:
            effect = "weaker" if weighted else _effect(spec, new[name])
            yield GateChange("scorer changed", place, shown(spec), shown(new[name]), effect)
    for name, spec in new.items():
        if name not in old:
            effect = "weaker" if weighted else "stricter"
            yield GateChange("scorer added", f"{where}.scorers.{name}", NOTHING, shown(spec), effect)


def _named(suite: Suite) -> dict[str, dict[str, Any]]:
    """Name the scorers as their scores are named: gates tell scores apart by it."""
    named: dict[str, dict[str, Any]] = {}
    for given in suite.scorers:
        spec = {"kind": given} if isinstance(given, str) else given
        label = _label(spec)
        name, number = label, 1
        while name in named:
            number += 1
            name = f"{label}-{number}"
        named[name] = spec
    return named


def _label(spec: Mapping[str, Any]) -> str:
    """Return the name that a scorer has before it is numbered."""
    if "python" in spec and "name" not in spec:
        return str(spec["python"]).rpartition(":")[2]
    return str(spec.get("name") or spec.get("kind") or jsonl.canonical(spec))


def _effect(before: Mapping[str, Any], now: Mapping[str, Any]) -> Effect:
    if _without_threshold(before) != _without_threshold(now):
        return "weaker"
    old, new = _threshold(before), _threshold(now)
    if old is None or new is None:
        return "weaker"
    return "neutral" if old == new else higher(old, new)


def _without_threshold(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key != "threshold"}


def _threshold(spec: Mapping[str, Any]) -> float | None:
    """Return the threshold; None for a rule's own: which one that is, only the scorers know."""
    threshold: float | None = spec.get("threshold", _PYTHON_THRESHOLD if "python" in spec else None)
    return threshold
