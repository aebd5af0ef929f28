"""A span: a piece of work with its begin, its end and its place in the trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final, Literal, NamedTuple

from pytest_evalgate.frozen import dataclass

AttributeValue = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, AttributeValue]

_NOTHING: Final[Attributes] = {}


@dataclass(frozen=True, slots=True, eq=False)
class SpanForm:
    """What many spans have in common, such as all calls of one model: it is encoded once."""

    name: str
    attributes: Attributes = field(default_factory=lambda: _NOTHING)
    kind: Literal["internal", "client"] = "internal"


class SpanEvent(NamedTuple):
    """An event of a span, at the span's end."""

    name: str
    attributes: Attributes


class TraceSpan(NamedTuple):
    """A span; ids are hexadecimal, times are seconds since 1970.

    ``attributes`` are added to those of its form; ``name`` replaces that of the form unless it is empty. ``error`` is
    the message of a span that ended in an error; None if it did not. ``links`` are pairs of a trace id and a span id.
    A named tuple, because a frozen dataclass takes three times as long to create.
    """

    form: SpanForm
    span_id: str
    parent_id: str
    started: float
    ended: float
    attributes: Attributes = _NOTHING
    name: str = ""
    error: str | None = None
    events: Sequence[SpanEvent] = ()
    links: Sequence[tuple[str, str]] = ()
