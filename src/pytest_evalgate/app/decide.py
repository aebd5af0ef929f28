"""Decision of a run: read the baselines, build the rules from the settings, evaluate the gates, append the history.

The plugin calls `RunDecider` while its session ends; the commands ``merge``, ``compare`` and ``verify`` call `decide`
with a stored run.
"""

from __future__ import annotations

import os
from dataclasses import field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pytest_evalgate import golden
from pytest_evalgate.app.project import resolve_path
from pytest_evalgate.config import for_tier, needs_baseline, owner_of, suite_named
from pytest_evalgate.errors import BaselineError, SettingsError, StorageError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.guard.base_branch import BaseBranch, find_base, own_baseline
from pytest_evalgate.guard.settings_changes import trials_of
from pytest_evalgate.records.verdicts import TREND_MIN_RUNS, GateChange, HistoryRow
from pytest_evalgate.runs import git, history
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.runs.state import in_ci
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.files import nearest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.gates.run_labels import RunLabels
    from pytest_evalgate.records.attempts import OnRerun
    from pytest_evalgate.records.results import Run, SuitePlan, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline, SuiteVerdict, Trend, Verdict
    from pytest_evalgate.runs.run_file import RunInfo


@dataclass
class RunDecider:
    """Decider of the runs of one project.

    Args:
        root: Root folder of the project.
        settings: Configuration, with the values of the tier that ran.
        state: State folder.
        suite_of: Returns the settings of a suite; None if a suite of a marked test is not configured.
        against: Baseline to compare with instead of each suite's configured one.
        base: The base branch; None if there is none or it could not be read.
        base_problem: Reason why the base of a pull request could not be read.
    """

    root: Path
    settings: Settings
    state: Path
    suite_of: Callable[[str], Suite | None]
    against: str | None = None
    base: BaseBranch | None = None
    base_problem: str | None = None
    _baselines: dict[str, Baseline | None] = field(default_factory=dict)
    _own: tuple[HistoryRow, ...] = ()

    @property
    def past(self) -> tuple[HistoryRow, ...]:
        """The past runs of the project with the one that was decided, oldest first, for trends, reports and alerts."""
        own = {(row.suite, row.run_id) for row in self._own}
        return (*(row for row in self._stored.attempts if (row.suite, row.run_id) not in own), *self._own)

    @cached_property
    def _stored(self) -> history.History:
        if self.settings.store == "off":
            return history.History()
        from pytest_evalgate.app.past_runs import past_runs  # noqa: PLC0415 - the store

        return past_runs(self.settings, root=self.root, state=self.state)

    @property
    def baselines(self) -> Mapping[str, Baseline | None]:
        """The baselines read so far, by suite."""
        return self._baselines

    def baseline_of(self, name: str) -> Baseline | None:
        """Return the baseline of a suite, read once; None if there is none yet.

        Raises:
            BaselineError: the baseline cannot be used.
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
        """Return the rules of each suite, and pass problems of their baselines and judges to ``add_problem``."""
        return {name: self._rules(name, add_problem) for name in names}

    def decide(self, run: Run, rules: Mapping[str, SuiteRules]) -> Verdict:
        """Decide ``run``; the verdict lists what the branch changed in its own gate."""
        from pytest_evalgate.gates import decide  # noqa: PLC0415 - scipy, 0.75 s

        verdict = decide(
            run,
            rules,
            warn_inconclusive=self.settings.on_inconclusive == "warn",
            not_run=[name for name in self.settings.suites if name not in rules and name not in map(owner_of, rules)],
            changes=() if self.base is None else (*self.base.changes, *self._fewer_trials(run)),
            tier=self.settings.default_tier,
        )
        verdict = with_coverage(verdict, run, self.settings)
        if self.base_problem is None:
            return verdict
        return replace(verdict, changed_in_gate=None, base_problem=self.base_problem)

    def _fewer_trials(self, run: Run) -> Iterator[GateChange]:
        """Yield the suites that ran fewer trials than are configured, by an option or a variable."""
        for suite in run.suites:
            configured = suite_named(self.settings, suite.plan.name)
            if configured is not None and suite.plan.trials < (wanted := trials_of(configured)):
                where = f"suites.{suite.plan.name}.trials"
                yield GateChange("fewer trials requested", where, str(wanted), str(suite.plan.trials), "weaker")

    def judge_root(self, judge: str) -> Path:
        """Return the folder to which the paths of a judge's calibration and drift record are relative."""
        return self.root if self.base is None else self.base.judge_files(judge)

    def decide_attempt(self, run: Run, info: RunInfo, rules: Mapping[str, SuiteRules]) -> Verdict:
        """Decide ``run`` together with the earlier attempts at its commit."""
        attempts = {suite.plan.name: self.earlier_attempts(suite.plan, run, info) for suite in run.suites}
        if not any(attempts.values()):
            return self.decide(run, rules)
        from pytest_evalgate.app import reruns  # noqa: PLC0415 - only for reruns

        policy = rerun_policy(self.settings)
        baselines = {
            name: None if rule.baseline is None else rule.baseline.provenance.run_id for name, rule in rules.items()
        }
        pooled = reruns.pool(run, attempts, baselines, state=self.state, policy=policy)
        return pooled.annotate(self.decide(pooled.run, rules), run, policy)

    def earlier_attempts(self, plan: SuitePlan, run: Run, info: RunInfo) -> tuple[HistoryRow, ...]:
        """Return the earlier attempts at the commit of ``run`` with the cases and scorers of ``plan``."""
        rows = self._attempts
        if not rows or run.commit is None:
            return ()
        of_suite = [row for row in rows if row.suite == plan.name]
        known = next((row for row in of_suite if row.run_id == run.id), None)
        return history.earlier_attempts(of_suite, known or self._own_row(plan, run, info))

    @cached_property
    def _attempts(self) -> tuple[HistoryRow, ...]:
        return history.read(history.file_of(self.settings.history, root=self.root, state=self.state)).attempts

    def _own_row(self, plan: SuitePlan, run: Run, info: RunInfo) -> HistoryRow:
        """Return the row by which ``run`` is compared with earlier attempts, before it is decided."""
        return HistoryRow(
            run_id=run.id,
            created=run.created,
            commit=run.commit,
            suite=plan.name,
            cases=len(plan.cases),
            trials=plan.trials,
            pass_rate=0.0,
            discordance=None,
            golden_sha256=history.plan_sha256(plan),
            scorers_sha256=plan.scorers_sha256,
            baseline_run_id=None,
            verdict="inconclusive",
            work_sha256=self._work_sha256(info),
        )

    def _work_sha256(self, info: RunInfo) -> str:
        """Return a digest of what an attempt runs, besides its commit, its cases and its scorers."""
        return jsonl.digest([info.config_sha256, info.target, self._uncommitted])

    @cached_property
    def _uncommitted(self) -> str:
        written = history.file_of(self.settings.history, root=self.root, state=self.state)
        return git.changes_sha256(self.root, without=(self.state, written))

    def check_history(self) -> None:
        """Check that the history can be written.

        Raises:
            SettingsError: its path is outside of the root folder.
        """
        history.file_of(self.settings.history, root=self.root, state=self.state)

    def append_history(self, run: Run, info: RunInfo, verdict: Verdict) -> Verdict:
        """Append the decided suites of a run to the history, and return the verdict with their trends."""
        path = history.file_of(self.settings.history, root=self.root, state=self.state)
        rows = {
            suite.plan.name: row
            for suite in run.suites
            if (row := self._row(run, info, suite, verdict.suites[suite.plan.name])) is not None
        }
        if not rows:
            return verdict
        self._own = tuple(rows.values())
        notes = list(self._stored.notes)
        try:
            history.append(path, rows.values())
        except StorageError as error:
            notes.append(f"the history could not be written: {error}")
        before = [row for row in self.past if not row.stopped]
        trends = _trends(before, {name: row for name, row in rows.items() if not row.stopped})
        suites = {
            name: replace(suite, trend=trends.get(name), notes=(*suite.notes, *notes)) if name in rows else suite
            for name, suite in verdict.suites.items()
        }
        return replace(verdict, suites=suites)

    def _row(self, run: Run, info: RunInfo, suite: SuiteRun, suite_verdict: SuiteVerdict) -> HistoryRow | None:
        baseline, work = self._baselines.get(suite.plan.name), self._work_sha256(info)
        row = history.row_of(run, suite, suite_verdict, baseline, work)
        return None if row is None else replace(row, golden_sha256=history.plan_sha256(suite.plan))

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
            looked_for=self._looked_for(suite) if baseline is None else "",
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
            stop="never" if suite.run_labels else suite.stop,  # labels are of all outputs
            run_labels=self._run_labels(name, suite, add_problem),
            judges=self._judges(name, suite, add_problem),
            metrics=suite.metrics,
        )

    def _judges(self, name: str, suite: Suite, add_problem: Callable[[str], None]) -> Mapping[str, JudgeRule]:
        if not suite.judges:
            return {}
        from pytest_evalgate.app.judge_rules import judge_rules  # noqa: PLC0415 - few suites have a judge

        try:
            return judge_rules(suite, self.settings, root=self.root, root_of_records=self.judge_root)
        except UserError as error:
            add_problem(f"suites.{name}.scorers: {error}")
            return {}

    def _run_labels(self, name: str, suite: Suite, add_problem: Callable[[str], None]) -> RunLabels | None:
        if suite.run_labels is None:
            return None
        from pytest_evalgate.judges.label_pairs import read_run_labels  # noqa: PLC0415 - few suites have them

        place = f"suites.{name}.run_labels"
        try:
            return read_run_labels(resolve_path(self.root, suite.run_labels, place), root=self.root)
        except UserError as error:
            text = str(error)
            add_problem(text if text.startswith(place) else f"{place}: {text}")
            return None

    def _looked_for(self, suite: Suite | None) -> str:
        """Return the name of the missing baseline file, if another file has a similar name."""
        spec = self.against or (None if suite is None else suite.baseline)
        near = "" if spec is None or spec.startswith("git:") else nearest_file(self.root, spec)
        return f" (there is no file {spec}{near})" if near else ""

    def _records_missing_baseline(self, suite: Suite | None) -> bool:
        """Return whether a missing baseline is acceptable. By default it is not in CI if a gate compares with one."""
        chosen = self.settings.on_missing_baseline
        if chosen is not None:
            return chosen == "record"
        gated = suite is not None and any(map(needs_baseline, suite.gates or ()))
        return not (gated and in_ci(os.environ))


