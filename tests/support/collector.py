"""Collector: an OTLP/HTTP receiver on loopback that decodes the protobuf of spans and metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from types import TracebackType

_MESSAGES: dict[str, Any] = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


@dataclass(frozen=True)
class Answer:
    """How the collector answers: with a status, or not before `Collector.close` (``hangs``)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


def partial_success(spans: int, message: str) -> Answer:
    """Return an answer that rejects some of the spans."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans, response.partial_success.error_message = spans, message
    return Answer(body=response.SerializeToString())


@dataclass(frozen=True)
class Received:
    """A request: its path, its headers in lower case, and its decoded message."""

    path: str
    headers: dict[str, str]
    message: Any


@dataclass(frozen=True)
class SpanNode:
    """A decoded span, with its attributes as Python values, and its children ordered by their begin."""

    span: Any
    attributes: dict[str, Any]
    resource: dict[str, Any]
    children: list[SpanNode]

    @property
    def name(self) -> str:
        return str(self.span.name)

    @property
    def outline(self) -> Any:
        """The names of the span and of those below it."""
        return (self.name, [child.outline for child in self.children]) if self.children else self.name

    def find(self, name: str) -> SpanNode:
        """Return the first span of that name at or below this one."""
        return next(node for node in self.walk() if node.name == name)

    def walk(self) -> list[SpanNode]:
        return [self, *(node for child in self.children for node in child.walk())]


class Collector:
    """The receiver; answers are those of its script in turn, then its last one."""

    def __init__(self, *script: Answer) -> None:
        self.received: list[Received] = []
        self._script = list(script) or [Answer()]
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # joined by server_close
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, *answers: Answer) -> None:
        """Answer in this way from now on."""
        self._script[:] = answers

    @property
    def spans(self) -> list[SpanNode]:
        """All spans received, without their places in the tree."""
        return [
            SpanNode(span, _values(span.attributes), _values(group.resource.attributes), [])
            for request in self.received
            if request.path == "/v1/traces"
            for group in request.message.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    @property
    def trees(self) -> list[SpanNode]:
        """The spans that have no parent among those received, with the others below them."""
        nodes = {node.span.span_id: node for node in self.spans}
        roots: list[SpanNode] = []
        for node in sorted(nodes.values(), key=lambda node: (node.span.start_time_unix_nano, node.name)):
            parent = nodes.get(node.span.parent_span_id)
            (roots if parent is None else parent.children).append(node)
        return roots

    @property
    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """The points received, by the name of their metric: attributes, and the value or the histogram."""
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for request in self.received:
            if request.path != "/v1/metrics":
                continue
            for metric in request.message.resource_metrics[0].scope_metrics[0].metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    value = point if kind == "histogram" else point.as_double
                    found.setdefault(metric.name, []).append((_values(point.attributes), value))
        return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = collector._script.pop(0) if len(collector._script) > 1 else collector._script[0]
                message = _MESSAGES[self.path].FromString(body) if self.path in _MESSAGES else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.received.append(Received(self.path, headers, message))
                if answer.hangs:
                    collector._closing.wait()
                    return
                self.send_response(answer.status)
                for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(one) for one in found.values] if kind == "array_value" else found
