"""What the probes and controls say of a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from pytest_evalgate.judging import probes
from pytest_evalgate.judging.canaries import broken
from pytest_evalgate.judging.probe_texts import Family

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.data import Score
    from pytest_evalgate.judging.canaries import Canary
    from pytest_evalgate.judging.probes import Break, Probe


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """The probes of one family, over all trials.

    Of those ``asked``, ``breaks`` passed, ``unreadable`` were answered with what is no verdict, and ``unanswered``
    were not answered at all: their calls failed.
    """

    family: Family
    asked: int
    breaks: int
    unreadable: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All that is known of one judge.

    ``answered`` probes, ten at least since those need no call, make the trials of ``bound``, the one-sided 95 % upper
    limit of the share of breaks. ``controls_wrong`` says which of the ``controls`` the judge could not tell.
    ``unanswered`` counts the probes and controls whose calls failed. ``literal`` says that templates in an output
    reach the judge as they are.
    """

    judge: str
    trials: int
    families: tuple[FamilyResult, ...]
    answered: int
    breaks: tuple[Break, ...]
    bound: float
    controls: int
    controls_wrong: tuple[str, ...]
    unanswered: int
    literal: bool


def result(
    judge: str, asked: Sequence[Probe], controls: Sequence[Canary], scores: Sequence[Score], *, literal: bool
) -> ProbeResult:
    """Put together what became of the probes and of the controls.

    Args:
        judge: The judge's name.
        asked: N probes, one or more.
        controls: M controls.
        scores: What the judge said of the probes and then of the controls, shape (N + M,).
        literal: Whether templates in an output reach the judge as they are.

    """
    of_probes, of_controls = scores[: len(asked)], scores[len(asked) :]
    found = probes.breaks(asked, of_probes)
    answered = sum(map(probes.is_answered, of_probes))
    wrong = [each for each in broken(controls, of_controls) if probes.is_answered(each.score)]
    return ProbeResult(
        judge=judge,
        trials=max(probe.trial for probe in asked),
        families=tuple(_families(asked, of_probes)),
        answered=answered,
        breaks=found,
        bound=probes.bound(len(found), answered),
        controls=len(controls),
        controls_wrong=tuple(map(str, wrong)),
        unanswered=sum(not probes.is_answered(score) for score in scores),
        literal=literal,
    )


def _families(asked: Sequence[Probe], scores: Sequence[Score]) -> Iterator[FamilyResult]:
    told = list(zip(asked, scores, strict=True))
    for family in get_args(Family):
        of_family = [score for probe, score in told if probe.family == family]
        answered = [score for score in of_family if probes.is_answered(score)]
        yield FamilyResult(
            family=family,
            asked=len(of_family),
            breaks=sum(score.passed is True for score in of_family),
            unreadable=sum(score.passed is None for score in answered),
            unanswered=len(of_family) - len(answered),
        )
