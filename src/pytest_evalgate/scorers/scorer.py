"""Grading of one output: its scores, and the result of the trial."""

from __future__ import annotations

import contextlib
import inspect
import math
import numbers
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeGuard

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.protocols import Scorer
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers.part import NoPartError, part_of, reads_trajectory
from pytest_evalgate.text.detectors import DetectedSpan
from pytest_evalgate.text.exceptions import describe_error, safe_repr, truncate, type_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.usercode import UserCode

_ROUNDING: Final = 1e-9  # three values of 0.7 must reach a threshold of 0.7, however their sum is rounded
_FLOAT_BYTES: Final = 8
_MAX_REASON: Final = 500
_PAIR: Final = 2


async def grade(
    case: Case, output: Output, scorers: Sequence[Scorer], *, every: bool = True, mean: bool = False
) -> tuple[Score, ...]:
    """Score one output with each scorer: rules, then scorers that ask a model, then judges.

    If ``every`` is False, no model is asked about an output that an earlier scorer failed. With ``mean``, and if a
    score has a weight, no single scorer fails an output.

    Raises:
        ScorerError: There is no scorer, or a scorer failed.
    """
    if not scorers:
        raise ScorerError(f'{case.place}: case "{case.id}" has no scorers: add at least one to the suite')
    if len(scorers) == 1:
        return (await scorers[0].score(case, output),)
    ranks = [_rank(scorer) for scorer in scorers]
    scores: list[Score] = []
    for rank in sorted({*ranks}):
        # without weights one miss decides, so that the scores of models could not change the result
        weighted = mean or any(score.weight is not None for score in scores)
        is_missed = not weighted and any(score.counts and score.passed is False for score in scores)
        if every or not is_missed:
            scores += [
                await scorer.score(case, output) for scorer, own in zip(scorers, ranks, strict=True) if own == rank
            ]
    return tuple(scores)


def _rank(scorer: Scorer) -> int:
    return 2 if is_judge(scorer) else int(asks_model(scorer))


def is_judge(scorer: Scorer) -> TypeGuard[Any]:
    """Return whether a scorer is a judge."""
    return getattr(scorer, "is_judge", False)


def asks_model(scorer: Scorer) -> TypeGuard[Any]:
    """Return whether a scorer asks a model, which takes time and money: a judge, or a rule such as ``similar``."""
    return is_judge(scorer) or getattr(scorer, "asks_model", False)


def compares_originals(scorer: Scorer) -> bool:
    """Return whether a scorer compares cases with their originals, as ``same-as`` does."""
    return getattr(scorer, "compares_originals", False)


def of_trial(scorers: Sequence[Scorer], index: int) -> tuple[Scorer, ...]:
    """Return the scorers for the 0-based trial ``index``: some compare with another output of the same trial."""
    return tuple([scorer.of_trial(index) if hasattr(scorer, "of_trial") else scorer for scorer in scorers])


def applies_to(scorer: Scorer, case: Case) -> bool:
    """Return whether a scorer of a suite grades ``case``: some grade only cases of one kind."""
    applies = getattr(scorer, "applies_to", None)
    return applies is None or bool(applies(case))


def passes(scores: Sequence[Score], threshold: float | None, *, mean: bool = False) -> bool | None:
    """Return whether a trial with these scores passes, or None if that is unknown.

    Without weights, every score has to pass: one miss decides; otherwise one unknown score makes the result unknown.
    With ``mean``, and if a score has a weight, the weighted mean of the values (weight 1 by default) has to reach
    ``threshold``, and one unknown value makes the result unknown. Scores that do not count are left out.

    Raises:
        ScorerError: No score counts.
        SettingsError: There are weights but no ``threshold``.
    """
    scores = [score for score in scores if score.counts]
    if not scores:
        raise ScorerError("no score counts, so the trial cannot be decided: add at least one scorer to the suite")
    if mean or any(score.weight is not None for score in scores):
        return _mean_reaches(scores, threshold)
    found = [score.passed for score in scores]
    return False if False in found else None if None in found else True


