"""No-regression gate: a paired significance test of the change against a baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import ONE_CLUSTER
from pytest_evalgate.records.corrected import MeasuredChange
from pytest_evalgate.records.verdicts import Delta, GateResult
from pytest_evalgate.stats.paired import Finding, equivalent, finding_name
from pytest_evalgate.stats.planning import not_proven_sample_size
from pytest_evalgate.text.wording import count, p_value, percent, points

if TYPE_CHECKING:
    from pytest_evalgate.config import NoRegressionGate
    from pytest_evalgate.gates.evidence import Pairs
    from pytest_evalgate.gates.pairing import Pairing
    from pytest_evalgate.records.verdicts import FindingName, VerdictName

MIN_PAIRED_SHARE = 0.9
"""Smallest share of paired cases of the baseline; below it the comparison is invalid."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired test, its p adjusted for the other tests of the build, and the finding of that p."""

    test: Finding
    p: float
    name: FindingName


def compare(pairs: Pairs, *, alpha: float, margin: float | None, p: float | None = None) -> Comparison:
    """Compare testable pairs; ``p`` is the adjusted one if other tests share the alpha."""
    test = pairs.finding(alpha, margin)
    p = test.p if p is None else p
    return Comparison(test, p, finding_name(p, test.lower, alpha, margin))


def delta_of(
    pairing: Pairing,
    pairs: Pairs,
    source: str,
    *,
    alpha: float,
    margin: float | None = None,
    p: float | None = None,
) -> Delta | None:
    """Describe the comparison with the baseline ``source``; None if the pairs are not testable."""
    if not pairs.are_testable:
        return None
    found = compare(pairs, alpha=alpha, margin=margin, p=p)
    lower, upper = found.test.lower, found.test.upper
    raw = None
    if pairs.youden != 1 or pairs.labelled is not None:  # what the verdicts alone would say
        raw = replace(pairs, youden=1.0, labelled=None).finding(alpha)
    return Delta(
        baseline=source,
        baseline_rate=pairs.baseline_rate,
        pairs=len(pairs),
        losses=pairs.losses,
        gains=pairs.gains,
        delta=found.test.delta,
        p=found.test.p,
        lower=lower,
        upper=upper,
        test=found.test.test,
        finding=found.name,
        mde=pairs.detectable_drop(alpha),
        added=len(pairing.added),
        removed=len(pairing.removed),
        edited=len(pairing.edited),
        p_adjusted=found.p,
        equivalent=None if margin is None else equivalent(lower, upper, margin),
        youden=pairs.youden,
        p_better=pairs.swapped.finding(alpha).p if found.test.delta > 0 else None,
        measured=None if raw is None else MeasuredChange(raw.delta, raw.lower, raw.upper),
    )


def gate_p(gate: NoRegressionGate, pairs: Pairs) -> float | None:
    """Return the p by which ``gate`` can fail the build; None for ``not_proven``, which decides by a bound.

    ``not_proven`` passes only if the bound is inside the margin. Since every such gate has to pass, it needs no
    correction for multiple tests (an intersection-union test).
    """
    if gate.fail_on == "not_proven":
        return None
    if gate.fail_on == "tolerance":
        return pairs.p_beyond(gate.margin or 0.0)
    return pairs.finding(gate.alpha).p


def pairing_problem(pairing: Pairing, pairs: Pairs) -> str | None:
    """Return the reason why the pairs cannot be tested, if any."""
    if pairing.problem is not None:
        return pairing.problem
    if not pairing.pairs or pairing.share < MIN_PAIRED_SHARE:
        reason = _unpaired_reason(pairing)
        return (
            f"only {percent(pairing.share)} of the baseline's {count(pairing.baseline_cases, 'case')} are paired "
            f"({len(pairing.edited):,} edited, {len(pairing.removed):,} removed, {len(pairing.added):,} added)"
            f"{reason}: refresh the baseline: pytest-evalgate baseline promote --reason edited"
        )
    if not pairs.are_testable:
        return ONE_CLUSTER
    return None


def _unpaired_reason(pairing: Pairing) -> str:
    """Return the reason why few cases are paired; "" if it is unknown."""
    if pairing.scorers_changed and pairing.edited:
        return ": the scorers changed"
    if not pairing.pairs and pairing.edited:
        return ": the question or the expected value of every common case changed"
    if not pairing.pairs and pairing.added:
        return ": no case has an id of the baseline"
    return ""


