"""From a run to its verdict, and what the branch that brings the run changed in the gate itself."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import golden
from pytest_evalgate.config import NoRegressionGate, SliceGate, for_tier
from pytest_evalgate.errors import BaselineError, SettingsError, UserError
from pytest_evalgate.guard.base_branch import BaseBranch, find_base, own_baseline
from pytest_evalgate.runs import history
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Gate, Settings, Suite
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.records.results import (
        Baseline,
        HistoryRow,
        Run,
        SuitePlan,
        SuiteRun,
        SuiteVerdict,
        Verdict,
    )
    from pytest_evalgate.runs.run_file import RunInfo


@dataclass
class RunDecider:
    """Judges runs of one project by its settings.

    Args:
        root: The root folder.
        settings: Its configuration, as the tier that runs has it.
        state: The state folder.
        suite_of: Finds the settings of a suite, also of one that is not configured; None where it has none.
        against: What to compare with instead of each suite's own baseline.
        base: What this branch is compared with; None where no base is known.

    """

    root: Path
    settings: Settings
    state: Path
    suite_of: Callable[[str], Suite | None]
    against: str | None = None
    base: BaseBranch | None = None
    _baselines: dict[str, Baseline | None] = field(default_factory=dict)

    @property
    def baselines(self) -> Mapping[str, Baseline | None]:
        """Those that were read so far, by suite."""
        return self._baselines

    def baseline_of(self, name: str) -> Baseline | None:
        """Return the baseline of a suite, read once; None where there is none yet.

        Raises:
            BaselineError: it cannot be used.

        """
        if name not in self._baselines:
            suite = self.suite_of(name)
            configured = None if suite is None else suite.baseline
            found = own_baseline(configured, suite=name, root=self.root, state=self.state, against=self.against)
            if self.base is not None and self.against is None:
                found = self.base.baseline(name, found)
            self._baselines[name] = found
        return self._baselines[name]

    def rules(self, names: Iterable[str], add_problem: Callable[[str], None]) -> dict[str, SuiteRules]:
        """Return how each suite is judged; a baseline that cannot be used is handed to ``add_problem``."""
        return {name: self._rules(name, add_problem) for name in names}

    def decide(self, run: Run, rules: Mapping[str, SuiteRules]) -> Verdict:
        """Judge ``run``, and list what its branch changed in the gate itself."""
        from pytest_evalgate.gates import decide  # noqa: PLC0415 - scipy, wanted only where a gate is judged

        return decide(
            run,
            rules,
            warn_inconclusive=self.settings.on_inconclusive == "warn",
            not_run=[name for name in self.settings.suites if name not in rules],
            changes=() if self.base is None else self.base.changes,
            tier=self.settings.default_tier,
        )

    def check_history(self) -> None:
        """See to it that the history can be kept.

        Raises:
            SettingsError: its file lies outside of the root folder.

        """
        history.file_of(self.settings.history, root=self.root, state=self.state)

    def append_history(self, run: Run, verdict: Verdict) -> Verdict:
        """Add the suites that are whole to the history, and say on the verdict what it shows."""
        path = history.file_of(self.settings.history, root=self.root, state=self.state)
        rows = {
            suite.plan.name: row
            for suite in run.suites
            if (row := self._row(run, suite, verdict.suites[suite.plan.name])) is not None
        }
        if not rows:
            return verdict
        from pytest_evalgate.gates.trend import trend_of  # noqa: PLC0415 - scipy

        before = history.read(path)
        notes = list(before.notes)
        try:
            history.append(path, rows.values())
        except OSError as error:
            notes.append(f"the history is not kept: {path}: {error.strerror}")
        suites = {
            name: replace(suite, trend=trend_of(before.rows, rows[name]), notes=(*suite.notes, *notes))
            if name in rows
            else suite
            for name, suite in verdict.suites.items()
        }
        return replace(verdict, suites=suites)

    def _row(self, run: Run, suite: SuiteRun, suite_verdict: SuiteVerdict) -> HistoryRow | None:
        row = history.row_of(run, suite, suite_verdict, self._baselines.get(suite.plan.name))
        if row is None or suite.plan.drawn_from is None:
            return row
        return replace(row, golden_sha256=_sample_sha256(suite.plan))

    def _rules(self, name: str, add_problem: Callable[[str], None]) -> SuiteRules:
        from pytest_evalgate.gates import SuiteRules  # noqa: PLC0415 - scipy

        suite = self.suite_of(name)
        try:
            baseline = self.baseline_of(name)
        except BaselineError as error:
            add_problem(f"suites.{name}.baseline: {error}")
            baseline = None
        rules = SuiteRules(
            baseline=baseline,
            record_without_baseline=self._records_missing_baseline(suite),
            max_error_rate=self.settings.max_error_rate,
            is_new=self.base is not None and not self.base.has_suite(name),
        )
        if suite is None:
            return rules
        return replace(
            rules,
            gates=suite.gates,
            advisory=suite.mode == "advisory",
            aggregate=suite.aggregate,
            stop=suite.stop,
            judges=self._judges(name, suite, add_problem),
        )

    def _judges(self, name: str, suite: Suite, add_problem: Callable[[str], None]) -> Mapping[str, JudgeRule]:
        if not suite.judges:
            return {}
        from pytest_evalgate.app.judge_rules import judge_rules  # noqa: PLC0415 - few suites have a judge

        try:
            return judge_rules(suite, self.settings, root=self.root)
        except UserError as error:
            add_problem(f"suites.{name}.scorers: {error}")
            return {}

    def _records_missing_baseline(self, suite: Suite | None) -> bool:
        """Tell whether a missing baseline is recorded rather than refused: not in CI where a gate asks for one."""
        chosen = self.settings.on_missing_baseline
        if chosen is not None:
            return chosen == "record"
        gated = suite is not None and any(map(_compares_with_baseline, suite.gates or ()))
        return not (gated and os.environ.get("CI", "").lower() not in {"", "0", "false"})


def _sample_sha256(plan: SuitePlan) -> str:
    """Digest what a sample measures: runs of other cases have no trend in common with it."""
    return jsonl.digest([plan.golden_sha256, sorted(case.golden_id for case in plan.cases)])


def _compares_with_baseline(gate: Gate) -> bool:
    return isinstance(gate, NoRegressionGate) or (isinstance(gate, SliceGate) and gate.min is None)


BASELINE_VARIABLE = "EVALGATE_BASELINE"
BASE_VARIABLE = "EVALGATE_BASE_REF"
TIER_VARIABLE = "EVALGATE_TIER"


@dataclass(frozen=True, slots=True)
class RunDecision:
    """A run's verdict, by what it was judged, and what is to be said beside it."""

    verdict: Verdict
    decider: RunDecider
    note: str | None = None


