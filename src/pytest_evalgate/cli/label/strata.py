"""Which outputs of a run people should label: as many failed as passed, and more where the judge is unsure.

Most outputs pass, and most that pass do so plainly: a plain sample would hold few fails, and few of the outputs that a
judge gets wrong. Each stratum therefore gets an equal share, and each output the number of outputs that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.data import CaseResult, Trial

_UNSURE = (0.25, 0.75)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An output that people may label: its case's result, the trial that it comes from, and its stratum."""

    result: CaseResult
    trial: Trial
    stratum: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A candidate that was drawn, and the number of candidates that it stands for."""

    candidate: Candidate
    weight: float


def candidates_of(results: Sequence[CaseResult], judge: str | None) -> list[Candidate]:
    """Return the first output of each case, by what the judge says of it; without one, by what the case came to.

    Outputs that the judge could not read are left out: a calibration cannot use them.
    """
    found = []
    for result in results:
        if result.case.side == "base":  # what the branch removed or edited
            continue
        trial = next((trial for trial in result.trials if _is_whole(trial)), None)
        marks = [_mark(trial, judge) for trial in result.trials]
        if trial is not None and (mark := _mark(trial, judge)) is not None:
            found.append(Candidate(result, trial, _stratum(mark, [one for one in marks if one is not None])))
    return found


def draw(candidates: Sequence[Candidate], n: int, seed: int) -> list[Drawn]:
    """Draw at most ``n`` candidates, as equally many of each stratum as there are; they keep their order."""
    strata: dict[str, list[int]] = {}
    for at, candidate in enumerate(candidates):
        strata.setdefault(candidate.stratum, []).append(at)
    shares = _shares({name: len(members) for name, members in strata.items()}, n)
    random = np.random.default_rng(seed)
    weights: dict[int, float] = {}
    for name in sorted(strata):
        members, share = strata[name], shares[name]
        for place in random.permutation(len(members))[:share].tolist():
            weights[members[place]] = len(members) / share
    return [Drawn(candidates[at], weights[at]) for at in sorted(weights)]


def _is_whole(trial: Trial) -> bool:
    return trial.output is not None and trial.output.value is not None and trial.output.finish == "complete"


def _mark(trial: Trial, judge: str | None) -> tuple[bool, float] | None:
    """Return whether an output passed, and its score; None where nobody could tell."""
    if judge is None:
        return None if trial.value is None else (trial.value == 1, trial.value)
    score = next((score for score in trial.scores if score.name == judge), None)
    if score is None or score.passed is None or score.value is None:
        return None
    return score.passed, score.value


def _stratum(mark: tuple[bool, float], trials: Sequence[tuple[bool, float]]) -> str:
    passed, score = mark
    low, high = _UNSURE
    unsure = low <= score <= high or len({one for one, _ in trials}) > 1
    return f"{'pass' if passed else 'fail'}{', unsure' if unsure else ''}"


def _shares(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """Deal ``n`` out: one to each stratum in turn, the smallest first, while it has any left."""
    shares = dict.fromkeys(sizes, 0)
    order = sorted(sizes, key=lambda name: (sizes[name], name))
    left = min(n, sum(sizes.values()))
    while left:
        for name in order:
            if left and shares[name] < sizes[name]:
                shares[name] += 1
                left -= 1
    return shares
