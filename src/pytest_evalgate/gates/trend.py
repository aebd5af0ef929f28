"""Trend over stored runs, to detect declines that every single build passes. It is advice and fails no build.

A CUSUM chart detects slow declines, a robust z-score single outliers.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.verdicts import TREND_MIN_RUNS, Trend
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.trend import cusum_down, ewma, robust_z, run_sigma
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.records.verdicts import HistoryRow

_THIRD: Final = 3
"""The in-control level is that of the first third of the runs, at least seven: more runs give a more precise level."""

_SLACK: Final = 0.5  # k of the CUSUM chart, in run-to-run standard deviations
_LIMIT: Final = 5.0  # h

_EWMA_WEIGHT: Final = 0.2

_ABRUPT: Final = 0.6
"""Smallest share of a decline that one step from run to run must have for the decline to be called abrupt."""


def trend_of(history: Sequence[HistoryRow], now: HistoryRow) -> Trend | None:
    """Compute the trend of ``now`` and the earlier runs with the same suite, golden set, scorers and baseline.

    Failed runs are left out: their gate reported them, and their changes were not accepted. ``history`` contains the
    stored runs of any suite, oldest first; ``now`` may be one of them. None with fewer than seven earlier runs.
    """
    same = attrgetter("suite", "golden_sha256", "scorers_sha256", "baseline_run_id")
    earlier = [row for row in history if row.run_id != now.run_id and row.verdict != "fail" and same(row) == same(now)]
    if len(earlier) < TREND_MIN_RUNS:
        return None
    runs = [*earlier, now]
    rates = [run.pass_rate for run in runs]
    usual = _in_control_level(runs)
    decline = _find_decline(rates, usual)
    found = robust_z(rates[:-1], now.pass_rate, now.cases)
    if decline.alarm:
        message = _decline_message(runs[decline.start :], usual, is_abrupt=decline.is_abrupt)
    elif found.alert:
        message = (
            f"{now.suite} has an unusually {'low' if now.pass_rate < found.median else 'high'} pass rate: "
            f"{percent(now.pass_rate)} (median of {count(len(earlier), 'earlier run')}: {percent(found.median)})"
        )
    else:
        message = f"no decline of {now.suite}: {count(len(runs), 'run')} passed {percent(_mean(rates))} on average"
    return Trend(
        runs=len(runs),
        level=usual.level,
        cusum=decline.sum,
        limit=decline.limit,
        alarm=decline.alarm,
        since=runs[decline.start].run_id if decline.alarm else None,
        z=found.z,
        message=message,
    )


@dataclass(frozen=True, slots=True)
class _InControlLevel:
    """The mean pass rate of the first runs, and the standard deviation from one such run to the next."""

    level: float
    sigma: float


def _in_control_level(runs: Sequence[HistoryRow]) -> _InControlLevel:
    first = runs[: max(TREND_MIN_RUNS, len(runs) // _THIRD)]
    rates = [run.pass_rate for run in first]
    level, cases = _mean(rates), runs[-1].cases
    flips = [run.discordance for run in first if run.discordance is not None]
    # without a baseline: the discordance of independent trials, an upper estimate; at least one case: otherwise a
    # single flip would raise an alarm
    discordance = max(float(np.median(flips)) if flips else 2 * level * (1 - level), 1 / cases)
    return _InControlLevel(level, run_sigma(rates, discordance, cases))


@dataclass(frozen=True, slots=True)
class _Decline:
    """The CUSUM of the last run, its limit, and the index of the run at which the decline starts.

    An abrupt decline starts at the run that dropped, another one at the run at which the sum started to grow.
    """

    sum: float
    limit: float
    start: int
    is_abrupt: bool
    alarm: bool


def _find_decline(rates: Sequence[float], usual: _InControlLevel) -> _Decline:
    """Return the CUSUM of the runs; no alarm if the EWMA is back at the level, since the sum decreases slowly."""
    slack, limit = _SLACK * usual.sigma, _LIMIT * usual.sigma
    sums = cusum_down(rates, usual.level, slack, limit).s
    average = ewma(rates, _EWMA_WEIGHT, usual.level, usual.sigma).ewma[-1]
    grows = max((place + 1 for place, total in enumerate(sums) if total == 0), default=0)
    change = _change_point(rates, grows, usual.level)
    is_abrupt = _step_at(rates, change, usual.level) >= _ABRUPT
    alarm = sums[-1] > limit and average < usual.level - slack
    return _Decline(sums[-1], limit, change if is_abrupt else grows, is_abrupt, alarm)


def _change_point(rates: Sequence[float], grows: int, level: float) -> int:
    """Return the run from which on the rate is most probably lower than ``level``.

    The CUSUM starts to grow at the first run that is a little low by chance, which may be before the decline.
    The maximum-likelihood estimate of a shift from a known level maximises the squared sum of the deviations after it
    over their number (Hinkley 1970).
    """
    found = {
        place: sum(level - rate for rate in rates[place:]) ** 2 / (len(rates) - place)
        for place in range(grows, len(rates))
    }
    return max(found, key=lambda place: found[place], default=len(rates) - 1)


def _step_at(rates: Sequence[float], start: int, level: float) -> float:
    """Return the drop from the run before ``start`` to ``start``, as a share of the whole drop below ``level``."""
    before = min(level, rates[start - 1]) if start else level
    whole = level - _mean(rates[start:])
    return (before - rates[start]) / whole if whole > 0 else 0.0


def _decline_message(runs: Sequence[HistoryRow], usual: _InControlLevel, *, is_abrupt: bool) -> str:
    first, now = runs[0], runs[-1]
    which = f"last {len(runs)} runs" if len(runs) > 1 else "newest run"
    rate = _mean([run.pass_rate for run in runs])
    below = f"{100 * (usual.level - rate):.1f} points below the usual {percent(usual.level)}"
    unseen = "" if now.verdict == "fail" else ", and no gate failed"
    commit = f" (commit {first.commit[:7]})" if first.commit else ""
    what = "has dropped" if is_abrupt else "has declined"
    passed = f"passed {percent(rate)}" if len(runs) == 1 else f"passed {percent(rate)} on average"
    where = f"an abrupt drop in run {first.run_id}{commit}"
    if not is_abrupt:
        where = f"a gradual decline since about run {first.run_id}{commit}, which no single run explains"
    return f"{now.suite} {what}: its {which} {passed}, {below}{unseen}; {where}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
