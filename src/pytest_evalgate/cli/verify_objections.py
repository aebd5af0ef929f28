"""What does not fit between a stored run and the checkout that it is said to be of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, golden
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.golden.sampling import sampled
from pytest_evalgate.runs.origin import config_sha256
from pytest_evalgate.runs.plan import ALONE, make_plan
from pytest_evalgate.settings import always_planned, sample_of
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Run, SuitePlan
    from pytest_evalgate.judgement import BaseBranch
    from pytest_evalgate.runs.origin import Origin

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run has to be: of this id, with these suites, and of this ``--eval-target`` where it had one."""

    run_id: str
    suites: Sequence[str]
    target: str | None


def objections(project: Project, run: Run, origin: Origin, base: BaseBranch | None, wanted: Expected) -> Iterator[str]:
    """List what does not fit; the base then knows the golden sets of every suite of the run.

    Raises:
        UserError: golden sets, those of the base included, cannot be read.

    """
    if run.id != wanted.run_id:
        yield f"verdict.json tells of run {wanted.run_id}, not of run {run.id}"
    if origin.config_sha256 != config_sha256(project.settings):
        yield f"run {run.id} was made with another configuration than {project.root} has"
    if origin.target != wanted.target:
        yield f"run {run.id} was made with {_target(origin.target)}, not with {_target(wanted.target)}"
    held = {suite.plan.name for suite in run.suites}
    yield from (f"suite {name} is not in run {run.id}" for name in dict.fromkeys(wanted.suites) if name not in held)
    for suite in run.suites:
        yield from _of_suite(project, suite.plan, base)


def _target(spec: str | None) -> str:
    return "the suites' own targets" if spec is None else f"--eval-target {spec}"


def _of_suite(project: Project, held: SuitePlan, base: BaseBranch | None) -> Iterator[str]:
    """Plan the suite once more, and name the cases that its run does not hold as this plan has them."""
    sets = golden.load([_inside(project.root, path) for path in held.golden], root=project.root)
    sides = ALONE if base is None else base.sides(held.name, sets)
    suite = project.settings.suites.get(held.name)
    slices = () if suite is None else suite.slices
    plan = make_plan(held.name, sets, scorers=None, trials=held.trials, slices=slices, sides=sides)
    if suite is not None:
        plan = sampled(plan, sample_of(suite), always_planned(suite))
    if plan.golden_sha256 != held.golden_sha256:
        yield f"suite {held.name} was run on other golden sets than {project.root} has"
    there = {(case.id, case.side) for case in held.cases}
    others = [case.id for case in plan.cases if base is not None and (case.id, case.side) not in there]
    if others:
        first = ", ".join(others[:_NAMED])
        yield f"suite {held.name}: {count(len(others), 'case')} did not run as the base branch wants it: {first}"


def _inside(root: Path, path: str) -> Path:
    try:
        return files.inside(root, Path(path))
    except ValueError as error:
        raise SettingsError(f"golden set {error}") from None
