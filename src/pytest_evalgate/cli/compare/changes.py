"""Which cases changed between two sides, and which of them only flip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.cli.compare.forms import UNANSWERED
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.stability import flaky_case_midp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.data import CaseResult
    from pytest_evalgate.gates.pairing import Pair, Pairing


@dataclass(frozen=True, slots=True)
class ListedCase:
    """A case and where it stands; the place is empty where the side does not know it."""

    case: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case that passes in other shares of its trials than before, each in [0, 1]."""

    case: str
    place: str
    before: float
    now: float
    reason: str


@dataclass(frozen=True, slots=True)
class FlakyCase:
    """A case that passed in some of its trials on both sides.

    ``p`` is the one-sided mid-p of a drop, adjusted for the suite's other flaky cases; ``dropped`` says that it is at
    most alpha: more than flipping.
    """

    case: str
    place: str
    before_passes: int
    before_trials: int
    now_passes: int
    now_trials: int
    p: float
    dropped: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """The cases of a suite, sorted by what became of them.

    ``regressed`` and ``fixed`` begin with the largest change; a flaky case may stand there too. Cases without an
    answer on the newer side are on no list but that of edited or added ones.
    """

    passed_both: int
    missed_both: int
    regressed: tuple[ChangedCase, ...] = ()
    fixed: tuple[ChangedCase, ...] = ()
    flaky: tuple[FlakyCase, ...] = ()
    edited: tuple[ListedCase, ...] = ()
    added: tuple[ListedCase, ...] = ()
    removed: tuple[ListedCase, ...] = ()


def changes_of(pairing: Pairing, alpha: float) -> Changes:
    """Sort the cases; ``alpha`` is the one-sided level at which a flaky case is said to have dropped."""
    answered = [pair for pair in pairing.pairs if _is_answered(pair)]
    return Changes(
        passed_both=sum(pair.before.mean == pair.now.lowest == 1 for pair in answered),
        missed_both=sum(pair.before.mean == pair.now.lowest == 0 for pair in answered),
        regressed=tuple(_changed(pair) for pair in pairing.regressed if _is_answered(pair)),
        fixed=tuple(_changed(pair) for pair in pairing.fixed if _is_answered(pair)),
        flaky=_flaky(answered, alpha),
        edited=_listed(pairing.edited),
        added=_listed(pairing.added),
        removed=tuple(map(ListedCase, pairing.removed)),
    )


def _is_answered(pair: Pair) -> bool:
    return pair.now.outcome not in UNANSWERED


def _changed(pair: Pair) -> ChangedCase:
    result = pair.now
    reason = result.reason or next((trial.reason for trial in result.trials if not trial.value), "")
    return ChangedCase(result.case.id, _place(result), pair.before.mean, result.lowest, reason)


def _flaky(pairs: Iterable[Pair], alpha: float) -> tuple[FlakyCase, ...]:
    """Return the flaky cases, the most suspicious first; a family of tests by Holm's procedure."""
    found = [pair for pair in pairs if 0 < pair.before.mean < 1 and 0 < pair.now.lowest < 1 and _is_counted(pair)]
    levels = holm_adjusted([_midp(pair) for pair in found]) if found else []
    cases = [_flaky_case(pair, float(p), alpha) for pair, p in zip(found, levels, strict=True)]
    return tuple(sorted(cases, key=lambda case: case.p))


def _is_counted(pair: Pair) -> bool:
    """Tell whether every trial passed or failed: a baseline may hold graded ones."""
    return {*pair.before.values, *_values(pair.now)} <= {0.0, 1.0}


def _values(result: CaseResult) -> list[float | None]:
    return [trial.value for trial in result.trials]


def _midp(pair: Pair) -> float:
    values = _values(pair.now)
    return flaky_case_midp(
        baseline_passes=pair.before.values.count(1.0),
        baseline_trials=len(pair.before.values),
        candidate_passes=values.count(1.0),
        candidate_trials=len(values),
    )


def _flaky_case(pair: Pair, p: float, alpha: float) -> FlakyCase:
    values = _values(pair.now)
    return FlakyCase(
        case=pair.now.case.id,
        place=_place(pair.now),
        before_passes=pair.before.values.count(1.0),
        before_trials=len(pair.before.values),
        now_passes=values.count(1.0),
        now_trials=len(values),
        p=p,
        dropped=p <= alpha,
    )


def _listed(results: Sequence[CaseResult]) -> tuple[ListedCase, ...]:
    return tuple(ListedCase(result.case.id, _place(result)) for result in results)


def _place(result: CaseResult) -> str:
    place = result.case.place
    return str(place) if place.file else ""
