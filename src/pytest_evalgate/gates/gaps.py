"""Gaps between groups of one run: the parity gate, and the slice gate with ``max_gap``.

Both are tests. They fail if a gap larger than the limit is proven, with Holm's adjustment over all gaps and the other
tests of the build; they pass if larger gaps are ruled out for every pair, and are inconclusive otherwise. A limit
on the observed gap would not do: of eight equal slices of 50 cases (80 % pass), one is more than 5 points below the
others in 9 of 10 builds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import ParityGate, SliceGate, has_gap_tests
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import RateEstimate, rate_of
from pytest_evalgate.gates.family import GateTest, TestName
from pytest_evalgate.records.measured import Figure, MetricResult
from pytest_evalgate.records.verdicts import GateResult
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.numeric import ROUNDING, upper_z
from pytest_evalgate.stats.unpaired import RateColumn, absolute_gap_p, gap_p, newcombe_limits
from pytest_evalgate.text.wording import count, first_few, p_value, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.evidence import Cases, Evidence
    from pytest_evalgate.records.results import PlannedCase
    from pytest_evalgate.records.verdicts import VerdictName

    GapGate = ParityGate | SliceGate
    Groups = Mapping[str, RateEstimate]

_TAIL: Final = 0.025  # of a two-sided 95 % interval
_LISTED: Final = 10  # gaps of a metric; of more groups, the largest gap is listed alone
_WORDS: Final = {"pass": "pass rate", "tpr": "true positive rate", "fpr": "false positive rate", "ppv": "precision"}


@dataclass(frozen=True, slots=True)
class Gap:
    """The rate of one group minus that of another, with Newcombe's two-sided 95 % interval.

    ``groups`` are the names of the higher and the lower group; of a slice and the cases outside of it, only the slice.
    ``upper`` is the one-sided limit at the gate's alpha, and ``p`` that of a larger gap than the gate allows, not
    adjusted.
    """

    groups: tuple[str, ...]
    high: float
    low: float
    delta: float
    interval: tuple[float, float]
    upper: float
    p: float


@dataclass(frozen=True, slots=True)
class GapTable:
    """The groups of one gate and their gaps. ``problem`` is the reason if there are none; ``small`` ones are left out.

    Under the completion "worst" the missing results make each gap as wide as possible, under "best" as narrow; it
    ``is_widened`` if there are any.
    """

    groups: Mapping[str, RateEstimate]
    gaps: tuple[Gap, ...] = ()
    small: int = 0
    problem: str | None = None
    is_widened: bool = False


def gap_tables(
    gates: Mapping[int, Gate], head: Evidence, base: Evidence | None, *, judged: bool
) -> Mapping[int, Mapping[str, GapTable]]:
    """Compute the gaps of the gates that test gaps, by index, on this branch ("head") and on the base's cases.

    ``judged`` means that a judge decides the cases.
    """
    sides = {"head": head} if base is None else {"head": head, "base": base}
    return {
        index: {side: gap_table(gate, evidence, judged=judged) for side, evidence in sides.items()}
        for index, gate in gates.items()
        if has_gap_tests(gate)
    }


def gap_table(gate: GapGate, evidence: Evidence, *, judged: bool) -> GapTable:
    """Compute the gaps of one gate."""
    problem = _problem(gate, evidence, judged=judged)
    if problem is not None:
        return GapTable({}, problem=problem)
    low, high = _sides(gate, evidence)
    shown = high if isinstance(gate, ParityGate) and gate.of == "fpr" else low  # missing outputs count as misses
    names = _names(gate, evidence)
    large = [name for name in names if min(low[name].n, high[name].n) >= gate.min_n]
    upper, lower = (high, low) if evidence.completion == "worst" else (low, high)
    pairs = combinations(large, 2) if isinstance(gate, ParityGate) else _with_rest(large, evidence, gate)
    youden = 1.0 if evidence.correction is None else evidence.correction.errors.youden
    found = _gaps(gate, list(pairs), upper, lower, youden)
    if not found:
        return GapTable({}, problem=_too_few(gate, large))
    compared = dict.fromkeys(name for gap in found for name in gap.groups)
    rates = {name: shown[name] for name in large if name in compared}
    return GapTable(rates, found, len(names) - len(compared), is_widened=low != high)


def _names(gate: GapGate, evidence: Evidence) -> tuple[str, ...]:
    return tuple(value for by, value in evidence.slices if by == gate.by)


_REST: Final = "\0rest of "
"""Prefix of the group of the cases outside of a slice; no slice is named so."""


def _with_rest(large: Sequence[str], evidence: Evidence, gate: SliceGate) -> Iterator[tuple[str, str]]:
    for name in large:
        if len(evidence.results) - len(evidence.slices[gate.by, name]) >= gate.min_n:
            yield f"{_REST}{name}", name


def _too_few(gate: GapGate, large: Sequence[str]) -> str:
    if isinstance(gate, SliceGate):
        return f"no slice by {gate.by} has {gate.min_n} cases inside and outside of it: lower min_n, or add cases"
    cases = {"pass": "cases", "tpr": f"cases of {gate.positive}", "ppv": f"outputs {gate.positive}"}
    of = cases.get(gate.of, f"cases that are not {gate.positive}")
    return (
        f"{count(len(large), 'group')} by {gate.by} with {gate.min_n} {of}, two are needed: lower min_n, or add cases"
    )


def _problem(gate: GapGate, evidence: Evidence, *, judged: bool) -> str | None:
    if not _names(gate, evidence):
        return f"no case is in a slice by {gate.by}"
    return _class_problem(gate, [result.case for result in evidence.results], judged=judged)


def _class_problem(gate: GapGate, cases: Sequence[PlannedCase], *, judged: bool) -> str | None:
    """Return the reason why the classes of ``cases`` cannot be used, if any; None for gates that use none."""
    if isinstance(gate, SliceGate) or gate.of == "pass":
        return None
    if judged:
        return f'of = "{gate.of}" compares predicted classes, which a judge does not read: use a rule, such as "exact"'
    labels = [[value for by, value in case.slices if by == gate.label] for case in cases]
    unclear = [case for case, found in zip(cases, labels, strict=True) if len(found) != 1]
    if unclear:
        named = first_few([f"{case.id} ({case.place})" for case in unclear])
        return f"{count(len(unclear), 'case')} without exactly one class by {gate.label}: {named}"
    classes = {value for found in labels for value in found}
    if gate.positive not in classes:
        return f'no case has the class "{gate.positive}" by {gate.label}: the classes are {first_few(sorted(classes))}'
    if gate.of != "tpr" and len(classes) != 2:  # noqa: PLR2004 - a miss then tells the predicted class
        names = first_few(sorted(classes))
        return f'of = "{gate.of}" needs two classes by {gate.label}, and there are {len(classes)}: {names}'
    return None


# -- rates


def _sides(gate: GapGate, evidence: Evidence) -> tuple[dict[str, RateEstimate], dict[str, RateEstimate]]:
    """Return the rates of the groups with the missing results so that they are lowest, and highest."""
    missed, passed = replace(evidence, completion="worst"), replace(evidence, completion="best")
    sides = _rates(gate, missed), _rates(gate, passed)
    return sides[::-1] if isinstance(gate, ParityGate) and gate.of == "fpr" else sides


def _rates(gate: GapGate, evidence: Evidence) -> dict[str, RateEstimate]:
    members = {name: evidence.slices[gate.by, name] for name in _names(gate, evidence)}
    cases = evidence.cases
    if isinstance(gate, SliceGate):
        everything = np.ones(len(cases), dtype=bool)
        for name in tuple(members):
            outside = everything.copy()
            outside[members[name]] = False
            members[f"{_REST}{name}"] = np.flatnonzero(outside)
    elif gate.of != "pass":
        cases, counted = _classified(gate, evidence)
        members = {name: indices[counted[indices]] for name, indices in members.items()}
    return {name: rate_of(cases.take(indices)) if len(indices) else _NO_CASE for name, indices in members.items()}


def _classified(gate: ParityGate, evidence: Evidence) -> tuple[Cases, npt.NDArray[np.bool_]]:
    """Return the cases with the value that the rate averages, and those that it is over."""
    cases = evidence.cases
    positive = np.array([(gate.label, gate.positive) in result.case.slices for result in evidence.results])
    if gate.of == "tpr":
        return cases, positive
    if gate.of == "fpr":
        return replace(cases, values=1 - cases.values), ~positive
    # the precision is over the outputs: with several trials, the class of most of them
    right = cases.values > 0.5  # noqa: PLR2004 - as `CaseResult.outcome`
    ones = np.ones(len(cases))
    return replace(cases, values=positive.astype(np.float64), trials=ones, is_mean=True), positive == right


_NO_CASE: Final = RateEstimate(0, 0.0, (0.0, 1.0), 1.0, given_lower=0.0)


def _gaps(
    gate: GapGate, pairs: Sequence[tuple[str, str]], upper: Groups, lower: Groups, youden: float
) -> tuple[Gap, ...]:
    """Return the gap of each pair, in the direction that is nearer to exceeding the limit."""
    if not pairs:
        return ()
    one_way = _directed(gate, pairs, upper, lower, youden)
    if isinstance(gate, SliceGate):
        return one_way
    other_way = _directed(gate, [pair[::-1] for pair in pairs], upper, lower, youden)
    return tuple(
        replace(min(both, key=lambda gap: (gap.p, -gap.delta)), upper=max(gap.upper for gap in both))
        for both in zip(one_way, other_way, strict=True)
    )


def _directed(
    gate: GapGate, pairs: Sequence[tuple[str, str]], upper: Groups, lower: Groups, youden: float
) -> tuple[Gap, ...]:
    """Return the gap of each (higher, lower) pair. A judge that errs shows ``youden`` times a gap."""
    high = RateColumn.of([upper[name].value for name, _ in pairs], [upper[name].n_eff for name, _ in pairs])
    low = RateColumn.of([lower[name].value for _, name in pairs], [lower[name].n_eff for _, name in pairs])
    test = gap_p if isinstance(gate, SliceGate) else absolute_gap_p
    p = test(high, low, gate_limit(gate) * youden)
    limits = newcombe_limits(high, low, _TAIL)
    _, one_sided = newcombe_limits(high, low, gate.alpha)
    return tuple(
        Gap(
            groups=pair[1:] if pair[0].startswith(_REST) else pair,
            high=float(high.value[at]),
            low=float(low.value[at]),
            delta=_unjudged(high.value[at] - low.value[at], youden),
            interval=(_unjudged(limits[0][at], youden), _unjudged(limits[1][at], youden)),
            upper=_unjudged(one_sided[at], youden),
            p=float(p[at]),
        )
        for at, pair in enumerate(pairs)
    )


def _unjudged(gap: float, youden: float) -> float:
    return float(np.clip(gap / youden, -1.0, 1.0))


def gate_limit(gate: GapGate) -> float:
    """Return the largest gap that a gate allows."""
    return gate.max_gap or 0.0


# -- decision


def gap_tests(suite: str, index: int, gate: GapGate, tables: Mapping[str, GapTable]) -> Iterator[GateTest]:
    """Yield the test of each gap of a gate, on this branch ("head") and on the cases of the base branch ("base")."""
    for side, table in tables.items():
        for gap in table.gaps:
            yield GateTest(TestName(suite, index, gap=(side, *gap.groups)), gap.p, gate.alpha)


def gap_subject(gate: GapGate) -> str:
    """Return what distinguishes a gate from others of its kind."""
    return f"{gate.of} by {gate.by}" if isinstance(gate, ParityGate) else f"{gate.by} gap"


def decide_gaps(
    gate: GapGate, table: GapTable, adjusted: Mapping[tuple[str, ...], float], side: str = "head"
) -> GateResult:
    """Decide a gate on one side by the ``adjusted`` p of each gap, and by their upper limits."""
    of, limit = gap_subject(gate), gate_limit(gate)
    if table.problem is not None:
        return GateResult(gate.kind, "invalid", None, None, limit, table.problem, of)
    p = {gap.groups: adjusted[side, *gap.groups] for gap in table.gaps}
    proven = [gap for gap in table.gaps if p[gap.groups] <= gate.alpha]
    widest = max(table.gaps, key=lambda gap: (gap.upper, gap.delta))
    worst = min(proven, key=lambda gap: (p[gap.groups], -gap.delta)) if proven else widest
    verdict: VerdictName = "fail" if proven else "pass" if widest.upper <= limit + ROUNDING else "inconclusive"
    note = f"; {table.small:,} with fewer than {gate.min_n} cases not compared" if table.small else ""
    message = _message(gate, verdict, worst, p[worst.groups], len(proven)) + note
    return GateResult(gate.kind, verdict, worst.delta, widest.upper, limit, message, of, p=p[worst.groups])


def _message(gate: GapGate, verdict: VerdictName, gap: Gap, p: float, proven: int) -> str:
    limit = _size(gate_limit(gate))
    if verdict == "fail":
        more = f", and {count(proven - 1, 'more gap')}" if proven > 1 else ""
        return (
            f"{_description(gate, gap)} ({_size(gap.delta)}): more than {limit} is proven (Holm p={p_value(p)}){more}"
        )
    if verdict == "pass":
        most = _size(max(gap.upper, 0.0))
        return f"every gap is at most {most} with {percent(1 - gate.alpha)} confidence, {limit} allowed"
    text = (
        f"{_description(gate, gap)}: the gap may be {_size(gap.upper)}, and more than {limit} is neither proven nor "
        "ruled out"
    )
    if gap.delta < gate_limit(gate):
        times = ((gap.upper - gap.delta) / (gate_limit(gate) - gap.delta)) ** 2
        text += f": at these rates about {max(times, 1.1):,.1f} times as many cases would rule it out"
    return text


def _description(gate: GapGate, gap: Gap) -> str:
    if isinstance(gate, SliceGate):
        return f"{gap.groups[0]} passed {percent(gap.low)}, the other cases {percent(gap.high)}"
    high, low = gap.groups
    return f"{_WORDS[gate.of]} of {high} {percent(gap.high)}, of {low} {percent(gap.low)}"


def _size(share: float) -> str:
    return points(share).lstrip("+")


def parity_metrics(gates: Sequence[Gate], tables: Mapping[int, Mapping[str, GapTable]]) -> Iterator[MetricResult]:
    """Yield the rates of the groups of each parity gate, and their gaps, on this branch."""
    for index, sides in tables.items():
        gate, table = gates[index], sides["head"]
        if isinstance(gate, ParityGate) and table.problem is None:
            yield parity_metric(gate, table)


def parity_metric(gate: ParityGate, table: GapTable) -> MetricResult:
    """Return the rates of the groups and their gaps for the reports."""
    rates = [Figure(_WORDS[gate.of], rate.value, rate.n, rate.interval, name) for name, rate in table.groups.items()]
    listed = table.gaps if len(table.gaps) <= _LISTED else [max(table.gaps, key=lambda gap: gap.delta)]
    gaps = [
        Figure(
            "gap", gap.delta, sum(table.groups[name].n for name in gap.groups), gap.interval, " - ".join(gap.groups)
        )
        for gap in listed
    ]
    total = sum(rate.n for rate in table.groups.values())
    notes = [f"{count(table.small, 'group')} with fewer than {gate.min_n} cases not compared"] if table.small else []
    notes += ["missing outputs are counted so that each gap is widest"] if table.is_widened else []
    return MetricResult("parity", gap_subject(gate), total, (*rates, *gaps), notes=tuple(notes))


# -- before a run


def unattainable_gap(
    gate: GapGate, cases: Sequence[PlannedCase], trials: Mapping[str, int], *, judged: bool
) -> str | None:
    """Return the reason why ``gate`` cannot pass even if every case passes, if any.

    ``trials`` of a case, by its id, count as that many cases: the effective number is at most this, with weights too.
    ``judged`` means that a judge decides the cases.
    """
    if (problem := _class_problem(gate, cases, judged=judged)) is not None:
        return f"{_gate_text(gate)}: {problem}"
    groups = _planned_groups(gate, cases)
    large = {name: members for name, members in groups.items() if len(members) >= gate.min_n}
    if len(large) < (2 if isinstance(gate, ParityGate) else 1):
        return f"{_gate_text(gate)}: {_too_few(gate, tuple(large))}"
    z2, limit = upper_z(gate.alpha) ** 2, gate_limit(gate)
    needed = math.ceil(z2 * (1 - limit) / limit - ROUNDING)  # Wilson's limit of n of n passes is n / (n + z²)
    short = [name for name, members in large.items() if sum(trials[case.id] for case in members) < needed]
    if not short:
        return None
    return (
        f"{_gate_text(gate)} cannot pass with the cases of {first_few(short)}, even if all pass: use at least "
        f"{needed:,} cases each, a larger max_gap, or min_n = {needed} to leave smaller ones out"
    )


def _gate_text(gate: GapGate) -> str:
    return f"{gate.kind} {gap_subject(gate)} <= {_size(gate_limit(gate))}"


def _planned_groups(gate: GapGate, cases: Iterable[PlannedCase]) -> dict[str, list[PlannedCase]]:
    groups: dict[str, list[PlannedCase]] = {}
    for case in cases:
        if isinstance(gate, ParityGate) and gate.of != "pass":
            is_positive = (gate.label, gate.positive) in case.slices
            if is_positive == (gate.of == "fpr"):
                continue
        for by, value in case.slices:
            if by == gate.by:
                groups.setdefault(value, []).append(case)
    return groups
