"""Offline against online: a metric of stored runs against production outcomes of the same releases or days."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.past_runs import past_runs
from pytest_evalgate.errors import RunFileError, SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import git, kept, run_file
from pytest_evalgate.stats.association import associate, scan_lags
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.records.verdicts import HistoryRow
    from pytest_evalgate.runs.outcomes import JoinKey, OutcomeRow, Outcomes
    from pytest_evalgate.stats.association import Association, Lag

DEFAULT_METRIC: Final = "pass_rate"
FEWEST: Final = 5
"""Fewest points with which a two-sided p of 0.05 is possible: of 5, the smallest is 2/120; of 4, it is 2/24."""

_LEVEL: Final = 0.05
_NOUNS: Final = {"commit": "release", "release": "release", "day": "day"}


@dataclass(frozen=True, slots=True)
class JoinedPoint:
    """One release or day: key, mean of the metric over its runs, outcome, and time of the first run."""

    key: str
    metric: float
    outcome: float
    runs: int
    created: str


@dataclass(frozen=True, slots=True)
class OnlineCorrelation:
    """The comparison of a metric with an outcome.

    Attributes:
        suite: Name of the suite.
        metric: ``pass_rate``, or the name of a scorer.
        outcome: Column of the outcomes.
        joined_by: Column by which they were joined.
        points: In the order of time.
        without_run: Outcomes without a stored run.
        golden_sets: Number of different golden sets among the runs.
        spearman: Spearman's rho.
        kendall: Kendall's tau-b.
        lags: Spearman's rho of the metric with outcomes that are later.
        conclusion: One sentence.
    """

    suite: str
    metric: str
    outcome: str
    joined_by: JoinKey
    points: tuple[JoinedPoint, ...]
    without_run: int
    golden_sets: int
    spearman: Association | None
    kendall: Association | None
    lags: tuple[Lag, ...]
    conclusion: str


def correlate_outcomes(
    project: Project,
    outcomes: Outcomes,
    *,
    suite: str | None,
    metric: str = DEFAULT_METRIC,
    max_lag: int,
    seed: int = 0,
) -> OnlineCorrelation:
    """Join outcomes with the complete runs of a suite, and compare them.

    Raises:
        SettingsError: there is no such suite in the history, or no such metric in its runs.
    """
    rows = _rows(project, suite)
    value_of = _pass_rate if metric == DEFAULT_METRIC else _scorer_values(project, metric, rows)
    joined: list[tuple[JoinedPoint, Sequence[HistoryRow]]] = []
    for outcome in outcomes.rows:
        mine = [row for row in _matching(project, outcomes.key, outcome, rows) if value_of(row) is not None]
        if mine:
            values = [value for row in mine if (value := value_of(row)) is not None]
            mean = sum(values) / len(values)
            joined.append((JoinedPoint(outcome.key, mean, outcome.value, len(mine), mine[0].created), mine))
    joined.sort(key=lambda pair: pair[0].created)
    points = tuple(point for point, _ in joined)
    one, other = [point.metric for point in points], [point.outcome for point in points]
    spearman = associate(one, other, "spearman", seed=seed) if points else None
    kendall = associate(one, other, "kendall", seed=seed) if points else None
    return OnlineCorrelation(
        suite=rows[0].suite,
        metric=metric,
        outcome=outcomes.column,
        joined_by=outcomes.key,
        points=points,
        without_run=len(outcomes.rows) - len(points),
        golden_sets=len({row.golden_sha256 for _, mine in joined for row in mine}),
        spearman=spearman,
        kendall=kendall,
        lags=scan_lags(one, other, max_lag=max_lag, seed=seed) if points and max_lag else (),
        conclusion=conclusion(spearman, _NOUNS[outcomes.key], metric, outcomes.column),
    )


def conclusion(found: Association | None, noun: str, metric: str, outcome: str) -> str:
    """Return what a coefficient shows, as one sentence."""
    n = 0 if found is None else found.n
    head = f"n = {count(n, noun)}"
    if found is None or n < FEWEST:
        return f"{head}: too few; {FEWEST} are the fewest with which anything can be shown"
    if found.value is None or found.p is None:
        return f"{head}: {metric} or {outcome} is the same in all of them, so nothing can be shown"
    interval = found.interval
    shown = (
        "no interval" if interval is None else f"an interval of {_tenths(interval.lower)} to {_tenths(interval.upper)}"
    )
    if interval is None or interval.lower <= 0 <= interval.upper:
        return f"{head}: {shown} says nothing yet"
    if found.p > _LEVEL:
        return f"{head}: p = {found.p:.2g} says nothing yet"
    direction = "more" if found.value > 0 else "less"
    return f"{head}: more {metric} goes with {direction} {outcome} ({shown}, p = {found.p:.2g})"


def _tenths(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}"  # "+ 0.0" makes 0.0 of -0.0


def _rows(project: Project, suite: str | None) -> tuple[HistoryRow, ...]:
    rows = past_runs(project.settings, root=project.root, state=project.state.path).rows
    names = list(dict.fromkeys(row.suite for row in rows))
    if not names:
        raise SettingsError("no complete run is stored: run pytest --eval-gate")
    if suite is None and len(names) > 1:
        raise SettingsError(f"the history has several suites: name one with --suite: {', '.join(names)}")
    chosen = suite or names[0]
    if chosen not in names:
        near = did_you_mean(chosen, names)
        raise SettingsError(f"the history has no suite {chosen!r}{near}; it has {', '.join(names)}")
    return tuple(sorted((row for row in rows if row.suite == chosen), key=attrgetter("created")))


def _matching(project: Project, key: JoinKey, outcome: OutcomeRow, rows: Sequence[HistoryRow]) -> list[HistoryRow]:
    """Return the runs of one commit, release or day, the oldest first."""
    if key == "day":
        return [row for row in rows if row.created[:10] == outcome.key]
    wanted = outcome.key
    if key == "release":
        try:
            wanted = git.commit_of(project.root, outcome.key)
        except UserError as error:
            raise SettingsError(f"{outcome.place}: release {outcome.key!r}: {error}") from None
    return [row for row in rows if row.commit is not None and row.commit.startswith(wanted)]


def _pass_rate(row: HistoryRow) -> float | None:
    return row.pass_rate


def _scorer_values(project: Project, scorer: str, rows: Sequence[HistoryRow]) -> Callable[[HistoryRow], float | None]:
    """Return a function from a run to the mean of a scorer, None if the run is no longer stored.

    Raises:
        SettingsError: no stored run has such a scorer.
    """
    means: dict[str, float | None] = {}
    names: set[str] = set()
    for row in rows:
        folder = kept.RunFolder(run_file.path_of(project.state.path, row.run_id).parent)
        try:
            scores = kept.read(folder.verdict_file).suites[row.suite].scores
        except (RunFileError, KeyError):
            continue
        names.update(scores)
        if scorer in scores:
            means[row.run_id] = scores[scorer].mean
    if not means:
        known = [DEFAULT_METRIC, *sorted(names)]
        raise SettingsError(
            f"no stored run has the metric {scorer!r}{did_you_mean(scorer, known)}; known: {', '.join(known)}"
        )
    return lambda row: means.get(row.run_id)
