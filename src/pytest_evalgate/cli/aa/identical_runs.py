"""Identical runs of one suite, out of stored ones: trial j of all cases is a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.errors import RunFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import CaseResult, PlannedCase, Run, SuiteRun

_MEASURE = "pytest --eval-gate --eval-trials 10"
_TARGET = "target"


@dataclass(frozen=True, slots=True)
class IdenticalRuns:
    """R identical runs of the same N cases; ``outcomes[r][i]`` tells whether run r passed ``cases[i]``.

    ``unanswered`` counts the cases that are left out because a trial of theirs has no answer, ``remembered`` those of
    which a later run repeats the answer of an earlier one from the cache.
    """

    suite: str
    source: str
    cases: tuple[PlannedCase, ...]
    outcomes: tuple[tuple[bool, ...], ...]
    unanswered: int
    remembered: int = 0

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
    anew = [(first, others) for first, others in every if not any(map(_is_remembered, others))]
    answered = [
        (first.case, values) for first, others in anew if (values := _joined([first, *others], trials)) is not None
    ]
    source = ", ".join(f"run {run.id}" for run in ordered)
    return _whole(name, source, answered, len(anew) - len(answered), len(every) - len(anew))


def _whole(
    name: str, source: str, answered: Sequence[tuple[PlannedCase, tuple[bool, ...]]], unanswered: int, remembered: int
) -> IdenticalRuns:
    if not answered:
        why = f"{unanswered:,} lack an answer, {remembered:,} repeat an earlier run's answers from the cache"
        raise RunFileError(f"suite {name}, {source}: no case is left to compare ({why}): {_MEASURE}")
    cases, rows = zip(*answered, strict=True)
    return IdenticalRuns(name, source, cases, tuple(zip(*rows, strict=True)), unanswered, remembered)


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


def _is_remembered(result: CaseResult | None) -> bool:
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
