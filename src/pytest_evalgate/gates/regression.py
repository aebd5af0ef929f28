"""The no-regression gate: a significance-tested change against a baseline, paired by case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate import stats
from pytest_evalgate.data import Delta, GateResult
from pytest_evalgate.gates.evidence import value_of
from pytest_evalgate.wording import count, p_value, percent, points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import VerdictName
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.gates.pairing import Pair, Pairing
    from pytest_evalgate.settings import NoRegressionGate

FEWEST_PAIRED = 0.9
_POWER = 0.8


def compare(pairs: Sequence[Pair], completion: Completion, *, alpha: float, margin: float | None) -> stats.Finding:
    """Test at least one pair for a drop.

    With one trial in both runs: McNemar's mid-p test and Tango's bounds. Otherwise the per-case means enter the
    sign-flip or the paired t test (STATISTICS section 2).
    """
    before = [pair.before.mean for pair in pairs]
    now = [value_of(pair.now, completion) for pair in pairs]
    if any(len(pair.before.values) > 1 or len(pair.now.trials) > 1 for pair in pairs) or not _binary(before):
        return stats.finding_of_means(baseline=before, candidate=now, alpha=alpha, margin=margin)
    losses = sum(was > is_ for was, is_ in zip(before, now, strict=True))
    gains = sum(was < is_ for was, is_ in zip(before, now, strict=True))
    both_pass = sum(was == is_ == 1 for was, is_ in zip(before, now, strict=True))
    both_fail = len(pairs) - losses - gains - both_pass
    return stats.finding(
        both_pass=both_pass, losses=losses, gains=gains, both_fail=both_fail, alpha=alpha, margin=margin
    )


def delta_of(pairing: Pairing, source: str, *, alpha: float, margin: float | None) -> Delta | None:
    """Describe the comparison with ``source`` on the worst completion; None where nothing is paired."""
    if not pairing.pairs:
        return None
    found = compare(pairing.pairs, "worst", alpha=alpha, margin=margin)
    return Delta(
        baseline=source,
        baseline_rate=sum(pair.before.mean for pair in pairing.pairs) / len(pairing.pairs),
        pairs=len(pairing.pairs),
        losses=len(pairing.regressed),
        gains=len(pairing.fixed),
        delta=found.delta,
        p=found.p,
        lower=found.lower,
        upper=found.upper,
        test=found.test,
        finding=found.name,
        mde=_smallest_drop(pairing, alpha),
        added=len(pairing.added),
        removed=len(pairing.removed),
        edited=len(pairing.edited),
    )


def judge_no_regression(gate: NoRegressionGate, pairing: Pairing, completion: Completion) -> GateResult:
    """Judge the pairs by the gate's policy; too few of them make the gate invalid."""
    if not pairing.pairs or pairing.share < FEWEST_PAIRED:
        return _result(gate, "invalid", None, _unpaired(pairing))
    found = compare(pairing.pairs, completion, alpha=gate.alpha, margin=gate.margin)
    return _result(gate, _by_policy(gate, found), found, _message(gate, pairing, found))


def _by_policy(gate: NoRegressionGate, found: stats.Finding) -> VerdictName:
    failed = {
        "regressed": found.name == "regressed",
        "not_proven": found.name in {"regressed", "inconclusive"},
        "tolerance": found.upper < -(gate.margin or 0.0),
    }
    return "fail" if failed[gate.fail_on] else "pass"


def _result(gate: NoRegressionGate, verdict: VerdictName, found: stats.Finding | None, message: str) -> GateResult:
    required = None if gate.margin is None else -gate.margin
    if found is None:
        return GateResult(gate.kind, verdict, None, None, required, message)
    bound = found.upper if gate.fail_on == "tolerance" else found.lower
    return GateResult(gate.kind, verdict, found.delta, bound, required, message)


def _message(gate: NoRegressionGate, pairing: Pairing, found: stats.Finding) -> str:
    worse, better = len(pairing.regressed), len(pairing.fixed)
    text = f"{count(worse, 'case')} got worse, {better:,} got better ({found.test} p={p_value(found.p)})"
    if found.name == "regressed_within_margin":
        return f"{text}: a drop, but of less than {points(gate.margin or 0.0).lstrip('+')}"
    if found.name == "no_regression_beyond_margin":
        return f"{text}: a drop of {points(gate.margin or 0.0).lstrip('+')} or more is ruled out"
    if found.name == "inconclusive":
        drop = _smallest_drop(pairing, gate.alpha)
        pairs = count(len(pairing.pairs), "pair")
        if drop is None:
            return f"{text}: no drop is proven, but {pairs} are too few to show one (80% power)"
        return f"{text}: no drop is proven; {pairs} can show one of {points(drop).lstrip('+')} or more (80% power)"
    return f"{text}, limit {gate.alpha:g}"


def _smallest_drop(pairing: Pairing, alpha: float) -> float | None:
    n = len(pairing.pairs)
    discordant = len(pairing.regressed) + len(pairing.fixed)
    drop = stats.mde_mcnemar(n=n, discordance=(discordant + 1) / (n + 2), alpha_one_sided=alpha, power=_POWER)
    return drop.mde if drop.reachable else None


def _unpaired(pairing: Pairing) -> str:
    return (
        f"only {percent(pairing.share)} of the baseline's {count(pairing.baseline_cases, 'case')} are paired "
        f"({len(pairing.edited):,} edited, {len(pairing.removed):,} removed, {len(pairing.added):,} added): "
        "refresh the baseline: pytest-evalgate baseline promote"
    )


def _binary(values: Sequence[float]) -> bool:
    return all(value in (0.0, 1.0) for value in values)
