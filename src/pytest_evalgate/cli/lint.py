"""``pytest-evalgate lint``: problems of golden sets, found before anything runs.

Flow: read the files of each suite once; lint each golden set by itself, then together with the prompts and the gates
of its suite; sort the findings by severity and print them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from pytest_evalgate import golden, scorers, targets
from pytest_evalgate.app import fit
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.app.project import Project, resolve_path
from pytest_evalgate.cli.options import add_suite
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import CONFIG_FILE, PYPROJECT_FILE, CommandTarget, HttpTarget, ModelTarget, RecordedTarget
from pytest_evalgate.curation.wanted_values import coverage_findings, coverage_lines, wanted_coverage
from pytest_evalgate.engine import Grading
from pytest_evalgate.engine.suite_outputs import SuiteOutputs
from pytest_evalgate.errors import GoldenSetError, LineProblem, SettingsError, UserError, group_problems
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden import lint
from pytest_evalgate.golden.data_card import card_findings, card_path
from pytest_evalgate.golden.dialects.equivalents import hint_of
from pytest_evalgate.golden.freshness import blamed_days, created_day, stale_cases
from pytest_evalgate.golden.lint import LintFinding, PromptText, Severity, strings
from pytest_evalgate.golden.sampling import select_split
from pytest_evalgate.records.cases import Place
from pytest_evalgate.runs import git
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.scorers.registry import ScorerOptions, known_kinds
from pytest_evalgate.scorers.scorer import applies_to
from pytest_evalgate.scorers.suite_sources import ModelSource
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.personal import phone_note
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.config import Suite
    from pytest_evalgate.curation.wanted_values import WantedField
    from pytest_evalgate.golden import ReadFile
    from pytest_evalgate.golden.lint import FileSummary
    from pytest_evalgate.judges.judge import JudgeScorer
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import SuitePlan
    from pytest_evalgate.scorers.readings import MetricReader
    from pytest_evalgate.scorers.scorer import WeightedScorer

_EXIT_FOUND: Final = 1


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="golden sets (default: those of all configured suites)"
    )
    add_suite(parser, "every configured suite")
    parser.add_argument(
        "--against",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="files that the application or its model has seen, such as few-shots, prompts or training data: find "
        "cases in them, by 13 words in a row",
    )
    parser.add_argument(
        "--coverage", action="store_true", help="print which cases have each value in coverage of the suites"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings, too")


def _run(args: argparse.Namespace) -> int:
    if args.paths and args.suite is not None:
        raise SettingsError(f"{args.paths[0]} and --suite {args.suite} exclude each other: name files, or a suite")
    if args.paths and args.coverage:
        raise SettingsError("--coverage prints what suites want: leave out the files, or name a suite with --suite")
    report = lint_files(args.paths, args.against) if args.paths else lint_suites(args.suite, args.against)
    print_result(args, report.as_json(), report.lines(coverage=args.coverage))
    return report.exit_code(strict=args.strict)


VERB: Final = Verb(
    "Check golden sets. Print the dialect of each file; cases that are malformed, duplicate, private, in a tiny slice "
    "or leaked into a prompt; and gates that cannot be met. Sends nothing. Exits with 1 if there is an error.",
    "pytest-evalgate lint --suite support --strict",
    _run,
    _add_arguments,
)


def lint_files(paths: Sequence[Path], against: Sequence[Path] = ()) -> LintReport:
    """Lint each file by itself, without the configuration; search the files ``against`` for their cases.

    Raises:
        GoldenSetError: a file cannot be read as a golden set.
        SettingsError: a file of ``against`` cannot be read.
    """
    read = _read(paths, Path.cwd())
    found = [
        *chain.from_iterable(_in_set([one], Path.cwd()) for one in read.values()),
        *_contaminated(read, against, Path.cwd()),
    ]
    return LintReport.of(map(lint.summarise_file, read.values()), found)


def lint_suites(name: str | None, against: Sequence[Path] = ()) -> LintReport:
    """Lint one suite or every configured suite, and the configured models; search ``against`` for the cases.

    Raises:
        SettingsError: there is no such suite, or one of its files cannot be used.
        GoldenSetError: a file cannot be read as a golden set.
    """
    project = Project.find()
    suites = _suites(project, name)
    paths = {
        suite_name: tuple(resolve_path(project.root, path, f"suites.{suite_name}.golden") for path in suite.golden)
        for suite_name, suite in suites.items()
    }
    read = _read([path for found in paths.values() for path in found], project.root)
    place = Place(CONFIG_FILE if (project.root / CONFIG_FILE).is_file() else PYPROJECT_FILE, 0)
    findings = [*lint.floating_models(project.settings.models, place)]
    for together in dict.fromkeys(paths.values()):  # suites may share a golden set
        findings += _in_set([read[path] for path in together], project.root)
    coverage = {}
    for suite_name in suites:
        if suites[suite_name].coverage:
            cases = _cases([read[path] for path in paths[suite_name]])
            coverage[suite_name] = wanted_coverage(cases, suites[suite_name].coverage)
            findings += coverage_findings(suite_name, coverage[suite_name], place)
        findings += _in_suite(project, suite_name, [read[path] for path in paths[suite_name]], place)
    findings += _fit_findings(project, {name: [read[path] for path in found] for name, found in paths.items()}, place)
    findings += _contaminated(read, against, project.root)
    return LintReport.of(map(lint.summarise_file, read.values()), findings, coverage)


def _contaminated(read: Mapping[Path, ReadFile], against: Sequence[Path], root: Path) -> Iterator[LintFinding]:
    """Search files that the application or its model has seen for the cases."""
    if not against:
        return
    from pytest_evalgate.curation.contamination import ContaminationIndex  # noqa: PLC0415 - numpy, 0.1 s

    index = ContaminationIndex(_cases(list(read.values())))
    for path in dict.fromkeys(against):
        if path.resolve() in {one.resolve() for one in read}:
            raise SettingsError(f"--against {path}: it is one of the golden sets: name another file")
        yield from (one.finding() for one in index.search(path, files.relative_name(path, root)))


def _suites(project: Project, name: str | None) -> Mapping[str, Suite]:
    suites = project.settings.suites
    if name is None and not suites:
        raise SettingsError("no suite is configured: name the files, pytest-evalgate lint golden/support.jsonl")
    if name is not None and name not in suites:
        raise SettingsError(f"no suite {name!r} is configured (configured: {', '.join(suites) or 'none'})")
    return suites if name is None else {name: suites[name]}


def _read(paths: Iterable[Path], root: Path) -> dict[Path, ReadFile]:
    """Read each file once.

    Raises:
        GoldenSetError: a file is missing or is not a golden set. Such a problem has no line, so lint cannot list it.
    """
    read = {path: golden.read_file(path, files.relative_name(path, root)) for path in dict.fromkeys(paths)}
    if unreadable := [problem for found in read.values() for problem in found.problems if not problem.line]:
        raise GoldenSetError(unreadable)
    return read


def _in_set(read: Sequence[ReadFile], root: Path) -> Iterator[LintFinding]:
    """Lint the files of one suite, which together are one golden set."""
    cases = _cases(read)
    yield from map(_malformed, chain.from_iterable(one.problems for one in read))
    yield from map(_malformed, golden.check_unique([one.golden for one in read]))
    yield from chain.from_iterable(_card(one, root) for one in read)
    yield from lint.duplicates(cases)
    yield from lint.expected_in_inputs(cases)
    yield from lint.private_data(cases)


def _card(read: ReadFile, root: Path) -> Iterator[LintFinding]:
    """Check the data card of a golden set, if it has one."""
    path = card_path(root / read.golden.path)
    if read.problems or not path.is_file():
        return
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = "="  # no TOML, so that it is found to be none
    yield from card_findings(read.golden, text, files.relative_name(path, root))


def _in_suite(project: Project, name: str, read: Sequence[ReadFile], place: Place) -> Iterator[LintFinding]:
    """Lint a golden set as its suite uses it; slices and gates only if all of its cases could be read."""
    suite = project.settings.suites[name]
    yield from lint.leaks_into_prompts(_cases(read), tuple(_prompts(project, suite)))
    if suite.max_age_days is not None:
        yield from _stale(project, _cases(read), suite.max_age_days)
    if any(one.problems for one in read):
        return
    try:
        plan = make_plan(
            name,
            select_split([one.golden for one in read], suite.split, place=f"suites.{name}.split"),
            scorers=list(suite.scorers),
            trials=suite.trials or (len(suite.target.recorded) if isinstance(suite.target, RecordedTarget) else 1),
            slices=suite.slices,
            cluster=suite.cluster,
            aggregate=suite.aggregate,
        )
    except GoldenSetError as error:
        yield from map(_malformed, error.problems)
        return
    except SettingsError as error:
        yield LintFinding(place, "unusable", "error", str(error))
        return
    yield from lint.small_slices(name, suite, plan.cases, place)
    yield from _gate_findings(project, suite, plan, place)


def _stale(project: Project, cases: Sequence[Case], most_days: int) -> Iterator[LintFinding]:
    """Find old cases; git knows the days of lines whose cases have no ``metadata.created``."""
    undated = dict.fromkeys(case.place.file for case in cases if created_day(case) is None)
    days = {file: blamed_days(git.output(project.root, "blame", "--line-porcelain", "--", file)) for file in undated}
    yield from stale_cases(cases, days, most_days, dt.datetime.now(dt.UTC).date())


def _cases(read: Sequence[ReadFile]) -> list[Case]:
    return [case for one in read for case in one.golden]


def _run_cases(project: Project, name: str, read: Sequence[ReadFile]) -> list[Case]:
    """Return the cases of the split that a suite runs; raise SettingsError if there are none."""
    sets = select_split(
        [one.golden for one in read], project.settings.suites[name].split, place=f"suites.{name}.split"
    )
    return [case for golden_set in sets for case in golden_set]


def _malformed(problem: LineProblem) -> LintFinding:
    message = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return LintFinding(Place(problem.file, problem.line), "malformed", "error", message)


def _prompts(project: Project, suite: Suite) -> Iterator[PromptText]:
    """Read the prompts of the target, and the few-shot examples of the judges.

    Raises:
        SettingsError: a file cannot be read, or is outside of the root folder.
    """
    if isinstance(suite.target, ModelTarget):
        for name in filter(None, (suite.target.prompt, suite.target.system)):
            yield _prompt(project.root, name)
    for judge in suite.judges:
        few_shots = project.settings.judges[judge].few_shots
        if few_shots is not None:
            yield _few_shots(project.root, few_shots)


def _prompt(root: Path, name: str) -> PromptText:
    path = resolve_path(root, name, name)
    try:
        return PromptText(name, path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8; save as UTF-8"
        raise SettingsError(f"{name}: cannot be read: {reason}") from None


def _few_shots(root: Path, name: str) -> PromptText:
    """Read the examples of a judge. They contain outputs, so an expected output in them is not a leak."""
    lines, problems = jsonl.read(resolve_path(root, name, name), name=name)
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    return PromptText(name, "\n".join(text for line in lines for text in strings(line.value)), answers=False)


def _gate_findings(project: Project, suite: Suite, plan: SuitePlan, place: Place) -> Iterator[LintFinding]:
    """Yield the gates that cannot be met or rarely are; none for a suite without gates, baseline and judges."""
    name = plan.name
    compares = suite.baseline is not None or project.baseline_file(name).exists()
    if suite.gates is None and not compares and not suite.judges:
        return
    from pytest_evalgate.gates.correction import judge_problems  # noqa: PLC0415 - imports scipy, 0.3 s
    from pytest_evalgate.gates.power import check_power  # noqa: PLC0415 - the same

    problems: list[str] = []
    decider = RunDecider(project.root, project.settings, project.state.path, project.settings.suites.get)
    rules = decider.rules([name], problems.append)[name]
    checked = check_power(plan, rules)
    problems += [f"suites.{name}.gates: {text}" for text in (*checked.problems, *judge_problems(rules))]
    yield from (LintFinding(place, "gate", "error", text) for text in dict.fromkeys(problems))
    yield from (LintFinding(place, "gate", "warning", f"suites.{name}.gates: {text}") for text in checked.warnings)


def _fit_findings(project: Project, read_of: Mapping[str, Sequence[ReadFile]], place: Place) -> Iterator[LintFinding]:
    """Yield findings on cases that do not fit their suites, and on fields that no suite grades."""
    unread: dict[str, Sequence[fit.UnreadField]] = {}
    for name, read in read_of.items():
        if any(one.problems for one in read):
            continue
        try:
            suite = _OfflineSuite.of(project, name, _run_cases(project, name, read))
        except UserError as error:
            yield from (LintFinding(place, "unusable", "error", line) for line in str(error).splitlines())
            continue
        yield from suite.findings(place)
        unread[name] = suite.unread_fields()
    files_of = {name: [one.golden.path for one in read_of[name]] for name in unread}
    for file, message in fit.describe(fit.shared_by_all(unread, files_of)):
        yield LintFinding(Place(file, 0), "ungraded", "warning", message)


@dataclass(frozen=True, slots=True)
class _OfflineSuite:
    """Suite with its scorers and its target, built without running code of the user; nothing is sent."""

    name: str
    suite: Suite
    cases: Sequence[Case]
    built: tuple[WeightedScorer, ...]
    target: Target | None
    context: scorers.Context
    suites: Mapping[str, Suite]

    @classmethod
    def of(cls, project: Project, name: str, cases: Sequence[Case]) -> Self:
        """Build a suite.

        Raises:
            UserError: a scorer or the target cannot be used.
        """
        outputs = SuiteOutputs(cases)
        suite = project.settings.suites[name]
        context = scorers.Context(
            rules=scorers.registry({_USER_CODE: _user_code}),
            roots=(project.root,),
            place=f"suites.{name}.scorers",
            judge=partial(_offline_judge, project),
            models=ModelSource(project.settings.models, _Offline),
            originals=outputs,
            tools=getattr(suite.target, "tools", ()),
            foreign=hint_of,
        )
        built = scorers.build_all(map(_offline_spec, suite.scorers), context=context)
        made = cls(name, suite, cases, built, _offline_target(project, name, cases), context, project.settings.suites)
        outputs.connect(made.target, lambda case: Grading(tuple(made.scorers_of(case))))
        return made

    def scorers_of(self, case: Case) -> Sequence[WeightedScorer]:
        """Return the scorers of the suite and those of the case's asserts, if these can be used."""
        try:
            by_default = self.suite.has_default_scorers
            return scorers.scorers_of(case, self.built, context=self.context, by_default=by_default)
        except GoldenSetError:  # reported as malformed
            return tuple(scorer for scorer in self.built if applies_to(scorer, case))

    def _graders_of(self, case: Case) -> Sequence[WeightedScorer | MetricReader]:
        from pytest_evalgate.scorers.readings import metric_readers  # noqa: PLC0415 - few suites have metrics

        return (*self.scorers_of(case), *(metric_readers(self.suite.metrics) if self.suite.metrics else ()))

    def findings(self, place: Place) -> Iterator[LintFinding]:
        """Yield findings on cases that do not fit the suite. A run refuses the errors before its first call."""
        yield from map(_malformed, scorers.check_asserts(self.cases, self.built, context=self.context))
        for text in fit.scorer_problems(self.name, self.suite, self.cases, self.scorers_of):
            yield LintFinding(place, "unusable", "error", text)
        names = dict.fromkeys(scorer.name for case in self.cases for scorer in self.scorers_of(case))
        for text in fit.name_problems(self.name, self.suite, self.cases, names):
            yield LintFinding(place, "unknown-name", "error", text)
        found = fit.case_problems(self.cases, self._graders_of, self.target, place=f"suites.{self.name}.target")
        found += fit.note_problems(self.name, self.suites, self.cases, self.scorers_of)
        for problem in found:
            where = Place(problem.file, problem.line)
            yield LintFinding(where, "unfit", "error", f"{problem.field}: {problem.message}")
        for text in fit.stray_placeholders(self.target, self.cases):
            yield LintFinding(place, "placeholder", "warning", f"suites.{self.name}.target: {text}")

    def unread_fields(self) -> list[fit.UnreadField]:
        """Return the fields that no scorer of the suite reads."""
        return list(fit.unread_fields(self.cases, self._graders_of))


