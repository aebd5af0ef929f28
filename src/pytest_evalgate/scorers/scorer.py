"""From an output to scores, and from the scores to whether the trial passes."""

from __future__ import annotations

import inspect
import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.protocols import Scorer
from pytest_evalgate.records.results import Case, Graded, Output, Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROUNDING: Final = 1e-9  # a mean of 0.7 must reach a threshold of 0.7, however its sum was rounded


async def grade(
    case: Case, output: Output, scorers: Sequence[Scorer], *, threshold: float | None, every: bool = True
) -> tuple[Score, ...]:
    """Score one output, by rules first and by judges after them.

    Args:
        case: what was asked and what is wanted.
        output: what the target returned.
        scorers: at least one.
        threshold: what the weighted mean has to reach; needed where a scorer has a weight.
        every: Whether judges are asked where the rules have decided already that the output misses.

    Raises:
        ScorerError: there is no scorer, or one of them broke.
        SettingsError: there are weights and no ``threshold``.

    """
    if not scorers:
        raise ScorerError(
            f'{case.place}: case "{case.id}" has no scorers, and passes for nothing: add one to the suite'
        )
    rules = [scorer for scorer in scorers if not is_judge(scorer)]
    scores = [await scorer.score(case, output) for scorer in rules]
    if len(rules) < len(scorers) and (every or not _is_decided(scores)):
        scores += [await scorer.score(case, output) for scorer in scorers if is_judge(scorer)]
    passes(scores, threshold)
    return tuple(scores)


def is_judge(scorer: Scorer) -> TypeGuard[Any]:
    """Tell whether a scorer asks a model, which takes time and money."""
    return getattr(scorer, "is_judge", False)


def _is_decided(scores: Sequence[Score]) -> bool:
    """Tell whether no further score can make the output pass: one that has no weight has missed."""
    weighed = any(score.weight is not None for score in scores)
    return not weighed and any(score.counts and score.passed is False for score in scores)


def passes(scores: Sequence[Score], threshold: float | None) -> bool | None:
    """Tell whether a trial with these scores passes.

    Without weights every score has to pass: one miss decides, and else one that could not tell leaves it open (None).
    Where one has a weight, the weighted mean of the values (weight 1 where there is none) has to reach ``threshold``,
    and one that could not tell leaves it open.

    Scores that do not count are left out.

    Raises:
        ScorerError: there are no scores that count.
        SettingsError: there are weights and no ``threshold``.

    """
    scores = [score for score in scores if score.counts]
    if not scores:
        raise ScorerError("no scores: nothing passes without having been scored")
    if any(score.weight is not None for score in scores):
        return _mean_reaches(scores, threshold)
    if any(score.passed is False for score in scores):
        return False
    return None if any(score.passed is None for score in scores) else True


def _mean_reaches(scores: Sequence[Score], threshold: float | None) -> bool | None:
    if threshold is None:
        named = ", ".join(f'"{score.name}"' for score in scores if score.weight is not None)
        raise SettingsError(
            f"the scorers {named} have a weight, and the suite no threshold: add `threshold = ...` to it"
        )
    pairs = [(1.0 if score.weight is None else score.weight, score.value) for score in scores]
    known = [(weight, value) for weight, value in pairs if value is not None]
    if len(known) < len(pairs):
        return None
    mean = math.fsum(weight * value for weight, value in known) / math.fsum(weight for weight, _ in known)
    return mean >= threshold - _ROUNDING


_MAX_REASON: Final = 500
_PAIR: Final = 2


class WeightedScorer(Scorer, Protocol):
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
    return value, reason if len(reason) <= _MAX_REASON else reason[: _MAX_REASON - 1] + "…"
