"""``pytest-evalgate baseline promote|show``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import baseline as runs_baseline
from pytest_evalgate.runs import run_file
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Baseline, Json, Run
    from pytest_evalgate.runs.run_file import RunInfo

NO_BASELINE = "no baseline yet: pytest-evalgate baseline promote"
_FORMAT = argparse.RawDescriptionHelpFormatter


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser("baseline", help="promote a run, or show a baseline")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    promote = _action(actions, "promote", _promote, 'pytest-evalgate baseline promote --reason "new prompt accepted"')
    promote.add_argument("--run", dest="run_id", metavar="ID", help="a stored run (default: the newest)")
    promote.add_argument("--reason", required=True, help="why this run is what later runs are compared with")
    promote.add_argument(
        "--no-outputs",
        action="store_true",
        help="do not keep what the cases answered beside the baseline: reports then show no side by side",
    )
    _action(actions, "show", _show, "pytest-evalgate baseline show --suite support").add_argument(
        "--ref", help="the baseline as it stands at this branch, tag or commit"
    )


def _action(actions: Any, name: str, run: Any, example: str) -> argparse.ArgumentParser:
    text = run.__doc__.partition("\n")[0]
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=text, description=text, epilog=f"example: {example}", formatter_class=_FORMAT
    )
    parser.add_argument("--suite", help="one suite (default: every suite of the run)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def _promote(args: argparse.Namespace) -> int:
    """Make the newest whole run the baseline; refused in CI."""
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        raise BaselineError("a baseline is not promoted in CI: promote on a branch, review the file, merge it")
    project = Project.find()
    run, origin = _read_run(project, args.run_id)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    suites = suites_of(run, args.suite)
    if origin.tier != project.settings.default_tier:
        for suite in suites:
            baselines.reject_sample(run, suite.plan, origin.tier)
    promoted = [
        (baselines.promote(run, suite, reason=args.reason, now=now), project.baseline_file(suite.plan.name))
        for suite in suites
    ]
    stored = run_file.path_of(project.state.path, run.id)
    keeps = project.settings.report.content == "full" and not args.no_outputs
    for baseline, path in promoted:
        baselines.write(baseline, path)
        runs_baseline.write_outputs(runs_baseline.outputs_of(baseline, stored) if keeps else b"", path)
    rows = [_summary(baseline, path, project.root) for baseline, path in promoted]
    _print(args, rows, [f"promoted {row['suite']}: {_passes(row)} -> {row['file']}" for row in rows])
    return 0


def _read_run(project: Project, run_id: str | None) -> tuple[Run, RunInfo]:
    state = project.state.path
    return run_file.read_with_info(run_file.newest(state) if run_id is None else run_file.path_of(state, run_id))


def _show(args: argparse.Namespace) -> int:
    """Show where a baseline came from and what it holds."""
    project = Project.find()
    names = [args.suite] if args.suite else list(project.settings.suites)
    found = [(name, _read(project, name, args.ref)) for name in names]
    rows = [_summary(baseline, project.baseline_file(name), project.root) for name, baseline in found if baseline]
    lines = [line for row in rows for line in _described(row)]
    lines += [f"{name}: {NO_BASELINE}" for name, baseline in found if not baseline]
    _print(args, rows, lines or ["no suite is configured: name one with --suite"])
    return 0 if rows else 1


def _read(project: Project, suite: str, ref: str | None) -> Baseline | None:
    spec = None if ref is None else f"git:{ref}"
    return baselines.find(spec, suite=suite, file=project.baseline_file(suite), root=project.root)


def _summary(baseline: Baseline, path: Path, root: Path) -> dict[str, Json]:
    return {
        "suite": baseline.suite,
        "file": files.relative_name(path, root),
        "cases": len(baseline.cases),
        "trials": baseline.trials,
        "pass_rate": sum(case.mean for case in baseline.cases.values()) / len(baseline.cases),
        **dataclasses.asdict(baseline.provenance),
    }


def _shown(text: str) -> str:
    from pytest_evalgate.text.escape import one_line  # noqa: PLC0415 - the reports bring scipy

    return one_line(text)


def _passes(row: dict[str, Json]) -> str:
    return f"{row['cases']:,} cases, {100 * row['pass_rate']:.1f}% passed"


def _described(row: dict[str, Json]) -> list[str]:
    return [
        f"{row['suite']}: {_passes(row)}  ({row['file']})",
        f"  run {row['run_id']} of {row['created']}, commit {(row['commit'] or 'unknown')[:12]}",
        f"  promoted {row['promoted']}: {_shown(row['reason'])}",
    ]


def _print(args: argparse.Namespace, rows: list[dict[str, Json]], lines: list[str]) -> None:
    print(json.dumps(rows, indent=1) if args.json else "\n".join(lines))