_USER_CODE: Final = "user-code"


def _user_code(*_: object, **__: object) -> None:
    """Replace a function of the user, which lint does not run."""


def _offline_spec(spec: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    """Return a scorer's specification without code of the user; a function or a hook's rule keeps only its name."""
    given = {"kind": spec} if isinstance(spec, str) else spec
    if "judge" in given or given.get("kind") in known_kinds():
        return spec
    own = str(given.get("kind", given.get("python"))).rpartition(":")[2]
    return {"name": own, **{key: given[key] for key in ScorerOptions.model_fields if key in given}, "kind": _USER_CODE}


class _Offline:
    """Client that sends nothing, because lint checks only the requests."""

    async def send(self, call: Call) -> Reply:
        raise SettingsError(f"{call.label}: lint sends nothing")


def _offline_judge(project: Project, name: str, options: ScorerOptions) -> JudgeScorer:
    from pytest_evalgate.judges.build import build_judge  # noqa: PLC0415 - only if a suite has a judge

    judge = project.settings.judges[name]
    return build_judge(
        name,
        judge,
        project.settings.models[judge.model],
        client=_Offline(),
        root=project.root,
        counts=options.counts and not judge.report_only,
        score_name=options.name,
    )


def _offline_target(project: Project, name: str, cases: Sequence[Case]) -> Target | None:
    """Build the target without running code of the user; return None if the target is such code."""
    spec = project.settings.suites[name].target
    match spec:
        case ModelTarget() | HttpTarget() | RecordedTarget() | CommandTarget():
            context = targets.TargetContext(project.root, name, project.settings.models, _Offline())
            return targets.build_target(spec, context=context)
        case None if any(case.output is not None for case in cases):
            return targets.RowTargetRunner()
    return None


_SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class LintReport:
    """Summaries of the files, and the findings in the order in which they are printed.

    ``not_checked`` contains the checks that were skipped, because an extra is not installed.
    """

    files: tuple[FileSummary, ...]
    findings: tuple[LintFinding, ...]
    not_checked: tuple[str, ...] = ()
    coverage: Mapping[str, tuple[WantedField, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        files: Iterable[FileSummary],
        findings: Iterable[LintFinding],
        coverage: Mapping[str, tuple[WantedField, ...]] | None = None,
    ) -> LintReport:
        """Sort the findings by severity and place, without duplicates."""

        def order(finding: LintFinding) -> tuple[int, str, int]:
            return _SEVERITIES.index(finding.severity), finding.place.file, finding.place.line

        note = phone_note()
        in_order = sorted(dict.fromkeys(findings), key=order)
        return cls(tuple(files), tuple(in_order), () if note is None else (note,), coverage or {})

    def exit_code(self, *, strict: bool) -> int:
        """Return 1 if there is an error, or with ``strict`` a warning; else 0."""
        failing = {"error", "warning"} if strict else {"error"}
        return _EXIT_FOUND if any(finding.severity in failing for finding in self.findings) else 0

    def lines(self, *, coverage: bool = False) -> Iterator[str]:
        """Yield the summaries, the findings below a heading for each severity, and their counts."""
        yield from (one_line(line) for summary in self.files for line in summary.lines())
        for suite, fields in self.coverage.items() if coverage else ():
            yield ""
            yield from map(one_line, coverage_lines(suite, fields))
        for severity in _SEVERITIES:
            if found := self._of(severity):
                yield from ("", f"{severity}s:", *map(one_line, _grouped(found)))
        yield ""
        yield from (f"not checked: {text}" for text in self.not_checked)
        yield ", ".join(count(len(self._of(severity)), severity) for severity in _SEVERITIES)

    def as_json(self) -> dict[str, Json]:
        """Return the report as JSON."""
        return {
            "files": [summary.as_json() for summary in self.files],
            "findings": [
                {
                    "file": finding.place.file,
                    "line": finding.place.line or None,
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "message": finding.message,
                }
                for finding in self.findings
            ],
            "coverage": {
                suite: {field.by: {one.value: list(one.cases) for one in field.wanted} for field in fields}
                for suite, fields in self.coverage.items()
            },
            "not_checked": list(self.not_checked),
            **{f"{severity}s": len(self._of(severity)) for severity in _SEVERITIES},
        }

    def _of(self, severity: Severity) -> list[LintFinding]:
        return [finding for finding in self.findings if finding.severity == severity]


def _grouped(findings: Sequence[LintFinding]) -> Iterator[str]:
    """Yield a line for each finding; last, one for each kind of personal data that many cases of a file have."""
    yield from (str(finding) for finding in findings if finding.kind != lint.PERSONAL)
    yield from group_problems(
        LineProblem(finding.place.file, finding.place.line, finding.kind, finding.message)
        for finding in findings
        if finding.kind == lint.PERSONAL
    )
