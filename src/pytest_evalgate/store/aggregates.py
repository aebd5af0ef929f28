"""Aggregates of a run, one row a suite, metric, slice, gate and judge: dashboards need no others."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.runs.history import plan_sha256
from pytest_evalgate.store.stored_run import clean
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import HistoryRow, SuiteVerdict
    from pytest_evalgate.store.stored_run import StoredSource, SuiteSums

    Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]

_SUITES: Final = (
    *("run_id", "suite", "verdict", "mode", "cases", "trials", "planned", "passed", "missed", "errored", "skipped"),
    *("not_run", "unscored", "pass_rate", "golden", "golden_sha256", "scorers_sha256", "drawn_from", "stopped"),
    *("model", "target", "baseline_run_id", "discordance", "delta", "delta_p", "finding", "plan_sha256"),
)
_METRICS: Final = ("run_id", "suite", "metric", "value", "lower_bound", "upper_bound", "n")
_SLICES: Final = (
    *("run_id", "suite", "slice_by", "slice_value", "n", "passed", "pass_rate", "lower_bound", "upper_bound"),
    *("delta", "p"),
)
_GATES: Final = (
    *("run_id", "suite", "place", "kind", "gate_of", "result", "value", "bound", "required", "p", "message"),
)
_JUDGES: Final = (
    *("run_id", "suite", "judge", "fingerprint", "calibrated", "scored", "unreadable", "pass_rate", "tpr", "tnr"),
    "labelled",
)
_HISTOGRAMS: Final = ("run_id", "suite", "scorer", "bin", "n")
BINS: Final = 20
"""Bins of the histogram of a scorer, over [0, 1]."""

_Z: Final = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def aggregate_rows(source: StoredSource, sums: Mapping[str, SuiteSums]) -> Iterator[Table]:
    """Yield the tables of a run with their columns and rows."""
    run_id = source.run.id
    suites: list[tuple[Any, ...]] = []
    metrics: list[tuple[Any, ...]] = []
    slices: list[tuple[Any, ...]] = []
    gates: list[tuple[Any, ...]] = []
    judges: list[tuple[Any, ...]] = []
    for suite in source.run.suites:
        name = suite.plan.name
        found = source.verdict.suites.get(name)
        if found is None:
            continue
        suites.append(_suite_row(source, suite, found, sums[name]))
        metrics += [(run_id, name, *row) for row in _metric_rows(found, sums[name])]
        slices += [
            (
                *(
                    run_id,
                    name,
                    source.message(each.by),
                    source.message(each.value),
                    each.n,
                    each.passed,
                    each.pass_rate,
                    *each.interval,
                ),
                *((None, None) if each.delta is None else (each.delta.delta, each.delta.p)),
            )
            for each in found.slices
        ]
        gates += [
            (
                *(run_id, name, place, gate.kind, clean(gate.of), gate.result, gate.value, gate.bound, gate.required),
                *(gate.p, source.message(gate.message)),
            )
            for place, gate in enumerate(found.gates)
        ]
        judges += [
            (
                *(run_id, name, judge.name, judge.fingerprint, int(judge.calibrated), judge.scored, judge.unreadable),
                *(judge.pass_rate, *(None if rate is None else rate[0] for rate in (judge.tpr, judge.tnr))),
                judge.labels,
            )
            for judge in found.judges
        ]
    yield "suites", _SUITES, suites
    yield "metrics", _METRICS, metrics
    yield "histograms", _HISTOGRAMS, [(run_id, *row) for suite in source.run.suites for row in _histogram_rows(suite)]
    yield "slices", _SLICES, slices
    yield "gates", _GATES, gates
    yield "judges", _JUDGES, judges


def _suite_row(source: StoredSource, suite: SuiteRun, found: SuiteVerdict, sums: SuiteSums) -> tuple[Any, ...]:
    plan, counted, delta = suite.plan, found.accounting, found.delta
    target = source.info.facts.get(f"{plan.name}: target")
    discordance = (delta.losses + delta.gains) / delta.pairs if delta is not None and delta.pairs else None
    return (
        *(source.run.id, plan.name, found.verdict, found.mode, found.cases, found.trials),
        *(counted.planned, counted.passed, counted.missed, counted.errored, counted.skipped, counted.not_run),
        *(counted.unscored, found.pass_rate, jsonl.canonical(list(plan.golden)), plan.golden_sha256),
        *(plan.scorers_sha256, plan.drawn_from, found.stopped, sums.model),
        *(target and source.message(target), source.baselines.get(plan.name), discordance),
        *((None, None, None) if delta is None else (delta.delta, delta.p, delta.finding)),
        plan_sha256(plan),
    )


def _histogram_rows(suite: SuiteRun) -> Iterator[tuple[str, str, int, int]]:
    counts = Counter(
        (clean(score.name), min(int(score.value * BINS), BINS - 1))
        for result in suite.results
        for trial in result.trials
        for score in trial.scores
        if score.value is not None
    )
    for (scorer, place), n in sorted(counts.items()):
        yield suite.plan.name, scorer, place, n


def _metric_rows(found: SuiteVerdict, sums: SuiteSums) -> Iterator[tuple[Any, ...]]:
    """Yield the metrics of a suite by name. A repeated name keeps its first row."""
    seen = set()
    for row in _all_metrics(found, sums):
        if row[0] not in seen:
            seen.add(row[0])
            yield row


def _all_metrics(found: SuiteVerdict, sums: SuiteSums) -> Iterator[tuple[Any, ...]]:
    counted = found.accounting
    yield "pass_rate", found.pass_rate, *(found.interval or (None, None)), found.cases
    if counted.planned:
        yield "error_rate", counted.errored / counted.planned, None, None, counted.planned
    for name, summary in found.scores.items():
        bounds: tuple[float | None, float | None] = (None, None)
        if summary.mean is not None and summary.se is not None:
            bounds = (summary.mean - _Z * summary.se, summary.mean + _Z * summary.se)
        yield f"score.{clean(name)}", summary.mean, *bounds, summary.n
    for metric in found.metrics:
        for figure in metric.figures:
            name = ".".join(filter(None, (metric.name, figure.name, figure.of)))
            yield clean(name), figure.value, *(figure.interval or (None, None)), figure.n
    trials = len(sums.latencies)
    yield "cost_usd", sums.cost_usd, None, None, counted.planned
    yield "tokens_in", float(sums.tokens_in), None, None, counted.planned
    yield "tokens_out", float(sums.tokens_out), None, None, counted.planned
    for name, share in (("latency_p50_s", 0.5), ("latency_p95_s", 0.95)):
        yield name, sums.latency(share), None, None, trials


def history_rows(rows: Sequence[HistoryRow]) -> Iterator[Table]:
    """Yield the rows of a history file: of each suite its verdict and its pass rate, without an interval."""
    suites = []
    for row in rows:
        known: dict[str, Any] = dict.fromkeys(_SUITES)
        known.update(run_id=row.run_id, suite=row.suite, verdict=row.verdict, mode="", cases=row.cases)
        known.update(trials=row.trials, pass_rate=row.pass_rate, golden="[]", golden_sha256=row.golden_sha256)
        known.update(plan_sha256=row.golden_sha256)
        known.update(scorers_sha256=row.scorers_sha256, baseline_run_id=row.baseline_run_id)
        known.update(discordance=row.discordance, stopped="certainty" if row.stopped else None, planned=row.cases)
        known.update(dict.fromkeys(("passed", "missed", "errored", "skipped", "not_run", "unscored"), 0))
        suites.append(tuple(known.values()))
    yield "suites", _SUITES, suites
    yield (
        "metrics",
        _METRICS,
        [(row.run_id, row.suite, "pass_rate", row.pass_rate, None, None, row.cases) for row in rows],
    )
