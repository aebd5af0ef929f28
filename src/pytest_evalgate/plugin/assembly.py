"""Suites that are ready to run, built from settings and command line: golden sets, target and scorers."""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

from pytest_evalgate import callables, config, golden, scorers, targets
from pytest_evalgate.app import fit
from pytest_evalgate.app.project import resolve_path
from pytest_evalgate.config.candidates import candidates_of
from pytest_evalgate.engine import Grading
from pytest_evalgate.engine.suite_outputs import SuiteOutputs
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.sampling import sample_plan, select_split
from pytest_evalgate.golden.shard_rows import load_part
from pytest_evalgate.records.cases import GoldenSet
from pytest_evalgate.records.results import PlanPart
from pytest_evalgate.runs.plan import NO_CHANGES, make_plan, slices_of
from pytest_evalgate.scorers.scorer import applies_to, asks_model, compares_originals, is_judge
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.wiring import Wiring
    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.config import Target as TargetSettings
    from pytest_evalgate.golden.shard_rows import GoldenPart, RowView
    from pytest_evalgate.guard.base_branch import BaseBranch
    from pytest_evalgate.judges.judge import JudgeScorer
    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.protocols import Scorer, Target
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import PlannedCase, SuitePlan
    from pytest_evalgate.runs.plan import BranchChanges
    from pytest_evalgate.scorers.readings import MetricReader
    from pytest_evalgate.scorers.scorer import WeightedScorer


_SLICED: Final = frozenset({"metadata", "input", "vars", "expected", "slice"})
"""Fields of a case with slices that a shard reads without checking the row."""


@dataclass(frozen=True)
class ReadySuite:
    """A suite that can run.

    Args:
        plan: Its planned cases.
        sets: Its golden sets, with the planned cases.
        grading: Its scorers.
        case_grading: The scorers of cases with asserts, by case id.
        target: Its target; None if a marked test produces the outputs.
        waits: Whether its target or a scorer may wait for something.
        window: Maximum of concurrent trials.
        judge_names: Configured names of its judges, in the order of ``judges``.
    """

    plan: SuitePlan
    sets: tuple[GoldenSet, ...]
    grading: Grading
    case_grading: Mapping[str, Grading]
    target: Target | None
    waits: bool
    window: int
    judge_names: tuple[str, ...] = ()

    @property
    def required_target(self) -> Target:
        """The target of a suite that has one."""
        assert self.target is not None  # noqa: S101 - a suite without a target has no items
        return self.target

    @cached_property
    def planned(self) -> Mapping[str, PlannedCase]:
        """The planned cases by id."""
        return {case.id: case for case in self.plan.cases}

    @property
    def unread_fields(self) -> tuple[fit.UnreadField, ...]:
        """Fields of the cases that no scorer reads."""
        cases = (case for golden_set in self.sets for case in golden_set)
        return tuple(fit.unread_fields(cases, lambda case: (*self.grading_of(case).scorers, *self.grading.readers)))

    @property
    def judges(self) -> tuple[JudgeScorer, ...]:
        """The judges among the suite's scorers."""
        return tuple(scorer for scorer in self.grading.scorers if is_judge(scorer))

    @cached_property
    def asks_models(self) -> bool:
        """Whether a scorer of the suite or of a case asks a model."""
        return any(asks_model(scorer) for own in self._gradings() for scorer in own.scorers)

    @property
    def asked_models(self) -> tuple[str, ...]:
        """Keys of the models that scorers other than judges ask."""
        return tuple(dict.fromkeys(name for name, _ in _asked(self._gradings())))

    @property
    def has_variants(self) -> bool:
        """Whether a scorer compares cases with their originals."""
        return any(compares_originals(scorer) for own in self._gradings() for scorer in own.scorers)

    def _gradings(self) -> tuple[Grading, ...]:
        return (self.grading, *self.case_grading.values())

    def grading_of(self, case: Case) -> Grading:
        """Return the grading of ``case``: the suite's scorers and its own asserts."""
        return self.case_grading.get(case.id, self.grading)


