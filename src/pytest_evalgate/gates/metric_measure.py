"""Measurement of a suite's metrics: figures with intervals, and their changes against the baseline."""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_evalgate.config import LOWER_IS_BETTER, ClassificationMetric, RegressionMetric
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import clusters_of, weights_of
from pytest_evalgate.gates.metric_kinds import MetricProblem, prepare
from pytest_evalgate.gates.trial_columns import columns_before, columns_of
from pytest_evalgate.records.measured import Figure, FigureChange, MetricResult
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.resampling import bootstrap, paired_bootstrap
from pytest_evalgate.stats.weights import kish_n
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.config import Metric, MetricGate
    from pytest_evalgate.gates.evidence import Completion, Evidence
    from pytest_evalgate.gates.metric_kinds import Prepared
    from pytest_evalgate.gates.pairing import Pair
    from pytest_evalgate.gates.trial_columns import TrialColumns
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.stats.resampling import Array, Bounds, FigureDelta, Key


@dataclass(frozen=True)
class SuiteMetrics:
    """The metrics of a suite under one completion.

    ``head`` is the evidence of this branch, ``base`` that of the base branch if it differs, and ``compared`` the one
    of them that is paired with the baseline. Equal seeds give equal bounds.
    """

    metrics: tuple[Metric, ...]
    head: Evidence
    base: Evidence | None
    compared: Evidence
    seed: str

    @cached_property
    def measured(self) -> tuple[MeasuredMetric, ...]:
        """Each metric on the cases of this branch, with its change."""
        pairing = self.compared.pairing
        pairs = pairing.pairs if pairing is not None and self.compared.pairs.are_testable else ()
        return tuple(self._measure(metric, self.head, pairs) for metric in self.metrics)

    @property
    def results(self) -> tuple[MetricResult, ...]:
        """The metrics for the verdict."""
        return tuple(one.result for one in self.measured)

    def of(self, gate: MetricGate) -> MeasuredMetric:
        """Return the metric that ``gate`` is about."""
        return self.measured[self._index(gate)]

    def sides(self, gate: MetricGate) -> Iterator[MeasuredMetric]:
        """Yield the metric of ``gate`` on this branch, and on the base branch if it has other cases."""
        yield self.of(gate)
        if self.base is not None:
            yield self._measure(self.metrics[self._index(gate)], self.base, ())

    def _index(self, gate: MetricGate) -> int:
        metric = gate.of_metrics(self.metrics)
        assert metric is not None  # noqa: S101 - the configuration is checked
        return self.metrics.index(metric)

    def _measure(self, metric: Metric, evidence: Evidence, pairs: Sequence[Pair]) -> MeasuredMetric:
        return measure(metric, evidence.results, pairs, evidence.completion, self.seed)


@dataclass(frozen=True, slots=True)
class MeasuredMetric:
    """One metric of a suite under one completion.

    ``problem`` is the reason why it has no figures, ``pair_problem`` why it has no changes. ``missing`` outputs could
    make a figure that is ``unbounded`` worse without limit.
    """

    result: MetricResult
    bounds: Mapping[Key, Bounds] = field(default_factory=dict)
    changes: Mapping[Key, FigureDelta] = field(default_factory=dict)
    problem: str | None = None
    pair_problem: str | None = None
    missing: int = 0
    lacking: int = 0
    unbounded: frozenset[str] = frozenset()


