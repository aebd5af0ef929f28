"""Predicted classes against true ones."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.stats.checks import check_same_length

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(frozen=True, slots=True)
class Classification:
    """How well predicted labels agree with the true ones; all from 0 to 1, but ``mcc`` and ``kappa`` from -1.

    ``macro_f1`` and ``weighted_f1`` average the F1 of each label, ``micro_f1`` is the accuracy again.
    ``balanced_accuracy`` is the mean recall of the labels that occur in the truth. ``mcc`` is 0 where either side has
    a single label; ``kappa`` is None where both have, and the same one: chance then agrees always.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    micro_f1: float
    weighted_f1: float
    mcc: float
    kappa: float | None


def classification(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> Classification:
    """Compare n predicted labels with n true ones, over all labels that occur on either side.

    A label's F1 is ``2 hits / (true + predicted)``. Shapes: (n,), (n,). Source: Cohen 1960; Gorodkin 2004 for several
    classes; scikit-learn's conventions for what is undefined.

    Raises:
        ValueError: no case, or unequal lengths.

    """
    check_same_length(truth=truth, predicted=predicted)
    n = len(truth)
    if n == 0:
        raise ValueError("truth must be a list of one or more labels, got none")
    true, guessed = Counter(truth), Counter(predicted)
    hits = Counter(one for one, other in zip(truth, predicted, strict=True) if one == other)
    f1 = {label: 2 * hits[label] / (true[label] + guessed[label]) for label in true | guessed}
    accuracy = hits.total() / n
    return Classification(
        accuracy=accuracy,
        balanced_accuracy=_mean([hits[label] / count for label, count in true.items()]),
        macro_f1=_mean(list(f1.values())),
        micro_f1=accuracy,
        weighted_f1=math.fsum(count * f1[label] for label, count in true.items()) / n,
        mcc=_correlation(true, guessed, hits.total()),
        kappa=above_chance(accuracy, _products(true, guessed) / n**2),
    )


def above_chance(observed: float, expected: float) -> float | None:
    """Return ``(observed - expected) / (1 - expected)``; None where chance agrees always."""
    return None if expected == 1 else (observed - expected) / (1 - expected)


def _correlation(true: Counter[Hashable], guessed: Counter[Hashable], hits: int) -> float:
    n = true.total()
    spread = (n**2 - _products(true, true)) * (n**2 - _products(guessed, guessed))
    return (hits * n - _products(true, guessed)) / math.sqrt(spread) if spread else 0.0


def _products(one: Counter[Hashable], other: Counter[Hashable]) -> int:
    return sum(count * other[label] for label, count in one.items())


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
