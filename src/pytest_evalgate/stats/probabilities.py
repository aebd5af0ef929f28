"""Scores as probabilities: Brier score, log loss, calibration error and the isotonic fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_counts, check_same_length
from pytest_evalgate.stats.labels import as_labels
from pytest_evalgate.stats.numeric import ROUNDING

if TYPE_CHECKING:
    import numpy.typing as npt

_CLIP = 1e-15


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well probabilities of a pass agree with what humans say; 0 is best for all three errors.

    ``log_loss`` is in nats. ``isotonic`` holds one rate per case: the rising step function that fits the labels best.
    """

    brier: float
    log_loss: float
    ece: float
    isotonic: tuple[float, ...]


def calibration(prob: Numbers, human: Numbers, bins: int = 10) -> Calibration:
    """Hold n probabilities of a pass against human labels: passed (1) or failed (0).

    Brier ``mean((p - y)²)``; log loss with probabilities kept 1e-15 away from 0 and 1; the expected calibration error
    over ``bins`` bins of equal width, closed above (the first one also below), weighted by their cases. Shapes: (n,),
    (n,). Source: Brier 1950; Naeini et al. 2015; Zadrozny & Elkan 2002 for the isotonic fit.

    Raises:
        ValueError: no case, unequal lengths, a probability that is NaN or outside [0, 1], a label other than 0 and 1,
            or no bin.

    """
    check_same_length(prob=prob, human=human)
    check_counts(1, bins=bins)
    p, labels = as_numbers("prob", prob, 0.0, 1.0), as_labels("human", human)
    kept = np.clip(p, _CLIP, 1 - _CLIP)
    bin_of = np.clip(np.ceil(p * bins - ROUNDING) - 1, 0, bins - 1).astype(np.intp)
    return Calibration(
        brier=float(np.mean((p - labels) ** 2)),
        log_loss=float(-np.mean(special.xlogy(labels, kept) + special.xlog1py(1 - labels, -kept))),
        ece=float(np.sum(np.abs(np.bincount(bin_of, weights=p - labels)))) / len(p),
        isotonic=tuple(_isotonic(p, labels).tolist()),
    )


def _isotonic(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy import optimize  # noqa: PLC0415 - 0.2 s

    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rates = np.bincount(places, weights=labels) / counts
    fitted: npt.NDArray[np.float64] = optimize.isotonic_regression(rates, weights=counts).x
    return fitted[places]
