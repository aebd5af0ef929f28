"""Judging a stored run as the session would have judged it that made it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, golden
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judgement import Judgement
from pytest_evalgate.judgement.merge_base import find_base
from pytest_evalgate.runs.origin import config_sha256
from pytest_evalgate.settings import for_tier

if TYPE_CHECKING:
    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Run, Verdict
    from pytest_evalgate.judgement import BaseBranch
    from pytest_evalgate.runs.origin import Origin
    from pytest_evalgate.settings import Suite

BASELINE_VARIABLE = "EVALGATE_BASELINE"
BASE_VARIABLE = "EVALGATE_BASE_REF"
TIER_VARIABLE = "EVALGATE_TIER"


@dataclass(frozen=True, slots=True)
class Judged:
    """A run's verdict, by what it was judged, and what is to be said beside it."""

    verdict: Verdict
    judgement: Judgement
    note: str | None = None


def judge(project: Project, run: Run, origin: Origin, *, baseline: str | None, base_ref: str | None) -> Judged:
    """Judge a run by the configuration of the project, as the tier of the run has it; it has to be that of the run.

    Args:
        project: The project, with all its tiers.
        run: The run.
        origin: How it came about.
        baseline: What to compare with instead of each suite's baseline; the environment's where it is None.
        base_ref: What this branch is compared with; what the environment says where it is None.

    Raises:
        UserError: the configuration is another one, or a baseline, the history or the base cannot be used.

    """
    written, project = project.settings, in_tier(project, origin.tier)
    if origin.config_sha256 != config_sha256(project.settings):
        raise SettingsError(_other_configuration(project, run))
    asked = base_ref or os.environ.get(BASE_VARIABLE)
    base = find_base(asked, written, root=project.root, state=project.state.path, tier=origin.tier)
    if base.branch is not None:
        _show_golden_sets(base.branch, project, run)
    judgement = Judgement(
        project.root,
        project.settings,
        project.state.path,
        project.settings.suites.get,
        baseline or os.environ.get(BASELINE_VARIABLE),
        base.branch,
    )
    judgement.check_history()
    problems: list[str] = []
    rules = judgement.rules([suite.plan.name for suite in run.suites], problems.append)
    if problems:
        raise SettingsError("\n".join(problems))
    return Judged(judgement.remember(run, judgement.judge(run, rules)), judgement, base.note)


def in_tier(project: Project, tier: str) -> Project:
    """Return a project with its settings as a tier has them."""
    return replace(project, settings=for_tier(project.settings, tier))


def _show_golden_sets(base: BaseBranch, project: Project, run: Run) -> None:
    """Let the base compare the golden sets of the suites that ran with its own."""
    for suite in run.suites:
        name = suite.plan.name
        if (configured := project.settings.suites.get(name)) is not None:
            base.sides(name, golden.load(_golden_files(project.root, name, configured), root=project.root))


def _golden_files(root: Path, name: str, suite: Suite) -> list[Path]:
    try:
        return [files.inside(root, Path(path)) for path in suite.golden]
    except ValueError as error:
        raise SettingsError(f"suites.{name}.golden: {error}") from None


def _other_configuration(project: Project, run: Run) -> str:
    at = "" if run.commit is None else f" of commit {run.commit[:12]}"
    return f"run {run.id} was made with another configuration than {project.root} has: judge it in a checkout{at}"
