"""Power of the gates. Finds gates that cannot pass, detect only large drops, or could not have failed in this run."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from pytest_evalgate.config import (
    InvarianceGate,
    MeanScoreGate,
    MetricGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
    ViolationRateGate,
    has_gap_tests,
    has_part_tests,
)
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import ONE_CLUSTER, Measure
from pytest_evalgate.gates.gaps import unattainable_gap
from pytest_evalgate.gates.pass_rate import unattainable
from pytest_evalgate.gates.violations import unattainable_flips, unattainable_rate
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import cluster_sums
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.numeric import ROUNDING, upper_z
from pytest_evalgate.stats.paired import tango_bounds
from pytest_evalgate.stats.planning import mcnemar_sample_size, mde_mean, mde_with_flips, not_proven_sample_size
from pytest_evalgate.stats.weights import kish_n
from pytest_evalgate.text.wording import count, first_few, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.evidence import Pairs
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.results import PlannedCase, SuitePlan
    from pytest_evalgate.records.verdicts import Baseline

DEFAULT_DISCORDANCE = 0.10
"""Share of cases that differ between identical runs, if it was not measured."""

LARGE_DROP = 0.10
"""A gate whose minimum detectable effect is larger gets a warning."""

_POWER = 0.8

_USUAL_ALPHA = 0.05
_SURELY_ENOUGH = 200
"""Units that detect a drop of 8.5 points at half the usual alpha, if 10 % of them flip: no warning, and no scipy."""


@dataclass(frozen=True, slots=True)
class PowerCheck:
    """The result of a power check: ``problems`` (gates that no run can pass) and ``warnings`` (gates of low power)."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check_power(plan: SuitePlan, rules: SuiteRules) -> PowerCheck:
    """Check the power of the gates of one suite."""
    cases = [case for case in plan.cases if case.skip is None and case.side != "base"]
    if not cases:
        return PowerCheck((), ())
    return PowerCheck(tuple(_problems(plan, cases, rules)), tuple(_warnings(plan, cases, rules)))


def discordance_of(baseline: Baseline | None) -> float | None:
    """Return the share of cases that differ between two trials of a baseline; None if it has single trials."""
    cases = [] if baseline is None else [case.values for case in baseline.cases.values() if len(case.values) > 1]
    if not cases:
        return None
    means = [(sum(values) / len(values), len(values)) for values in cases]
    return sum(2 * mean * (1 - mean) * trials / (trials - 1) for mean, trials in means) / len(means)


@dataclass(frozen=True, slots=True)
class Blindness:
    """Size of the drops that could not have failed a gate.

    ``below`` is the smallest drop that could have failed it, 1 if none could. ``cases_to_see`` is the approximate
    number
    of cases that detect ``drop`` with a power of 80 %.
    """

    below: float
    drop: float
    cases_to_see: int


def blindness_of(
    pairs: Pairs, alpha: float, margin: float | None = None, *, tolerance: bool = False
) -> Blindness | None:
    """Return the blindness of a test on ``pairs``; None if a drop of the margin could have failed it.

    Without a margin the drop is 10 points, and with ``tolerance`` the margin and 10 points more, because such a gate
    fails only for a drop that is proven to exceed the margin.
    """
    drop = margin or LARGE_DROP
    if tolerance:
        drop = (margin or 0.0) + LARGE_DROP
    below = min(1.0, _smallest_failing_drop(pairs, alpha, margin if tolerance else None) / pairs.youden)
    if below <= drop + ROUNDING:
        return None
    seen = (LARGE_DROP if tolerance else drop) * pairs.youden
    discordance = min(max((pairs.losses + pairs.gains) / len(pairs), DEFAULT_DISCORDANCE), 1 - seen)
    if pairs.is_table and not tolerance:
        needed = mcnemar_sample_size(discordance / 2 + seen, discordance / 2, alpha, _POWER).n
    else:  # McNemar's normal approximation, times the cases in a unit
        needed = not_proven_sample_size(min(1.0, discordance + seen), seen, alpha, _POWER)
        needed = math.ceil(needed * len(pairs) / pairs.units * len(pairs) / pairs.effective_n)
    return Blindness(below, drop, max(needed, fewest_losses(alpha), len(pairs) + 1))


