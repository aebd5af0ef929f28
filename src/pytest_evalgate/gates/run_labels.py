"""Labels of the outputs of this run and of its baseline: the change as people see it, for suites that a judge decides.

People label both outputs of some pairs, blind to side and judge. The labels apply as long as the outputs are those
that they were drawn from (``frame``); a run with other outputs is decided without them, and a note says so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.frame import digest_of, first_output, frame_of
from pytest_evalgate.stats.differences import (
    DifferenceEstimate,
    ErrorRateChange,
    LabelledDifferences,
    LabelledVerdicts,
    error_rate_changes,
    ppi_difference,
)
from pytest_evalgate.stats.paired import Finding, finding_name
from pytest_evalgate.stats.planning import mde_mean
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.gates.pairing import Pair, Pairing
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.records.verdicts import Baseline

_DIGITS: Final = 16
_ALPHA: Final = 0.05
_POWER: Final = 0.8


@dataclass(frozen=True, slots=True)
class PairLabel:
    """The labels of the two outputs of one pair, by the digest of the output, and the stratum it was drawn from."""

    case_id: str
    passed: Mapping[str, bool]
    stratum: str
    pairs: int


@dataclass(frozen=True, slots=True)
class RunLabels:
    """The labelled pairs of a file ``name``, drawn from the pairs with the digest ``frame``."""

    name: str
    frame: str
    pairs: tuple[PairLabel, ...]


@dataclass(frozen=True, slots=True)
class LabelledChange:
    """The change that the labels of ``labels`` pairs estimate, and the judge's error rates on both sides."""

    estimate: DifferenceEstimate
    labels: int
    tpr: ErrorRateChange | None = None
    tnr: ErrorRateChange | None = None

    @property
    def reversed(self) -> LabelledChange:
        """The change with the two sides exchanged."""
        return LabelledChange(replace(self.estimate, value=-self.estimate.value), self.labels)

    def finding(self, alpha: float, margin: float | None = None) -> Finding:
        """Test for a drop at one-sided ``alpha``."""
        found, half = self.estimate, self.estimate.bound(alpha)
        p, lower, upper = found.p_drop(), max(-1.0, found.value - half), min(1.0, found.value + half)
        return Finding(finding_name(p, lower, alpha, margin), "run-labels-t", found.value, p, lower, upper)

    def detectable_drop(self, alpha: float) -> float | None:
        """Return the smallest drop that as many labels detect with a power of 80 %; None if none is."""
        df = max(1, round(self.estimate.df))
        se = self.estimate.se or 1 / math.sqrt((df + 1) * (df + 3))  # as if one of two further pairs differed
        drop = mde_mean(se, df, alpha, _POWER)
        return drop if drop < 1 else None


def pairs_frame(results: Sequence[CaseResult], baseline_run_id: str) -> str:
    """Return the digest of the outputs of paired results and of the run that they are compared with."""
    first = ((one.case.golden_id, trial.output) for one in results if (trial := first_output(one)) is not None)
    outputs = [(case_id, output) for case_id, output in first if output is not None]
    return jsonl.digest([baseline_run_id, len(results), frame_of(outputs)])[:_DIGITS]


def labels_problem(labels: RunLabels, pairing: Pairing, baseline_run_id: str) -> str | None:
    """Return the reason why labels do not apply to the pairs of a run, if any."""
    results = [pair.now for pair in pairing.pairs]
    if any(len(pair.now.trials) != 1 or len(pair.before.values) != 1 for pair in pairing.pairs):
        return f"{labels.name}: labels of both sides need one trial a case in both runs"
    if any(result.case.cluster is not None for result in results):
        return f"{labels.name}: labels of both sides take cases as independent, but the suite has clusters"
    if len({result.case.weight for result in results}) > 1:
        return f"{labels.name}: labels of both sides weigh all pairs alike, but the cases have weights"
    if pairs_frame(results, baseline_run_id) != labels.frame:
        return (
            f"{labels.name}: these outputs, or the baseline, are not those that were labelled: the change is not "
            "corrected by the labels; label this run (pytest-evalgate label sample --against baseline)"
        )
    return None


