"""Krippendorff's alpha of many tables of coincidences at once, such as the draws of a bootstrap.

A coincidence is an ordered pair of labels of one output. `stats.agreement.krippendorff_missing` computes one alpha
from the ratings; 1,000 draws of 1,000 outputs take it 28 times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.stats.arrays import np

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_evalgate.stats.agreement import Level

    Floats = npt.NDArray[np.float64]


def coincidences(counts: Floats) -> Floats:
    """Return the coincidences of each unit. Shapes: (U, K) to (U, K, K).

    ``counts[u, c]`` is the number of raters who gave unit u the value c. Each unit with m >= 2 ratings has m
    coincidences, and one with fewer has none. Source: Krippendorff 2011.
    """
    ratings = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    places = np.arange(counts.shape[1])
    pairs[:, places, places] -= counts
    return np.asarray(pairs / np.maximum(1, ratings - 1)[:, None, None], dtype=np.float64)


def alphas(tables: Floats, values: Floats, level: Level) -> Floats:
    """Return the alpha of each table of coincidences; NaN if all its labels are equal.

    ``values`` are the K values in ascending order. Shapes: (B, K, K) and (K,) to (B,). Source: Krippendorff 2011.
    """
    margins = tables.sum(axis=2)
    n = margins.sum(axis=1)
    distances = _distances(margins, values, level)
    observed = (tables * distances).sum(axis=(1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * distances).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan), dtype=np.float64)


def _distances(margins: Floats, values: Floats, level: Level) -> Floats:
    """Return the squared distance of each two values, in each table. Shape: (B, K, K)."""
    if level == "nominal":
        return np.broadcast_to(1 - np.eye(len(values)), (len(margins), len(values), len(values)))
    ranks = np.cumsum(margins, axis=1) - margins / 2
    places = ranks if level == "ordinal" else np.broadcast_to(values, margins.shape)
    return np.asarray((places[:, :, None] - places[:, None, :]) ** 2, dtype=np.float64)
