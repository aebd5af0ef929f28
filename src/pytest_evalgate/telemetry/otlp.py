"""Messages of OTLP in the binary encoding of protobuf.

The encoder is our own, because importing OpenTelemetry's message classes takes 30 ms and its SDK with the exporter 105
to 120 ms, and 3 % of the CPU time of 1,000 cases is 40 to 60 ms. Tests decode the messages with those classes. The
definitions are stable: https://github.com/open-telemetry/opentelemetry-proto/tree/v1.9.0/opentelemetry/proto.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_evalgate.telemetry.conventions import DURATION_BOUNDS
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.telemetry.measures import DataPoint, Histogram, Metric
    from pytest_evalgate.telemetry.span import Attributes, AttributeValue, SpanEvent, SpanForm, TraceSpan

_SCOPE: Final = "pytest_evalgate"
_KINDS: Final = {"internal": 1, "client": 3}
_ERROR: Final = 2
_CUMULATIVE: Final = 2
_SAMPLED: Final = 1
_DATA_FIELDS: Final = {"gauge": 5, "counter": 7, "histogram": 9}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types: https://protobuf.dev/programming-guides/encoding/."""

_PARTS: Final = 3
"""Parts of an encoded span: key, length and content, joined once for the whole batch."""

_MORE: Final = 0x80
_UINT64: Final = (1 << 64) - 1


class SpanBatch:
    """A request that exports spans of one trace."""

    def __init__(self, trace_id: str, resource: Mapping[str, str], version: str) -> None:
        """Start without spans; ``version`` is that of pytest-evalgate."""
        self._trace_id = bytes.fromhex(trace_id)
        self._resource = resource
        self._version = version
        self._parts: list[bytes] = []
        self._forms: dict[SpanForm, bytes] = {}

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self._parts) // _PARTS

    def add(self, span: TraceSpan) -> None:
        """Add a span."""
        form, span_id, parent_id, started, ended, attributes, name, error, events, links = span
        content = self._forms.get(form) or self._encode_form(form)
        own = bytes.fromhex(span_id)
        if parent_id:
            content += _CHILD(0x0812, own, 0x0822, bytes.fromhex(parent_id), *_times(started, ended))
        else:
            content += _ROOT(0x0812, own, *_times(started, ended))
        if name:
            content += _text(5, name)  # the last value of a field counts
        if attributes:
            content += _attributes(9, attributes)
        if events or links:
            content += b"".join([_bytes(11, _event(event, ended)) for event in events])
            content += b"".join([_bytes(13, _link(*ids)) for ids in links])
        if error is not None:
            content += _bytes(15, _text(2, error) + _number(3, _ERROR))
        self._parts += (b"\x12", _varint(len(content)), content)

    def encode(self) -> bytes:
        """Return the request."""
        scope = _scope(self._version) + b"".join(self._parts)
        return _bytes(1, _bytes(1, _attributes(1, self._resource)) + _bytes(2, scope))

    def _encode_form(self, form: SpanForm) -> bytes:
        encoded = self._forms[form] = (
            _bytes(1, self._trace_id)
            + _text(5, form.name)
            + _number(6, _KINDS[form.kind])
            + _attributes(9, form.attributes)
            + _key(16, _FIXED32)
            + struct.pack("<I", _SAMPLED)
        )
        return encoded


def encode_metrics(
    metrics: Iterable[Metric], resource: Mapping[str, str], version: str, started: float, ended: float
) -> bytes:
    """Return a request that exports the metrics of a run from ``started`` to ``ended``."""
    times = _key(2, _FIXED64) + _uint64(_nanoseconds(started)) + _key(3, _FIXED64) + _uint64(_nanoseconds(ended))
    encoded = b"".join(_bytes(2, _metric(metric, times)) for metric in metrics)
    return _bytes(1, _bytes(1, _attributes(1, resource)) + _bytes(2, _scope(version) + encoded))


def rejected(body: bytes, *, is_metrics: bool) -> str | None:
    """Return why a collector rejected a part of a request that it accepted; None if it took all of it.

    Some tools reply in JSON, or with a page: what cannot be read rejects nothing.
    """
    partial = _fields(body).get(1, b"")
    found = _fields(partial) if isinstance(partial, bytes) else {}
    number, message = found.get(1, 0), found.get(2, b"")
    if not isinstance(number, int) or not isinstance(message, bytes) or not 0 < number < 1 << 63:
        return None
    reason = message.decode("utf-8", "replace") or "no reason given"
    return f"{count(number, 'point' if is_metrics else 'span')} rejected: {reason}"


# --- metrics --------------------------------------------------------------------------------------------------------


def _metric(metric: Metric, times: bytes) -> bytes:
    points = b"".join(_bytes(1, _point(point, times)) for point in metric.points)
    points += b"".join(_bytes(1, _histogram(histogram, times)) for histogram in metric.histograms)
    if metric.kind != "gauge":
        points += _number(2, _CUMULATIVE)
    if metric.kind == "counter":
        points += _number(3, 1)  # monotonic
    return _text(1, metric.name) + _text(3, metric.unit) + _bytes(_DATA_FIELDS[metric.kind], points)


