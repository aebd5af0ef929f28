"""Last known result of each case, from the stored runs: which cases missed, regressed or errored.

A run of a part of a suite leaves the results of its other cases as they were, so older runs are read until each suite
is known as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import BaselineError, RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from pytest_evalgate.records.results import CaseResult, Run
    from pytest_evalgate.records.verdicts import Baseline

MOST_RUNS: Final = 20
"""Runs that are read at most: a run of 100,000 cases takes seconds."""

_UNKNOWN: Final = frozenset({"not_run", "skipped", "unscored"})
_TO_REPEAT: Final = frozenset({"missed", "errored"})


@dataclass(frozen=True, slots=True)
class LastResults:
    """The newest run of a suite, and the ids of its cases that missed, regressed or errored when they last ran."""

    run_id: str
    to_repeat: frozenset[str]


def last_results(
    state: Path, wanted: Collection[str], baseline_of: Callable[[str], Baseline | None]
) -> dict[str, LastResults]:
    """Return the last results of every suite that a stored run contains.

    Args:
        state: The state folder.
        wanted: Suites to look for; others are found in the same runs.
        baseline_of: Returns the baseline of a suite.
    """
    results: dict[str, dict[str, CaseResult]] = {}
    newest: dict[str, str] = {}
    whole: set[str] = set()
    for run in _runs(state):
        for suite in run.suites:
            name = suite.plan.name
            if name in whole:
                continue
            known = [result for result in suite.results if result.outcome not in _UNKNOWN]
            if known:
                newest.setdefault(name, run.id)
            for result in known:
                results.setdefault(name, {}).setdefault(result.case.id, result)
            if known and all(result.outcome != "not_run" for result in suite.results):
                whole.add(name)
        if whole >= {*wanted, *results}:
            break
    return {
        name: LastResults(newest[name], _to_repeat(name, found.values(), baseline_of))
        for name, found in results.items()
    }


def _runs(state: Path) -> Iterable[Run]:
    """Yield the stored runs, newest first, without those that cannot be read."""
    for path in run_file.newest_first(state)[:MOST_RUNS]:
        try:
            yield run_file.read(path, run_file.no_texts)
        except RunFileError:  # the session reports a damaged file where it is needed
            continue


def _to_repeat(
    suite: str, results: Iterable[CaseResult], baseline_of: Callable[[str], Baseline | None]
) -> frozenset[str]:
    from pytest_evalgate.gates.pairing import pair_results  # noqa: PLC0415 - scipy

    found = list(results)
    try:
        baseline = baseline_of(suite)
    except BaselineError:  # reported before the run
        baseline = None
    regressed = () if baseline is None else pair_results(found, baseline).regressed
    missed = {result.case.id for result in found if result.outcome in _TO_REPEAT}
    return frozenset(missed | {pair.now.case.id for pair in regressed})
