"""Metrics of a run: pass rates, cases by outcome, cost, tokens, and histograms of latencies."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.telemetry import conventions as names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.telemetry.asked import Asked, AskedModels
    from pytest_evalgate.telemetry.span import Attributes, AttributeValue

_KEPT = (names.OPERATION, names.PROVIDER, names.REQUEST_MODEL, names.SERVER_ADDRESS, names.SERVER_PORT)
_OUTCOMES = ("passed", "missed", "errored", "skipped", "not_run", "unscored")


@dataclass(frozen=True, slots=True)
class DataPoint:
    """One value of a gauge or a counter."""

    attributes: Attributes
    value: float


@dataclass(slots=True)
class Histogram:
    """Counts of values in the buckets of `DURATION_BOUNDS`; each bound belongs to the bucket below it."""

    attributes: Attributes
    counts: list[int] = field(default_factory=lambda: [0] * (len(names.DURATION_BOUNDS) + 1))
    total: float = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(names.DURATION_BOUNDS, value)] += 1
        self.total += value


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its values, or with its histograms."""

    name: str
    unit: str
    kind: Literal["gauge", "counter", "histogram"]
    points: tuple[DataPoint, ...] = ()
    histograms: tuple[Histogram, ...] = ()


@dataclass(slots=True)
class _ModelUse:
    """Latencies and tokens of the calls of one model for one purpose."""

    latencies: Histogram
    tokens_in: int = 0
    tokens_out: int = 0


class Measures:
    """Collector of the values of one run, filled with the rows of its run file."""

    def __init__(self, asked: AskedModels) -> None:
        """Start without values."""
        self._asked = asked
        self._targets: dict[str, Histogram] = {}
        self._models: dict[tuple[AttributeValue, ...], _ModelUse] = {}
        self._uses: dict[tuple[str, int], _ModelUse] = {}

    def add_case(self, row: Mapping[str, Json]) -> None:
        """Add the calls and the latencies of a case. Cached replies are left out."""
        suite = row["suite"]
        for trial in row.get("trials", ()):
            calls = trial.get("calls", ())
            is_cached = any(call["purpose"] == "target" and not call["attempts"] for call in calls)
            latency = trial.get("latency_s")
            if latency is not None and not is_cached:
                if suite not in self._targets:
                    self._targets[suite] = Histogram({names.SUITE_NAME: suite})
                self._targets[suite].add(latency)
            for call in calls:
                if call["attempts"]:
                    self._add_call(suite, call)

    def _add_call(self, suite: str, call: Mapping[str, Json]) -> None:
        purpose = call["purpose"]
        is_target = purpose == "target"
        asked = self._asked.of_target(suite) if is_target else self._asked.of_call(purpose, call.get("model", ""))
        if not asked.is_model:
            return
        use = self._uses.get((purpose, id(asked)))
        if use is None:
            use = self._uses[purpose, id(asked)] = self._use_of(purpose, asked)
        if (latency := call.get("latency_s")) is not None:
            use.latencies.add(latency)
        use.tokens_in += call.get("tokens_in") or 0
        use.tokens_out += call.get("tokens_out") or 0

    def _use_of(self, purpose: str, asked: Asked) -> _ModelUse:
        """Return the use of a model for a purpose, which suites with one target share: a series has one point."""
        attributes = {name: asked.attributes[name] for name in _KEPT if name in asked.attributes}
        attributes[names.PURPOSE] = purpose
        return self._models.setdefault(tuple(attributes.values()), _ModelUse(Histogram(attributes)))

    def metrics(self, verdict: Verdict) -> Iterator[Metric]:
        """Yield the metrics that have values."""
        suites = verdict.suites.items()
        of_suite: dict[str, dict[str, AttributeValue]] = {
            name: {names.SUITE_NAME: name, names.TIER: verdict.tier} for name, _ in suites
        }
        rates = (DataPoint(of_suite[name], suite.pass_rate) for name, suite in suites if suite.pass_rate is not None)
        cases = (
            DataPoint({**of_suite[name], names.OUTCOME: outcome}, getattr(suite.accounting, outcome))
            for name, suite in suites
            for outcome in _OUTCOMES
            if getattr(suite.accounting, outcome)
        )
        cost = DataPoint({names.TIER: verdict.tier}, verdict.calls.cost_usd)
        uses = self._models.values()
        tokens_in = (DataPoint(use.latencies.attributes, use.tokens_in) for use in uses)
        tokens_out = (DataPoint(use.latencies.attributes, use.tokens_out) for use in uses)
        found = (
            Metric(names.PASS_RATE, "1", "gauge", tuple(rates)),
            Metric(names.CASES, "{case}", "gauge", tuple(cases)),
            Metric(names.RUN_COST, "USD", "gauge", (cost,)),
            Metric(names.CLIENT_INPUT_TOKENS, "{token}", "counter", tuple(tokens_in)),
            Metric(names.CLIENT_OUTPUT_TOKENS, "{token}", "counter", tuple(tokens_out)),
            Metric(names.CLIENT_DURATION, "s", "histogram", histograms=_filled(use.latencies for use in uses)),
            Metric(names.TARGET_DURATION, "s", "histogram", histograms=_filled(self._targets.values())),
        )
        yield from (metric for metric in found if metric.points or metric.histograms)


def _filled(histograms: Iterable[Histogram]) -> tuple[Histogram, ...]:
    return tuple(one for one in histograms if any(one.counts))
