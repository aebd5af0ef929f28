"""From a run to its verdict: the baselines are read, the rules drawn from the settings, and the gates decide."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.errors import BaselineError, UserError
from pytest_evalgate.judgement.own_baseline import own_baseline
from pytest_evalgate.runs import history
from pytest_evalgate.settings import NoRegressionGate, SliceGate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.data import Baseline, HistoryRow, Run, SuitePlan, SuiteRun, SuiteVerdict, Verdict
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.judgement.base_branch import BaseBranch
    from pytest_evalgate.settings import Gate, Settings, Suite


@dataclass
class Judgement:
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

    def judge(self, run: Run, rules: Mapping[str, SuiteRules]) -> Verdict:
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

    def remember(self, run: Run, verdict: Verdict) -> Verdict:
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

    def _row(self, run: Run, suite: SuiteRun, judged: SuiteVerdict) -> HistoryRow | None:
        row = history.row_of(run, suite, judged, self._baselines.get(suite.plan.name))
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
            record_without_baseline=self._records(suite),
            max_error_rate=self.settings.max_error_rate,
            is_new=self.base is not None and not self.base.knows(name),
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
        from pytest_evalgate.judgement.judges import judge_rules  # noqa: PLC0415 - few suites have one

        try:
            return judge_rules(suite, self.settings, root=self.root)
        except UserError as error:
            add_problem(f"suites.{name}.scorers: {error}")
            return {}

    def _records(self, suite: Suite | None) -> bool:
        """Tell whether a missing baseline is recorded rather than refused: not in CI where a gate asks for one."""
        chosen = self.settings.on_missing_baseline
        if chosen is not None:
            return chosen == "record"
        gated = suite is not None and any(map(_asks_for_a_change, suite.gates or ()))
        return not (gated and os.environ.get("CI", "").lower() not in {"", "0", "false"})


def _sample_sha256(plan: SuitePlan) -> str:
    """Digest what a sample measures: runs of other cases have no trend in common with it."""
    return jsonl.digest([plan.golden_sha256, sorted(case.golden_id for case in plan.cases)])


def _asks_for_a_change(gate: Gate) -> bool:
    return isinstance(gate, NoRegressionGate) or (isinstance(gate, SliceGate) and gate.min is None)