def decide(project: Project, run: Run, origin: RunInfo, *, baseline: str | None, base_ref: str | None) -> RunDecision:
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
        raise SettingsError(_configuration_mismatch(project, run))
    asked = base_ref or os.environ.get(BASE_VARIABLE)
    base = find_base(asked, written, root=project.root, state=project.state.path, tier=origin.tier)
    if base.branch is not None:
        _compare_golden_sets(base.branch, project, run)
    decider = RunDecider(
        project.root,
        project.settings,
        project.state.path,
        project.settings.suites.get,
        baseline or os.environ.get(BASELINE_VARIABLE),
        base.branch,
    )
    decider.check_history()
    problems: list[str] = []
    rules = decider.rules([suite.plan.name for suite in run.suites], problems.append)
    if problems:
        raise SettingsError("\n".join(problems))
    return RunDecision(decider.append_history(run, decider.decide(run, rules)), decider, base.note)


def in_tier(project: Project, tier: str) -> Project:
    """Return a project with its settings as a tier has them."""
    return replace(project, settings=for_tier(project.settings, tier))


def _compare_golden_sets(base: BaseBranch, project: Project, run: Run) -> None:
    """Let the base compare the golden sets of the suites that ran with its own."""
    for suite in run.suites:
        name = suite.plan.name
        if (configured := project.settings.suites.get(name)) is not None:
            base.sides(name, golden.load(_golden_files(project.root, name, configured), root=project.root))


def _golden_files(root: Path, name: str, suite: Suite) -> list[Path]:
    try:
        return [files.resolve_inside(root, Path(path)) for path in suite.golden]
    except ValueError as error:
        raise SettingsError(f"suites.{name}.golden: {error}") from None


def _configuration_mismatch(project: Project, run: Run) -> str:
    at = "" if run.commit is None else f" of commit {run.commit[:12]}"
    return f"run {run.id} was made with another configuration than {project.root} has: judge it in a checkout{at}"
