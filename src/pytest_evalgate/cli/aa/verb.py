"""``pytest-evalgate aa``: identical runs held against each other, so that every alarm is a false one."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from pytest_evalgate.cli.aa import identical_runs
from pytest_evalgate.cli.options import level
from pytest_evalgate.cli.project import Project, suites_of

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.cli.aa.identical_runs import IdenticalRuns

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


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.aa import false_alarms, screen  # noqa: PLC0415 - scipy, for this verb only

    measured = [false_alarms.measure(runs, chosen.alpha) for runs in _chosen_runs(Project.find(), chosen)]
    if chosen.json:
        print(json.dumps([dataclasses.asdict(found) for found in measured], indent=1))
    else:
        print("\n\n".join("\n".join(screen.render(found)) for found in measured))
    return 0


def _chosen_runs(project: Project, chosen: argparse.Namespace) -> list[IdenticalRuns]:
    if chosen.runs:
        stored = [project.run(run_id) for run_id in chosen.runs]
        names = [suite.plan.name for suite in suites_of(stored[0], chosen.suite)]
        return [identical_runs.from_runs(stored, name) for name in names]
    run = project.run(chosen.run_id)
    suites = suites_of(run, chosen.suite)
    repeated = [suite for suite in suites if suite.plan.trials > 1]
    return [identical_runs.from_trials(run, suite) for suite in repeated or suites]
