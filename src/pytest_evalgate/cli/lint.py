"""``pytest-evalgate lint``: what is wrong with golden sets before anything runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import golden
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.app.project import Project
from pytest_evalgate.config import CONFIG_FILE, PYPROJECT_FILE, ModelTarget, RecordedTarget
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.golden import lint
from pytest_evalgate.golden.lint import LintFinding, PromptText, strings
from pytest_evalgate.records.results import Place
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.config import Suite
    from pytest_evalgate.errors import LineProblem
    from pytest_evalgate.golden import ReadFile
    from pytest_evalgate.golden.lint import FileSummary, Severity
    from pytest_evalgate.records.results import Case, Json, SuitePlan

_ABOUT = (
    "Read golden sets and say in which dialect they are written, which cases are malformed, double, tiny in their "
    "slice, private or given away by a prompt, and which gates cannot be met. Sends nothing. Exits with 1 where "
    "something is an error."
)


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "lint",
        help="what is wrong with golden sets before anything runs",
        description=_ABOUT,
        epilog="example: pytest-evalgate lint --suite support --strict",
    )
    option = parser.add_argument
    option("paths", nargs="*", type=Path, metavar="PATH", help="golden sets (default: those of all configured suites)")
    option("--suite", metavar="NAME", help="one configured suite")
    option("--strict", action="store_true", help="exit with 1 also where something is a warning")
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:

    if args.paths and args.suite is not None:
        raise SettingsError(f"{args.paths[0]} and --suite {args.suite}: name files, or a suite")
    report = lint_files(args.paths) if args.paths else lint_suites(args.suite)
    print(json.dumps(report.as_json(), indent=1) if args.json else "\n".join(report.lines()))
    return report.exit_code(strict=args.strict)


def gate_findings(project: Project, suite: Suite, plan: SuitePlan, place: Place) -> Iterator[LintFinding]:
    """Look ahead at the gates of a suite; one without gates and without a baseline has nothing to be met."""
    name = plan.name
    if suite.gates is None and suite.baseline is None and not project.baseline_file(name).exists():
        return
    from pytest_evalgate.gates.correction import judge_problems  # noqa: PLC0415 - scipy, where there is a gate
    from pytest_evalgate.gates.power import check_power  # noqa: PLC0415 - the same

    problems: list[str] = []
    decider = RunDecider(project.root, project.settings, project.state.path, project.settings.suites.get)
    rules = decider.rules([name], problems.append)[name]
    seen = check_power(plan, rules)
    problems += [f"suites.{name}.gates: {text}" for text in (*seen.problems, *judge_problems(rules))]
    yield from (LintFinding(place, "gate", "error", text) for text in dict.fromkeys(problems))
    yield from (LintFinding(place, "gate", "warning", f"suites.{name}.gates: {text}") for text in seen.warnings)


def prompts_of(project: Project, suite: Suite) -> tuple[PromptText, ...]:
    """Read them all.

    Raises:
        SettingsError: one cannot be read, or lies outside of the root folder.

    """
    target = [_prompt(project.root, name) for name in _templates(suite)]
    shots = [project.settings.judges[judge].few_shots for judge in suite.judges]
    return (*target, *(_few_shots(project.root, name) for name in shots if name is not None))


def _templates(suite: Suite) -> Iterator[str]:
    if isinstance(suite.target, ModelTarget):
        yield from filter(None, (suite.target.prompt, suite.target.system))


def _prompt(root: Path, name: str) -> PromptText:
    path = _inside(root, name)
    try:
        return PromptText(name, path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8; save as UTF-8"
        raise SettingsError(f"{name}: cannot be read: {reason}") from None


def _few_shots(root: Path, name: str) -> PromptText:
    """Read the examples of a judge: they show outputs, so that an answer in them gives nothing away."""
    lines, problems = jsonl.read(_inside(root, name), name=name)
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    return PromptText(name, "\n".join(text for line in lines for text in strings(line.value)), answers=False)


def _inside(root: Path, name: str) -> Path:
    try:
        return files.resolve_inside(root, Path(name))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


_SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
_FOUND: Final = 1


@dataclass(frozen=True, slots=True)
class LintReport:
    """The facts of the files, and the findings in the order in which they are shown."""

    facts: tuple[FileSummary, ...]
    findings: tuple[LintFinding, ...]

    @classmethod
    def of(cls, facts: Iterable[FileSummary], findings: Iterable[LintFinding]) -> LintReport:
        """Put findings in order, each once."""
        return cls(tuple(facts), tuple(sorted(dict.fromkeys(findings), key=_order)))

    def exit_code(self, *, strict: bool) -> int:
        """Return 1 where there is an error, or a warning where these count as errors."""
        grave = {"error", "warning"} if strict else {"error"}
        return _FOUND if any(finding.severity in grave for finding in self.findings) else 0

    def lines(self) -> Iterator[str]:
        """Write one line a fact and one a finding, with a heading a severity, and the count last."""
        yield from (one_line(line) for facts in self.facts for line in facts.lines())
        for severity in _SEVERITIES:
            if found := self._of(severity):
                yield from ("", f"{severity}s:", *(one_line(str(finding)) for finding in found))
        yield ""
        yield ", ".join(count(len(self._of(severity)), severity) for severity in _SEVERITIES)

    def as_json(self) -> dict[str, Json]:
        """Return all of it as JSON."""
        return {
            "files": [facts.as_json() for facts in self.facts],
            "findings": [_as_json(finding) for finding in self.findings],
            **{f"{severity}s": len(self._of(severity)) for severity in _SEVERITIES},
        }

    def _of(self, severity: Severity) -> list[LintFinding]:
        return [finding for finding in self.findings if finding.severity == severity]


def _order(finding: LintFinding) -> tuple[int, str, int]:
    return _SEVERITIES.index(finding.severity), finding.place.file, finding.place.line


def _as_json(finding: LintFinding) -> dict[str, Json]:
    place = finding.place
    return {
        "file": place.file,
        "line": place.line or None,
        "kind": finding.kind,
        "severity": finding.severity,
        "message": finding.message,
    }


def lint_files(paths: Sequence[Path]) -> LintReport:
    """Lint files for themselves, whatever is configured.

    Raises:
        GoldenSetError: one cannot be read as a golden set at all.

    """
    read = _read(paths, Path.cwd())
    found = (_in_set([one]) for one in read.values())
    return LintReport.of(map(lint.summarise_file, read.values()), chain.from_iterable(found))


def lint_suites(name: str | None) -> LintReport:
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
    return LintReport.of(map(lint.summarise_file, read.values()), findings)


def _suites(project: Project, name: str | None) -> Mapping[str, Suite]:
    suites = project.settings.suites
    if name is None and not suites:
        raise SettingsError("no suite is configured: name the files, pytest-evalgate lint golden/support.jsonl")
    if name is not None and name not in suites:
        raise SettingsError(f"no suite {name!r} is configured (there is: {', '.join(suites) or 'none'})")
    return suites if name is None else {name: suites[name]}


def _golden_files(root: Path, name: str, suite: Suite) -> tuple[Path, ...]:
    try:
        return tuple(files.resolve_inside(root, Path(path)) for path in suite.golden)
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


def _in_set(read: Sequence[ReadFile]) -> Iterator[LintFinding]:
    """Lint the files of one suite, which are one golden set."""
    cases = _cases(read)
    yield from map(_malformed, chain.from_iterable(one.problems for one in read))
    yield from map(_malformed, golden.check_unique([one.golden for one in read]))
    yield from lint.duplicates(cases)
    yield from lint.expected_in_inputs(cases)
    yield from lint.private_data(cases)


def _in_suite(project: Project, name: str, suite: Suite, read: Sequence[ReadFile]) -> Iterator[LintFinding]:
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


def _malformed(problem: LineProblem) -> LintFinding:
    message = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return lint.LintFinding(Place(problem.file, problem.line), "malformed", "error", message)


def _config_file(root: Path) -> str:
    return CONFIG_FILE if (root / CONFIG_FILE).is_file() else PYPROJECT_FILE
