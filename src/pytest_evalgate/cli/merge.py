"""``pytest-evalgate merge``: the shards of a run are put together, and judged once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_evalgate.cli import merge_screen
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.project import Project
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judgement import Judgement
from pytest_evalgate.runs import run_file, verdict_file
from pytest_evalgate.runs.merge import merge
from pytest_evalgate.runs.origin import config_sha256
from pytest_evalgate.runs.shard import MOST_SHARDS
from pytest_evalgate.runs.shard_files import read_folder

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.data import Run, Verdict

_ABOUT = "Put the shards of a run (pytest --eval-gate --eval-shard I/N) together, and judge the whole."
_BASELINE_VARIABLE = "EVALGATE_BASELINE"


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
        help=f"what to compare with instead of each suite's baseline: a file, or git:REF (${_BASELINE_VARIABLE})",
    )
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    project = Project.find()
    project.state.prepare()
    with project.state.locked():
        run, origin = merge(read_folder(chosen.folder, chosen.expect_shards), chosen.expect_shards)
        run_file.write(run, run_file.path_of(project.state.path, run.id), origin)
        if not chosen.gate:
            print(merge_screen.stored(project, run, as_json=chosen.json))
            return 0
        if origin.config_sha256 != config_sha256(project.settings):
            raise SettingsError(_other_configuration(project, run))
        judgement = _judgement(project, chosen.baseline)
        verdict = _judge(judgement, run)
        verdict_file.write(verdict, project.state.verdict)
    print(merge_screen.judged(project, run, verdict, judgement, as_json=chosen.json))
    return verdict.exit_code


def _judgement(project: Project, baseline: str | None) -> Judgement:
    against = baseline or os.environ.get(_BASELINE_VARIABLE)
    return Judgement(project.root, project.settings, project.state.path, project.settings.suites.get, against)


def _judge(judgement: Judgement, run: Run) -> Verdict:
    """Judge a merged run as a session judges its own.

    Raises:
        SettingsError: the history or a baseline cannot be used.

    """
    judgement.check_history()
    problems: list[str] = []
    rules = judgement.rules([suite.plan.name for suite in run.suites], problems.append)
    if problems:
        raise SettingsError("\n".join(problems))
    return judgement.remember(run, judgement.judge(run, rules))


def _other_configuration(project: Project, run: Run) -> str:
    at = "" if run.commit is None else f" (commit {run.commit[:12]})"
    return (
        f"the shards ran with another configuration than {project.root} has: judge them where it is as it was "
        f"when they ran{at}"
    )
