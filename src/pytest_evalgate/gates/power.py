"""Power of the gates before a run, to report gates that cannot pass and gates that detect only large drops."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.config import MeanScoreGate, NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.gates.evidence import ONE_CLUSTER, Measure
from pytest_evalgate.gates.pass_rate import unattainable
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.numeric import upper_z
from pytest_evalgate.stats.planning import mde_mean, mde_with_flips
from pytest_evalgate.text.wording import count, first_few, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.results import Baseline, PlannedCase, SuitePlan

DEFAULT_DISCORDANCE = 0.10
"""Share of cases that differ between identical runs, if it was not measured."""

LARGE_DROP = 0.10
"""A gate whose minimum detectable effect is larger gets a warning."""

_POWER = 0.8


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


def _problems(plan: SuitePlan, cases: Sequence[PlannedCase], rules: SuiteRules) -> Iterator[str]:
    if (trials_problem := Measure(rules.aggregate).trials_problem(plan.trials)) is not None:
        yield trials_problem
    if _units(cases) == (1, "cluster") and len(cases) > 1 and any(map(_needs_spread, rules.effective_gates)):
        yield ONE_CLUSTER
    largest_n = len(cases) * (plan.trials if rules.aggregate == "mean" else 1)  # the effective n is at most this
    for gate in rules.effective_gates:
        if isinstance(gate, PassRateGate) and (text := unattainable(gate, largest_n)) is not None:
            yield text
        if isinstance(gate, SliceGate) and gate.min is not None and _largest_slice(gate, cases) < gate.min_n:
            yield f"no slice by {gate.by} has {gate.min_n} cases, so none is decided: lower min_n, or add cases"
        if isinstance(gate, NoRegressionGate) and gate.fail_on == "not_proven" and gate.margin is not None:
            z2 = upper_z(gate.alpha) ** 2  # Tango's lower bound without changed cases is -z² / (n + z²)
            enough = math.floor(z2 * (1 - gate.margin) / gate.margin) + 1
            units, word = _units(cases)
            if units < enough:
                yield (
                    f'no-regression with fail_on = "not_proven" and margin = {gate.margin:g} cannot pass with '
                    f"{count(units, word)}, even if none changes: use at least {enough:,}, or a larger margin"
                )


def _needs_spread(gate: Gate) -> bool:
    """Return whether a gate uses a bound or a test, which a single observation does not have."""
    return isinstance(gate, NoRegressionGate) or (
        isinstance(gate, PassRateGate | MeanScoreGate) and gate.bound == "ci"
    )


def _warnings(plan: SuitePlan, cases: Sequence[PlannedCase], rules: SuiteRules) -> Iterator[str]:
    sliced = any(isinstance(gate, SliceGate) and gate.min is None for gate in rules.effective_gates)
    for gate in rules.effective_gates:
        if isinstance(gate, NoRegressionGate) and gate.scorer is None:
            yield from _power_warnings(plan, cases, rules, gate.alpha / 2 if sliced else gate.alpha)
        if isinstance(gate, SliceGate) and gate.min is None:
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
    """Return the number of independent units, and their name: clusters if there are any, else cases."""
    clusters = {case.cluster for case in cases}
    return (len(cases), "case") if clusters == {None} else (len(clusters), "cluster")