def with_coverage(verdict: Verdict, run: Run, settings: Settings) -> Verdict:
    """Add the coverage of the suites that want values to their verdicts."""
    wanted = {
        suite.plan.name: configured.coverage
        for suite in run.suites
        if (configured := suite_named(settings, suite.plan.name)) is not None and configured.coverage
    }
    if not wanted:
        return verdict
    from pytest_evalgate.curation.wanted_values import covered_fields  # noqa: PLC0415 - few suites want values

    covered = {
        suite.plan.name: covered_fields(suite, wanted[suite.plan.name])
        for suite in run.suites
        if suite.plan.name in wanted
    }
    suites = {
        name: replace(suite, coverage=covered[name]) if name in covered else suite
        for name, suite in verdict.suites.items()
    }
    return replace(verdict, suites=suites)


def rerun_policy(settings: Settings) -> OnRerun:
    """Return the policy for reruns of one commit: as configured, else "pool" in CI and "count" elsewhere."""
    return settings.on_rerun or ("pool" if in_ci(os.environ) else "count")


BASELINE_VARIABLE = "EVALGATE_BASELINE"
BASE_VARIABLE = "EVALGATE_BASE_REF"
TIER_VARIABLE = "EVALGATE_TIER"


@dataclass(frozen=True, slots=True)
class RunDecision:
    """Verdict of a run, and its decider."""

    verdict: Verdict
    decider: RunDecider


