"""``pytest-evalgate verify``: decide a stored run again, by the configuration of the base branch."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate import golden
from pytest_evalgate.app.decide import BASE_VARIABLE, TIER_VARIABLE, RunDecider, in_tier
from pytest_evalgate.app.project import Project, resolve_path
from pytest_evalgate.cli.options import add_run
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import always_planned, sample_of, suite_named
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.sampling import sample_plan, select_split
from pytest_evalgate.guard.base_branch import BaseBranch
from pytest_evalgate.guard.base_checkout import BASE_VARIABLE as PULL_REQUEST_VARIABLE
from pytest_evalgate.guard.base_checkout import BaseCheckout
from pytest_evalgate.guard.directions import larger
from pytest_evalgate.guard.settings_changes import trials_of
from pytest_evalgate.records.verdicts import VerdictName
from pytest_evalgate.runs import git, run_file
from pytest_evalgate.runs.plan import NO_CHANGES, make_plan
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.config import Suite
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run, SuiteRun
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.runs.run_file import RunInfo

_NAMED = 3
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ExpectedRun:
    """Expected run: its id, its suites and its ``--eval-target``."""

    run_id: str
    suites: Sequence[str]
    target: str | None


def mismatches(
    project: Project, run: Run, origin: RunInfo, base: BaseBranch | None, expected: ExpectedRun
) -> Iterator[str]:
    """Yield the differences between a run and the expected one; also load the golden sets of the base into ``base``.

    Raises:
        UserError: a golden set of this checkout or of the base cannot be read.
    """
    if run.id != expected.run_id:
        yield f"verdict.json belongs to run {expected.run_id}, not to run {run.id}"
    if origin.config_sha256 != config_sha256(project.settings):
        yield f"run {run.id} has another configuration than {project.root}"
    here = git.head(project.root)
    if here is not None and run.commit != here:
        made = f"run {run.id} was made of commit {_short(run.commit)}"
        yield f"{made}, not of HEAD ({_short(here)}): run the session again"
    if origin.target != expected.target:
        yield f"run {run.id} used {_target(origin.target)}, not {_target(expected.target)}"
    names = {suite.plan.name for suite in run.suites}
    yield from (f"suite {name} is not in run {run.id}" for name in dict.fromkeys(expected.suites) if name not in names)
    if base is not None:
        for moved in base.moved_from:
            yield f"the base branch is configured by {moved}, not in {project.root}: verify after the move is merged"
    for suite in run.suites:
        yield from _of_suite(project, suite, base)


def _short(commit: str | None) -> str:
    return "unknown" if commit is None else one_line(commit)[:_DIGITS]


def _target(spec: str | None) -> str:
    return "the suites' own targets" if spec is None else f"--eval-target {spec}"


def _of_suite(project: Project, ran: SuiteRun, base: BaseBranch | None) -> Iterator[str]:
    """Plan the suite again, and yield the differences from the cases and the trials of its run."""
    held = ran.plan
    paths = [resolve_path(project.root, path, "golden set") for path in held.golden]
    sets = golden.load(paths, root=project.root)
    sides = NO_CHANGES if base is None else base.sides(held.name, sets)
    suite = suite_named(project.settings, held.name)
    if suite is not None and suite.split is not None:
        sets, sides = select_split(sets, suite.split, place=f"suites.{held.name}.split"), sides.of_split(suite.split)
    wanted = suite if base is None else suite_named(base.settings, held.name) or suite
    slices = () if suite is None else suite.slices
    plan = make_plan(held.name, sets, scorers=None, trials=held.trials, slices=slices, sides=sides)
    if suite is not None and wanted is not None:
        sample = sample_of(suite)
        if larger(sample_of(wanted), sample) == "weaker":
            sample = sample_of(wanted)
        plan = sample_plan(plan, sample, always_planned(wanted))
        yield from _trials_problems(ran, trials_of(wanted))
    if plan.golden_sha256 != held.golden_sha256:
        yield f"suite {held.name} ran on other golden sets than those of {project.root}"
    there = {(case.id, case.side) for case in held.cases}
    others = [case.id for case in plan.cases if base is not None and (case.id, case.side) not in there]
    if others:
        first = ", ".join(others[:_NAMED])
        yield f"suite {held.name}: {count(len(others), 'case')} of the base branch did not run: {first}"


def _trials_problems(ran: SuiteRun, wanted: int) -> Iterator[str]:
    """Yield the mismatches in the number of trials. Fewer trials are easier to pass, and hide flaky cases."""
    plan = ran.plan
    if plan.trials < wanted:
        yield f"suite {plan.name} ran {count(plan.trials, 'trial')} of each case, but {wanted} are configured"
    short = [
        result.case.id
        for result in ran.results
        if result.outcome in {"passed", "missed"} and len(result.trials) != plan.trials
    ]
    if short:
        first = ", ".join(short[:_NAMED])
        yield f"suite {plan.name}: {count(len(short), 'case')} did not run {count(plan.trials, 'trial')}: {first}"


_DISAGREES = 1
_RUN_ID = re.compile(r"[A-Za-z0-9-]+")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser, "the one of verdict.json")
    parser.add_argument("--base-ref", metavar="REF", help="take gates and baselines from the merge base with REF")
    parser.add_argument("--target", metavar="SPEC", help="required --eval-target of the run (default: none)")
    which = f"required --eval-tier of the run (${TIER_VARIABLE}; default: that of the base)"
    parser.add_argument("--tier", metavar="TIER", help=which)
    required = "a suite that the run has to contain, beside those of the base; repeatable"
    parser.add_argument("--require", metavar="SUITE", action="append", default=[], help=required)


@dataclass(frozen=True, slots=True)
class _Verified:
    """Claimed verdict, commit of its run, derived verdict, and mismatches."""

    claimed: str
    commit: str | None
    derived: Verdict
    mismatches: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """True if the derived verdict equals the claimed one, and there is no mismatch."""
        return self.claimed == self.derived.verdict and not self.mismatches

    @property
    def exit_code(self) -> int:
        """Exit code of the derived verdict; never 0 if there is a mismatch."""
        return self.derived.exit_code or (0 if self.agrees else _DISAGREES)


def _verify(args: argparse.Namespace) -> int:
    written = Project.find()
    claimed = _claimed(written)
    path = run_file.path_of(written.state.path, args.run_id or claimed["run_id"])
    origin = run_file.read_info(path)
    project, base = in_tier(written, origin.tier), _base(written, args.base_ref, origin.tier)
    sources = [project, *(() if base is None else [replace(project, settings=base.settings)])]
    run = run_file.read(path, lambda name: any(source.keeps_texts(name) for source in sources))
    suites = [*args.require, *(() if base is None else base.settings.suites)]
    expected = ExpectedRun(claimed["run_id"], suites, args.target)
    tier = args.tier or os.environ.get(TIER_VARIABLE) or (written.settings if base is None else base).default_tier
    found = list(mismatches(project, run, origin, base, expected))
    if origin.tier != tier:
        found.insert(0, f"run {run.id} ran in tier {jsonl.escape_text(origin.tier)}, not in tier {tier}")
    derived = _derive(project, run, origin, base, found.append)
    verified = _Verified(claimed["verdict"], run.commit, derived, tuple(found))
    print(json.dumps(_encoded(verified), indent=1) if args.json else "\n".join(_lines(verified)))
    return verified.exit_code


VERB: Final = Verb(
    "Derive the verdict of a run again, with the gates and baselines of the base branch. Exits with the code of that "
    "verdict, or with 1 if verdict.json claims another one.",
    "pytest-evalgate verify --base-ref origin/main --require support",
    _verify,
    _add_arguments,
)


def _claimed(project: Project) -> dict[str, str]:
    """Read the claimed verdict and the run id from verdict.json.

    Raises:
        SettingsError: there is no verdict, or it cannot be read; an aborted session has none.
    """
    path = project.state.verdict
    try:
        value = jsonl.loads(path.read_bytes())
        verdict, run_id = str(value["verdict"]), str(value["run_id"])
    except OSError as error:
        raise SettingsError(f"{path}: no verdict ({error.strerror}): the session was aborted, run it again") from None
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{path}: not a verdict ({error}): run again") from None
    if verdict not in get_args(VerdictName) or not _RUN_ID.fullmatch(run_id):
        found = f"{jsonl.escape_text(verdict)} of run {jsonl.escape_text(run_id)}"
        raise SettingsError(f"{path}: not a verdict ({found}): run again")
    return {"verdict": verdict, "run_id": run_id}


def _base(project: Project, ref: str | None, tier: str) -> BaseBranch | None:
    requested = ref or os.environ.get(BASE_VARIABLE)
    if requested:
        tree = BaseCheckout.at(requested, root=project.root)
    elif os.environ.get(PULL_REQUEST_VARIABLE):
        tree = BaseCheckout.of_pull_request(project.root, os.environ)
    else:
        return None
    return BaseBranch(tree, project.root, project.settings, project.state.path, tier, alone=True)


def _derive(
    project: Project, run: Run, origin: RunInfo, base: BaseBranch | None, add_problem: Callable[[str], None]
) -> Verdict:
    """Decide the run by the configuration of the base; suites that only this checkout has, by its own."""
    own = project.settings
    rules_of = own
    if base is not None:  # suites that only this checkout has may use its own judges
        judges, models = {**own.judges, **base.settings.judges}, {**own.models, **base.settings.models}
        rules_of = base.settings.model_copy(update={"judges": judges, "models": models})

    def suite_of(name: str) -> Suite | None:
        of_candidate = suite_named(rules_of, name) or suite_named(own, name)
        return rules_of.suites.get(name) or own.suites.get(name) or of_candidate

    decider = RunDecider(project.root, rules_of, project.state.path, suite_of, base=base)
    rules = decider.rules([suite.plan.name for suite in run.suites], add_problem)
    return decider.decide_attempt(run, origin, rules)


def _lines(found: _Verified) -> Iterator[str]:
    from pytest_evalgate.reports.terminal import gate_change_lines  # noqa: PLC0415 - imports scipy

    yield from (line.text for line in gate_change_lines(found.derived.changed_in_gate or (), 100))
    for name, suite in found.derived.suites.items():
        for gate in suite.gates:
            which = f"{gate.kind} {gate.of}".rstrip()
            yield one_line(f"{gate.result:<13}  {name}, {which}: {gate.message}")
    for mismatch in found.mismatches:
        yield one_line(f"mismatch: {mismatch}")
    word = "agrees" if found.agrees else "MISMATCH" if found.mismatches else "DISAGREES"
    if word == "DISAGREES" and not found.derived.changed_in_gate:
        yield "verdict.json was edited, or a gate or a baseline changed after the run: run again: pytest --eval-gate"
    of = "" if found.commit is None else f" of commit {_short(found.commit)}"
    yield f"verify {word}: {found.claimed} in verdict.json, {found.derived.verdict} derived from the run{of}"


def _encoded(found: _Verified) -> dict[str, Json]:
    from pytest_evalgate.runs.kept import encode  # noqa: PLC0415 - only for --json

    return {
        "claimed": found.claimed,
        "commit": found.commit,
        "agrees": found.agrees,
        "exit_code": found.exit_code,
        "objections": list(found.mismatches),
        "derived": encode(found.derived),
    }
