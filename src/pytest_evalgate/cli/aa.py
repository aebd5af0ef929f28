"""``pytest-evalgate aa``: an A/A test of a suite, which measures the false alarm rate of its gate.

Flow: take the trials of a stored run, or several runs of the same golden set and scorers, as identical runs; compare
every ordered pair of them by the suite's gate; the share of pairs that fail is the false alarm rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.cli.options import add_alpha, add_run
from pytest_evalgate.cli.printing import WIDTH, print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.stability import aa_runs
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, SuiteRun
    from pytest_evalgate.stats.intervals import Interval

_MEASURE: Final = "pytest --eval-gate --eval-trials 10"
_MAX_LISTED: Final = 20


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", nargs="?", metavar="SUITE", help="a suite (default: every one with several trials)")
    source = parser.add_mutually_exclusive_group()
    add_run(source)
    source.add_argument("--runs", nargs="+", metavar="ID", help="several runs of the same golden set and scorers")
    add_alpha(parser, 0.05)


def _run(args: argparse.Namespace) -> int:
    measured = [measure(runs, args.alpha) for runs in _measurable(Project.find(), args)]
    screens = ("\n".join((*_head(found), "", *_gates(found), "", *_flips(found))) for found in measured)
    print_result(args, measured, ["\n\n".join(screens)])
    return 0


VERB: Final = Verb(
    "Measure how often a suite's gate fails when nothing changed, and which cases flip, by comparing identical runs: "
    "the trials of a stored run. Sends nothing.",
    "pytest --eval-gate --eval-trials 10; pytest-evalgate aa support",
    _run,
    _add_arguments,
)


def _measurable(project: Project, args: argparse.Namespace) -> list[IdenticalRuns]:
    runs = [project.run(run_id) for run_id in args.runs or [args.run_id]]
    suites = suites_of(runs[0], args.suite)
    if not args.runs:
        suites = tuple(suite for suite in suites if suite.plan.trials > 1) or suites
    return [identical_runs(runs, suite.plan.name) for suite in suites]


@dataclass(frozen=True, slots=True)
class IdenticalRuns:
    """R identical runs of the same N cases; ``outcomes[r][i]`` is True if run r passed ``cases[i]``.

    ``unanswered`` counts the cases left out because a trial has no output, ``cached`` those left out because a later
    run repeats the output of an earlier one from the cache.
    """

    suite: str
    source: str
    cases: tuple[PlannedCase, ...]
    outcomes: tuple[tuple[bool, ...], ...]
    unanswered: int
    cached: int


def identical_runs(runs: Sequence[Run], name: str) -> IdenticalRuns:
    """Take each trial of the stored runs as one run of suite ``name``.

    Raises:
        RunFileError: there is one run of one trial, a run is named twice or lacks the suite, golden sets or scorers
            differ, or every case lacks an output or has a cached one.
    """
    ordered = sorted(runs, key=lambda run: (run.created, run.id))
    suites = [_suite(run, name) for run in ordered]
    _check_identical(ordered, suites)
    trials = [suite.plan.trials for suite in suites]
    if sum(trials) < 2:  # noqa: PLR2004 - a comparison has two sides
        raise RunFileError(
            f"run {ordered[0].id} has 1 trial for each case of suite {name}, and a comparison takes at least 2: "
            f"{_MEASURE}"
        )
    later = [{result.case.id: result for result in suite.results} for suite in suites[1:]]
    counted = [each for each in suites[0].results if each.outcome != "skipped" and each.case.side != "base"]
    every = [(first, [results.get(first.case.id) for results in later]) for first in counted]
    sent = [(first, others) for first, others in every if not any(map(_is_cached, others))]
    complete = [
        (first.case, passed) for first, others in sent if (passed := _passed([first, *others], trials)) is not None
    ]
    source = ", ".join(f"run {run.id}" for run in ordered) if later else f"trials of run {ordered[0].id}"
    unanswered, cached = len(sent) - len(complete), len(every) - len(sent)
    if not complete:
        raise RunFileError(
            f"suite {name}, {source}: no case is left to compare ({unanswered:,} without an output in every trial, "
            f"{cached:,} with an output from the cache); to measure: {_MEASURE}"
        )
    cases, rows = zip(*complete, strict=True)
    return IdenticalRuns(name, source, cases, tuple(zip(*rows, strict=True)), unanswered, cached)


def _passed(results: Iterable[CaseResult | None], trials: Iterable[int]) -> tuple[bool, ...] | None:
    """Return whether each trial of a case passed, run by run; None if one has no output."""
    values: list[float | None] = []
    for result, number in zip(results, trials, strict=True):
        of_run = [] if result is None else [trial.value for trial in result.trials[:number]]
        if len(of_run) < number or None in of_run:
            return None
        values += of_run
    return tuple(value == 1 for value in values)


def _is_cached(result: CaseResult | None) -> bool:
    return result is not None and any(
        call.purpose == "target" and call.attempts == 0 for trial in result.trials for call in trial.calls
    )


def _suite(run: Run, name: str) -> SuiteRun:
    for suite in run.suites:
        if suite.plan.name == name:
            return suite
    raise RunFileError(f"--runs: run {run.id} does not contain suite {name}: name runs that do")


def _check_identical(runs: Sequence[Run], suites: Sequence[SuiteRun]) -> None:
    if len({run.id for run in runs}) < len(runs):
        raise RunFileError("--runs: a run is named twice: name each run once")
    for field, word in (("golden_sha256", "golden set"), ("scorers_sha256", "scorers")):
        expected = getattr(suites[0].plan, field)
        differing = [run.id for run, suite in zip(runs, suites, strict=True) if getattr(suite.plan, field) != expected]
        if differing:
            raise RunFileError(
                f"--runs: {', '.join(differing)} and {runs[0].id} differ in the {word} of suite "
                f"{suites[0].plan.name}: name runs of the same {word}"
            )


@dataclass(frozen=True, slots=True)
class FlippingCase:
    """A case that passed in some of the identical runs and missed in others."""

    id: str
    place: str
    passes: int


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Result for one suite: rates are shares, intervals have a level of 95 %.

    The rates of the gates are those of ``comparisons``: all ordered pairs of ``runs`` identical runs.
    ``flaky`` lists the cases that flip most, at most 20; ``flaky_more`` counts the others.
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
    """Compare every run with every other one, at the one-sided level ``alpha``."""
    found = aa_runs(runs.outcomes, alpha)
    any_drop, any_loss = _naive_rates(runs.outcomes)
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
        false_alarm_interval=_ends(found.false_alarm_interval),
        expected_false_alarm_rate=found.expected_false_alarm_rate,
        any_drop_rate=any_drop,
        any_loss_rate=any_loss,
        flip_rate=found.flips.rate,
        flip_interval=_ends(found.flips.interval),
        flaky=flaky[:_MAX_LISTED],
        flaky_more=max(0, len(flaky) - _MAX_LISTED),
    )


def _naive_rates(outcomes: tuple[tuple[bool, ...], ...]) -> tuple[float, float]:
    """Return the shares of ordered pairs in which the second run has fewer passes, and in which it has any loss."""
    table = np.array(outcomes, dtype=np.float64)
    losses = table @ (1 - table.T)  # [i, j]: cases that run i passed and run j missed
    pairs = len(table) * (len(table) - 1)
    return float(np.count_nonzero(losses > losses.T)) / pairs, float(np.count_nonzero(losses)) / pairs


def _flaky(runs: IdenticalRuns) -> tuple[FlippingCase, ...]:
    """Return the cases that flipped: nearest to half of the runs first, then fewest passes."""
    number = len(runs.outcomes)
    passes = map(sum, zip(*runs.outcomes, strict=True))
    found = [
        FlippingCase(case.id, str(case.place), passed)
        for case, passed in zip(runs.cases, passes, strict=True)
        if 0 < passed < number
    ]
    return tuple(sorted(found, key=lambda case: (-case.passes * (number - case.passes), case.passes)))


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.lower, interval.upper


def _head(found: FalseAlarms) -> Iterator[str]:
    yield from wrapped(
        f"{one_line(found.suite)}: {count(found.runs, 'identical run')} of {count(found.cases, 'case')} "
        f"({one_line(found.source)}), alpha {found.alpha:g}",
        indent="",
    )
    for number, reason in (
        (found.left_out_unanswered, "without an output in every trial"),
        (found.left_out_remembered, "whose output in a later run came from the cache"),
    ):
        if number:
            yield f"  left out: {count(number, 'case')} {reason}"


def _gates(found: FalseAlarms) -> Iterator[str]:
    low, high = found.false_alarm_interval
    measured = f"95% interval {percent(low)} to {percent(high)}, from {found.independent:,} independent pairs"
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
        yield from wrapped(
            "The rate is higher than alpha allows, so these runs were not identical. Did the model or the data change?"
        )


def _flips(found: FalseAlarms) -> Iterator[str]:
    low, high = found.flip_interval
    flaky = len(found.flaky) + found.flaky_more
    yield (
        f"  flip rate {percent(found.flip_rate)} (95% interval {percent(low)} to {percent(high)}): "
        f"{flaky:,} of {count(found.cases, 'case')} flipped"
    )
    if not flaky:
        yield "  the target is deterministic, or its outputs do not depend on the trial"
        return
    rows = [
        (one_line(case.id), one_line(case.place), f"passed {case.passes:,} of {found.runs:,}") for case in found.flaky
    ]
    yield from (truncate_columns(f"    {line}", WIDTH) for line in align(rows))
    if found.flaky_more:
        yield f"    ... {found.flaky_more:,} more"
