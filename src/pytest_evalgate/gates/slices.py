"""Slices of a suite: shown beside the gates, with unadjusted intervals, and not gated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.data import SliceResult
from pytest_evalgate.gates.evidence import rate_of
from pytest_evalgate.gates.pairing import Pairing
from pytest_evalgate.gates.regression import delta_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import CaseResult


def slice_results(
    results: Sequence[CaseResult], pairing: Pairing | None, source: str, alpha: float
) -> tuple[SliceResult, ...]:
    """Describe every slice of the counted cases, in the order in which they appear; numbers sort as numbers."""
    members: dict[tuple[str, str], list[CaseResult]] = {}
    for result in results:
        for by_value in result.case.slices:
            members.setdefault(by_value, []).append(result)
    order = {by: position for position, (by, _) in reversed(list(enumerate(members)))}
    names = sorted(members, key=lambda name: (order[name[0]], *_natural(name[1])))
    return tuple(_slice(name, members[name], pairing, source, alpha) for name in names)


def _slice(
    name: tuple[str, str], members: Sequence[CaseResult], pairing: Pairing | None, source: str, alpha: float
) -> SliceResult:
    rate = rate_of(members, "worst")
    passed = sum(result.outcome == "passed" for result in members)
    delta = None if pairing is None else delta_of(_within(pairing, name), source, alpha=alpha, margin=None)
    return SliceResult(*name, len(members), passed, rate.value, rate.interval, delta)


def _within(pairing: Pairing, name: tuple[str, str]) -> Pairing:
    pairs = tuple(pair for pair in pairing.pairs if name in pair.now.case.slices)
    edited = tuple(result for result in pairing.edited if name in result.case.slices)
    added = tuple(result for result in pairing.added if name in result.case.slices)
    return Pairing(pairs, edited, added, (), len(pairs) + len(edited))


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)
