"""``pytest-evalgate baseline``: promote a stored run to baseline, or show a baseline."""

from __future__ import annotations

import dataclasses
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.app.promotions import Replaced, digest_of, store_promotions
from pytest_evalgate.cli.options import add_run, add_suite
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.state import in_ci
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import NO_BASELINE

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import Baseline


def _add_promote(parser: argparse.ArgumentParser) -> None:
    add_suite(parser, "every suite of the run")
    add_run(parser)
    parser.add_argument(
        "--reason", help="why later runs should be compared with this run (needed if there already is a baseline)"
    )
    parser.add_argument(
        "--no-outputs",
        action="store_true",
        help="do not store the outputs beside the baseline: reports then cannot show them side by side",
    )


_FIRST: Final = "first baseline"
_ANOTHER: Final = 'pytest-evalgate baseline promote --reason "new prompt accepted"'


def _promote(args: argparse.Namespace) -> int:
    if in_ci(os.environ):
        raise BaselineError("a baseline is not promoted in CI: promote on a branch, review the file, merge it")
    project = Project.find()
    run, origin = run_file.read_with_info(project.run_path(args.run_id), run_file.no_texts)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    suites = suites_of(run, args.suite)
    if origin.tier != project.settings.default_tier:
        for suite in suites:
            baselines.reject_sample(run, suite.plan, origin.tier)
    paths = [project.baseline_file(suite.plan.name) for suite in suites]
    if len(set(paths)) < len(paths):
        names = ", ".join(suite.plan.name for suite in suites)
        raise BaselineError(
            f"{names}: candidates of one suite share its baseline: name one, --suite '{suites[-1].plan.name}'"
        )
    reason = _FIRST if args.reason is None and not any(path.exists() for path in paths) else args.reason
    if reason is None:
        raise BaselineError(f"there is a baseline already; name the reason for a new one: {_ANOTHER}")
    promoted = [
        (baselines.promote(run, suite, reason=reason, now=now), path)
        for suite, path in zip(suites, paths, strict=True)
    ]
    stored = run_file.path_of(project.state.path, run.id)
    keeps = project.settings.report.content == "full" and not args.no_outputs
    before = [_before(path, suite.plan.name, project) for suite, path in zip(suites, paths, strict=True)]
    for baseline, path in promoted:
        baselines.write(baseline, path)
        baselines.write_outputs(baselines.outputs_of(baseline, stored) if keeps else b"", path)
    rows = [_summary(baseline, path, project.root) for baseline, path in promoted]
    print_result(args, rows, [f"promoted {row['suite']}: {_passes(row)} -> {row['file']}" for row in rows])
    redactor = Redactor.of(key_variables(project.settings), os.environ)
    replaced = [(baseline, path, old) for (baseline, path), old in zip(promoted, before, strict=True)]
    if (problem := store_promotions(project, replaced, redactor)) is not None:
        print(redactor.redact(f"pytest-evalgate: {problem}"), file=sys.stderr)
    return 0


def _before(path: Path, suite: str, project: Project) -> Replaced:
    """Return what a promotion replaces, which may be damaged."""
    try:
        found = baselines.find(None, suite=suite, file=path, root=project.root)
    except BaselineError:
        found = None
    return Replaced(found, digest_of(path))


def _show(args: argparse.Namespace) -> int:
    project = Project.find()
    names = [args.suite] if args.suite else list(project.settings.suites)
    spec = None if args.ref is None else f"git:{args.ref}"
    found = [
        (name, baselines.find(spec, suite=name, file=project.baseline_file(name), root=project.root)) for name in names
    ]
    rows = [_summary(baseline, project.baseline_file(name), project.root) for name, baseline in found if baseline]
    lines = [line for row in rows for line in _described(row)]
    lines += [f"{name}: {NO_BASELINE}" for name, baseline in found if not baseline]
    print_result(args, rows, lines or ["no suite is configured: name one with --suite"])
    return 0 if rows else 1


def _add_show(parser: argparse.ArgumentParser) -> None:
    add_suite(parser, "every configured suite")
    parser.add_argument("--ref", help="show the baseline of this branch, tag or commit")


VERB: Final[Actions] = {
    "promote": Verb(
        "Make a complete run the baseline. Refused in CI.",
        _ANOTHER,
        _promote,
        _add_promote,
    ),
    "show": Verb(
        "Show the origin and the contents of a baseline.",
        "pytest-evalgate baseline show --suite support",
        _show,
        _add_show,
    ),
}


def _summary(baseline: Baseline, path: Path, root: Path) -> dict[str, Json]:
    return {
        "suite": baseline.suite,
        "file": files.relative_name(path, root),
        "cases": len(baseline.cases),
        "trials": baseline.trials,
        "pass_rate": sum(case.mean for case in baseline.cases.values()) / len(baseline.cases),
        **dataclasses.asdict(baseline.provenance),
    }


def _passes(row: dict[str, Json]) -> str:
    return f"{row['cases']:,} cases, {100 * row['pass_rate']:.1f}% passed"


def _described(row: dict[str, Json]) -> list[str]:
    return [
        f"{row['suite']}: {_passes(row)}  ({row['file']})",
        f"  run {row['run_id']} of {row['created']}, commit {(row['commit'] or 'unknown')[:12]}",
        f"  promoted {row['promoted']}: {one_line(row['reason'])}",
    ]
