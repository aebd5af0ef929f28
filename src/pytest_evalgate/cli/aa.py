"""``pytest-evalgate aa``: how often this suite fails a build in which nothing changed."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.cli.options import level
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.stats.stability import aa_runs
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, SuiteRun
    from pytest_evalgate.stats.intervals import Interval

_MEASURE = "pytest --eval-gate --eval-trials 10"
_TARGET = "target"


@dataclass(frozen=True, slots=True)
class IdenticalRuns:
    """R identical runs of the same N cases; ``outcomes[r][i]`` tells whether run r passed ``cases[i]``.

    ``unanswered`` counts the cases that are left out because a trial of theirs has no answer, ``cached`` those of
    which a later run repeats the answer of an earlier one from the cache.
    """

    suite: str
    source: str
    cases: tuple[PlannedCase, ...]
    outcomes: tuple[tuple[bool, ...], ...]
    unanswered: int
    cached: int = 0

    @property
    def passes(self) -> tuple[int, ...]:
        """In how many of the runs each case passed."""
        return tuple(map(sum, zip(*self.outcomes, strict=True)))


def from_trials(run: Run, suite: SuiteRun) -> IdenticalRuns:
    """Take each trial of one stored run as a run.

    Raises:
        RunFileError: it has one trial a case, or no case with all of its answers.

    """
    trials = suite.plan.trials
    _check_several(trials, run, suite.plan.name)
    results = _counted(suite)
    answered = [(result.case, values) for result in results if (values := _values(result, trials)) is not None]
    return _whole(suite.plan.name, f"trials of run {run.id}", answered, len(results) - len(answered), 0)


def from_runs(runs: Sequence[Run], name: str) -> IdenticalRuns:
    """Take the trials of several stored runs of the same golden set and scorers as runs.

    Raises:
        RunFileError: there is one run of one trial, a run is named twice or does not hold the suite, golden sets or
            scorers differ, or no case is left that every run asked anew.

    """
    ordered = sorted(runs, key=lambda run: (run.created, run.id))
    suites = [_held(run, name) for run in ordered]
    _check_alike(ordered, suites)
    later = [{result.case.id: result for result in suite.results} for suite in suites[1:]]
    trials = [suite.plan.trials for suite in suites]
    _check_several(sum(trials), ordered[0], name)
    every = [(first, [results.get(first.case.id) for results in later]) for first in _counted(suites[0])]
    anew = [(first, others) for first, others in every if not any(map(_is_cached, others))]
    answered = [
        (first.case, values) for first, others in anew if (values := _joined([first, *others], trials)) is not None
    ]
    source = ", ".join(f"run {run.id}" for run in ordered)
    return _whole(name, source, answered, len(anew) - len(answered), len(every) - len(anew))


def _whole(
    name: str, source: str, answered: Sequence[tuple[PlannedCase, tuple[bool, ...]]], unanswered: int, cached: int
) -> IdenticalRuns:
    if not answered:
        why = f"{unanswered:,} lack an answer, {cached:,} repeat an earlier run's answers from the cache"
        raise RunFileError(f"suite {name}, {source}: no case is left to compare ({why}): {_MEASURE}")
    cases, rows = zip(*answered, strict=True)
    return IdenticalRuns(name, source, cases, tuple(zip(*rows, strict=True)), unanswered, cached)


def _counted(suite: SuiteRun) -> list[CaseResult]:
    return [result for result in suite.results if result.outcome != "skipped" and result.case.side != "base"]


def _values(result: CaseResult | None, trials: int) -> tuple[bool, ...] | None:
    """Return what became of the first ``trials`` trials; None where one has no answer."""
    values = [] if result is None else [trial.value for trial in result.trials[:trials]]
    if len(values) < trials or any(value is None for value in values):
        return None
    return tuple(value == 1 for value in values)


def _joined(results: Sequence[CaseResult | None], trials: Sequence[int]) -> tuple[bool, ...] | None:
    """Return what became of all trials of a case in all runs; None where one has no answer."""
    values = [_values(result, count) for result, count in zip(results, trials, strict=True)]
    return None if None in values else tuple(value for each in values if each for value in each)


def _is_cached(result: CaseResult | None) -> bool:
    return result is not None and any(
        call.purpose == _TARGET and call.attempts == 0 for trial in result.trials for call in trial.calls
    )


def _check_several(trials: int, run: Run, name: str) -> None:
    if trials < 2:  # noqa: PLR2004 - a comparison has two sides
        raise RunFileError(
            f"run {run.id} has 1 trial of each case of suite {name}, and 2 are the fewest to compare: {_MEASURE}"
        )


def _held(run: Run, name: str) -> SuiteRun:
    for suite in run.suites:
        if suite.plan.name == name:
            return suite
    raise RunFileError(f"run {run.id} does not hold suite {name}: name runs of one suite")


def _check_alike(runs: Sequence[Run], suites: Sequence[SuiteRun]) -> None:
    if len({run.id for run in runs}) < len(runs):
        raise RunFileError("--runs: a run is named twice: each counts once")
    for what in ("golden_sha256", "scorers_sha256"):
        differing = [
            run.id
            for run, suite in zip(runs, suites, strict=True)
            if getattr(suite.plan, what) != getattr(suites[0].plan, what)
        ]
        if differing:
            word = "golden set" if what == "golden_sha256" else "scorers"
            raise RunFileError(
                f"--runs: {', '.join(differing)} and {runs[0].id} differ in the {word} of suite "
                f"{suites[0].plan.name}: only runs of the same are identical"
            )


_ABOUT = "Measure a suite's own false alarms and flips on identical runs: the trials of a stored run. Sends nothing."


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "aa",
        help="how often the gate fails where nothing changed, and which cases flip",
        description=_ABOUT,
        epilog="example: pytest --eval-gate --eval-trials 10; pytest-evalgate aa support",
    )
    parser.add_argument("suite", nargs="?", metavar="SUITE", help="a suite (default: every one with several trials)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", dest="run_id", metavar="ID", help="a stored run (default: the newest)")
    which.add_argument("--runs", nargs="+", metavar="ID", help="several runs of the same golden set and scorers")
    parser.add_argument("--alpha", type=level, default=0.05, help="one-sided level (default: 0.05)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:

    measured = [measure(runs, args.alpha) for runs in _selected_runs(Project.find(), args)]
    if args.json:
        print(json.dumps([dataclasses.asdict(found) for found in measured], indent=1))
    else:
        print("\n\n".join("\n".join(render(found)) for found in measured))
    return 0


def _selected_runs(project: Project, args: argparse.Namespace) -> list[IdenticalRuns]:
    if args.runs:
        stored = [project.run(run_id) for run_id in args.runs]
        names = [suite.plan.name for suite in suites_of(stored[0], args.suite)]
        return [from_runs(stored, name) for name in names]
    run = project.run(args.run_id)
    suites = suites_of(run, args.suite)
    repeated = [suite for suite in suites if suite.plan.trials > 1]
    return [from_trials(run, suite) for suite in repeated or suites]


_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FlippingCase:
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
    flaky: tuple[FlippingCase, ...]
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
        left_out_remembered=runs.cached,
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


def _flaky(runs: IdenticalRuns) -> tuple[FlippingCase, ...]:
    """Return the cases that flipped, the least steady first, and of equally steady ones that with fewer passes."""
    most = len(runs.outcomes)
    found = [(case, passes) for case, passes in zip(runs.cases, runs.passes, strict=True) if 0 < passes < most]
    found.sort(key=lambda each: (-each[1] * (most - each[1]), each[1]))
    return tuple(FlippingCase(case.id, str(case.place), passes) for case, passes in found)


def _pair(interval: Interval) -> tuple[float, float]:
    return interval.lower, interval.upper


_WIDTH = 100


def render(found: FalseAlarms) -> tuple[str, ...]:
    """Render what stands for one suite."""
    return (*_head(found), "", *_gates(found), "", *_flips(found))


def _head(found: FalseAlarms) -> Iterator[str]:
    yield from _wrapped(
        f"{one_line(found.suite)}: {count(found.runs, 'identical run')} of {count(found.cases, 'case')} "
        f"({one_line(found.source)}), alpha {found.alpha:g}",
        indent="",
    )
    for number, why in (
        (found.left_out_unanswered, "without an answer in every trial"),
        (found.left_out_remembered, "that a later run did not ask again (its answer came from the cache)"),
    ):
        if number:
            yield f"  left out: {count(number, 'case')} {why}"


def _gates(found: FalseAlarms) -> Iterator[str]:
    low, high = found.false_alarm_interval
    measured = f"95% interval {percent(low)} to {percent(high)}, from {found.independent:,} independent ones"
    rows = (
        ("no-regression, this gate", percent(found.false_alarm_rate), measured),
        ("  expected from the flip rate", percent(found.expected_false_alarm_rate), ""),
        ("naive: any drop of the pass rate", percent(found.any_drop_rate), ""),
        ("naive: any case that passed before", percent(found.any_loss_rate), ""),
    )
    yield f"  false alarms in {count(found.comparisons, 'comparison')} of one run with another"
    width = max(len(rate) for _, rate, _ in rows)
    yield from (f"    {line}" for line in align([(name, f"{rate:>{width}}", note) for name, rate, note in rows]))
    if low > found.alpha:
        yield from _wrapped(
            "That is more than alpha allows: these runs were not identical. Did the model or the data change?"
        )


def _flips(found: FalseAlarms) -> Iterator[str]:
    low, high = found.flip_interval
    flaky = len(found.flaky) + found.flaky_more
    yield (
        f"  flip rate {percent(found.flip_rate)} (95% interval {percent(low)} to {percent(high)}): "
        f"{flaky:,} of {count(found.cases, 'case')} flipped"
    )
    if not flaky:
        yield "  the target is deterministic, or its answers do not depend on the trial"
        return
    rows = [
        (one_line(case.id), one_line(case.place), f"passed {case.passes:,} of {found.runs:,}") for case in found.flaky
    ]
    yield from (truncate_columns(f"    {line}", _WIDTH) for line in align(rows))
    if found.flaky_more:
        yield f"    ... {found.flaky_more:,} more"


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