def _smallest_failing_drop(pairs: Pairs, alpha: float, beyond: float | None) -> float:
    """Return the smallest observed drop that the test rejects, if no pair got better; 1 if it rejects none.

    The exact tests need a number of losses, so fewer pairs or fewer passes of the baseline cannot reject. A mean can
    drop by less than one pass a case, so with that number of units any drop may reject.
    """
    n, fewest = len(pairs), fewest_losses(alpha)
    if not pairs.is_table:
        return 1.0 if pairs.units < fewest else 0.0
    passed = int((pairs.before == 1).sum())
    if beyond is not None:
        found = (losses for losses in range(fewest, passed + 1) if tango_bounds(losses, 0, n, alpha).upper < -beyond)
        fewest = next(found, passed + 1)
    return fewest / n if fewest <= passed else 1.0


def _problems(plan: SuitePlan, cases: Sequence[PlannedCase], rules: SuiteRules) -> Iterator[str]:
    yield from _trials_problems(plan, cases, Measure(rules.aggregate))
    if _units(cases) == (1, "cluster") and len(cases) > 1 and any(map(_needs_spread, rules.effective_gates)):
        yield ONE_CLUSTER
    is_weighted = any(case.weight != 1 for case in cases)
    n_eff = kish_n([case.weight for case in cases]) if is_weighted else float(len(cases))
    mean_trials = sum(map(plan.trials_of, cases)) / len(cases)
    largest_n = math.ceil(n_eff * (mean_trials if rules.aggregate == "mean" else 1))  # the effective n is at most this
    for gate in rules.effective_gates:
        if isinstance(gate, PassRateGate) and (text := unattainable(gate, largest_n)) is not None:
            yield text
        if isinstance(gate, MetricGate) and (text := _unattainable_accuracy(gate, math.ceil(n_eff))) is not None:
            yield text
        if isinstance(gate, SliceGate) and gate.min is not None and _largest_slice(gate, cases) < gate.min_n:
            yield f"no slice by {gate.by} has {gate.min_n} cases, so none is decided: lower min_n, or add cases"
        if (text := _unattainable_safety(gate, plan, cases, rules)) is not None:
            yield text
        if isinstance(gate, NoRegressionGate) and gate.fail_on == "not_proven" and gate.margin is not None:
            z2 = upper_z(gate.alpha) ** 2  # Tango's lower bound without changed cases is -z² / (n + z²)
            enough = math.floor(z2 * (1 - gate.margin) / gate.margin) + 1
            units, word = _units(cases)
            if units < enough:
                yield (
                    f'no-regression with fail_on = "not_proven" and margin = {gate.margin:g} cannot pass with '
                    f"{count(units, word)}, even if none changes: use at least {enough:,}, or a larger margin"
                )


def _trials_problems(plan: SuitePlan, cases: Sequence[PlannedCase], measure: Measure) -> Iterator[str]:
    """Yield the reasons why the suite, or a case by its own number, has fewer trials than the aggregate needs."""
    if (trials_problem := measure.trials_problem(plan.trials)) is not None:
        yield trials_problem
    for case in cases:
        if case.trials is not None and case.trials < measure.trials:
            needed = f"{measure.aggregate} needs {measure.trials} trials of a case"
            yield f"{case.place}: trials: {case.trials}, but {needed}"


def _unattainable_safety(gate: Gate, plan: SuitePlan, cases: Sequence[PlannedCase], rules: SuiteRules) -> str | None:
    """Return the reason why a gate on gaps, variants or violations cannot pass, if any; None for other gates."""
    if isinstance(gate, ViolationRateGate):
        # without a violation, clusters cannot tell how alike their cases are, so each counts once
        return unattainable_rate("violation-rate", gate.max, *_units(cases))
    if isinstance(gate, InvarianceGate):
        drawn = [case.variant_of for case in cases if plan.drawn_from is not None and case.variant_of is not None]
        known = {case.golden_id for case in plan.cases}.union(drawn)  # a sample may lack the case of a variant
        return unattainable_flips(gate, cases, known)
    if has_gap_tests(gate):
        observations = {case.id: plan.trials_of(case) if rules.aggregate == "mean" else 1 for case in cases}
        return unattainable_gap(gate, cases, observations, judged=bool(rules.deciding_judges))
    return None