@dataclass
class Assembly:
    """Builder of suites, each built once, on first use. ``settings`` are those of the tier that runs.

    ``in_code`` has the places of the marked tests that run configured suites, by suite. Such a test is the target of
    its suite, in place of the configured one. ``configured`` are the settings without candidates of the command line.
    """

    root: Path
    settings: Settings
    options: Options
    context: scorers.Context
    wiring: Wiring
    base: BaseBranch | None = None
    base_problem: str | None = None
    configured: Settings | None = None
    in_code: dict[str, str] = field(default_factory=dict)
    _ready: dict[str, ReadySuite] = field(default_factory=dict)
    _loaded: dict[Path, GoldenSet] = field(default_factory=dict)
    _ad_hoc: dict[str, Suite] = field(default_factory=dict)

    def suite_settings(self, name: str) -> Suite | None:
        """Return the settings of a configured suite, or of a golden set of the command line."""
        suite = self.settings.suites.get(name) or self._ad_hoc.get(name) or config.suite_named(self.settings, name)
        if suite is None or name not in self.in_code:
            return suite
        return suite.model_copy(update={"target": None})

    def suites_of(self, path: Path) -> tuple[str, ...]:
        """Return the names of the suites that contain a golden set."""
        every = {**self.settings.suites, **self._ad_hoc}
        return tuple(name for name, suite in every.items() if path in self.golden_paths(name, suite))

    def golden_names(self) -> Iterator[str]:
        """Yield the paths of all golden sets, relative to the root folder."""
        for name, suite in {**self.settings.suites, **self._ad_hoc}.items():
            for path in self.golden_paths(name, suite):
                yield files.relative_name(path, self.root)

    def golden_paths(self, name: str, suite: Suite) -> tuple[Path, ...]:
        """Return the golden set files of a suite.

        Raises:
            SettingsError: one is outside the root folder.
        """
        return tuple(resolve_path(self.root, path, f"suites.{name}.golden") for path in suite.golden)

    def replaces(self, name: str) -> bool:
        """Return whether the command line names the target of a configured suite, or its candidates."""
        return bool(self.options.targets) and config.suite_named(self.settings, name) is not None

    def add_ad_hoc(self, path: Path) -> tuple[str, ...]:
        """Make a suite of a golden set of the command line that no suite contains; return it, or its candidates."""
        name = path.stem if path.stem not in self.settings.suites else files.relative_name(path, self.root)
        name = name.replace("/", ".")
        if name in self._ad_hoc and resolve_path(self.root, self._ad_hoc[name].golden[0], name) != path:
            raise SettingsError(f"{path}: a second golden set named {path.stem}: configure a suite for each")
        suite = config.Suite(golden=(str(path),))
        several = self.options.targets if len(self.options.targets) > 1 else ()
        made = dict(candidates_of(name, suite, several)) or {name: suite}
        self._ad_hoc |= made
        return tuple(made)

    def ready(self, name: str) -> ReadySuite:
        """Return a suite by its name.

        Raises:
            UserError: its golden sets, target or scorers cannot be used.
        """
        if name not in self._ready:
            suite = self.suite_settings(name)
            if suite is None:
                raise SettingsError(f"no suite is named {name!r}")
            self._ready[name] = self._build(name, suite, in_code=name in self.in_code)
        return self._ready[name]

    def ready_in_code(self, name: str, suite: Suite) -> ReadySuite:
        """Return a suite that a marker defines."""
        key = f"{name}\0{suite.model_dump_json()}"
        if key not in self._ready:
            self._ready[key] = self._build(name, suite, in_code=True)
        return self._ready[key]

    def asked_models(self, name: str) -> tuple[str, ...]:
        """Return the keys of the models that the scorers of a suite ask, judges left out; none if it is not built."""
        return self._ready[name].asked_models if name in self._ready else ()

    def discard_outputs(self) -> None:
        """Discard recorded outputs, after the last case has run."""
        for suite in self._ready.values():
            if isinstance(suite.target, targets.RecordedTargetRunner):
                suite.target.discard_outputs()

    def _read(self, name: str, suite: Suite, *, whole: bool) -> tuple[tuple[GoldenSet, ...], PlanPart | None]:
        """Read the golden sets of a suite. If one large set is all, a shard may read its own cases only."""
        part = None if whole else self._read_part(name, suite)
        if part is None:
            return self._load(self.golden_paths(name, suite)), None
        return (part.golden,), PlanPart(part.size, part.at, rows_sha256=part.rows_sha256)

    def _load(self, paths: tuple[Path, ...]) -> tuple[GoldenSet, ...]:
        """Load golden sets, each once a session: candidates of one suite have the same ones."""
        if new := [path for path in dict.fromkeys(paths) if path not in self._loaded]:
            self._loaded.update(zip(new, golden.load(new, root=self.root), strict=True))
        return tuple(self._loaded[path] for path in paths)

    def _read_part(self, name: str, suite: Suite) -> GoldenPart | None:
        shard, options = self.options.shard, self.options
        needs_all = (
            self.base is not None
            or suite.split is not None
            or config.sample_of(suite) is not None
            or options.sample is not None
            or options.last_missed
            or not all(by.partition(".")[0] in _SLICED or "." not in by for by in suite.slices)
        )
        if shard is None or needs_all or len(suite.golden) != 1:
            return None
        [path] = self.golden_paths(name, suite)

        def choose(rows: Iterable[RowView]) -> Sequence[int]:
            return shard.deal(name, (slices_of(cast("Case", row), suite.slices) for row in rows))

        return load_part(path, root=self.root, choose=choose)

    def _build(self, name: str, suite: Suite, *, in_code: bool = False, whole: bool = False) -> ReadySuite:
        for path in suite.golden:
            files.existing_path(self.root, path, f"suites.{name}.golden")
        here, part = self._read(name, suite, whole=in_code or whole)
        sides = NO_CHANGES if self.base is None else self.base.sides(name, here)
        if suite.split is not None:
            here, sides = select_split(here, suite.split, place=f"suites.{name}.split"), sides.of_split(suite.split)
        sets = (*here, *_sets_of(sides, here))
        cases = [case for golden_set in sets for case in golden_set]
        outputs = SuiteOutputs(cases)
        place, tools = f"suites.{name}.scorers", getattr(suite.target, "tools", ())
        context = replace(self.context, place=place, originals=outputs, tools=tools)
        built = scorers.build_all(suite.scorers, context=context)
        if malformed := [*golden.check_unique(sets), *scorers.check_asserts(cases, built, context=context)]:
            raise GoldenSetError(malformed)
        grading = self._timed(_grading(built, suite))
        case_grading = {case: self._timed(own) for case, own in _case_gradings(cases, built, suite, context).items()}
        target = None if in_code else self._target(name, suite, cases, None if part is None else cases)
        outputs.connect(target, lambda case: case_grading.get(case.id, grading))
        gradings = (grading, *case_grading.values())
        every = [scorer for own in gradings for scorer in own.scorers]
        if part is not None and any(map(compares_originals, every)):  # originals may be in other shards
            return self._build(name, suite, whole=True)
        if in_code:
            _require_no_originals(name, every)
        names = dict.fromkeys(scorer.name for scorer in every)

        def scorers_of(case: Case) -> Sequence[Scorer]:
            return case_grading.get(case.id, grading).scorers

        found = fit.scorer_problems(name, suite, cases, scorers_of)
        unknown = fit.name_problems(name, suite, cases, names) if part is None else ()  # other shards may have them
        if problems := [*found, *unknown]:
            raise SettingsError("\n".join(problems))
        if not in_code and (unasked := fit.note_problems(name, self.settings.suites, cases, scorers_of)):
            raise GoldenSetError(unasked)
        check_fit(name, cases, lambda case: (*scorers_of(case), *grading.readers), target)
        graders = [scorer for grading in case_grading.values() for scorer in grading.scorers]
        planned = make_plan(
            name,
            here,
            scorers=self._identity(suite, gradings),
            trials=self._trials(name, suite, target),
            slices=suite.slices,
            cluster=suite.cluster,
            aggregate=suite.aggregate,
            sides=sides,
            part=part,
        )
        plan = sample_plan(planned, config.sample_of(suite), config.always_planned(suite))
        return ReadySuite(
            plan=plan,
            sets=sets if plan is planned else _planned_of(sets, plan),
            grading=grading,
            case_grading=case_grading,
            target=target,
            waits=not isinstance(target, targets.RecordedTargetRunner | targets.RowTargetRunner | None)
            or any(getattr(scorer, "waits", True) for scorer in (*built, *graders)),
            window=self.wiring.window_of(self.target_settings(suite)),
            judge_names=suite.judges,
        )

    def _timed(self, grading: Grading) -> Grading:
        """Return ``grading``, with the times of trials if the run has a trace."""
        return grading if self.wiring.trace is None else replace(grading, timed=True)

    def _identity(self, suite: Suite, gradings: Iterable[Grading]) -> Json:
        """Return scorers with parameters and code, judges and threshold, which are equal in compared runs.

        Scorers that only warn may differ.
        """
        deciding = [one for one in suite.scorers if not (isinstance(one, dict) and one.get("severity") == "warn")]
        named = [spec["python"] for spec in deciding if isinstance(spec, dict) and "python" in spec]
        judges = [str(spec["judge"]) for spec in deciding if isinstance(spec, dict) and "judge" in spec]
        identity: dict[str, Json] = {
            "scorers": deciding,
            "threshold": suite.threshold,
            "code": {spec: callables.code_sha256(spec) for spec in named},
        }
        if schemas := scorers.schema_files(suite.scorers):
            identity["schemas"] = {one: jsonl.digest(jsonl.loads((self.root / one).read_bytes())) for one in schemas}
        if not suite.strip_reasoning:  # another text is graded
            identity["strip_reasoning"] = False
        if suite.allow_empty:
            identity["allow_empty"] = True
        if asked := dict(_asked(gradings)):
            identity["models"] = asked
        if judges:
            from pytest_evalgate.judges.build import parts_of_judge  # noqa: PLC0415 - only if a suite has a judge

            identity["judges"] = {name: parts_of_judge(name, self.settings, root=self.root) for name in judges}
        return identity

    def _target(
        self, name: str, suite: Suite, cases: Sequence[Case], only: Sequence[Case] | None = None
    ) -> Target | None:
        spec = self.target_settings(suite)
        if spec is not None:
            return self.wiring.target(name, spec, only=None if only is None else frozenset(case.id for case in only))
        if any(case.output is not None for case in cases):
            return targets.RowTargetRunner()
        return None

    def target_settings(self, suite: Suite) -> TargetSettings | None:
        """Return the settings of a suite's target; the command line takes precedence over its own."""
        if len(self.options.targets) == 1:
            return config.parse_target(self.options.targets[0], instead_of=suite.target)
        return suite.target  # one of several targets of the command line is that of a candidate

    def _trials(self, name: str, suite: Suite, target: Target | None) -> int:
        wanted = self.options.trials or suite.trials
        if isinstance(target, targets.RecordedTargetRunner):
            recorded = target.trials
            if wanted is not None and wanted > recorded:
                raise SettingsError(f"suites.{name}.trials: {wanted} requested, but {recorded} recorded: add files")
            return wanted or recorded
        if isinstance(target, targets.RowTargetRunner) and wanted not in (None, 1):
            raise SettingsError(f"suites.{name}.trials: {wanted} requested, but a golden line has one recorded output")
        return wanted or 1


