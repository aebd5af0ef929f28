"""Slices that hold no case, or so few that their rate means little."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.golden.lint.finding import Finding
from pytest_evalgate.settings import MustPassGate, SliceGate
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.data import Place, PlannedCase
    from pytest_evalgate.settings import Suite

FEW: Final = 20
"""With fewer cases the rate of a slice jumps by more than five points when one of them changes."""

_NAMED: Final = 5


def small_slices(name: str, suite: Suite, cases: Sequence[PlannedCase], place: Place) -> Iterator[Finding]:
    """Find the slices of suite ``name`` that are empty or tiny; ``place`` is where it is configured."""
    counted = [case for case in cases if case.skip is None]
    for by in suite.slices:
        sizes = Counter(value for case in counted for key, value in case.slices if key == by)
        gates = [gate for gate in suite.gates or () if isinstance(gate, SliceGate) and gate.by == by]
        if sizes:
            least = max((gate.min_n for gate in gates if gate.min is not None), default=0)
            yield from _tiny(f"suites.{name}: slices by {by}", sizes, least, place)
        else:
            told = f"suites.{name}: no case has a slice by {by}: tag the cases, or take it out of the suite"
            yield Finding(place, "empty-slice", "error" if gates else "warning", told)
    for gate in suite.gates or ():
        if isinstance(gate, MustPassGate) and gate.tags and not any(set(gate.tags) & set(case.tags) for case in cases):
            told = f"suites.{name}: no case carries a tag of the must-pass gate: {', '.join(gate.tags)}"
            yield Finding(place, "empty-slice", "error", told)


def _tiny(which: str, sizes: Mapping[str, int], least: int, place: Place) -> Iterator[Finding]:
    """Name the slices that no gate judges for want of cases, and those that are judged on very few."""
    if unjudged := {value: size for value, size in sizes.items() if size < least}:
        told = f"{which} below min_n = {least} are shown and not judged: {_named(unjudged)}"
        yield Finding(place, "tiny-slice", "warning", told)
    if few := {value: size for value, size in sizes.items() if least <= size < FEW}:
        yield Finding(place, "tiny-slice", "note", f"{which} with fewer than {FEW} cases: {_named(few)}")


def _named(sizes: Mapping[str, int]) -> str:
    smallest = sorted(sizes.items(), key=lambda one: (one[1], one[0]))
    some = [f"{value} ({count(size, 'case')})" for value, size in smallest[:_NAMED]]
    more = [f"{len(sizes) - _NAMED:,} more"] if len(sizes) > _NAMED else []
    return ", ".join([*some, *more])
