"""Numbers of suites that a judge decides, corrected for its errors and as it measured them; the labels behind them."""

from __future__ import annotations

from typing import Literal

from pytest_evalgate.frozen import dataclass

CorrectionMethod = Literal["rogan-gladen", "design", "ppi"]


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A judge's pass rate, corrected for its errors. ``lower`` is a one-sided 95 % bound, ``interval`` two-sided.

    ``method`` is "rogan-gladen" for labels of other outputs, "design" for labels that were drawn by verdict from
    another run, "ppi" for labels that were drawn from this run.
    """

    value: float
    interval: tuple[float, float]
    lower: float
    method: CorrectionMethod


@dataclass(frozen=True, slots=True)
class MeasuredChange:
    """The change of the judge's own verdicts, before the correction for its errors, with its one-sided bounds."""

    delta: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class LabelledStratum:
    """One stratum of ``outputs`` outputs of a run, and its labelled ones by human label and verdict of the judge.

    ``both`` passed with people and with the judge, ``human`` with people alone, ``judge`` with the judge alone. Counts
    are effective numbers, and may be fractional, if labels are clustered.
    """

    outputs: float
    both: float
    human: float
    judge: float
    neither: float


@dataclass(frozen=True, slots=True)
class LabelledSample:
    """Labels that were drawn from a run by stratum. ``frame`` identifies its outputs; empty if that is unknown."""

    frame: str
    strata: tuple[LabelledStratum, ...]