def _require_no_originals(name: str, scorers: Iterable[Scorer]) -> None:
    """Check that no scorer of a suite of a marked test compares cases with their originals.

    Raises:
        SettingsError: one does.
    """
    if any(map(compares_originals, scorers)):
        raise SettingsError(
            f"suites.{name}.scorers: same-as: the output of a test's body is known to that test alone: set a "
            "target for the suite, and remove the test"
        )


def check_fit(name: str, cases: Iterable[Case], scorers_of: fit.GradersOf, target: Target | None) -> None:
    """Check that each case can be graded, and that its question reaches the target.

    Raises:
        GoldenSetError: one line for each problem.
    """
    if problems := fit.case_problems(cases, scorers_of, target, place=f"suites.{name}.target"):
        raise GoldenSetError(problems)


def _sets_of(sides: BranchChanges, here: Sequence[GoldenSet]) -> tuple[GoldenSet, ...]:
    """Return the cases of the base branch by file; cases of a deleted file are added to the first file."""
    collected = {golden_set.path for golden_set in here}
    by_file: dict[str, list[Case]] = {}
    for case in sides.base_cases:
        file = case.place.file if case.place.file in collected else here[0].path
        by_file.setdefault(file, []).append(case)
    return tuple(GoldenSet(file, tuple(cases), "") for file, cases in by_file.items())