def _unattainable_accuracy(gate: MetricGate, cases: int) -> str | None:
    """Return the reason why a gate on the accuracy cannot pass even if all predictions are right, if it cannot."""
    if gate.name != "accuracy" or gate.min is None or not 0 < gate.min <= 1:
        return None
    found = unattainable(PassRateGate(kind="pass-rate", min=gate.min, bound=gate.bound), cases)
    return None if found is None else found.replace("pass-rate", gate.subject).replace("all pass", "all are right")


def _needs_spread(gate: Gate) -> bool:
    """Return whether a gate uses a bound or a test, which a single observation does not have."""
    if isinstance(gate, MetricGate):
        return gate.bound == "ci" or gate.max_drop is not None
    return isinstance(gate, NoRegressionGate | ViolationRateGate | InvarianceGate) or (
        isinstance(gate, PassRateGate | MeanScoreGate) and gate.bound == "ci"
    )


def _warnings(plan: SuitePlan, cases: Sequence[PlannedCase], rules: SuiteRules) -> Iterator[str]:
    sliced = any(map(has_part_tests, rules.effective_gates))
    for gate in rules.effective_gates:
        if isinstance(gate, NoRegressionGate) and gate.scorer is None:
            yield from _power_warnings(plan, cases, rules, gate.alpha / 2 if sliced else gate.alpha)
        if isinstance(gate, SliceGate) and gate.compares_baseline:
            yield from _small_slices(gate, cases)


def _power_warnings(plan: SuitePlan, cases: Sequence[PlannedCase], rules: SuiteRules, alpha: float) -> Iterator[str]:
    units, word = _units(cases)
    fewest, n = fewest_losses(alpha), len(cases)
    if n < fewest:
        yield f"{count(n, 'case')} cannot prove any drop: a build cannot fail with fewer than {fewest} losses"
        return
    measured = discordance_of(rules.baseline)
    before = rules.baseline.trials if rules.baseline is not None else plan.trials
    flips = DEFAULT_DISCORDANCE
    if measured is not None:
        flips = max(measured, 1 / (n + 2))  # zero observed flips do not prove a flip rate of zero
    if units >= _SURELY_ENOUGH and flips <= DEFAULT_DISCORDANCE and alpha >= _USUAL_ALPHA / 2:
        return
    if plan.trials == before == 1:
        drop = mde_with_flips(units, flips, alpha, _POWER)
    else:
        se = math.sqrt(flips / 2 * (1 / plan.trials + 1 / before) / units)
        smallest = mde_mean(se, units - 1, alpha, _POWER) if units > 1 else 1.0
        drop = smallest if smallest < 1 else None
    if drop is None or drop > max(LARGE_DROP, rules.comparison.margin or 0.0):
        detectable = "no drop" if drop is None else f"only drops of about {points(drop).lstrip('+')} or more"
        basis = "" if measured is not None else f", if {DEFAULT_DISCORDANCE:.0%} of them flip between runs"
        yield f"{count(units, word)} can detect {detectable} (80% power{basis}): pytest-evalgate power {plan.name}"


def _small_slices(gate: SliceGate, cases: Sequence[PlannedCase]) -> Iterator[str]:
    sizes = _slice_sizes(gate, cases)
    fewest = fewest_losses(gate.alpha / 2)
    small = [value for value, size in sizes.items() if size < fewest]
    if small:
        yield f"slices by {gate.by} with fewer than {fewest} cases are too small to gate: {first_few(small)}"


def _slice_sizes(gate: SliceGate, cases: Sequence[PlannedCase]) -> Counter[str]:
    return Counter(value for case in cases for by, value in case.slices if by == gate.by)


def _largest_slice(gate: SliceGate, cases: Sequence[PlannedCase]) -> int:
    return max(_slice_sizes(gate, cases).values(), default=0)


def _units(cases: Sequence[PlannedCase]) -> tuple[int, str]:
    """Return the number of independent units, and their name: clusters if there are any, else cases.

    Units with different weights count as Kish's effective number.
    """
    clusters = {case.cluster for case in cases}
    is_weighted = len({case.weight for case in cases}) > 1
    if clusters != {None}:
        if not is_weighted or len(clusters) == 1:
            return len(clusters), "cluster"
        sums = cluster_sums(np.array([case.weight for case in cases]), [case.cluster for case in cases])
        return math.floor(kish_n(sums)), "effective cluster"
    if not is_weighted:
        return len(cases), "case"
    return math.floor(kish_n([case.weight for case in cases])), "effective case"
