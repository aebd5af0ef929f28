"""Human labels as an array: 1 for a pass, 0 for a fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.stats.checks import Numbers, as_whole_numbers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def as_labels(name: str, values: Numbers) -> npt.NDArray[np.float64]:
    """Return passes (1, True) and fails (0, False) as a float array of shape (n,), n >= 1.

    Raises:
        ValueError: empty, or a value is neither 0 nor 1; names the first one.

    """
    return as_whole_numbers(name, values, 0, 1)


def as_both_labels(name: str, values: Numbers) -> npt.NDArray[np.float64]:
    """Return ``as_labels``, of which at least one is a pass and at least one a fail.

    Raises:
        ValueError: as there, or all of them are the same.

    """
    labels = as_labels(name, values)
    passes = int(labels.sum())
    if passes in (0, len(labels)):
        raise ValueError(f"{name} must hold passes and fails, got {passes} passes of {len(labels)}: label both kinds")
    return labels
