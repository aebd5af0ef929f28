"""Spans of a text with a label, and how many of them two sides have in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers.text import format_value
from pytest_evalgate.text.jsonl import loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.records.cases import Json


@dataclass(frozen=True, slots=True)
class Span:
    """The characters from ``start`` to before ``end`` of a text, counted from 0, and their label."""

    start: int
    end: int
    label: str

    def overlaps(self, other: Span) -> bool:
        """Return whether two spans have a character in common."""
        return self.start < other.end and other.start < self.end


def read_spans(value: Json) -> list[Span]:
    """Read a list of ``{ "start": 3, "end": 9, "label": "email" }``, or JSON text of one.

    Raises:
        ValueError: It is no such list; the message names the first wrong value.
    """
    if isinstance(value, str):
        value = loads(value)
    if not isinstance(value, list | tuple):
        raise ValueError(f"{format_value(value)} is not a list of spans")  # noqa: TRY004 - as `loads` on text
    return [_span(one) for one in value]


def _span(value: Json) -> Span:
    wanted = 'a span is { "start": 3, "end": 9, "label": "email" }, with 0 <= start < end'
    if not isinstance(value, Mapping):
        raise ValueError(f"{format_value(value)} is not a span: {wanted}")  # noqa: TRY004 - as above
    start, end, label = (value.get(key) for key in ("start", "end", "label"))
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not 0 <= start < end:
        raise ValueError(f"{format_value(value)} is not a span: {wanted}")
    return Span(start, end, label)


@dataclass(frozen=True, slots=True)
class SpanCounts:
    """Spans of one label in one text.

    ``exact`` spans are in both lists. ``gold_met`` and ``predicted_met`` overlap one of the other list.
    """

    label: str
    gold: int
    predicted: int
    exact: int
    gold_met: int
    predicted_met: int


def count_spans(gold: Sequence[Span], predicted: Sequence[Span]) -> Iterator[SpanCounts]:
    """Compare two lists of spans, and yield the counts of each label; a repeated span counts each time."""
    by_label: dict[str, tuple[list[Span], list[Span]]] = defaultdict(lambda: ([], []))
    for side, spans in enumerate((gold, predicted)):
        for one in spans:
            by_label[one.label][side].append(one)
    for label in sorted(by_label):
        ours, theirs = by_label[label]
        yield SpanCounts(
            label=label,
            gold=len(ours),
            predicted=len(theirs),
            exact=(Counter(ours) & Counter(theirs)).total(),
            gold_met=sum(any(one.overlaps(other) for other in theirs) for one in ours),
            predicted_met=sum(any(one.overlaps(other) for other in ours) for one in theirs),
        )
