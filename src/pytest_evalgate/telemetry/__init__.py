"""OpenTelemetry: the spans and metrics of a decided run, sent to a collector over OTLP/HTTP.

Everything here runs after the verdict, from the rows of the run file. While a run is traced, the engine only records
times, and passes on the trace context (`records.traces`). Runs without telemetry import nothing of this package.
"""

from __future__ import annotations
