"""Slices of a suite: their results for the report, and the slice gate on changes or rates."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import rate_of
from pytest_evalgate.gates.pass_rate import verdict_of_rate
from pytest_evalgate.gates.regression import delta_of
from pytest_evalgate.records.verdicts import GateResult, SliceResult
from pytest_evalgate.stats.families import fewest_losses, slice_shrinkage
from pytest_evalgate.stats.weights import kish_n
from pytest_evalgate.text.wording import count, first_few, p_value, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.config import SliceGate
    from pytest_evalgate.gates.evidence import Evidence, Pairs, RateEstimate, SliceName
    from pytest_evalgate.records.verdicts import VerdictName

_WORST_FIRST: tuple[VerdictName, ...] = ("fail", "inconclusive", "pass")


@dataclass(frozen=True, slots=True)
class SliceTests:
    """The adjusted p of the tested slices, and the largest alpha that a single slice has."""

    p: Mapping[SliceName, float]
    alpha: float


def slice_results(
    head: Evidence, compared: Evidence, source: str, alpha: float, adjusted: Mapping[SliceName, float]
) -> tuple[SliceResult, ...]:
    """Describe every slice of ``head``, with its change in ``compared``; slices with an adjusted p are gated."""
    found: list[SliceResult] = []
    for name, indices in head.slices.items():
        rate = rate_of(head.cases.take(indices))
        passed = sum(head.results[place].outcome == "passed" for place in indices)
        p = adjusted.get(name)
        delta = None
        if compared.pairing is not None and name in compared.slice_pairs:
            pairs = compared.pairs.take(compared.slice_pairs[name])
            delta = delta_of(compared.pairing.in_slice(name), pairs, source, alpha=alpha, p=p)
        n_eff = None if (weights := head.cases.take(indices).weights) is None else kish_n(weights)
        found.append(
            SliceResult(*name, rate.n, passed, rate.value, rate.interval, delta, gated=p is not None, n_eff=n_eff)
        )
    return tuple(_with_shrunken(found))


def _with_shrunken(found: Sequence[SliceResult]) -> Iterator[SliceResult]:
    for _, group in groupby(found, key=lambda piece: piece.by):
        pieces = list(group)
        shrunk = slice_shrinkage([piece.pass_rate * piece.n for piece in pieces], [piece.n for piece in pieces]).shrunk
        for piece, rate in zip(pieces, shrunk, strict=True):
            yield replace(piece, shrunken=rate)


def testable_slices(evidence: Evidence, by: str) -> Iterator[tuple[SliceName, Pairs]]:
    """Iterate over the testable slices with the key ``by``, and their pairs."""
    for name, indices in evidence.slice_pairs.items():
        if name[0] == by and (pairs := evidence.pairs.take(indices)).are_testable:
            yield name, pairs


def decide_slice_changes(gate: SliceGate, evidence: Evidence, slice_tests: SliceTests) -> GateResult:
    """Decide a slice gate by the adjusted p of each slice's change; there is a baseline."""
    slices = dict(testable_slices(evidence, gate.by))
    if not slices:
        return GateResult(gate.kind, "invalid", None, None, None, _incomparable(gate, evidence), gate.by)
    dropped = [name for name in slices if slice_tests.p[name] <= gate.alpha]
    worst = min(slices, key=lambda name: slice_tests.p[name])
    message = f"no drop is proven in any of {count(len(slices), 'slice')} by {gate.by}"
    if dropped:
        named = first_few(
            [
                f"{name[1]} {points(slices[name].finding(gate.alpha).delta)} ({slices[name].losses:,} worse, "
                f"{slices[name].gains:,} better, Holm p={p_value(slice_tests.p[name])})"
                for name in dropped
            ]
        )
        message = f"{len(dropped):,} of {count(len(slices), 'slice')} by {gate.by} dropped: {named}"
    fewest = fewest_losses(slice_tests.alpha)
    small = sum(pairs.losses + pairs.gains < fewest for pairs in slices.values())
    message += f"; {small:,} too small to gate (fewer than {fewest} changed cases)" if small else ""
    left_out = sum(by == gate.by for by, _ in evidence.slices) - len(slices)
    message += f"; {left_out:,} not compared (no pairs, or a single cluster)" if left_out else ""
    delta = slices[worst].finding(gate.alpha).delta
    return GateResult(gate.kind, "fail" if dropped else "pass", delta, None, None, message, gate.by)


def _incomparable(gate: SliceGate, evidence: Evidence) -> str:
    if any(by == gate.by for by, _ in evidence.slice_pairs):
        return f"each slice by {gate.by} is a single cluster: slice by another field, or remove cluster"
    if any(by == gate.by for by, _ in evidence.slices):
        refresh = "pytest-evalgate baseline promote --reason edited"
        return f"the baseline has no case of a slice by {gate.by}: refresh it: {refresh}"
    return _no_slice(gate)


def decide_slice_rates(gate: SliceGate, evidence: Evidence) -> GateResult:
    """Decide a slice gate by comparing the rate of each slice with ``gate.min``.

    All slices have to pass, so no correction for multiple tests is needed.
    """
    rates = {
        name: rate_of(evidence.cases.take(indices)) for name, indices in evidence.slices.items() if name[0] == gate.by
    }
    if not rates:
        return GateResult(gate.kind, "invalid", None, None, gate.min, _no_slice(gate), gate.by)
    small = sum(rate.n < gate.min_n for rate in rates.values())
    note = f"; {small:,} with fewer than {gate.min_n} cases not decided" if small else ""
    decided = {name: rate for name, rate in rates.items() if rate.n >= gate.min_n}
    if not decided:
        message = f"no slice by {gate.by} has {gate.min_n} cases: lower min_n, or add cases"
        return GateResult(gate.kind, "invalid", None, None, gate.min, message, gate.by)
    verdicts = {name: verdict_of_rate(rate, gate.min or 0.0, gate.bound) for name, rate in decided.items()}
    worst = min(decided, key=lambda name: (_WORST_FIRST.index(verdicts[name]), decided[name].value))
    worst_slices = [name for name in decided if verdicts[name] == verdicts[worst]]
    rate, verdict = decided[worst], verdicts[worst]
    bound = rate.lower if gate.bound == "ci" else None
    message = _rates_message(gate, verdict, decided, worst_slices) + note
    return GateResult(gate.kind, verdict, rate.value, bound, gate.min, message, gate.by)


def _rates_message(
    gate: SliceGate, verdict: VerdictName, decided: Mapping[SliceName, RateEstimate], worst_slices: Sequence[SliceName]
) -> str:
    wanted, every = percent(gate.min or 0.0), count(len(decided), "slice")
    if verdict == "pass":
        return f"{every} by {gate.by}: each at least {wanted}"
    named = first_few([f"{name[1]} {percent(decided[name].value)} of {decided[name].n:,}" for name in worst_slices])
    what = f"below {wanted}" if verdict == "fail" else f"too few cases to show {wanted}"
    return f"{len(worst_slices):,} of {every} by {gate.by} {what}: {named}"


def _no_slice(gate: SliceGate) -> str:
    return f"no case is in a slice by {gate.by}"
