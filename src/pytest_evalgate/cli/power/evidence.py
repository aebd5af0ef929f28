"""What a project knows of a suite before anything is planned: its gates, baseline, newest run and golden set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import golden
from pytest_evalgate.errors import RunFileError, SettingsError
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file
from pytest_evalgate.settings import NoRegressionGate, PassRateGate, SliceGate

if TYPE_CHECKING:
    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Baseline, PlannedCase, Run, SuiteRun
    from pytest_evalgate.settings import Gate, Suite


@dataclass(frozen=True, slots=True)
class Evidence:
    """One suite; ``run`` is the newest one, if it holds the suite."""

    name: str | None = None
    configured: Suite | None = None
    baseline: Baseline | None = None
    run: Run | None = None
    suite: SuiteRun | None = None

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The configured gates."""
        return () if self.configured is None else self.configured.gates or ()

    @property
    def alpha(self) -> float | None:
        """The level of the test for a drop of the suite; half of the gate's where the slices are tested too."""
        sliced = any(isinstance(gate, SliceGate) and gate.min is None for gate in self.gates)
        return next((test.alpha / 2 if sliced else test.alpha for test in self._tests), None)

    @property
    def margin(self) -> float | None:
        """The largest drop that the suite accepts, as a share."""
        return next((test.margin for test in self._tests if test.margin is not None), None)

    @property
    def _tests(self) -> tuple[NoRegressionGate, ...]:
        return tuple(gate for gate in self.gates if isinstance(gate, NoRegressionGate) and gate.scorer is None)

    @property
    def pass_rates(self) -> tuple[PassRateGate, ...]:
        """The configured gates of the pass rate."""
        return tuple(gate for gate in self.gates if isinstance(gate, PassRateGate))

    @property
    def cases(self) -> tuple[PlannedCase, ...]:
        """The cases of the newest run that the golden set holds and does not skip."""
        planned = () if self.suite is None else self.suite.plan.cases
        return tuple(case for case in planned if case.skip is None and case.side != "base")

    @property
    def trials(self) -> int:
        """Trials of each case: as configured, whatever the last run had; as last run where nothing is configured."""
        if self.configured is not None:
            return self.configured.trials or 1
        return 1 if self.suite is None else self.suite.plan.trials

    @property
    def clusters(self) -> int | None:
        """Into how many clusters the cases of the newest run fall; None where it does not say."""
        return len({case.cluster for case in self.cases if case.cluster is not None}) or None


def evidence_of(project: Project, name: str | None) -> tuple[Evidence, ...]:
    """Gather what is known of the suite that is named, else of every configured one, else of those of the newest run.

    Raises:
        SettingsError: there is no such suite.
        UserError: the newest run or a baseline cannot be read.

    """
    run = _newest_run(project)
    configured = list(project.settings.suites)
    stored = [] if run is None else [suite.plan.name for suite in run.suites]
    if name is None:
        return tuple(_evidence(project, each, run) for each in configured or stored) or (Evidence(),)
    if name not in configured + stored:
        known = ", ".join(dict.fromkeys(configured + stored)) or "none"
        raise SettingsError(f"no suite {name!r}: neither configured nor in the newest run (there is: {known})")
    return (_evidence(project, name, run),)


def cases_of(project: Project, evidence: Evidence) -> tuple[int, str]:
    """Count the cases of a suite, and say where they were counted: newest run, baseline, or golden set.

    Raises:
        SettingsError: nobody says how many there are.
        GoldenSetError: the golden set cannot be read.

    """
    if evidence.run is not None and evidence.cases:
        return len(evidence.cases), f"run {evidence.run.id}"
    if evidence.baseline is not None:
        return len(evidence.baseline.cases), "baseline"
    if evidence.configured is not None:
        sets = golden.load([project.root / name for name in evidence.configured.golden], root=project.root)
        return sum(case.skip is None for held in sets for case in held), "golden set"
    raise SettingsError("no suite is configured and no run is stored: say how many cases there are, --cases 200")


def _newest_run(project: Project) -> Run | None:
    try:
        path = run_file.newest(project.state.path)
    except RunFileError:
        return None
    return run_file.read(path)


def _evidence(project: Project, name: str, run: Run | None) -> Evidence:
    configured = project.settings.suites.get(name)
    spec = None if configured is None else configured.baseline
    commit = spec if spec is not None and spec.startswith("git:") else None
    baseline = baselines.find(commit, suite=name, file=project.baseline_file(name), root=project.root)
    suite = None if run is None else next((held for held in run.suites if held.plan.name == name), None)
    return Evidence(name, configured, baseline, None if suite is None else run, suite)
