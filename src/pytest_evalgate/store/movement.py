"""Trend of a metric over the stored runs: direction, change point with the run at it, and what changed in that run.

Each test has its own rate of false alarms; the sum of them is at most one alarm in 100 looks at runs that did not
change. `benchmarks/trend_alarms.py` measures it, and the share of changes that are found at their run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.run_changes import (
    cusum_p,
    distribution_p,
    find_step,
    js_of_counts,
    ks_of_counts,
    mann_kendall,
    robust_outlier,
)
from pytest_evalgate.stats.trend import CHANGE_POINT_MIN_RUNS
from pytest_evalgate.store import questions
from pytest_evalgate.store.aggregates import BINS
from pytest_evalgate.store.case_outcomes import OutcomeTable
from pytest_evalgate.text.wording import count, p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.stats.run_changes import Array, RobustOutlier, RunStep
    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

MOST_RUNS: Final = 240
"""Most runs of a trend."""

SignalName = Literal["step", "cusum", "mann-kendall", "ks", "jensen-shannon", "volume", "outlier"]

RATES: Final[Mapping[SignalName, float]] = {
    "step": 0.0025,
    "cusum": 0.001,
    "mann-kendall": 0.001,
    "ks": 0.0005,
    "jensen-shannon": 0.0005,
    "volume": 0.0005,
    "outlier": 0.0027,
}
"""The false alarm rate of each test. That of the outliers is the one of 3 sigma."""

_UNDECIDED: Final = frozenset({"incomplete", "not_evaluated", "invalid"})
_OF_CASES: Final = "pass_rate"
_SCORE: Final = "score."
_RELATIVE_FLOOR: Final = 0.01
"""Smallest robust sigma, as a share of the median: equal runs have a MAD of 0."""

_CAUSES: Final = (
    *questions.COMPARED,
    ("commit_id", "commit"),
    ("branch", "branch"),
    ("config_sha256", "configuration"),
)

Direction = Literal["up", "down", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One test of a trend.

    ``of`` is what it tests: the level, the distribution, the volume, or the newest run. ``p`` is None for the tests of
    the newest run, which have ``z`` and its ``limit`` instead. ``false_alarms`` is the number of alarms in 100 looks
    at runs that did not change.
    """

    name: SignalName
    of: Literal["level", "distribution", "volume", "newest run"]
    alarm: bool
    false_alarms: float
    p: float | None = None
    z: float | None = None
    limit: float | None = None

    @property
    def line(self) -> str:
        """The test as a line: ``cusum (level): no alarm, p=0.21; 0.1 false alarms in 100 looks``."""
        found = f"p={p_value(self.p)}" if self.p is not None else f"z={self.z:.1f}, limit {self.limit:.1f}"
        alarm = "ALARM" if self.alarm else "no alarm"
        return f"{self.name} ({self.of}): {alarm}, {found}; {self.false_alarms:g} false alarms in 100 looks"


@dataclass(frozen=True, slots=True)
class Movement:
    """The trend of ``runs`` runs; the direction of fewer than 15 is unknown.

    ``since`` is the first run after the change, ``previous`` the one before it, ``before`` and ``now`` are the means
    on both sides: None without a change at one run. ``p`` is that of the step, which allows for the search over all
    splits. ``lost`` and ``gained`` are the ids of the cases that changed at it. ``signals`` are all tests.
    """

    direction: Direction
    runs: int
    p: float | None
    since: str | None = None
    previous: str | None = None
    created: str | None = None
    before: float | None = None
    now: float | None = None
    causes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()

    @property
    def alarms(self) -> tuple[Signal, ...]:
        """The tests that found a change."""
        return tuple(signal for signal in self.signals if signal.alarm)

    @property
    def sentence(self) -> str:
        """The trend as a sentence."""
        if self.p is None:
            return f"{count(self.runs, 'complete run')} of the {CHANGE_POINT_MIN_RUNS} that a trend needs"
        runs = count(self.runs, "run")
        if self.since is not None:
            return (
                f"{self.direction} from {self.before:.4g} to {self.now:.4g} since run {self.since} of {self.created} "
                f"(p={self.p:.2g}, {runs})"
            )
        if self.direction != "none":
            return f"{self.direction} little by little over {runs}, at no single run"
        others = ", ".join(signal.name for signal in self.alarms)
        return f"no change of the level in {runs} (p={self.p:.2g}){f', but an alarm of: {others}' if others else ''}"


