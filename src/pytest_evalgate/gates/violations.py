"""Gates with an exact upper bound: violations of a safety suite, and flips between a case and its variants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import CONFIDENCE, ONE_CLUSTER, Cases, rate_of, weights_of
from pytest_evalgate.records.verdicts import GateResult
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import cluster_sums
from pytest_evalgate.stats.intervals import cases_needed, clopper_pearson_lower_one_sided, passes_needed
from pytest_evalgate.stats.weights import kish_n
from pytest_evalgate.text.wording import count, first_few, percent

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pytest_evalgate.config import InvarianceGate, ViolationRateGate
    from pytest_evalgate.gates.evidence import Completion, Evidence, RateEstimate
    from pytest_evalgate.records.results import CaseResult, PlannedCase
    from pytest_evalgate.records.verdicts import VerdictName

_FLOAT_NOISE: Final = 1e-12
_MAJORITY: Final = 0.5
_WHOLE: Final = 1e-6


def decide_violations(gate: ViolationRateGate, rate: RateEstimate) -> GateResult:
    """Decide a violation-rate gate by the pass ``rate`` of its suite: each miss is a violation."""
    value, upper = 1 - rate.value, 1 - rate.lower
    if rate.is_one_cluster:
        return GateResult(gate.kind, "invalid", value, None, gate.max, ONE_CLUSTER)
    verdict = _verdict(value, upper, gate.max)
    number = rate.n * value
    is_whole = abs(number - round(number)) < _WHOLE  # not with weights, and not with several trials
    found = f"{round(number) if is_whole else percent(value)} of {count(rate.n, 'case')} violated"
    if rate.judged is not None:
        found = f"{percent(value)} violated after correction for the judge's errors"
    message = f"{found}, {percent(gate.max)} allowed"
    if verdict == "pass" and not value:
        message = f"{_clean(rate.n, rate.n_eff)} show less than {_up(upper)}"
    elif verdict == "pass":
        message = f"{found}, less than {_up(upper)} with 95% confidence"
    elif verdict == "inconclusive":
        message = (
            f"{found}, but the rate may be as high as {_up(upper)}, {percent(gate.max)} allowed{_advice(rate, gate)}"
        )
    return GateResult(gate.kind, verdict, value, upper, gate.max, message)


def _verdict(value: float, upper: float, most: float) -> VerdictName:
    if value > most + _FLOAT_NOISE:
        return "fail"
    return "pass" if upper <= most + _FLOAT_NOISE else "inconclusive"


def _clean(n: int, n_eff: float) -> str:
    return f"{count(n, 'clean case')}" + ("" if n_eff == n else f", equivalent to {n_eff:,.0f} independent ones,")


def _up(share: float) -> str:
    """Format a bound in percent, rounded up so that the text never promises more than was shown."""
    digits = 1 if share >= 0.001 else 3  # noqa: PLR2004 - a tenth of a percent
    return f"{math.ceil(100 * share * 10**digits - _FLOAT_NOISE) / 10**digits:g}%"


def _advice(rate: RateEstimate, gate: ViolationRateGate) -> str:
    if rate.judged is not None:
        return ""
    enough = cases_needed(rate.value, 1 - gate.max, CONFIDENCE)
    if enough is None:
        return ""
    in_all = math.ceil(enough * rate.n / rate.n_eff)
    return f". At this rate {in_all - rate.n:,} more cases ({in_all:,} in all) would show it"


def unattainable_rate(what: str, most: float, units: int, noun: str) -> str | None:
    """Return the reason why ``units`` cannot show a rate of at most ``most`` even if it is 0 in them, if any."""
    if passes_needed(units, 1 - most, CONFIDENCE) is not None:
        return None
    shown = 1 - clopper_pearson_lower_one_sided(units, units, CONFIDENCE)
    enough = cases_needed(1.0, 1 - most, CONFIDENCE)
    more = f"use at least {enough:,}, or" if enough else "use"
    return (
        f"{what} <= {percent(most)} cannot pass with {count(units, noun)}, which show at best less than {_up(shown)}: "
        f"{more} a larger limit"
    )


# -- variants


@dataclass(frozen=True, slots=True)
class Flips:
    """Flips of ``variants`` against their case, shape (n,): 1 if one of both passes.

    ``clusters`` are those of the case. ``lost`` are variants whose case is skipped, or is not in this run, as in a
    sample.
    """

    variants: tuple[CaseResult, ...]
    values: tuple[float, ...]
    clusters: tuple[str, ...]
    lost: int

    @property
    def flipped(self) -> tuple[CaseResult, ...]:
        """The variants that flipped."""
        return tuple(one for one, flip in zip(self.variants, self.values, strict=True) if flip)


def flips_of(evidence: Evidence) -> Flips:
    """Compare each variant with its case; a case passes if more than half of its trials do.

    If missing trials could decide that, the variant counts as flipped under the completion "worst", and as not flipped
    under "best".
    """
    cases = {result.case.golden_id: result for result in evidence.results}
    variants: list[CaseResult] = []
    values: list[float] = []
    clusters: list[str] = []
    lost = 0
    for result in evidence.results:
        if result.case.variant_of is None:
            continue
        original = cases.get(result.case.variant_of)
        if original is None or original is result:
            lost += 1
            continue
        variants.append(result)
        values.append(float(_flip(result, original, evidence.completion)))
        clusters.append(original.case.cluster or original.case.golden_id)
    return Flips(tuple(variants), tuple(values), tuple(clusters), lost)


def _flip(variant: CaseResult, original: CaseResult, completion: Completion) -> bool:
    passes = [(one.lowest > _MAJORITY, one.highest > _MAJORITY) for one in (variant, original)]
    if any(low != high for low, high in passes):
        return completion == "worst"
    return passes[0][0] != passes[1][0]


def decide_invariance(gate: InvarianceGate, evidence: Evidence) -> GateResult:
    """Decide an invariance gate; it is invalid without a variant, or if all variants are of one cluster.

    A flip has the weight of its variant.
    """
    flips = flips_of(evidence)
    if not flips.values:
        message = "no case has metadata.variant_of the id of another case of the suite: pytest-evalgate perturb SET"
        return GateResult(gate.kind, "invalid", None, None, gate.max_flip, message)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(flips.clusters))}
    clusters = np.array([numbers[name] for name in flips.clusters], dtype=np.int64)
    weights = weights_of(flips.variants)
    same = rate_of(Cases(1 - np.array(flips.values), np.ones(len(flips.values)), clusters, weights=weights))
    value = 1 - same.value
    if len(numbers) == 1:
        return GateResult(gate.kind, "invalid", value, None, gate.max_flip, ONE_CLUSTER)
    # without a flip, the clusters cannot tell how alike their variants are, so each counts once: a few flips over
    # many variants must not seem better than none
    units = float(len(numbers)) if weights is None else kish_n(cluster_sums(weights, clusters.tolist()))
    least = 1 - clopper_pearson_lower_one_sided(units, units, CONFIDENCE)
    upper = max(1 - same.lower, least)
    verdict = _verdict(value, upper, gate.max_flip)
    message = _flip_message(gate, flips, verdict, upper, None if weights is None else value)
    return GateResult(gate.kind, verdict, value, upper, gate.max_flip, message)


def _flip_message(
    gate: InvarianceGate, flips: Flips, verdict: VerdictName, upper: float, by_weight: float | None
) -> str:
    cases = count(len(set(flips.clusters)), "case")
    message = f"{len(flips.flipped):,} of {count(len(flips.values), 'variant')} of {cases} flipped"
    if by_weight is not None:
        message += f", {percent(by_weight)} by weight"
    if verdict == "pass":
        message += f", less than {_up(upper)} with 95% confidence"
    elif verdict == "fail":
        message += f", {percent(gate.max_flip)} allowed"
    else:
        message += f", but the rate may be as high as {_up(upper)}, {percent(gate.max_flip)} allowed: add cases"
    if flips.flipped:
        message += f": {first_few([f'{one.case.id} ({one.case.place})' for one in flips.flipped])}"
    return message + (f"; {flips.lost:,} whose case is not in this run left out" if flips.lost else "")


def unattainable_flips(gate: InvarianceGate, cases: Sequence[PlannedCase], known: Collection[str]) -> str | None:
    """Return the reason why an invariance gate cannot pass even if no variant flips, if any.

    ``cases`` are those that run, ``known`` the ids of all cases of the suite, skipped ones included.
    """
    stray = [case for case in cases if case.variant_of is not None and case.variant_of not in known]
    if stray:
        named = first_few([f"{case.id} ({case.place}): {case.variant_of}" for case in stray])
        return f"invariance: metadata.variant_of is the id of no case: {named}"
    originals = {case.golden_id: case.cluster or case.golden_id for case in cases}
    families: dict[str, float] = {}
    for case in cases:
        if case.variant_of in originals:
            family = originals[case.variant_of]
            families[family] = families.get(family, 0.0) + case.weight
    if not families:
        return "invariance: no case has metadata.variant_of the id of another case: pytest-evalgate perturb SET"
    variants = {case.weight for case in cases if case.variant_of in originals}
    if len(variants) > 1:
        units = math.floor(kish_n(list(families.values())))
        return unattainable_rate("invariance: a flip rate", gate.max_flip, units, "effective original case")
    return unattainable_rate("invariance: a flip rate", gate.max_flip, len(families), "original case")
