"""Exporter: encodes spans in batches, sends them and the metrics, and collects what the collector did not accept."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.telemetry.otlp import SpanBatch, encode_metrics, rejected
from pytest_evalgate.telemetry.sending import NotSentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.telemetry.collector import Collector
    from pytest_evalgate.telemetry.measures import Metric
    from pytest_evalgate.telemetry.sending import Sender
    from pytest_evalgate.telemetry.span import TraceSpan

_BATCH: Final = 2_000
"""Spans of one request: 1 MB without texts. A collector of OpenTelemetry accepts 20 MB, other tools 4 MB and more."""


@dataclass
class Exporter:
    """Exporter of one run. After a failure it sends no more spans; without any response, also no metrics.

    ``problems`` are the reasons why something was not accepted, each once.
    """

    collector: Collector
    sender: Sender
    trace_id: str
    version: str
    has_failed: bool = False
    problems: dict[str, None] = field(default_factory=dict)
    _is_away: bool = False
    _batch: SpanBatch | None = None

    def add(self, spans: Iterable[TraceSpan]) -> None:
        """Add spans; a full batch is sent."""
        if self._batch is None:
            self._batch = SpanBatch(self.trace_id, self.collector.resource, self.version)
        for span in spans:
            self._batch.add(span)
        if len(self._batch) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Send the spans so far."""
        batch, self._batch = self._batch, None
        if batch is not None and not self.has_failed:
            collector = self.collector
            self._send("spans", collector.traces_url, collector.traces_headers, batch.encode())

    def send_metrics(self, metrics: Iterable[Metric], started: float, ended: float) -> None:
        """Send the metrics, if the collector takes any."""
        url = self.collector.metrics_url
        if url is not None and not self._is_away:
            body = encode_metrics(metrics, self.collector.resource, self.version, started, ended)
            self._send("metrics", url, self.collector.metrics_headers, body)

    def _send(self, what: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        try:
            reason = rejected(self.sender.post(url, headers, body), is_metrics=what == "metrics")
        except NotSentError as error:
            self.has_failed, self._is_away, reason = True, error.is_away, str(error)
        if reason is not None:
            self.problems[f"{what}: {reason}"] = None
