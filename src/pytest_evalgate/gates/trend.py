"""The trend over stored runs: slides that every single build passes. Advice, never a reason to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_evalgate.records.results import Trend
from pytest_evalgate.stats.trend import RobustZ, cusum_down, ewma, robust_z, run_sigma
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.records.results import HistoryRow

_MIN_RUNS: Final = 7
"""Earlier runs that a trend needs: what a median and its spread are good for."""

_THIRD: Final = 3
"""The first third of the runs is what is usual: as they grow in number, chance in the level costs fewer alarms."""

_SLACK: Final = 0.5
_LIMIT: Final = 5.0
"""Of the run-to-run standard deviation: what a run may lack, and what the runs together may lack beyond that."""

_EWMA_WEIGHT: Final = 0.2


def trend_of(history: Sequence[HistoryRow], now: HistoryRow) -> Trend | None:
    """Look at ``now`` together with the earlier runs that it can be compared with.

    Those are runs of its suite with the same golden set, scorers and baseline. Runs that failed are left out: a gate
    has said so, and what they measured was not accepted.

    Args:
        history: The stored runs, oldest first, of any suite; ``now`` may be among them already.
        now: The run that was just judged.

    Returns:
        The trend; None with fewer than seven earlier runs.

    """
    earlier = [row for row in history if _comparable(row, now)]
    if len(earlier) < _MIN_RUNS:
        return None
    runs = [*earlier, now]
    rates = [run.pass_rate for run in runs]
    usual = _in_control_level(runs)
    slide = _find_decline(rates, usual)
    found = robust_z(rates[:-1], now.pass_rate, now.cases)
    if slide.alarm:
        message = _decline_message(runs[slide.start :], usual)
    elif found.alert:
        message = _outlier_message(now, found, len(earlier))
    else:
        message = f"no slide of {now.suite}: {count(len(runs), 'run')} passed {percent(_mean(rates))} on average"
    return Trend(
        runs=len(runs),
        level=usual.level,
        cusum=slide.sum,
        limit=slide.limit,
        alarm=slide.alarm,
        since=runs[slide.start].run_id if slide.alarm else None,
        z=found.z,
        message=message,
    )


def _comparable(row: HistoryRow, now: HistoryRow) -> bool:
    return row.run_id != now.run_id and row.verdict != "fail" and _measured(row) == _measured(now)


def _measured(row: HistoryRow) -> tuple[str | None, ...]:
    return row.suite, row.golden_sha256, row.scorers_sha256, row.baseline_run_id


@dataclass(frozen=True, slots=True)
class _InControlLevel:
    """The mean pass rate of the first runs, and the standard deviation from one such run to the next."""

    level: float
    sigma: float


def _in_control_level(runs: Sequence[HistoryRow]) -> _InControlLevel:
    first = runs[: max(_MIN_RUNS, len(runs) // _THIRD)]
    rates = [run.pass_rate for run in first]
    level, cases = _mean(rates), runs[-1].cases
    flips = [run.discordance for run in first if run.discordance is not None]
    # without a baseline, the most that chance makes of such a rate; and never none, or one case would be an alarm
    discordance = max(float(np.median(flips)) if flips else 2 * level * (1 - level), 1 / cases)
    return _InControlLevel(level, run_sigma(rates, discordance, cases))


@dataclass(frozen=True, slots=True)
class _Decline:
    """What the runs lack together, held against its limit, and the place of the first that counts in it."""

    sum: float
    limit: float
    start: int
    alarm: bool


def _find_decline(rates: Sequence[float], usual: _InControlLevel) -> _Decline:
    """Sum up what the runs lack; no alarm where the moving average is back, as the sum needs long to come down."""
    slack, limit = _SLACK * usual.sigma, _LIMIT * usual.sigma
    sums = cusum_down(rates, usual.level, slack, limit).s
    average = ewma(rates, _EWMA_WEIGHT, usual.level, usual.sigma).ewma[-1]
    start = max((place + 1 for place, lacking in enumerate(sums) if lacking == 0), default=0)
    return _Decline(sums[-1], limit, start, alarm=sums[-1] > limit and average < usual.level - slack)


def _decline_message(runs: Sequence[HistoryRow], usual: _InControlLevel) -> str:
    first, now = runs[0], runs[-1]
    which = f"last {len(runs)} runs" if len(runs) > 1 else "newest run"
    rate = _mean([run.pass_rate for run in runs])
    lacking = f"{100 * (usual.level - rate):.1f} points below the usual {percent(usual.level)}"
    unseen = "" if now.verdict == "fail" else ", and no gate failed"
    commit = f" (commit {first.commit[:7]})" if first.commit else ""
    return (
        f"{now.suite} has slid: its {which} passed {percent(rate)} on average, {lacking}{unseen}; "
        f"first seen in run {first.run_id}{commit}"
    )


def _outlier_message(now: HistoryRow, found: RobustZ, earlier: int) -> str:
    word = "little" if now.pass_rate < found.median else "much"
    return (
        f"{now.suite} passed unusually {word}: {percent(now.pass_rate)}, "
        f"where the median of {count(earlier, 'earlier run')} is {percent(found.median)}"
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
