"""The encoder, against OpenTelemetry's own message classes."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from pytest_evalgate.telemetry import conventions
from pytest_evalgate.telemetry.measures import DataPoint, Histogram, Metric
from pytest_evalgate.telemetry.otlp import SpanBatch, encode_metrics, rejected
from pytest_evalgate.telemetry.span import SpanEvent, SpanForm, TraceSpan

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=3),
)
_ATTRIBUTES = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), _VALUES, max_size=5)
_IDS = st.binary(min_size=8, max_size=8).map(bytes.hex)


def _decoded(pairs: Any) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        value = getattr(pair.value, pair.value.WhichOneof("value"))
        found[pair.key] = [one.string_value for one in value.values] if hasattr(value, "values") else value
    return found


@given(_ATTRIBUTES, _ATTRIBUTES, _IDS, _IDS, st.floats(0, 1 << 33), st.text(max_size=5))
def test_a_span_as_it_is_decoded(
    common: dict[str, Any], own: dict[str, Any], span_id: str, parent_id: str, started: float, error: str
) -> None:
    batch = SpanBatch(_TRACE, {"service.name": "x"}, "1.2")
    form = SpanForm("chat m", common, "client")
    event, link = SpanEvent("done", own), ("ab" * 16, "cd" * 8)
    batch.add(TraceSpan(form, span_id, parent_id, started, started + 1, own, "own name", error, [event], [link]))
    batch.add(TraceSpan(form, span_id, "", started, started + 1))
    assert len(batch) == 2
    request = ExportTraceServiceRequest.FromString(batch.encode())
    (group,) = request.resource_spans
    assert _decoded(group.resource.attributes) == {"service.name": "x"}
    (scope,) = group.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("pytest_evalgate", "1.2")
    first, second = scope.spans
    assert (first.trace_id.hex(), first.span_id.hex(), first.parent_span_id.hex()) == (_TRACE, span_id, parent_id)
    assert (first.name, second.name) == ("own name", "chat m")
    assert first.kind == second.kind == first.SPAN_KIND_CLIENT
    assert (first.flags, second.parent_span_id) == (1, b"")
    assert abs(first.start_time_unix_nano - started * 1e9) < 2_000
    assert [(pair.key) for pair in first.attributes] == [*common, *own]
    assert _decoded(second.attributes) == common
    assert (first.status.code, second.status.code) == (first.status.STATUS_CODE_ERROR, first.status.STATUS_CODE_UNSET)
    assert first.status.message == error.encode("utf-8", "replace").decode()
    assert (first.events[0].name, _decoded(first.events[0].attributes)) == ("done", own)
    assert (first.links[0].trace_id.hex(), first.links[0].span_id.hex()) == link


def test_lone_surrogates_are_replaced() -> None:
    batch = SpanBatch(_TRACE, {}, "")
    batch.add(TraceSpan(SpanForm("a\ud800"), "ab" * 8, "", 1, 2, {"b\udfff": "c\ud800"}))
    (span,) = ExportTraceServiceRequest.FromString(batch.encode()).resource_spans[0].scope_spans[0].spans
    assert (span.name, _decoded(span.attributes)) == ("a?", {"b?": "c?"})


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(allow_nan=False), _ATTRIBUTES)
def test_metrics_as_they_are_decoded(values: list[float], number: float, attributes: dict[str, Any]) -> None:
    histogram = Histogram(attributes)
    for value in values:
        histogram.add(value)
    metrics = [
        Metric("g", "1", "gauge", (DataPoint(attributes, number),)),
        Metric("c", "{token}", "counter", (DataPoint({}, 3), DataPoint({"a": 1}, 4))),
        Metric("h", "s", "histogram", histograms=(histogram,)),
    ]
    body = encode_metrics(metrics, {"service.name": "x"}, "1.2", 10.5, 20.25)
    (scope,) = ExportMetricsServiceRequest.FromString(body).resource_metrics[0].scope_metrics
    gauge, counter, found = scope.metrics
    assert (gauge.name, gauge.unit, gauge.gauge.data_points[0].as_double) == ("g", "1", number)
    assert _decoded(gauge.gauge.data_points[0].attributes) == attributes
    assert [point.as_double for point in counter.sum.data_points] == [3, 4]
    assert counter.sum.is_monotonic
    assert counter.sum.aggregation_temporality == found.histogram.aggregation_temporality == 2  # cumulative
    (point,) = found.histogram.data_points
    assert (point.start_time_unix_nano, point.time_unix_nano) == (10_500_000_000, 20_250_000_000)
    assert (point.count, point.sum) == (len(values), sum(values))
    bounds = list(point.explicit_bounds)
    assert bounds == list(conventions.DURATION_BOUNDS)
    edges = [-1.0, *bounds, float("inf")]
    expected = [sum(low < value <= high for value in values) for low, high in pairwise(edges)]
    assert list(point.bucket_counts) == expected


@given(st.integers(1, (1 << 63) - 1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_partial_success(number: int, message: str) -> None:
    spans, points = ExportTraceServiceResponse(), ExportMetricsServiceResponse()
    spans.partial_success.rejected_spans, spans.partial_success.error_message = number, message
    points.partial_success.rejected_data_points, points.partial_success.error_message = number, message
    reason = message or "no reason given"
    s = "" if number == 1 else "s"
    assert rejected(spans.SerializeToString(), is_metrics=False) == f"{number:,} span{s} rejected: {reason}"
    assert rejected(points.SerializeToString(), is_metrics=True) == f"{number:,} point{s} rejected: {reason}"


@given(st.binary())
def test_any_other_response_rejects_nothing_or_says_so(body: bytes) -> None:
    found = rejected(body, is_metrics=False)
    assert found is None or "rejected" in found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"partialSuccess":{}}',
        b"<html>",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x7f",
    ],
)
def test_what_is_no_message_rejects_nothing(body: bytes) -> None:
    assert rejected(body, is_metrics=False) is None
    assert struct.calcsize("<Q") == 8
