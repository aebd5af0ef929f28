"""``pytest-evalgate init``: a configuration that fits the project, and the files for a CI system.

Flow: look at the project; choose the files to write; write them; print what was found, what was written and the next
steps. It asks nothing, sends nothing and runs nothing of the project.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config
from pytest_evalgate.app.python_project import PYTEST_INI
from pytest_evalgate.cli.init.detection import Detected
from pytest_evalgate.cli.init.packs import PACK_STEPS, PACKS, pack_notes, pack_templates
from pytest_evalgate.cli.init.parts import DEMO
from pytest_evalgate.cli.init.placing import Placed, Template, place_all
from pytest_evalgate.cli.init.proposal import Proposal
from pytest_evalgate.cli.init.workflow import Workflow, known_tiers
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.printing import WIDTH, print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.data_card import card_path, card_text
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import wrap
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.cli.init.placing import Placement
    from pytest_evalgate.records.cases import Json

_EXIT_FILE_EXISTS: Final = 4
_MOST_SHARDS: Final = 64
_PLACEMENTS: Final[Mapping[Placement, str]] = {
    "kept": "a different file exists; --force replaces it",
    "by hand": "your file stays unchanged; add the lines below to it",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``init`` does: facts to print, files to write, notes and next commands."""

    facts: tuple[str, ...] = ()
    templates: tuple[Template, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: Plan) -> Plan:
        """Combine two plans; each fact and note once."""
        return Plan(
            tuple(dict.fromkeys((*self.facts, *other.facts))),
            (*self.templates, *other.templates),
            tuple(dict.fromkeys((*self.notes, *other.notes))),
            (*self.steps, *other.steps),
        )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--demo", action="store_true", help=DEMO.about)
    option("--github", action="store_true", help="a workflow for GitHub Actions in one job, and its comment")
    option("--gitlab", action="store_true", help="a job for GitLab CI/CD, to be included")
    option(
        "--pre-commit", action="store_true", help="hooks for pre-commit: lint before a commit, the gate before a push"
    )
    option("--shards", type=whole_number(_MOST_SHARDS), metavar="N", help="with --github or --gitlab: N parallel jobs")
    option(
        "--tiers",
        action="store_true",
        help="with --github or --gitlab: other tiers in pull requests, at night and for tags",
    )
    option(
        "--pack",
        dest="packs",
        action="append",
        choices=PACKS,
        default=[],
        help="golden sets from public data and suites for safety; repeatable",
    )
    option(
        "--card",
        dest="cards",
        action="append",
        type=Path,
        metavar="SET.jsonl",
        default=[],
        help="a data card of a golden set, to be filled in: source, selection, labelling, licence, gaps; repeatable",
    )
    option("--force", action="store_true", help="replace existing files that differ")


def _run(args: argparse.Namespace) -> int:
    if (args.shards or args.tiers) and not (args.github or args.gitlab):
        raise SettingsError(
            "--shards and --tiers belong to --github and --gitlab: pytest-evalgate init --github --tiers"
        )
    folder = Path.cwd()
    detected = Detected(folder, os.environ)
    is_for_project = not (args.demo or args.github or args.gitlab or args.pre_commit or args.packs or args.cards)
    if args.demo or (is_for_project and args.force):
        _check_single_configuration(folder)
    plan = _of_project(detected, replaces=args.force) if is_for_project else Plan()
    if args.demo:
        plan += Plan(templates=DEMO.templates(), steps=DEMO.steps)
    if args.packs:
        templates = (*_missing_ini(detected), *pack_templates(args.packs, detected))
        plan += Plan(templates=templates, notes=tuple(pack_notes(detected)), steps=PACK_STEPS)
    if args.cards:
        names = shlex.join(files.relative_name(path, folder) for path in args.cards)
        step = (f"pytest-evalgate lint {names}", "checks the texts of the cards, and the cases")
        plan += Plan(templates=tuple(_cards(args.cards, folder)), steps=(step,))
    plan += _of_ci(args, Workflow(detected, args.shards or 1, args.tiers))
    placed = _placed(plan, detected, force=args.force)
    print_result(args, _as_json(placed, plan), _lines(placed, plan))
    return _EXIT_FILE_EXISTS if any(one.outcome == "kept" for one in placed) else 0