def decide(project: Project, run: Run, origin: RunInfo, *, baseline: str | None, base_ref: str | None) -> RunDecision:
    """Decide a stored run by the configuration of the project, with the values of the run's tier.

    Args:
        project: The project, with all its tiers.
        run: The run.
        origin: Settings and versions of the run.
        baseline: Baseline to compare with instead of each suite's; by default from the environment.
        base_ref: Branch that this one is merged into; by default from the environment.

    Raises:
        UserError: the run has another configuration, or a baseline, the history or the base cannot be used.
    """
    written, project = project.settings, in_tier(project, origin.tier)
    if origin.config_sha256 != config_sha256(project.settings):
        at = "" if run.commit is None else f" of commit {run.commit[:12]}"
        raise SettingsError(f"run {run.id} has another configuration than {project.root}: decide it in a checkout{at}")
    requested = base_ref or os.environ.get(BASE_VARIABLE)
    base = find_base(requested, written, root=project.root, state=project.state.path, tier=origin.tier)
    if base.branch is not None:
        compare_golden_sets(base.branch, project, run)
    decider = RunDecider(
        project.root,
        project.settings,
        project.state.path,
        partial(suite_named, project.settings),
        baseline or os.environ.get(BASELINE_VARIABLE),
        base.branch,
        base.problem,
    )
    decider.check_history()
    problems: list[str] = []
    rules = decider.rules([suite.plan.name for suite in run.suites], problems.append)
    if problems:
        raise SettingsError("\n".join(problems))
    return RunDecision(decider.append_history(run, origin, decider.decide_attempt(run, origin, rules)), decider)


def in_tier(project: Project, tier: str) -> Project:
    """Return the project with the settings of a tier."""
    return replace(project, settings=for_tier(project.settings, tier))


def compare_golden_sets(base: BaseBranch, project: Project, run: Run) -> None:
    """Compare the golden sets of the suites that ran with those of the base."""
    for suite in run.suites:
        name = suite.plan.name
        if (configured := suite_named(project.settings, name)) is not None:
            paths = [resolve_path(project.root, path, f"suites.{name}.golden") for path in configured.golden]
            base.sides(name, golden.load(paths, root=project.root))


def _trends(before: Sequence[HistoryRow], now: Mapping[str, HistoryRow]) -> dict[str, Trend | None]:
    if len(before) < TREND_MIN_RUNS:
        return {}
    from pytest_evalgate.gates.trend import trend_of  # noqa: PLC0415 - new projects have no trend

    return {name: trend_of(before, row) for name, row in now.items()}
