"""Export of a decided run to an OpenTelemetry collector. A collector that fails changes no verdict: it is one line.

Only sessions with telemetry import this module.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import run_file
from pytest_evalgate.telemetry.asked import AskedModels
from pytest_evalgate.telemetry.collector import Collector
from pytest_evalgate.telemetry.exporter import Exporter
from pytest_evalgate.telemetry.measures import Measures
from pytest_evalgate.telemetry.sending import Sender
from pytest_evalgate.telemetry.trace_tree import TraceTree
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_evalgate.app.decide import RunDecider
    from pytest_evalgate.config import Telemetry
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.traces import RunTrace
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.runs.run_file import RunInfo
    from pytest_evalgate.text.redaction import Redactor


@dataclass(frozen=True, slots=True)
class TracedRun:
    """A decided run, its run file and its trace."""

    run: Run
    info: RunInfo
    verdict: Verdict
    file: Path
    trace: RunTrace

    @property
    def has_sent_cases(self) -> bool:
        """Whether this is a merged run, whose shards have sent the spans of its cases."""
        return self.info.shard is None and any(context != self.trace.context for context in self.info.traces)


def export_decided(
    decider: RunDecider,
    traced: TracedRun,
    redactor: Redactor,
    *,
    environ: Mapping[str, str] = os.environ,
    sender: Sender | None = None,
) -> str | None:
    """Send the spans and metrics of a decided run; return the line about a failure, None if all was accepted.

    A shard sends its spans; the metrics are sent with the merged run. A merged run whose shards have sent their spans
    sends its own span, with links to theirs. Waits for the collector 10 s at most, and never raises.
    """
    telemetry = decider.settings.telemetry
    if telemetry is None or not traced.run.suites:
        return None
    try:
        problem = _export(decider, telemetry, traced, environ, sender)
    except UserError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - nothing here may change a verdict or an exit code
        problem = describe_error(error)
    return None if problem is None else redactor.redact(f"telemetry: not sent: {problem}; the verdict is unchanged")


def _export(
    decider: RunDecider, telemetry: Telemetry, traced: TracedRun, environ: Mapping[str, str], sender: Sender | None
) -> str | None:
    """Send spans and metrics; return the reasons why some were not accepted."""
    own_version = traced.info.facts.get("pytest-evalgate", "")
    keys = None if decider.base is None else decider.base.keys
    if keys is not None:
        telemetry = keys.telemetry(telemetry)
    collector = Collector.of(telemetry, environ, own_version)
    exporter = Exporter(collector, sender or Sender(), traced.trace.trace_id, own_version)
    ended = time.time()
    asked = AskedModels(decider.settings, traced.info.target)
    tree = TraceTree(traced.trace, asked, _texts(decider, telemetry))
    measures = Measures(asked)
    exporter.add([tree.run_span(traced.run, traced.info, traced.verdict, ended)])
    adds_cases = not traced.has_sent_cases
    for row in run_file.rows(traced.file):
        measures.add_case(row)
        if adds_cases and not exporter.has_failed:
            exporter.add(tree.case_spans(row))
    exporter.flush()
    if traced.info.shard is None:
        exporter.send_metrics(measures.metrics(traced.verdict), traced.trace.started, ended)
    return "; ".join(exporter.problems) or None


def _texts(decider: RunDecider, telemetry: Telemetry) -> Callable[[str, Json], str] | None:
    """Return the function that returns a text as reports show it; None if texts are not sent."""
    if not telemetry.texts:
        return None
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - only if texts are sent

    policy = TextPolicy.by(decider.settings.report)

    def text(name: str, value: Json) -> str:
        return policy.reason(value) if name == "reason" else policy.of(name, value)

    return text
