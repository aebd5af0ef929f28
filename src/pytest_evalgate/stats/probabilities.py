"""Scores as probabilities: how good they are (Brier, log loss, calibration error), and how to make them better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from pytest_evalgate.stats.checks import Numbers, as_finite, as_numbers, check_counts, check_same_length
from pytest_evalgate.stats.labels import as_both_labels, as_labels
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


@dataclass(frozen=True, slots=True)
class Platt:
    """The probability of a pass as a logistic function of the score: ``1 / (1 + exp(-(slope score + intercept)))``.

    ``separable`` says that a threshold parts the labels without fault; the fit then rests on softened labels.
    """

    slope: float
    intercept: float
    separable: bool

    def probability(self, score: float) -> float:
        """Return the probability that a human passes what has this score."""
        return float(special.expit(self.slope * score + self.intercept))


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


def platt(scores: Numbers, human: Numbers) -> Platt:
    """Fit the probability of a human pass (1, else 0) to n scores, without a penalty; use it on other cases.

    Where a threshold parts the labels without fault the slope would be infinite: the labels are then softened to
    ``(N1 + 1) / (N1 + 2)`` and ``1 / (N0 + 2)``, for N1 passes and N0 fails. Shapes: (n,), (n,). Source: Platt 1999.

    Raises:
        ValueError: no case, unequal lengths, a score that is NaN or infinite, scores that are all the same, a label
            other than 0 and 1, or labels of one class only.

    """
    check_same_length(scores=scores, human=human)
    x, labels = as_finite("scores", scores), as_both_labels("human", human)
    if np.ptp(x) == 0:
        raise ValueError(f"scores must differ to be fitted, got {len(x)} times {x[0]}")
    separable = _separable(x, labels)
    centre, spread = float(x.mean()), float(np.ptp(x))
    slope, intercept = _logistic((x - centre) / spread, _softened(labels) if separable else labels)
    return Platt(slope / spread, intercept - slope * centre / spread, separable)


def _isotonic(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy import optimize  # noqa: PLC0415 - 0.2 s

    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rates = np.bincount(places, weights=labels) / counts
    fitted: npt.NDArray[np.float64] = optimize.isotonic_regression(rates, weights=counts).x
    return fitted[places]


def _separable(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.float64]) -> bool:
    passed, failed = scores[labels == 1], scores[labels == 0]
    return bool(passed.min() >= failed.max() or passed.max() <= failed.min())


def _softened(labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    passes = int(labels.sum())
    fails = len(labels) - passes
    return np.where(labels == 1, (passes + 1) / (passes + 2), 1 / (fails + 2))


def _logistic(scores: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope and the intercept of the largest likelihood; the loss is convex, so there is one."""
    from scipy import optimize  # noqa: PLC0415 - 0.2 s

    columns = np.stack((scores, np.ones_like(scores)))

    def loss(line: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        logits = line @ columns
        return (
            float(np.mean(np.logaddexp(0, logits) - wanted * logits)),
            columns @ (special.expit(logits) - wanted) / len(wanted),
        )

    def curvature(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rates = special.expit(line @ columns)
        bent: npt.NDArray[np.float64] = (columns * rates * (1 - rates)) @ columns.T / len(wanted)
        return bent

    found = optimize.minimize(loss, np.zeros(2), jac=True, hess=curvature, method="trust-exact", tol=1e-10)
    slope, intercept = found.x.tolist()
    return slope, intercept
