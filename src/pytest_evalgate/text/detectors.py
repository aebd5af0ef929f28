"""Detectors of values that a text should not contain, such as keys, and the masking of what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Span = tuple[int, int]
"""Start and end of a value in a text, in characters; the end is exclusive."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A kind of value: its name with its article, as ``an e-mail address``, and the function that finds its spans."""

    phrase: str
    find: Callable[[str], Iterable[Span]]

    @property
    def noun(self) -> str:
        """The name without its article."""
        return self.phrase.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class DetectedSpan:
    """A found value: the key of its detector, and its span."""

    kind: str
    start: int
    end: int


def detect(text: str, detectors: Mapping[str, Detector]) -> list[DetectedSpan]:
    """Return what the detectors find in ``text``, in order.

    Of values that overlap, the one of the earlier detector counts: a card number contains what looks like a telephone
    number.
    """
    found: list[DetectedSpan] = []
    for kind, detector in detectors.items():
        for start, end in detector.find(text):
            if all(end <= other.start or other.end <= start for other in found):
                found.append(DetectedSpan(kind, start, end))
    return in_order(found)


def in_order(found: Iterable[DetectedSpan]) -> list[DetectedSpan]:
    """Return found values by their place."""
    return sorted(found, key=lambda one: (one.start, -one.end))


def kinds_in(text: str, detectors: Mapping[str, Detector]) -> Iterator[str]:
    """Yield the phrase of each kind that occurs in ``text``, each once, in the order of the detectors."""
    found = {one.kind for one in detect(text, detectors)}
    yield from dict.fromkeys(one.phrase for kind, one in detectors.items() if kind in found)


def mask(text: str, found: Iterable[DetectedSpan], detectors: Mapping[str, Detector]) -> str:
    """Return ``text`` with the kind in brackets in place of each found value: ``write to [e-mail address]``.

    ``found`` is in order. Values that overlap are replaced together, by the kind of the first.
    """
    parts: list[str] = []
    end = 0
    for one in found:
        if one.start >= end:
            parts += [text[end : one.start], f"[{detectors[one.kind].noun}]"]
        end = max(end, one.end)
    return "".join([*parts, text[end:]])


_AROUND: Final = 24
_ELLIPSIS: Final = "…"


def masked_excerpt(
    text: str, centre: DetectedSpan, found: Sequence[DetectedSpan], detectors: Mapping[str, Detector]
) -> str:
    """Return the text around ``centre``, with every value of ``found``, which is in order, masked."""
    start, end = max(0, centre.start - _AROUND), min(len(text), centre.end + _AROUND)
    for one in found:  # never cut through a value
        end = max(end, one.end) if one.start < end < one.end else end
    for one in reversed(found):
        start = min(start, one.start) if one.start < start < one.end else start
    inside = [DetectedSpan(one.kind, one.start - start, one.end - start) for one in found if start <= one.start < end]
    before, after = _ELLIPSIS * (start > 0), _ELLIPSIS * (end < len(text))
    return f"{before}{mask(text[start:end], inside, detectors)}{after}"