VERB: Final = Verb(
    "Look at the project in the working folder, and write a configuration that fits it: for its golden sets and its "
    "application if they are found, else an example with recorded outputs. Asks nothing, sends nothing and imports "
    "nothing. Existing files are kept unless --force is given; the exit code is 4 if a kept file differs.",
    "pytest-evalgate init && pytest --eval-gate",
    _run,
    _add_arguments,
)


def _cards(paths: Sequence[Path], folder: Path) -> Iterator[Template]:
    """Yield the first version of the data card of each golden set.

    Raises:
        GoldenSetError: A set has problems.
        SettingsError: A set is outside of the working folder.
    """
    for path in paths:
        name = files.relative_name(path, folder)
        inside = files.existing_path(folder, name, "--card")
        read = read_file(inside, name)
        if read.problems:
            raise GoldenSetError(read.problems)
        plan = inside.with_suffix(".plan.json")
        drawn = {"selection": f"drawn by pytest-evalgate sample: {plan.name}"} if plan.is_file() else {}
        about = "data card: fill in its texts"
        yield Template(str(card_path(Path(name))), card_text(read.golden, drawn).encode(), about=about)


def _missing_ini(detected: Detected) -> Iterator[Template]:
    if (ini := detected.missing_ini) is not None:
        yield Template(PYTEST_INI, ini[0].encode(), about=ini[1])


def _of_project(detected: Detected, *, replaces: bool) -> Plan:
    proposal = Proposal(detected, replaces)
    return Plan(tuple(_facts(detected)), proposal.templates, proposal.notes, proposal.steps)


def _of_ci(args: argparse.Namespace, workflow: Workflow) -> Plan:
    """Return the plan for the CI systems that were asked for."""
    detected, plan = workflow.detected, Plan()
    if args.github or args.gitlab:
        plan += Plan((f"{detected.install}: installs the project",), notes=tuple(workflow.notes()))
    if args.github:
        tier = " --eval-tier smoke" if args.tiers and "smoke" in known_tiers(detected.settings) else ""
        steps = (
            (f"git add {shlex.join(_to_commit(detected))}", "comments start once both are on the default branch"),
            (f"pytest --eval-gate{tier}", "the command that pull requests run"),
        )
        plan += Plan(templates=workflow.github(), steps=steps)
    if args.gitlab:
        about = "in .gitlab-ci.yml: include: { local: .gitlab-ci.evalgate.yml }"
        plan += Plan(templates=workflow.gitlab(), steps=(("git add .gitlab-ci.evalgate.yml", about),))
    if args.pre_commit:
        step = ("pre-commit install -t pre-commit -t pre-push", "installs both hooks")
        plan += Plan(templates=workflow.hooks(), steps=(step,))
    return plan


def _to_commit(detected: Detected) -> Iterator[str]:
    """Yield the paths that belong under version control: workflows, configuration, golden sets and baselines."""
    yield _from_top(detected, ".github")
    suites = {} if detected.settings is None else detected.settings.suites
    golden = [Path(path) for suite in suites.values() for path in suite.golden]
    folders = [path.parent.as_posix() if len(path.parts) > 1 else path.name for path in golden]
    paths = dict.fromkeys((*filter(None, (detected.configuration,)), *folders, "baselines"))
    yield from (path for path in paths if (detected.root / path).exists())


def _from_top(detected: Detected, path: str) -> str:
    """Return a path at the top of the repository, as it is written in the working folder."""
    return "/".join([".."] * len(Path(detected.subfolder).parts) + [path])


def _placed(plan: Plan, detected: Detected, *, force: bool) -> tuple[Placed, ...]:
    """Write the files: workflows at the top of the repository, all others into the working folder."""
    at_top = [template for template in plan.templates if template.path.startswith(".github/")]
    here = [template for template in plan.templates if template not in at_top]
    top = detected.root.joinpath(*[".."] * len(Path(detected.subfolder).parts)).resolve()
    return (*place_all(here, detected.root, force=force), *place_all(at_top, top, force=force))


