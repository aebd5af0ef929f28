"""Detectors of values that a text should not contain, such as keys, and the masking of what they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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
    return sorted(found, key=lambda one: one.start)


def kinds_in(text: str, detectors: Mapping[str, Detector]) -> Iterator[str]:
    """Yield the phrase of each kind that occurs in ``text``, each once, in the order of the detectors."""
    found = {one.kind for one in detect(text, detectors)}
    yield from dict.fromkeys(one.phrase for kind, one in detectors.items() if kind in found)


def mask(text: str, found: Iterable[DetectedSpan], detectors: Mapping[str, Detector]) -> str:
    """Return ``text`` with the kind in brackets in place of each found value: ``write to [e-mail address]``."""
    parts, end = [], 0
    for one in found:
        parts += [text[end : one.start], f"[{detectors[one.kind].noun}]"]
        end = one.end
    return "".join([*parts, text[end:]])


_AROUND: Final = 24
_ELLIPSIS: Final = "…"


def masked_excerpt(text: str, found: list[DetectedSpan], detectors: Mapping[str, Detector]) -> str:
    """Return the text around the first found value, with every value masked."""
    first = found[0]
    start, end = max(0, first.start - _AROUND), min(len(text), first.end + _AROUND)
    for one in found:  # never cut through a value
        if one.start < end < one.end:
            end = one.end
    inside = [DetectedSpan(one.kind, one.start - start, one.end - start) for one in found if start <= one.start < end]
    before, after = _ELLIPSIS * (start > 0), _ELLIPSIS * (end < len(text))
    return f"{before}{mask(text[start:end], inside, detectors)}{after}"
