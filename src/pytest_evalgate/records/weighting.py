"""Weights of a suite's cases in its rates and changes."""

from __future__ import annotations

from pytest_evalgate.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Weighting:
    """The weights of a suite whose cases do not weigh alike.

    ``n_eff`` is Kish's effective number of cases: that many cases of equal weight have the same variance. ``changed``
    is the number of paired cases whose weight in the baseline differs; both sides have the weights of the run.
    """

    n_eff: float
    changed: int = 0