def _facts(detected: Detected) -> Iterator[str]:
    """Yield one line for each thing that was found."""
    if detected.pytest_file is not None:
        paths = f", testpaths = {' '.join(detected.testpaths)}" if detected.testpaths else ""
        name = f" of {detected.project}" if detected.project and detected.pytest_file == config.PYPROJECT_FILE else ""
        yield f"{detected.pytest_file}{name}{paths}"
    if detected.configuration is not None:
        settings = detected.settings
        names = "" if settings is None else f": {first_few(list(settings.suites)) or 'no suite'}"
        yield f"the configuration in {detected.configuration}{names}; it stays as it is"
    for golden in detected.golden_sets:
        outputs = ", with recorded outputs" if golden.has_outputs else ""
        yield f"{golden.path}: a golden set of {count(len(golden.cases), 'case')}{outputs}"
    for recording in detected.recordings:
        yield f"{recording.path}: recorded outputs"
    for importable in detected.importable:
        yield f"{importable.path}: a {importable.kind}, which pytest-evalgate import reads"
    for index, app in enumerate(detected.applications[:3]):
        other = "" if index == 0 else "; not used, since the first one is more likely the application"
        keys = f", which reads {', '.join(app.keys)}" if app.keys else ""
        yield f"{app.file}:{app.line}: {app.signature}{keys}{other}"
    for place in detected.marked_tests[:3]:
        yield f"{place}: a marked test"
    for endpoint in detected.endpoints:
        yield f"{' and '.join(endpoint.found)} in the environment: {endpoint.label} at {endpoint.host}"
    known = (detected.configuration, detected.golden_sets, detected.importable, detected.applications)
    if not any(known) and not detected.endpoints:
        yield "no application, golden set or API key, so an example with recorded outputs"


def _check_single_configuration(folder: Path) -> None:
    """Raise if ``pyproject.toml`` contains the configuration: sessions refuse to start with two of them."""
    if not (folder / config.CONFIG_FILE).exists() and config.is_configured(folder):
        raise SettingsError(
            f"{config.PYPROJECT_FILE}: contains [tool.evalgate], and {config.CONFIG_FILE} would be a second "
            f"configuration: add suites to {config.PYPROJECT_FILE}, or write CI files only (--github, --gitlab)"
        )


_COLUMN: Final = 11


def _lines(placed: tuple[Placed, ...], plan: Plan) -> Iterator[str]:
    for fact in plan.facts:
        yield from wrap(f"{'found':<{_COLUMN}}{one_line(fact)}", WIDTH, " " * (_COLUMN + 2))
    for one in placed:
        note = _PLACEMENTS.get(one.outcome, one.template.about)
        text = f"{one.outcome:<{_COLUMN}}{one.template.path}" + (f": {note}" if note else "")
        yield from wrap(text, WIDTH, " " * (_COLUMN + 2))
    for note in plan.notes:
        yield from wrap(f"{'note':<{_COLUMN}}{one_line(note)}", WIDTH, " " * (_COLUMN + 2))
    for one in placed:
        if one.outcome == "by hand":
            yield from ("", one.template.data.decode().rstrip("\n"))
    yield from ("", "next:")
    width = max(len(command) for command, _ in plan.steps)
    if width + max(len(about) for _, about in plan.steps) + len("    # ") > WIDTH:
        width = 0  # each purpose directly after its command
    yield from (f"  {command:<{width}}  # {about}" for command, about in plan.steps)


def _as_json(placed: tuple[Placed, ...], plan: Plan) -> Json:
    return {
        "found": list(plan.facts),
        "files": [
            {
                "path": one.template.path,
                "outcome": one.outcome,
                "text": one.template.data.decode() if one.outcome == "by hand" else None,
            }
            for one in placed
        ],
        "notes": list(plan.notes),
        "next": [{"command": command, "about": about} for command, about in plan.steps],
    }
