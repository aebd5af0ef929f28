"""Prediction-powered inference: the mean human value of a run of which only a part is labelled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_same_length
from pytest_evalgate.stats.intervals import Interval
from pytest_evalgate.stats.numeric import upper_z

if TYPE_CHECKING:
    import numpy.typing as npt

_Z95 = upper_z(0.025)
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class PpiEstimate:
    """A mean with its 95 % interval; ``weight`` (lambda) is how far the judge is trusted, from 0 to 1."""

    point: float
    ci95: Interval
    weight: float


@dataclass(frozen=True, slots=True)
class PpiMean:
    """The mean with full trust in the judge (``ppi_lambda1``), and with as much as its labels warrant."""

    ppi_lambda1: PpiEstimate
    ppi_plus_plus: PpiEstimate


def ppi_mean(human: Numbers, judge_labelled: Numbers, judge_unlabelled: Numbers) -> PpiMean:
    """Estimate the mean human value of a run from n labelled cases, a random part of it, and a judge on all of it.

    Values lie in [-1, 1]: passes, scores, or differences of two systems. The interval is normal; below 10 human fails
    it covers too little (90 % at a rate of .95), and Clopper-Pearson on the labels alone is to be taken. Shapes: (n,),
    (n,), (N,); n and N from 2. Source: Angelopoulos et al. 2023 (PPI, PPI++).

    Raises:
        ValueError: fewer than two cases on either side, unequal lengths, or a value that is NaN or outside [-1, 1].

    """
    check_same_length(human=human, judge_labelled=judge_labelled)
    labels = as_numbers("human", human, -1.0, 1.0)
    seen = as_numbers("judge_labelled", judge_labelled, -1.0, 1.0)
    unseen = as_numbers("judge_unlabelled", judge_unlabelled, -1.0, 1.0)
    for name, values in (("human", labels), ("judge_unlabelled", unseen)):
        if len(values) < _FEWEST:
            raise ValueError(f"{name} must hold {_FEWEST} or more values, got {len(values)}: one has no spread")
    return PpiMean(_ppi(labels, seen, unseen, 1.0), _ppi(labels, seen, unseen, _best_weight(labels, seen, unseen)))


def _best_weight(
    labels: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], unseen: npt.NDArray[np.float64]
) -> float:
    """Return the lambda with the least variance; 0 for a judge that always says the same."""
    judged = np.concatenate((seen, unseen))
    if np.ptp(judged) == 0:
        return 0.0
    together = float(np.mean((labels - labels.mean()) * (seen - seen.mean())))
    weight = together / ((1 + len(labels) / len(unseen)) * float(judged.var(ddof=1)))
    return min(1.0, max(0.0, weight))


def _ppi(
    labels: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], unseen: npt.NDArray[np.float64], weight: float
) -> PpiEstimate:
    trusted, rest = weight * unseen, labels - weight * seen
    point = float(trusted.mean() + rest.mean())
    half = _Z95 * math.sqrt(float(trusted.var()) / len(trusted) + float(rest.var()) / len(rest))
    return PpiEstimate(point, Interval(point - half, point + half), weight)
