"""Scores as the probability that people pass: how good they are, and how good they would be once mapped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, figure
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.numeric import ROUNDING
from pytest_evalgate.stats.probabilities import calibration

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_evalgate.judging.figures.figure import Bootstrap

BINS = 10
FIGURES = ("brier", "log_loss", "ece")


@dataclass(frozen=True, slots=True)
class Bin:
    """Scores above ``low`` up to ``high``: how many there are, their mean, and the share that people pass."""

    low: float
    high: float
    n: int
    score: float
    passed: float
    interval: tuple[float, float]


def probability_figures(
    scores: Sequence[float], human: Sequence[bool], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Figure]:
    """Hold n probabilities of a pass against what people say: Brier score, log loss (nats) and calibration error.

    Shapes: (n,) each.
    """
    values, labels = np.array(scores, dtype=np.float64), np.array(human, dtype=np.float64)
    found = calibration(values, labels, BINS)
    drawn = [calibration(values[rows], labels[rows], BINS) for rows in bootstrap.samples(clusters)]
    return {name: figure(getattr(found, name), [getattr(one, name) for one in drawn]) for name in FIGURES}


def bins_of(scores: Sequence[float], human: Sequence[bool]) -> tuple[Bin, ...]:
    """Sort n scores in [0, 1] into ten bins of equal width, closed above; those that hold none are left out."""
    members: dict[int, list[tuple[float, bool]]] = {}
    for score, passed in zip(scores, human, strict=True):
        members.setdefault(max(0, math.ceil(score * BINS - ROUNDING) - 1), []).append((score, passed))
    return tuple(_bin(number, members[number]) for number in sorted(members))


def _bin(number: int, members: Sequence[tuple[float, bool]]) -> Bin:
    n, passed = len(members), sum(passed for _, passed in members)
    bounds = wilson_interval(passed, n)
    mean = math.fsum(score for score, _ in members) / n
    return Bin(number / BINS, (number + 1) / BINS, n, mean, passed / n, (bounds.lower, bounds.upper))
