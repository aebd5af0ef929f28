"""Rates: so much a minute, spread evenly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_BURST_S: Final = 0.25
"""How much of the rate may go out at once: little, so that no minute holds noticeably more than its limit."""

_ROUNDING: Final = 1e-9


@dataclass(slots=True)
class Bucket:
    """A token bucket that starts full; time is the caller's, in seconds on a clock that only goes forward."""

    per_minute: float
    _room: float = field(init=False)
    _level: float = field(init=False)
    _filled_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Fill it."""
        self._room = self._level = max(1.0, self.per_minute / 60 * _BURST_S)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` may be taken; what is larger than the bucket has to wait for a full one."""
        self._fill(now)
        lacking = min(amount, self._room) - self._level
        return 0.0 if lacking <= _ROUNDING else lacking * 60 / self.per_minute

    def take(self, amount: float) -> None:
        """Take ``amount``, below nothing if need be: whoever comes next waits for it. A negative one gives back."""
        self._level = min(self._room, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._room, self._level + (now - self._filled_at) * self.per_minute / 60)
        self._filled_at = now
