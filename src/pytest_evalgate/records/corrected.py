"""Numbers of suites that a judge decides: rates and changes, corrected for its errors and as it measured them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A judge's pass rate, corrected for its errors. ``lower`` is a one-sided 95 % bound, ``interval`` two-sided."""

    value: float
    interval: tuple[float, float]
    lower: float
    method: Literal["rogan-gladen", "ppi"]


@dataclass(frozen=True, slots=True)
class MeasuredChange:
    """The change of the judge's own verdicts, before the correction for its errors, with its one-sided bounds."""

    delta: float
    lower: float
    upper: float