def _mean_reaches(scores: Sequence[Score], threshold: float | None) -> bool | None:
    if threshold is None:
        weighted = ", ".join(f'"{score.name}"' for score in scores if score.weight is not None)
        raise SettingsError(
            f"the scorers {weighted} have a weight, but the suite has no threshold: add `threshold = ...` to it"
        )
    pairs = [(1.0 if score.weight is None else score.weight, score.value) for score in scores]
    known = [(weight, value) for weight, value in pairs if value is not None]
    if len(known) < len(pairs):
        return None
    mean = math.fsum(weight * value for weight, value in known) / math.fsum(weight for weight, _ in known)
    return mean >= threshold - _ROUNDING


class WeightedScorer(Scorer, Protocol):
    """A scorer of a suite, with its threshold and its weight."""

    @property
    def threshold(self) -> float:
        """Smallest value that passes."""

    @property
    def weight(self) -> float | None:
        """Weight in the weighted mean of a case; None if it has none."""


class NoteJudge(WeightedScorer, Protocol):
    """A judge that can be asked for each note on a case."""

    @property
    def grades_notes(self) -> bool:
        """Whether it can: a judge that computes a share has its own question."""

    def for_note(self, note: str, name: str) -> WeightedScorer:
        """Return the scorer for one note; its scores are called ``name``."""


@dataclass(frozen=True, slots=True)
class BuiltScorer:
    """A scorer that calls ``function(case, output)``, plain or async, and turns the returned value into a score.

    ``code`` runs the functions of users. None for a rule of this package, which returns at once. ``field`` is the path
    of the part of the output that is graded; an output without it scores 0. Scores that do not ``count`` are reported
    only.
    """

    name: str
    function: Callable[[Case, Output], object]
    threshold: float
    weight: float | None = None
    code: UserCode | None = None
    field: str | None = None
    counts: bool = True

    @property
    def waits(self) -> bool:
        """False if the function is known to return at once."""
        return self.code is not None

    def case_problem(self, case: Case, output: Output | None = None) -> str | None:  # noqa: ARG002 - as for a judge
        """Return why no output of ``case`` could be graded; None if one can, or if that is unknown.

        A built-in rule is tried on an empty output: it reads what the case wants before it reads the output. Functions
        of the user are not called before the run.
        """
        if self.waits:
            return None
        try:
            self.function(case, _EMPTY)
        except ScorerError as error:
            return str(error)
        return None

    def reads(self, case: Case) -> frozenset[str] | None:
        """Return the names of the fields of ``case`` that decide its score; None if that is unknown.

        The trajectory of a case is in the metadata of its recorded output: a rule that reads it there reads the field.
        """
        if self.waits:
            return None
        watched: Any = _WatchedCase(case)
        metadata = _WatchedMetadata()
        with contextlib.suppress(ScorerError):
            self.function(watched, Output("", metadata))
        if "trajectory" in metadata.names or reads_trajectory(self.field):
            watched.names.add("trajectory")
        return frozenset(watched.names)

    async def score(self, case: Case, output: Output) -> Score:
        """Score one output.

        Plain functions of users run in one thread, one after the other; many ``async def`` run at a time.

        Raises:
            ScorerError: The function raised, or returned a value that is not a score.
        """
        try:
            value, reason, spans = await self._grade(case, output)
        except Exception as error:
            cause = truncate(str(error)) if type(error) is ScorerError else describe_error(error)
            raise ScorerError(f'{case.place}: case "{case.id}": scorer "{self.name}": {cause}') from error
        passed = None if value is None else value >= self.threshold - _ROUNDING
        return Score(self.name, value, passed, reason, self.weight, self.counts, spans=spans)

    async def _grade(self, case: Case, output: Output) -> _Read:
        if self.field is not None:
            try:
                output = part_of(output, self.field, case)
            except NoPartError as error:
                return 0.0, str(error), ()

        if self.code is None:
            returned = self.function(case, output)
            if isinstance(returned, tuple | Score) or not inspect.isawaitable(returned):
                return _graded(returned)
            return await _awaited(returned)

        def grade() -> _Read | Awaitable[_Read]:
            returned = self.function(case, output)
            return _awaited(returned) if inspect.isawaitable(returned) else _graded(returned)

        is_async = inspect.iscoroutinefunction(self.function)
        found: _Read = await (self.code.run(grade) if is_async else self.code.run_plain(grade))
        return found


