"""The work of ``lint``: reads golden sets, prompts and settings, and has each of them looked at."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, golden
from pytest_evalgate.cli.lint.gates import gate_findings
from pytest_evalgate.cli.lint.prompts import prompts_of
from pytest_evalgate.cli.lint.report import Report
from pytest_evalgate.cli.project import Project
from pytest_evalgate.data import Place
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.golden import lint
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.settings import CONFIG_FILE, PYPROJECT_FILE, RecordedTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.data import Case, SuitePlan
    from pytest_evalgate.errors import LineProblem
    from pytest_evalgate.golden import ReadFile
    from pytest_evalgate.golden.lint import Finding
    from pytest_evalgate.settings import Suite


def lint_files(paths: Sequence[Path]) -> Report:
    """Lint files for themselves, whatever is configured.

    Raises:
        GoldenSetError: one cannot be read as a golden set at all.

    """
    read = _read(paths, Path.cwd())
    found = (_in_set([one]) for one in read.values())
    return Report.of(map(lint.facts_of, read.values()), chain.from_iterable(found))


def lint_suites(name: str | None) -> Report:
    """Lint the suite that is named, else every configured one, and the models that are configured.

    Raises:
        SettingsError: there is no such suite, or what it names cannot be used.
        GoldenSetError: a golden set cannot be read as one at all.

    """
    project = Project.find()
    suites = _suites(project, name)
    paths = {name: _golden_files(project.root, name, suite) for name, suite in suites.items()}
    read = _read([path for found in paths.values() for path in found], project.root)
    place = Place(_config_file(project.root), 0)
    findings = [*lint.floating_models(project.settings.models, place)]
    for together in dict.fromkeys(paths.values()):
        findings += _in_set([read[path] for path in together])
    for suite_name, suite in suites.items():
        findings += _in_suite(project, suite_name, suite, [read[path] for path in paths[suite_name]])
    return Report.of(map(lint.facts_of, read.values()), findings)


def _suites(project: Project, name: str | None) -> Mapping[str, Suite]:
    suites = project.settings.suites
    if name is None and not suites:
        raise SettingsError("no suite is configured: name the files, pytest-evalgate lint golden/support.jsonl")
    if name is not None and name not in suites:
        raise SettingsError(f"no suite {name!r} is configured (there is: {', '.join(suites) or 'none'})")
    return suites if name is None else {name: suites[name]}


def _golden_files(root: Path, name: str, suite: Suite) -> tuple[Path, ...]:
    try:
        return tuple(files.inside(root, Path(path)) for path in suite.golden)
    except ValueError as error:
        raise SettingsError(f"suites.{name}.golden: {error}") from None


def _read(paths: Iterable[Path], root: Path) -> dict[Path, ReadFile]:
    """Read each file once.

    Raises:
        GoldenSetError: one of them is not there, or is no golden set: what is wrong with it has no line.

    """
    read = {path: golden.read_file(path, files.relative_name(path, root)) for path in dict.fromkeys(paths)}
    if unreadable := [problem for found in read.values() for problem in found.problems if not problem.line]:
        raise GoldenSetError(unreadable)
    return read


def _in_set(read: Sequence[ReadFile]) -> Iterator[Finding]:
    """Lint the files of one suite, which are one golden set."""
    cases = _cases(read)
    yield from map(_malformed, chain.from_iterable(one.problems for one in read))
    yield from map(_malformed, golden.check_unique([one.golden for one in read]))
    yield from lint.duplicates(cases)
    yield from lint.answers_in_inputs(cases)
    yield from lint.private_data(cases)


def _in_suite(project: Project, name: str, suite: Suite, read: Sequence[ReadFile]) -> Iterator[Finding]:
    """Lint what a suite makes of its golden set; its gates only where all of its cases are known."""
    yield from lint.leaks_into_prompts(_cases(read), prompts_of(project, suite))
    if any(one.problems for one in read):
        return
    try:
        plan = _plan(name, suite, read)
    except GoldenSetError as error:
        yield from map(_malformed, error.problems)
        return
    place = Place(_config_file(project.root), 0)
    yield from lint.small_slices(name, suite, plan.cases, place)
    yield from gate_findings(project, suite, plan, place)


def _plan(name: str, suite: Suite, read: Sequence[ReadFile]) -> SuitePlan:
    recorded = len(suite.target.recorded) if isinstance(suite.target, RecordedTarget) else 1
    return make_plan(
        name,
        [one.golden for one in read],
        scorers=list(suite.scorers),
        trials=suite.trials or recorded,
        slices=suite.slices,
        cluster=suite.cluster,
        aggregate=suite.aggregate,
    )


def _cases(read: Sequence[ReadFile]) -> list[Case]:
    return [case for one in read for case in one.golden]


def _malformed(problem: LineProblem) -> Finding:
    message = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return lint.Finding(Place(problem.file, problem.line), "malformed", "error", message)


def _config_file(root: Path) -> str:
    return CONFIG_FILE if (root / CONFIG_FILE).is_file() else PYPROJECT_FILE
