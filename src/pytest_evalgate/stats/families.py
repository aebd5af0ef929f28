"""Several tests, one verdict: however many gates there are, the share of builds that fail by luck stays at alpha.

A family-wise alpha is what a build needs. The false discovery rates serve dashboards: they control the share of
wrongly named slices among the named ones, not the share of builds that fail wrongly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_numbers, check_alpha

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class GateFamily:
    """Which tests of a family reject, in the order given, and the level that each part of it had."""

    overall_rejected: tuple[bool, ...]
    slices_rejected: tuple[bool, ...]
    overall_alpha: float
    slices_alpha: float


@dataclass(frozen=True, slots=True)
class FallbackGate:
    """Whether the overall test and which slice tests reject, in the order given, and at which level."""

    overall_rejected: bool
    slices_rejected: tuple[bool, ...]
    overall_alpha: float
    slices_alpha: float


def holm_adjusted(p: Numbers) -> tuple[float, ...]:
    """Return Holm's adjusted p of K tests, shape (K,): those at or below alpha are rejected, family-wise.

    The tests may depend on one another in any way. Source: Holm 1979.

    Raises:
        ValueError: no p, or one that is NaN or outside [0, 1].

    """
    array = _p_values(p)
    order = np.argsort(array, kind="stable")
    tests_left = np.arange(len(array), 0, -1)
    return _in_input_order(np.maximum.accumulate(tests_left * array[order]), order)


def bh_adjusted(p: Numbers) -> tuple[float, ...]:
    """Return adjusted p of K tests, shape (K,), for the false discovery rate: a dashboard's, not a gate's.

    For tests that are independent or positively dependent. Source: Benjamini & Hochberg 1995.

    Raises:
        ValueError: no p, or one that is NaN or outside [0, 1].

    """
    return _false_discovery(_p_values(p), factor=1.0)


def by_adjusted(p: Numbers) -> tuple[float, ...]:
    """Return adjusted p of K tests, shape (K,), for the false discovery rate under any dependence.

    Source: Benjamini & Yekutieli 2001.

    Raises:
        ValueError: no p, or one that is NaN or outside [0, 1].

    """
    array = _p_values(p)
    return _false_discovery(array, factor=float(np.sum(1 / np.arange(1, len(array) + 1))))


def fallback_gate(overall_p: float, slice_p: Numbers, alpha: float = 0.05) -> FallbackGate:
    """Judge one overall test and K slice tests at one family-wise ``alpha``: the family of an ordinary suite.

    ``gate_family`` with a single overall test. Shape of ``slice_p``: (K,), K may be 0. Source: Wiens 2003.

    Raises:
        ValueError: a p is NaN or outside [0, 1], or ``alpha`` is outside (0, 0.5).

    """
    found = gate_family([overall_p], slice_p, alpha)
    return FallbackGate(found.overall_rejected[0], found.slices_rejected, found.overall_alpha, found.slices_alpha)


def gate_family(overall_p: Numbers, slice_p: Numbers, alpha: float = 0.05) -> GateFamily:
    """Judge several overall tests and K slice tests at one family-wise ``alpha``.

    Both parts by Holm: the overall tests at ``alpha / 2``; the slices at ``alpha`` if all overall tests reject, else
    at ``alpha / 2``. A part that is empty leaves all of ``alpha`` to the other. Slices may overlap, and the tests may
    depend on one another in any way. Shapes: (J,), (K,). Source: Wiens 2003; Holm 1979.

    Raises:
        ValueError: a p is NaN or outside [0, 1], or ``alpha`` is outside (0, 0.5).

    """
    check_alpha(alpha)
    overall_alpha = alpha / 2 if len(slice_p) else alpha
    overall = _rejected(overall_p, overall_alpha)
    slices_alpha = alpha if all(overall) else alpha / 2
    return GateFamily(overall, _rejected(slice_p, slices_alpha), overall_alpha, slices_alpha)


def fewest_losses(alpha: float = 0.05) -> int:
    """Return the fewest losses, without a gain, that the mid-p test rejects at ``alpha``: 4 at 0.05, 6 at 0.01.

    A slice with fewer discordant pairs than this, at the level it has, is too small to gate.
    Source: the smallest mid-p of m discordant pairs is ``2^-(m+1)``.

    Raises:
        ValueError: ``alpha`` is outside (0, 0.5).

    """
    check_alpha(alpha)
    return math.ceil(-math.log2(alpha)) - 1


def _p_values(p: Numbers) -> npt.NDArray[np.float64]:
    return as_numbers("p", p, 0.0, 1.0)


def _rejected(p: Numbers, alpha: float) -> tuple[bool, ...]:
    return tuple(adjusted <= alpha for adjusted in holm_adjusted(p)) if len(p) else ()


def _false_discovery(array: npt.NDArray[np.float64], factor: float) -> tuple[float, ...]:
    order = np.argsort(-array, kind="stable")
    rank = np.arange(len(array), 0, -1)
    return _in_input_order(np.minimum.accumulate(factor * len(array) / rank * array[order]), order)


def _in_input_order(adjusted: npt.NDArray[np.float64], order: npt.NDArray[np.intp]) -> tuple[float, ...]:
    back = np.empty_like(adjusted)
    back[order] = np.minimum(adjusted, 1.0)
    return tuple(back.tolist())