@dataclass(frozen=True, slots=True)
class RunSeries:
    """The runs of a trend, oldest first: R values, the number of cases of each, and what is known beside them.

    ``passed`` has the outcomes of the cases, shape (R, n), NaN for none. ``histograms`` have shape (R, 20).
    """

    values: Sequence[float]
    volumes: Sequence[int]
    passed: Array | None = None
    histograms: Array | None = None
    is_share: bool = True

    def signals(self) -> tuple[tuple[Signal, ...], RunStep, float]:
        """Return all tests, the step, and Kendall's tau, whose sign is the direction of a slow change."""
        step, slow = find_step(self.values, self.passed), mann_kendall(self.values)
        found = [
            _tested("step", "level", step.p),
            _tested("cusum", "level", cusum_p(self.values)),
            _tested("mann-kendall", "level", slow.p),
        ]
        if self.histograms is not None:
            found.append(_tested("ks", "distribution", distribution_p(self.histograms, ks_of_counts)))
            found.append(_tested("jensen-shannon", "distribution", distribution_p(self.histograms, js_of_counts)))
        found.append(_compared("volume", "volume", self._newest("volume", self.volumes, 1.0)))
        one_case = 1 / max(self.volumes[-1], 1) if self.is_share else 0.0
        found.append(_compared("outlier", "newest run", self._newest("outlier", self.values, one_case)))
        return tuple(found), step, slow.tau

    @staticmethod
    def _newest(name: SignalName, values: Sequence[float], step: float) -> RobustOutlier:
        earlier, tiny = values[:-1], 1e-9
        floor = max(step, _RELATIVE_FLOOR * abs(float(np.median(earlier))), tiny)
        return robust_outlier(earlier, values[-1], RATES[name], step=step, floor=floor)


def _tested(name: SignalName, of: Literal["level", "distribution"], p: float) -> Signal:
    return Signal(name, of, p <= RATES[name], 100 * RATES[name], p)


def _compared(name: SignalName, of: Literal["volume", "newest run"], found: RobustOutlier) -> Signal:
    return Signal(name, of, found.alert, 100 * RATES[name], None, found.z, found.limit)


def movement(database: Database, suite: str, metric: str, chosen: RunFilter) -> Movement:
    """Return the trend of a metric over the runs that match; runs without a complete verdict are left out.

    Raises:
        StoreError: The metric is not stored.
    """
    found = questions.points(database, suite, metric, chosen)
    rows = [row for row in found if row["verdict"] not in _UNDECIDED][-MOST_RUNS:]
    if len(rows) < CHANGE_POINT_MIN_RUNS:
        return Movement("unknown", len(rows), None)
    parameters = {**chosen.parameters(), "suite": suite, "metric": metric, "limit": len(rows)}
    outcomes = OutcomeTable.of(database, parameters) if metric == _OF_CASES else OutcomeTable()
    histograms = None
    if metric.startswith(_SCORE):
        histograms = _histograms(database, rows, parameters | {"scorer": metric.removeprefix(_SCORE)})
    values = [row["value"] for row in rows]
    is_share = metric in (_OF_CASES, "error_rate") or metric.startswith(_SCORE)
    series = RunSeries(values, [row["n"] for row in rows], outcomes.passed, histograms, is_share)
    signals, step, tau = series.signals()
    if not signals[0].alarm or step.is_gradual:
        is_slow = any(signal.alarm for signal in signals if signal.of == "level")
        direction: Direction = "none" if not is_slow else "up" if tau > 0 else "down"
        return Movement(direction, len(rows), step.p, signals=signals)
    previous, first = rows[step.index - 1], rows[step.index]
    before, now = float(np.mean(values[: step.index])), float(np.mean(values[step.index :]))
    return Movement(
        "up" if now > before else "down",
        *(len(rows), step.p, first["run_id"], previous["run_id"], first["created"], before, now),
        causes=tuple(_causes(database, previous, first)),
        lost=outcomes.names(database, suite, step.lost, step.index),
        gained=outcomes.names(database, suite, step.gained, step.index),
        signals=signals,
    )


def _histograms(database: Database, rows: Sequence[Row], parameters: Mapping[str, Any]) -> Array | None:
    """Return the histograms of a scorer, shape (runs, 20), oldest first; None if a run has none."""
    places = {row["run_id"]: place for place, row in enumerate(rows)}
    found = np.zeros((len(rows), BINS))
    for row in database.query("histograms", **parameters):
        if row["run_id"] in places:
            found[places[row["run_id"]], row["bin"]] = row["n"]
    return found if (found.sum(axis=1) > 0).all() else None


def _causes(database: Database, previous: Row, first: Row) -> Iterator[str]:
    """Yield what is different in the run at the change, with both values if they are short."""
    for key, name in _CAUSES:
        before, now = previous[key], first[key]
        if before != now:
            yield f"{name}: {_short(before)} -> {_short(now)}"
    judges = [_judges(database, row) for row in (previous, first)]
    for judge in sorted(judges[0].keys() | judges[1].keys()):
        if judges[0].get(judge) != judges[1].get(judge):
            yield f"judge {judge}: {_short(judges[0].get(judge))} -> {_short(judges[1].get(judge))}"


def _judges(database: Database, row: Row) -> dict[str, str]:
    return {each["judge"]: each["fingerprint"] for each in database.query("judges_of_run", run_id=row["run_id"])}


def _short(value: str | None) -> str:
    is_digest = value is not None and len(value) >= 40 and value.isalnum()  # noqa: PLR2004 - of SHA-1
    return "none" if value is None else value[:12] if is_digest else value
