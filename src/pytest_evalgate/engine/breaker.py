"""Stops the run when an endpoint fails for most calls: the rest would cost time and money and end the same way."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_evalgate.engine.faults import CallFault
    from pytest_evalgate.engine.halt import Halt

_FIRST: Final = 10
_LAST: Final = 20


class Breaker:
    """Watches how the calls to one endpoint end, all attempts of a call taken together.

    It stops the run when none of the first 10 calls was answered, or fewer than half of the last 20.
    """

    def __init__(self, endpoint: str, halt: Halt) -> None:
        """Name ``endpoint`` when ``halt`` is told to stop."""
        self._endpoint = endpoint
        self._halt = halt
        self._last: deque[CallFault | None] = deque(maxlen=_LAST)

    def answered(self) -> None:
        """Count a call that was answered."""
        self._last.append(None)

    def failed(self, fault: CallFault) -> None:
        """Count a call that was given up after ``fault``."""
        self._last.append(fault)
        faults = [fault for fault in self._last if fault is not None]
        seen = len(self._last)
        if (seen == _FIRST == len(faults)) or (seen == _LAST and 2 * len(faults) > seen):
            self._halt.stop(self._why(faults, seen))

    def _why(self, faults: list[CallFault], seen: int) -> str:
        kinds = ", ".join(f"{count} x {words}" for words, count in Counter(f.words for f in faults).most_common())
        return (
            f"{len(faults)} of the last {seen} calls to {self._endpoint} failed ({kinds}); the last one: "
            f"{faults[-1].detail}. Mend that and run again: what is answered is kept"
        )
