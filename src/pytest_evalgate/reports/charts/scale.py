"""Shares along a stretch of pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

_NARROWEST: Final = 20  # percent
_STEPS: Final = ((20, 5), (50, 10), (100, 20))
"""Up to which width, in percent, ticks stand how far apart."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Shares from ``low`` to ``high``, whole percents, drawn from ``start`` to ``end``, pixels.

    ``start`` is the greater one where shares grow upwards.
    """

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def around(cls, shares: Iterable[float], start: float, end: float) -> Self:
        """Span at least one share by whole tenths: small differences near 100 % are what a reader looks for."""
        held = list(shares)
        low = max(0, math.floor(10 * min(held)) * 10)
        high = min(100, math.ceil(10 * max(held)) * 10)
        low = max(0, min(low, high - _NARROWEST))
        return cls(low, max(high, low + _NARROWEST), start, end)

    def at(self, share: float) -> float:
        """Return where a share lies; one beyond an end lies there."""
        part = (100 * share - self.low) / (self.high - self.low)
        return self.start + min(max(part, 0.0), 1.0) * (self.end - self.start)

    @property
    def ticks(self) -> tuple[tuple[str, float], ...]:
        """Round percents, as text, and where they lie."""
        step = next(step for width, step in _STEPS if self.high - self.low <= width)
        first = math.ceil(self.low / step) * step
        return tuple((f"{tick}%", self.at(tick / 100)) for tick in range(first, self.high + 1, step))