def change_by_labels(
    labels: RunLabels | None, baseline: Baseline | None, pairing: Pairing | None
) -> LabelledChange | None:
    """Return the change by the labels of a suite; None without labels that apply."""
    if labels is None or baseline is None or pairing is None or not pairing.pairs:
        return None
    if labels_problem(labels, pairing, baseline.provenance.run_id) is not None:
        return None
    return labelled_change(labels, pairing)


def labelled_change(labels: RunLabels, pairing: Pairing) -> LabelledChange:
    """Estimate the change from labels that apply to the pairs (`labels_problem` is None)."""
    pairs = {pair.now.case.golden_id: pair for pair in pairing.pairs}
    strata: dict[str, list[PairLabel]] = defaultdict(list)
    for one in labels.pairs:
        strata[one.stratum].append(one)
    drawn_from = sum(members[0].pairs for members in strata.values())
    differences, verdicts = [], []
    for members in strata.values():
        found = [(_labels_of(one, pairs[one.case_id]), pairs[one.case_id]) for one in members]
        human_before, human_now = [pair[0] for pair, _ in found], [pair[1] for pair, _ in found]
        judge_before, judge_now = [_before(pair) for _, pair in found], [_now(pair) for _, pair in found]
        size = members[0].pairs
        differences.append(LabelledDifferences(size, _minus(human_now, human_before), _minus(judge_now, judge_before)))
        verdicts.append(LabelledVerdicts(size, human_before, judge_before, human_now, judge_now))
    same = len(pairing.pairs) - drawn_from
    if same:  # pairs with equal outputs were not drawn: people could only label both alike
        differences.append(LabelledDifferences(same, [0.0] * same, [0.0] * same))
    judged = [_now(pair) - _before(pair) for pair in pairing.pairs]
    tpr, tnr = error_rate_changes(verdicts)
    return LabelledChange(ppi_difference(judged, differences), len(labels.pairs), tpr, tnr)


def run_label_notes(
    labels: RunLabels | None, baseline: Baseline | None, pairing: Pairing | None, change: LabelledChange | None
) -> Iterator[str]:
    """Yield why labels do not apply, or what they show about the judge: its error rates on the two sides."""
    if labels is None or baseline is None or pairing is None:
        return
    if change is None:
        problem = labels_problem(labels, pairing, baseline.provenance.run_id)
        yield problem or f"{labels.name}: no case is paired with the baseline"
        return
    yield f"the change is that of {count(change.labels, 'pair')} that people labelled ({labels.name})"
    for name, rate, fewer, more in (
        ("TPR", change.tpr, "harsher", "more lenient"),
        ("TNR", change.tnr, "more lenient", "harsher"),
    ):
        if rate is not None and rate.p <= _ALPHA:
            how = fewer if rate.now < rate.before else more
            yield (
                f"the judge is {how} on this run than on the baseline: {name} {rate.before:.2f} -> {rate.now:.2f} "
                f"(p={rate.p:.2g}, among outputs that changed)"
            )


def _labels_of(label: PairLabel, pair: Pair) -> tuple[float, float]:
    """Return the labels of the outputs before and now. The one of the baseline is the one that is not this run's."""
    trial = first_output(pair.now)
    own = "" if trial is None or trial.output is None else digest_of(trial.output)
    [other] = [passed for digest, passed in label.passed.items() if digest != own]
    return float(other), float(label.passed[own])


def _before(pair: Pair) -> float:
    return pair.before.values[0]


def _now(pair: Pair) -> float:
    value = pair.now.trials[0].value
    return 0.0 if value is None else value


def _minus(now: Sequence[float], before: Sequence[float]) -> list[float]:
    return [one - other for one, other in zip(now, before, strict=True)]