def _point(point: DataPoint, times: bytes) -> bytes:
    return times + _double(4, point.value) + _attributes(7, point.attributes)


def _histogram(histogram: Histogram, times: bytes) -> bytes:
    counts, bounds = histogram.counts, DURATION_BOUNDS
    return (
        times
        + _key(4, _FIXED64)
        + _uint64(sum(counts))
        + _double(5, histogram.total)
        + _bytes(6, struct.pack(f"<{len(counts)}Q", *counts))
        + _bytes(7, struct.pack(f"<{len(bounds)}d", *bounds))
        + _attributes(9, histogram.attributes)
    )


# --- parts of spans and metrics -------------------------------------------------------------------------------------


def _scope(version: str) -> bytes:
    return _bytes(1, _text(1, _SCOPE) + _text(2, version))


def _event(event: SpanEvent, at: float) -> bytes:
    return _key(1, _FIXED64) + _uint64(_nanoseconds(at)) + _text(2, event.name) + _attributes(3, event.attributes)


def _link(trace_id: str, span_id: str) -> bytes:
    return _bytes(1, bytes.fromhex(trace_id)) + _bytes(2, bytes.fromhex(span_id))


def _attributes(number: int, attributes: Attributes) -> bytes:
    encoded = b""
    for name, value in attributes.items():
        kind = type(value)
        if kind is float:
            encoded += _double_start(number, name) + _float64(value)
        elif kind is int or kind is bool:
            encoded += _whole_attribute(number, name, value)
        else:
            encoded += _bytes(number, _attribute_name(name) + _bytes(2, _value(value)))
    return encoded


@lru_cache(maxsize=256)
def _double_start(number: int, name: str) -> bytes:
    """Return an attribute with a number of 8 bytes, without these bytes."""
    return _bytes(number, _attribute_name(name) + _bytes(2, _double(4, 0.0)))[:-8]


@lru_cache(maxsize=1024, typed=True)
def _whole_attribute(number: int, name: str, value: int) -> bytes:
    """Return an attribute with a whole number or a truth value: tokens and tries of calls are often the same."""
    return _bytes(number, _attribute_name(name) + _bytes(2, _value(value)))


@lru_cache(maxsize=256)
def _attribute_name(name: str) -> bytes:
    return _text(1, name)


def _value(value: AttributeValue) -> bytes:
    if isinstance(value, str):
        return _text(1, value)
    if isinstance(value, bool):
        return _number(2, value)
    if isinstance(value, int):
        return _number(3, value)
    if isinstance(value, float):
        return _double(4, value)
    return _bytes(5, b"".join(_bytes(1, _value(one)) for one in value))


# --- protobuf -------------------------------------------------------------------------------------------------------

_CHILD: Final = struct.Struct("<H8sH8sBQBQ").pack
_ROOT: Final = struct.Struct("<H8sBQBQ").pack
"""Ids and times of a span, with and without a parent."""

_float64: Final = struct.Struct("<d").pack
_uint64: Final = struct.Struct("<Q").pack


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e6) * 1000  # a float of this size has no more digits than microseconds


def _times(started: float, ended: float) -> tuple[int, int, int, int]:
    """Return the begin and the end of a span, each after its key."""
    return 0x39, int(started * 1e6) * 1000, 0x41, int(ended * 1e6) * 1000  # as `_nanoseconds`, without its call


def _varint(value: int) -> bytes:
    if 0 <= value < _MORE:
        return _ONE_BYTE[value]
    if 0 < value < _MORE * _MORE:
        return bytes((value & 0x7F | _MORE, value >> 7))
    value &= _UINT64  # negative numbers in two's complement
    encoded = bytearray()
    while value >= _MORE:
        encoded.append(value & 0x7F | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_ONE_BYTE: Final = [bytes([value]) for value in range(_MORE)]


@lru_cache(maxsize=64)
def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _bytes(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode("utf-8", "replace"))  # a lone surrogate becomes "?"


def _number(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _key(number, _FIXED64) + _float64(value)


def _fields(message: bytes) -> dict[int, int | bytes]:
    """Return the fields of a message by number, the last value of each; none if it is malformed."""
    found: dict[int, int | bytes] = {}
    place = 0
    try:
        while place < len(message):
            key, place = _read_varint(message, place)
            value, place = _read_varint(message, place)
            if key & 7 == _BYTES:
                end = place + value
                if end > len(message):
                    return {}
                found[key >> 3], place = message[place:end], end
            elif key & 7 == _VARINT:
                found[key >> 3] = value
            else:  # a response has no other fields
                return {}
    except IndexError:
        return {}
    return found


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := message[place]) >= _MORE:
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if shift > 63:  # noqa: PLR2004 - bits of a number
            raise IndexError
    return value | byte << shift, place + 1