def _planned_of(sets: Sequence[GoldenSet], plan: SuitePlan) -> tuple[GoldenSet, ...]:
    """Return golden sets with the planned cases only."""
    planned = {case.id for case in plan.cases}
    return tuple(
        replace(golden_set, cases=tuple(case for case in golden_set if case.id in planned)) for golden_set in sets
    )


def _asked(gradings: Iterable[Grading]) -> Iterator[tuple[str, Json]]:
    """Yield the key and the identity of each model that scorers other than judges ask."""
    for grading in gradings:
        for scorer in grading.scorers:
            if asks_model(scorer) and not is_judge(scorer) and getattr(scorer, "counts", True):
                yield from scorer.asked_models().items()


def _grading(graders: tuple[Scorer, ...], suite: Suite, threshold: float | None = None) -> Grading:
    """Return the grading of a suite, or of a case that has its own ``threshold`` for the mean of its scores."""
    is_own = threshold is not None
    least = threshold if is_own else suite.threshold
    readers: tuple[MetricReader, ...] = ()
    if suite.metrics:
        from pytest_evalgate.scorers.readings import metric_readers  # noqa: PLC0415 - few suites have metrics

        readers = metric_readers(suite.metrics)
    return Grading(
        graders,
        least,
        suite.judge_always,
        suite.strip_reasoning,
        suite.allow_empty,
        mean=is_own,
        readers=readers,
    )


def _case_gradings(
    cases: Sequence[Case], built: tuple[WeightedScorer, ...], suite: Suite, context: scorers.Context
) -> dict[str, Grading]:
    """Return the grading of each case with scorers, notes or its own threshold, or that not all scorers grade."""
    by_default = suite.has_default_scorers
    return {
        case.id: _grading(
            scorers.scorers_of(case, built, context=context, by_default=by_default), suite, case.threshold
        )
        for case in cases
        if case.asserts
        or len(case.notes) > 1
        or case.threshold is not None
        or not all(applies_to(scorer, case) for scorer in built)
    }
