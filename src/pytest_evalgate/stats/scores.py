"""The mean of graded scores in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.stats.checks import Numbers, as_numbers
from pytest_evalgate.stats.clusters import ClusterMean, cluster_mean_ci

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


def mean_score_ci(
    scores: Numbers, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> ClusterMean:
    """Estimate the mean of n >= 2 per-case scores in [0, 1]: graded ones, or the means of several trials.

    ``cluster_mean_ci``; without ``clusters`` each case is its own. A gate takes ``lower_one_sided_exact``: it treats
    the mean as a pass rate, which of all scores with this mean varies most, so it errs to the safe side. Clusters take
    per-case means. Shapes: (n,), (n,). Source: Miller 2024; Korn & Graubard 1998.

    Raises:
        ValueError: fewer than two cases or clusters, unequal lengths, a score that is NaN or outside [0, 1], or
            ``confidence`` outside (0.5, 1).

    """
    array = as_numbers("scores", scores, 0.0, 1.0)
    if len(array) == 1:
        raise ValueError("scores: at least 2 cases are needed for a standard error, got 1")
    return cluster_mean_ci(array, range(len(array)) if clusters is None else clusters, confidence)
