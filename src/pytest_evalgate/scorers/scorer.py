"""A scorer as it is built: a rule or a user's function that is held against a threshold."""

from __future__ import annotations

import inspect
import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from pytest_evalgate.data import Case, Graded, Output, Score
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.protocols import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable

_REASON: Final = 500
_PAIR: Final = 2


class WeighedScorer(Scorer, Protocol):
    """A scorer of a suite: held against a threshold, and with a part in the weighted mean, if the suite has one."""

    @property
    def threshold(self) -> float:
        """The value from which it passes."""

    @property
    def weight(self) -> float | None:
        """Its weight; None where the suite has none."""


@dataclass(frozen=True, slots=True)
class BuiltScorer:
    """Calls ``function(case, output)``, plain or async, and makes a score of what it says.

    ``waits`` is False where it is known to answer at once.
    """

    name: str
    function: Callable[[Case, Output], object]
    threshold: float
    weight: float | None = None
    waits: bool = True

    async def score(self, case: Case, output: Output) -> Score:
        """Grade one output.

        A plain function runs on the event loop: what takes long or waits should be ``async def``.

        Raises:
            ScorerError: the function raised, or returned what is not a score.

        """
        try:
            said = self.function(case, output)
            value, reason = _graded(await said if inspect.isawaitable(said) else said)
        except Exception as error:
            cause = str(error) if isinstance(error, ScorerError) else f"{type(error).__name__}: {error}"
            raise ScorerError(f'{case.place}: case "{case.id}": scorer "{self.name}": {cause}') from error
        passed = None if value is None else value >= self.threshold
        return Score(self.name, value, passed, reason, self.weight)


def _graded(said: object) -> Graded:
    """Read what a function returned: a bool, a number, a pair (value, reason), a Score, or None."""
    value, reason = _value_and_reason(said)
    if value is None:
        return None, reason or "could not tell"
    if not isinstance(value, numbers.Real):
        raise ScorerError(
            f"returned {value!r:.80}, which is {type(value).__name__}: "
            "return a bool, a number in [0, 1], (value, reason), a Score or None"
        )
    number = float(value)
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise ScorerError(f"returned {value!r:.80}, which is not in [0, 1]")
    return number, reason


def _value_and_reason(said: object) -> tuple[object, str]:
    if isinstance(said, Score):
        pair: tuple[object, object] = (said.value, said.reason)
    elif isinstance(said, tuple):
        if len(said) != _PAIR:
            raise ScorerError(f"returned a tuple of {len(said)}: return (value, reason)")
        pair = said
    else:
        pair = (said, "")
    value, reason = pair
    if not isinstance(reason, str):
        raise ScorerError(f"returned the reason {reason!r:.80}, which is {type(reason).__name__}, not a string")
    return value, reason if len(reason) <= _REASON else reason[: _REASON - 1] + "…"
