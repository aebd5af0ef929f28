"""``pytest-evalgate verify``: the verdict once more, from the run file, by the configuration of the base branch."""

from __future__ import annotations

import argparse
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pytest_evalgate import jsonl
from pytest_evalgate.cli.judging import BASE_VARIABLE, TIER_VARIABLE, in_tier
from pytest_evalgate.cli.project import Project
from pytest_evalgate.cli.verify_objections import Expected, objections
from pytest_evalgate.data import VerdictName
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judgement import BaseBranch, Judgement
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.base import BaseTree, base_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.data import Json, Run, Verdict
    from pytest_evalgate.runs.origin import Origin
    from pytest_evalgate.settings import Suite

_EXAMPLE = "pytest-evalgate verify --base-ref origin/main --require support"
_DISAGREES = 1
_RUN_ID = re.compile(r"[A-Za-z0-9-]+")


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    text = "derive the verdict of a run again, by the gates and baselines of the base branch"
    parser: argparse.ArgumentParser = verbs.add_parser(
        "verify",
        help=text,
        description=f"{text}; exits as that verdict does, and with 1 where verdict.json says something better",
        epilog=f"example: {_EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", dest="run_id", metavar="ID", help="a stored run (default: the one of verdict.json)")
    parser.add_argument("--base-ref", metavar="REF", help="take gates and baselines from the merge base with REF")
    parser.add_argument("--target", metavar="SPEC", help="the --eval-target that the run has to be of (default: none)")
    which = f"the --eval-tier that the run has to be of (${TIER_VARIABLE}; default: that of the base)"
    parser.add_argument("--tier", metavar="TIER", help=which)
    required = "a suite that has to be there, beside those of the base"
    parser.add_argument("--require", metavar="SUITE", action="append", default=[], help=required)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_verify)


@dataclass(frozen=True, slots=True)
class _Verified:
    """The verdict that was claimed, the one that was derived, and what else does not fit."""

    claimed: str
    derived: Verdict
    objections: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Tell whether what was claimed stands."""
        return self.claimed == self.derived.verdict and not self.objections

    @property
    def exit_code(self) -> int:
        """The derived verdict's; never 0 where something does not fit."""
        return self.derived.exit_code or (0 if self.agrees else _DISAGREES)


def _verify(chosen: argparse.Namespace) -> int:
    written = Project.find()
    claimed = _claimed(written)
    run, origin = run_file.read_with_origin(run_file.path_of(written.state.path, chosen.run_id or claimed["run_id"]))
    project, base = in_tier(written, origin.tier), _base(written, chosen.base_ref, origin.tier)
    suites = [*chosen.require, *(() if base is None else base.settings.suites)]
    wanted = Expected(claimed["run_id"], suites, chosen.target)
    tier = chosen.tier or os.environ.get(TIER_VARIABLE) or (written.settings if base is None else base).default_tier
    found = [*_of_tier(run, origin, tier), *objections(project, run, origin, base, wanted)]
    derived = _derive(project, run, base, found.append)
    verified = _Verified(claimed["verdict"], derived, tuple(found))
    print(json.dumps(_encoded(verified), indent=1) if chosen.json else "\n".join(_lines(verified)))
    return verified.exit_code


def _claimed(project: Project) -> dict[str, str]:
    """Read what the session said of itself.

    Raises:
        SettingsError: there is no verdict, or it cannot be read: a session that broke off has none.

    """
    path = project.state.verdict
    try:
        value = jsonl.loads(path.read_bytes())
        verdict, run_id = str(value["verdict"]), str(value["run_id"])
    except OSError as error:
        raise SettingsError(f"{path}: no verdict ({error.strerror}): the session did not come to its end") from None
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{path}: not a verdict ({error}): run again") from None
    if verdict not in get_args(VerdictName) or not _RUN_ID.fullmatch(run_id):
        told = f"{jsonl.visible(verdict)} of run {jsonl.visible(run_id)}"
        raise SettingsError(f"{path}: not a verdict ({told}): run again")
    return {"verdict": verdict, "run_id": run_id}


def _of_tier(run: Run, origin: Origin, wanted: str) -> Iterator[str]:
    if origin.tier != wanted:
        yield f"run {run.id} was made in tier {jsonl.visible(origin.tier)}, not in tier {wanted}"


def _base(project: Project, ref: str | None, tier: str) -> BaseBranch | None:
    ref = base_ref(ref or os.environ.get(BASE_VARIABLE), os.environ)
    if ref is None:
        return None
    tree = BaseTree.at(ref, root=project.root, folder=project.state.path / "base")
    return BaseBranch(tree, project.root, project.settings, project.state.path, tier)


def _derive(project: Project, run: Run, base: BaseBranch | None, add_problem: Callable[[str], None]) -> Verdict:
    """Judge the run by the configuration of the base; suites that the base does not know by their own."""
    own = project.settings
    rules_of = own if base is None else base.settings

    def suite_of(name: str) -> Suite | None:
        return rules_of.suites.get(name) or own.suites.get(name)

    judgement = Judgement(project.root, rules_of, project.state.path, suite_of, base=base)
    return judgement.judge(run, judgement.rules([suite.plan.name for suite in run.suites], add_problem))


def _lines(found: _Verified) -> Iterator[str]:
    from pytest_evalgate.reports.escape import one_line  # noqa: PLC0415 - the reports bring scipy
    from pytest_evalgate.reports.gate_changes import gate_change_lines  # noqa: PLC0415 - the same

    yield from (line.text for line in gate_change_lines(found.derived.changed_in_gate, 100))
    for name, suite in found.derived.suites.items():
        for gate in suite.gates:
            which = f"{gate.kind} {gate.of}".rstrip()
            yield one_line(f"{gate.result:<13}  {name}, {which}: {gate.message}")
    for objection in found.objections:
        yield one_line(f"objection: {objection}")
    word = "agrees" if found.agrees else "OBJECTS" if found.objections else "DISAGREES"
    yield f"verify {word}: verdict.json says {found.claimed}, the run says {found.derived.verdict}"


def _encoded(found: _Verified) -> dict[str, Json]:
    from pytest_evalgate.runs.verdict_file import encode  # noqa: PLC0415 - asked for

    return {
        "claimed": found.claimed,
        "agrees": found.agrees,
        "exit_code": found.exit_code,
        "objections": list(found.objections),
        "derived": encode(found.derived),
    }
