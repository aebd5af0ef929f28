"""``pytest-evalgate merge``: the shards of a run are put together, and judged once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_evalgate.cli.judging import BASE_VARIABLE, BASELINE_VARIABLE, judge
from pytest_evalgate.cli.merge import screen
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.project import Project
from pytest_evalgate.redaction import Redactor
from pytest_evalgate.reporting import Reporting
from pytest_evalgate.runs import run_file, verdict_file
from pytest_evalgate.runs.merge import merge
from pytest_evalgate.runs.shard import MOST_SHARDS
from pytest_evalgate.runs.shard_files import read_folder
from pytest_evalgate.settings import key_variables

if TYPE_CHECKING:
    import argparse

_ABOUT = "Put the shards of a run (pytest --eval-gate --eval-shard I/N) together, and judge the whole."


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "merge",
        help="put the shards of a run together, and judge it",
        description=_ABOUT,
        epilog="example: pytest-evalgate merge .evalgate/shards --expect-shards 4 --gate",
    )
    option = parser.add_argument
    option("folder", type=Path, metavar="DIR", help="the folder in which the files of the shards lie")
    option(
        "--expect-shards",
        type=whole_number(MOST_SHARDS),
        required=True,
        metavar="N",
        help="how many shards the run has: fewer or more are not merged",
    )
    option("--gate", action="store_true", help="judge the run, and exit with the code of its verdict")
    option(
        "--baseline",
        metavar="SPEC",
        help=f"what to compare with instead of each suite's baseline: a file, or git:REF (${BASELINE_VARIABLE})",
    )
    option(
        "--base-ref",
        metavar="REF",
        help=f"the branch that this one goes to; on GitHub known for pull requests (${BASE_VARIABLE})",
    )
    option("--report", metavar="DIR", help="where the reports go (default: the state folder)")
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    project = Project.find()
    project.state.prepare()
    with project.state.locked():
        run, origin = merge(read_folder(chosen.folder, chosen.expect_shards), chosen.expect_shards)
        run_file.write(run, run_file.path_of(project.state.path, run.id), origin)
        if not chosen.gate:
            print(screen.stored(project, run, as_json=chosen.json))
            return 0
        judged = judge(project, run, origin, baseline=chosen.baseline, base_ref=chosen.base_ref)
        redactor = Redactor.of(key_variables(project.settings), os.environ)
        verdict_file.write(judged.verdict, project.state.verdict, redactor)
        reporting = Reporting(project.root, project.state, project.settings.report, chosen.report, print_line=_log)
        reporting.forget()
        troubles = list(reporting.report(judged.verdict, judged.judgement, (run, origin), redactor))
    for trouble in troubles:
        _log(f"pytest-evalgate: {trouble}")
    print(redactor.clean(screen.judged(project, run, judged, reporting.html_file, as_json=chosen.json)))
    return judged.verdict.exit_code


def _log(line: str) -> None:
    """Write beside what is printed: on a runner of GitHub both are read for commands."""
    print(line, file=sys.stderr)
