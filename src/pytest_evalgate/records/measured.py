"""Metrics of a suite: figures over all of its cases together, such as macro F1 or the largest gap between groups."""

from __future__ import annotations

from pytest_evalgate.frozen import dataclass


@dataclass(frozen=True, slots=True)
class FigureChange:
    """The change of a figure against the baseline over the paired cases, with its two-sided 95 % interval.

    ``p`` is the one-sided p of a change for the worse; None if the change is only described.
    """

    before: float
    delta: float
    interval: tuple[float, float]
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a metric over ``n`` cases, with its two-sided 95 % interval.

    ``of`` is the class, the group or the kind that the figure belongs to; empty for the whole suite. ``value`` is None
    if the figure is undefined, such as the precision of a class that was never predicted.
    """

    name: str
    value: float | None
    n: int
    interval: tuple[float, float] | None = None
    of: str = ""
    change: FigureChange | None = None


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Numbers of cases by true class (rows) and predicted class (columns), both in the order of ``labels``."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of a reliability diagram: its number of cases, their mean stated confidence, and their pass rate."""

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric of a suite: the whole of ``figures`` is printed, compared and stored; a gate names one of them."""

    kind: str
    name: str
    n: int
    figures: tuple[Figure, ...]
    matrix: ConfusionMatrix | None = None
    bins: tuple[ReliabilityBin, ...] = ()
    notes: tuple[str, ...] = ()