def measure(
    metric: Metric, results: Sequence[CaseResult], pairs: Sequence[Pair], completion: Completion, seed: str
) -> MeasuredMetric:
    """Measure a metric on ``results``, at least one case, and its change over ``pairs``.

    Equal seeds give equal bounds.
    """
    now = columns_of(results, metric.key)
    if now is None:
        return _unmeasured(metric, f"outputs without values of the metric {metric.title}: run again, to read them")
    same = [pair for pair in pairs if not _is_relabelled(metric, pair)]
    before = columns_before(same, metric.key) if same else None
    try:
        prepared = prepare(metric, now, before, completion)
    except MetricProblem as problem:
        return _unmeasured(metric, f"{metric.title}: {problem}")
    sample = replace(prepared.sample([now], clusters_of(results)), is_weighted=now.is_weighted)
    bounds = bootstrap(sample, prepared.groups, (seed, metric.title), shift=prepared.shift)
    changes: Mapping[Key, FigureDelta] = {}
    pair_problem = None
    if before is not None:
        changes, pair_problem = _changes(metric, prepared, same, before, seed)
    elif pairs:
        pair_problem = f"the baseline has no values of the metric {metric.title}: promote a run that has read them"
    missing = int(np.count_nonzero(now.missing))
    notes = list(prepared.notes)
    if missing:
        notes.append(
            f"{count(missing, 'output')} missing: completed as {'wrong' if completion == 'worst' else 'right'}"
        )
    if (weights := weights_of(results)) is not None:
        counts = "n is a count" if prepared.matrix is None else "n and the matrix are counts"
        notes.append(f"weighted, equivalent to {kish_n(weights):,.1f} cases of equal weight: {counts}")
    if len(same) < len(pairs):
        notes.append(f"{count(len(pairs) - len(same), 'case')} with another label than in the baseline: not compared")
    notes += [] if pair_problem is None else [pair_problem]
    figures = tuple(
        _figure(key, bound, prepared.n.get(key[1], len(results)), changes.get(key)) for key, bound in bounds.items()
    )
    order = {name: at for at, name in enumerate((*metric.figures, *metric.class_figures))}
    figures = tuple(sorted(figures, key=lambda one: (one.of != "", order[one.name] if not one.of else 0)))
    result = MetricResult(
        metric.kind, metric.title, len(results), figures, prepared.matrix, prepared.bins, tuple(notes)
    )
    names = frozenset(name for name, _ in bounds if prepared.unbounded(name))
    return MeasuredMetric(
        result,
        bounds,
        changes,
        pair_problem=pair_problem,
        missing=missing,
        lacking=prepared.lacking,
        unbounded=names,
    )


def _is_relabelled(metric: Metric, pair: Pair) -> bool:
    """Return whether the label of a pair has changed: one in the metadata is no part of the compared content."""
    if not isinstance(metric, ClassificationMetric | RegressionMetric):
        return False
    before = {values[0] for values in pair.before.readings.get(metric.key, ()) if values}
    now = {
        one.values[0] for trial in pair.now.trials for one in trial.readings if one.metric == metric.key and one.values
    }
    return bool(before and now) and before != now


def _unmeasured(metric: Metric, problem: str) -> MeasuredMetric:
    return MeasuredMetric(MetricResult(metric.kind, metric.title, 0, (), notes=(problem,)), problem=problem)


def _changes(
    metric: Metric, prepared: Prepared, pairs: Sequence[Pair], before: TrialColumns, seed: str
) -> tuple[Mapping[Key, FigureDelta], str | None]:
    now_results = [pair.now for pair in pairs]
    now = columns_of(now_results, metric.key)
    if now is None:
        return {}, f"outputs without values of the metric {metric.title}: run again, to read them"
    sample = replace(prepared.sample([now, before], clusters_of(now_results)), is_weighted=now.is_weighted)
    if sample.units == 1:
        return {}, "a single pair, or a single cluster, has no variance: add cases"
    shift = None if prepared.shift is None else _both(prepared.shift)
    return paired_bootstrap(sample, prepared.groups, (seed, metric.title), LOWER_IS_BETTER, shift=shift), None


def _both(shift: Array) -> Array:
    """Return a shift of the sums now, and none of those before."""
    both: Array = np.concatenate([shift, np.zeros_like(shift)])
    return both


def _figure(key: Key, bound: Bounds, n: int, change: FigureDelta | None) -> Figure:
    described = None
    if change is not None:
        described = FigureChange(change.before, change.delta, change.interval, change.p_worse())
    return Figure(key[0], bound.value, n, bound.interval, key[1], described)
