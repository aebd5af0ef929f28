"""What identical runs say about this gate, and about the naive ones on the same runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.stability import aa_runs

if TYPE_CHECKING:
    from pytest_evalgate.cli.aa.identical_runs import IdenticalRuns
    from pytest_evalgate.stats.intervals import Interval

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FlakyCase:
    """A case that passed some of the identical runs and not the others."""

    id: str
    place: str
    passes: int


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """The whole answer for one suite; every rate is a share, intervals are at 95 %.

    The rates of the gates are those of ``comparisons``: all ordered pairs of ``runs`` identical runs.
    ``flaky`` lists the least steady cases, at most 20; ``flaky_more`` counts the rest.
    """

    suite: str
    source: str
    runs: int
    cases: int
    left_out_unanswered: int
    left_out_remembered: int
    alpha: float
    comparisons: int
    independent: int
    false_alarm_rate: float
    false_alarm_interval: tuple[float, float]
    expected_false_alarm_rate: float
    any_drop_rate: float
    any_loss_rate: float
    flip_rate: float
    flip_interval: tuple[float, float]
    flaky: tuple[FlakyCase, ...]
    flaky_more: int


def measure(runs: IdenticalRuns, alpha: float) -> FalseAlarms:
    """Hold every run against every other one, at one-sided ``alpha``."""
    found = aa_runs(runs.outcomes, alpha)
    any_drop, any_loss = _naive(runs.outcomes)
    flaky = _flaky(runs)
    return FalseAlarms(
        suite=runs.suite,
        source=runs.source,
        runs=len(runs.outcomes),
        cases=len(runs.cases),
        left_out_unanswered=runs.unanswered,
        left_out_remembered=runs.remembered,
        alpha=alpha,
        comparisons=found.comparisons,
        independent=found.independent,
        false_alarm_rate=found.false_alarm_rate,
        false_alarm_interval=_pair(found.false_alarm_interval),
        expected_false_alarm_rate=found.expected_false_alarm_rate,
        any_drop_rate=any_drop,
        any_loss_rate=any_loss,
        flip_rate=found.flips.rate,
        flip_interval=_pair(found.flips.interval),
        flaky=flaky[:_SHOWN],
        flaky_more=max(0, len(flaky) - _SHOWN),
    )


def _naive(outcomes: tuple[tuple[bool, ...], ...]) -> tuple[float, float]:
    """Return in which shares of the ordered pairs of runs the second has fewer passes, or any loss."""
    table = np.array(outcomes, dtype=np.float64)
    losses = table @ (1 - table.T)  # [i, j]: cases that run i passed and run j missed
    pairs = len(table) * (len(table) - 1)
    return float(np.count_nonzero(losses > losses.T)) / pairs, float(np.count_nonzero(losses)) / pairs


def _flaky(runs: IdenticalRuns) -> tuple[FlakyCase, ...]:
    """Return the cases that flipped, the least steady first, and of equally steady ones that with fewer passes."""
    most = len(runs.outcomes)
    found = [(case, passes) for case, passes in zip(runs.cases, runs.passes, strict=True) if 0 < passes < most]
    found.sort(key=lambda each: (-each[1] * (most - each[1]), each[1]))
    return tuple(FlakyCase(case.id, str(case.place), passes) for case, passes in found)


def _pair(interval: Interval) -> tuple[float, float]:
    return interval.lower, interval.upper
