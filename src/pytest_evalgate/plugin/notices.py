"""What the processes of a session know beside its results: why calls were held back, and what ails the cache."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_evalgate.wiring import Wiring

NOTICES_OUTPUT = "evalgate-notices"
"""Where a worker of xdist leaves its notices."""


class Notices:
    """The notices of one process, and on the controller those of its workers too; each is said once."""

    def __init__(self, wiring: Wiring) -> None:
        """Ask ``wiring``, and hear the workers."""
        self._wiring = wiring
        self._refusals: list[str] = []
        self._stops: list[str] = []
        self._troubles: list[str] = []
        self.problems: list[str] = []
        """What makes the run invalid though every answer may be there."""

    @property
    def refusal(self) -> str | None:
        """Why calls were not sent that could have been; None where none was held back."""
        return next(filter(None, (self._wiring.refusal, *self._refusals)), None)

    @property
    def stop(self) -> str | None:
        """Why the run was stopped before all calls were sent; None where it was not."""
        return next(filter(None, (self._wiring.stopped, *self._stops)), None)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the cache, one line each."""
        return tuple(dict.fromkeys((*self._wiring.troubles, *self._troubles)))

    def export(self) -> str:
        """Return them as JSON, for the controller."""
        return json.dumps(
            {"refusal": self.refusal, "stop": self.stop, "troubles": self.troubles, "problems": self.problems}
        )

    def absorb(self, text: str) -> None:
        """Take over the notices of a worker."""
        value = json.loads(text)
        if value["refusal"] is not None:
            self._refusals.append(value["refusal"])
        if value["stop"] is not None:
            self._stops.append(value["stop"])
        self._troubles += value["troubles"]
        self.problems += value["problems"]