_Read = tuple[float | None, str, tuple[DetectedSpan, ...]]
"""The value, the reason and the spans that a scorer's function returned."""


async def _awaited(returned: Awaitable[object]) -> _Read:
    return _graded(await returned)


_EMPTY: Final = Output("")


class _WatchedCase:
    """A case that records which of its fields are read."""

    def __init__(self, case: Case) -> None:
        self.names: set[str] = set()
        self._case = case

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._case, name)


class _WatchedMetadata(dict[str, "Json"]):
    """The empty metadata of an output, which records which of its keys are read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Json = None) -> Json:
        self.names.add(key)
        return default


def _graded(returned: object) -> _Read:
    """Read what a function returned: a bool, a number, (value, reason), a Score or None."""
    value, reason = _value_and_reason(returned)
    spans = returned.spans if isinstance(returned, Score) else ()
    if spans != () and not (isinstance(spans, tuple) and all(isinstance(one, DetectedSpan) for one in spans)):
        raise ScorerError(f"returned the spans {safe_repr(spans)}: give a tuple of DetectedSpan")
    if value is None:
        return None, reason or "could not tell", spans
    number = _number(value)
    if number is None:
        raise ScorerError(
            f"returned {safe_repr(value)}, which is {type_name(value)}: "
            "return a bool, a number in [0, 1], (value, reason), a Score or None"
        )
    if not -_ROUNDING <= number <= 1 + _ROUNDING:  # False for NaN
        raise ScorerError(f"returned {safe_repr(value)}, which is not in [0, 1]")
    return min(1.0, max(0.0, number)), reason, spans


def _number(value: object) -> float | None:
    """Return a number of Python, of decimal, or a scalar of numpy and its like; None for anything else."""
    if type(value) is float:  # most are; the check of an abstract type takes 1 us
        return value
    if isinstance(value, numbers.Real | Decimal):
        # read a short float by its text: float(numpy.float32(0.7)) is 0.699999988
        is_short = getattr(getattr(value, "dtype", None), "itemsize", _FLOAT_BYTES) < _FLOAT_BYTES
        return float(str(value)) if is_short and not isinstance(value, numbers.Integral) else float(value)
    item = getattr(value, "item", None)  # numpy.bool_, and arrays and tensors of one number
    if not callable(item) or not hasattr(value, "dtype"):
        return None
    try:
        found = item()
    except (TypeError, ValueError, RuntimeError):  # several numbers
        return None
    return float(found) if isinstance(found, numbers.Real) else None


def _value_and_reason(returned: object) -> tuple[object, str]:
    value, reason = returned, ""
    if isinstance(returned, Score):
        value, reason = returned.value, returned.reason
    elif isinstance(returned, tuple):
        if len(returned) != _PAIR:
            raise ScorerError(f"returned a tuple of {len(returned)}: return (value, reason)")
        value, reason = returned
    if not isinstance(reason, str):
        raise ScorerError(f"returned the reason {safe_repr(reason)}, which is {type_name(reason)}, not a string")
    reason = str.__str__(reason)  # not of a subclass, whose methods are the user's
    return value, reason if len(reason) <= _MAX_REASON else reason[: _MAX_REASON - 1] + "…"
