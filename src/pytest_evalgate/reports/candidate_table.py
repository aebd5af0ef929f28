"""Candidates side by side, in the words and cells that all reports share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.phrases import share
from pytest_evalgate.text.wording import count, p_value, points, seconds, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.side_by_side import CandidatePair, CandidateResult, SideBySide

_SHORT: Final = 0.001
HEADINGS: Final = ("candidate", "pass rate (95% CI)", "cost", "p95", "group")


def title(found: SideBySide) -> str:
    """Return the heading of a comparison: ``CANDIDATES of support: 3, the highest rate first``."""
    return f"CANDIDATES of {found.suite}: {len(found.candidates)}, the highest rate first"


def rows(found: SideBySide) -> Iterator[tuple[str, ...]]:
    """Yield a row for each candidate: ``support[mini]``, ``92.1% (88.0-94.9)``, ``US$0.31``, ``1.2 s``, ``a``."""
    for one in found.candidates:
        rate = "-" if one.pass_rate is None or one.interval is None else share(one.pass_rate, one.interval)
        latency = "-" if one.p95_latency_s is None else seconds(one.p95_latency_s)
        if one.p95_latency_s is not None and one.p95_latency_s < _SHORT:
            latency = "under 1 ms"
        yield one.suite, rate, _cost(one), latency, one.groups or "-"


def _cost(one: CandidateResult) -> str:
    cost = "-" if one.cost_usd is None else usd(one.cost_usd)
    return f"{cost} ({one.cached:,} cached)" if one.cached else cost


def conclusion(found: SideBySide) -> str:
    """Return how to read the groups, and which candidates differ at all."""
    differing = sum(one.differ for one in found.pairs)
    tests = f"{count(len(found.pairs), 'pair')} tested, Holm's p at most 0.05"
    if not differing:
        return f"no two candidates are distinguishable ({tests})"
    return f"candidates with a letter in common are not distinguishable ({tests})"


def sentences(found: SideBySide) -> Iterator[str]:
    """Yield a sentence for each pair, and the notes."""
    for one in found.pairs:
        yield _sentence(one)
    yield from found.notes


def _sentence(one: CandidatePair) -> str:
    change = f"{points(one.delta)} ({100 * one.lower:+.1f}..{100 * one.upper:+.1f})"
    result = "differ" if one.differ else "not distinguishable"
    return (
        f"{one.first} against {one.second}: {change}, {one.better:,} better, {one.worse:,} worse, "
        f"p={p_value(one.p_adjusted)}: {result}"
    )