def decide_no_regression(gate: NoRegressionGate, pairs: Pairs, p: float | None = None) -> GateResult:
    """Decide testable pairs by the gate's policy; ``p`` is that of `gate_p`, adjusted for the other tests."""
    if gate.fail_on == "tolerance":
        return _decide_tolerance(gate, pairs, p)
    required = None if gate.margin is None else -gate.margin
    found = compare(pairs, alpha=gate.alpha, margin=gate.margin, p=p)
    lower = found.test.lower
    failed = found.name == "regressed" if gate.fail_on == "regressed" else lower <= -(gate.margin or 0.0)
    verdict: VerdictName = "fail" if failed else "pass"
    message = _message(gate, pairs, found)
    return GateResult(gate.kind, verdict, found.test.delta, lower, required, message, gate.scorer or "")


def _decide_tolerance(gate: NoRegressionGate, pairs: Pairs, p: float | None) -> GateResult:
    """Fail if a drop of more than the margin is proven; ``p`` is that of such a drop."""
    found, margin = compare(pairs, alpha=gate.alpha, margin=gate.margin), gate.margin or 0.0
    p = pairs.p_beyond(margin) if p is None else p
    proven = f"is proven (p={p_value(p)})" if p <= gate.alpha else "is not proven"
    message = f"{_changes(gate, pairs, found)}: a drop of more than {points(margin).lstrip('+')} {proven}"
    verdict: VerdictName = "fail" if p <= gate.alpha else "pass"
    return GateResult(gate.kind, verdict, found.test.delta, found.test.upper, -margin, message, gate.scorer or "")


def _changes(gate: NoRegressionGate, pairs: Pairs, found: Comparison) -> str:
    p = f"{found.test.test} p={p_value(found.test.p)}"
    if found.test.p <= gate.alpha and p_value(found.p) != p_value(found.test.p):
        p += f", {p_value(found.p)} adjusted for the other tests of this build"
    return f"{count(pairs.losses, 'case')} got worse, {pairs.gains:,} got better ({p})"


def _message(gate: NoRegressionGate, pairs: Pairs, found: Comparison) -> str:
    text = _changes(gate, pairs, found)
    margin = points(gate.margin or 0.0).lstrip("+")
    if found.name == "regressed_within_margin":
        return f"{text}: a drop, but smaller than {margin}"
    if found.name == "no_regression_beyond_margin":
        return f"{text}: a drop of {margin} or more is ruled out"
    if found.name == "inconclusive":
        return f"{text}: {_undecided(gate, pairs, margin)}"
    return f"{text}, limit {gate.alpha:g}"


_TRIALS = 3
"""Trials of each case that a message recommends."""


def _with_trials(gate: NoRegressionGate, pairs: Pairs, drop: float | None) -> str:
    """Return the drop that three trials of each case would detect; "" if they would not detect a smaller one.

    Trials of the candidate help more than those of the baseline alone: at a drop of 5 points, n = 200 and 5 % false
    alarms, 60 % are detected with one trial, 74 % with a 5-trial baseline, 83 to 95 % with three trials in both runs.
    """
    smaller = pairs.drop_with_trials(gate.alpha, _TRIALS) if pairs.is_table else None
    if smaller is None or (drop is not None and smaller >= drop):
        return ""
    return f"; with --eval-trials {_TRIALS} in both runs, of about {points(smaller).lstrip('+')}"


def _undecided(gate: NoRegressionGate, pairs: Pairs, margin: str) -> str:
    """Return a message with the minimum detectable effect, and with the number of cases that would decide."""
    n, drop = len(pairs), pairs.expected_detectable_drop(gate.alpha)
    if drop is None:
        power = f"{count(n, 'pair')} are too few to detect one (80% power)"
    else:
        power = f"{count(n, 'pair')} can detect a drop of {points(drop).lstrip('+')} or more (80% power)"
    if gate.fail_on != "not_proven":
        return f"no drop is proven{', but' if drop is None else ';'} {power}{_with_trials(gate, pairs, drop)}"
    discordance = min(1.0, (pairs.losses + pairs.gains + 1) / (n + 2))
    needed = not_proven_sample_size(discordance, (gate.margin or 0.0) * pairs.youden, gate.alpha)
    advice = "more trials would probably rule it out"
    if needed > n:
        advice = (
            f"about {needed - n:,} more cases ({needed:,} in all) would rule it out; so would more trials, if the "
            "same cases flip between runs"
        )
    return f"a drop of {margin} is not ruled out; {power}. If nothing changed, {advice}"
