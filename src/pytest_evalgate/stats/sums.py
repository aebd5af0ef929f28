"""Figures of numbers: errors and correlations of predictions, errors of probabilities, means, and spans.

Each is a function of sums over cases, so that it can be resampled (`stats.resampling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.resampling import Array, FigureGroup, Key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROUNDING = 1e-12

SPAN_COLUMNS = 5
"""Sums of one label of spans: gold, predicted, exact, gold that is met, predicted that is met."""


def regression_rows(truth: Array, predicted: Array, centre: float) -> Array:
    """Return the sums of each case, shape (n, 8); ``centre`` is subtracted from both, against rounding errors."""
    error, y, x = predicted - truth, truth - centre, predicted - centre
    return np.stack([np.ones_like(y), np.abs(error), error**2, y, y**2, x, x**2, x * y], axis=1)


def regression_groups(worst_error: float) -> tuple[FigureGroup, ...]:
    """Return the errors and the correlation of predicted numbers.

    R² is 1 minus the squared errors as a share of the squared deviations from the mean, as in scikit-learn.
    ``worst_error`` is that of an imaginary case.
    """

    def compute(sums: Array) -> Mapping[Key, Array]:
        n, absolute, squared, y, yy, x, xx, xy = np.moveaxis(sums, -1, 0)
        spread_y, spread_x = _spread(n, y, yy), _spread(n, x, xx)
        return {
            ("mae", ""): _ratio(absolute, n),
            ("rmse", ""): np.sqrt(_ratio(squared, n)),
            ("r2", ""): 1 - _ratio(squared, spread_y),
            ("pearson", ""): _ratio(xy - _ratio(x * y, n), np.sqrt(np.maximum(spread_x * spread_y, 0))),
        }

    error = worst_error
    worst = np.array([1, error, error**2, 0, 0, error, error**2, 0]) if error else np.zeros(8)
    best = np.array([1.0, 0, 0, 0, 0, 0, 0, 0]) if error else np.zeros(8)
    return (FigureGroup(compute, worst, best),)


def _spread(n: Array, total: Array, squares: Array) -> Array:
    """Return the sum of squared deviations from the mean; 0 if it is no more than a rounding error."""
    spread = squares - _ratio(total**2, n)  # without a readable prediction n is 0, and the spread NaN
    return np.where(spread > _ROUNDING * squares, spread, 0.0)


def _ratio(above: Array, below: Array) -> Array:
    tiny = np.finfo(np.float64).tiny
    ratio: Array = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > tiny)
    return ratio


def equal_mass_edges(confidence: Array, bins: int) -> Array:
    """Return the lowest confidence of each bin but the first, so that all bins have about the same number of values.

    Equal values are in the same bin, so there may be fewer bins.
    """
    edges = np.unique(np.quantile(confidence, np.arange(1, bins) / bins, method="higher"))
    above: Array = edges[edges > confidence.min()]
    return above


def confidence_rows(confidence: Array, passed: Array, edges: Array) -> Array:
    """Return the sums of each case: 1, squared error, unreadable, then for each bin confidence minus result.

    ``confidence`` is NaN if it is unreadable, which counts as an error of 1.
    """
    readable = ~np.isnan(confidence)
    gap = np.where(readable, np.nan_to_num(confidence) - passed, 0.0)
    rows = np.zeros((len(passed), 3 + len(edges) + 1))
    rows[:, 0] = 1
    rows[:, 1] = np.where(readable, gap**2, 1.0)
    rows[:, 2] = ~readable
    rows[np.arange(len(passed)), 3 + np.searchsorted(edges, np.nan_to_num(confidence), side="right")] = gap
    return rows


def confidence_groups(width: int) -> tuple[FigureGroup, ...]:
    """Return Brier score and expected calibration error, from sums of ``width`` columns."""

    def compute(sums: Array) -> Mapping[Key, Array]:
        n = sums[..., 0]
        return {
            ("brier", ""): sums[..., 1] / n,
            ("ece", ""): (np.abs(sums[..., 3:]).sum(axis=-1) + sums[..., 2]) / n,
        }

    worst, best = np.zeros(width), np.zeros(width)
    worst[:3] = 1
    best[0] = 1
    return (FigureGroup(compute, worst, best),)


def mean_groups(names: Sequence[str]) -> tuple[FigureGroup, ...]:
    """Return means of values in [0, 1]; the sums are the number of cases, then one for each name."""

    def compute(sums: Array) -> Mapping[Key, Array]:
        return {(name, ""): _ratio(sums[..., 1 + at], sums[..., 0]) for at, name in enumerate(names)}

    worst = np.zeros(1 + len(names))
    worst[0] = 1
    return (FigureGroup(compute, worst, np.ones(1 + len(names))),)


def span_groups(labels: Sequence[str]) -> tuple[FigureGroup, ...]:
    """Return precision, recall and F1 of spans, over all labels ("") and by label.

    The sums are the number of cases, then `SPAN_COLUMNS` for each label. A partial match overlaps a span of the same
    label on the other side. F1 of exact matches is twice their number divided by all spans; F1 of partial ones is the
    harmonic mean of precision and recall.
    """
    number = len(labels)

    def overall(sums: Array) -> Mapping[Key, Array]:
        return _span_figures("", _by_label(sums, number).sum(axis=-2))

    def by_label(sums: Array) -> Mapping[Key, Array]:
        parts = _by_label(sums, number)
        found: dict[Key, Array] = {}
        for at, label in enumerate(labels):
            found |= _span_figures(label, parts[..., at, :])
        return found

    worst, best = [1.0, 1, 0, 0, 0], [1.0, 1, 1, 1, 1]
    others = [0.0] * SPAN_COLUMNS * (number - 1)
    return (
        FigureGroup(overall, np.array([1.0, *worst, *others]), np.array([1.0, *best, *others])),
        FigureGroup(by_label, np.array([1.0, *worst * number]), np.array([1.0, *best * number])),
    )


def _by_label(sums: Array, labels: int) -> Array:
    return sums[..., 1:].reshape(*sums.shape[:-1], labels, SPAN_COLUMNS)


def _span_figures(label: str, sums: Array) -> dict[Key, Array]:
    gold, predicted, exact, gold_met, predicted_met = np.moveaxis(sums, -1, 0)
    precision, recall = _ratio(predicted_met, predicted), _ratio(gold_met, gold)
    total = np.nan_to_num(precision) + np.nan_to_num(recall)
    harmonic = _ratio(2 * np.nan_to_num(precision) * np.nan_to_num(recall), total)
    figures = {
        "exact-precision": _ratio(exact, predicted),
        "exact-recall": _ratio(exact, gold),
        "exact-f1": _ratio(2 * exact, gold + predicted),
        "partial-precision": precision,
        "partial-recall": recall,
        "partial-f1": np.where(gold + predicted > 0, np.nan_to_num(harmonic), np.nan),
    }
    return {(name, label): value for name, value in figures.items()}
