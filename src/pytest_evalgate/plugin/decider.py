"""Decision of one session, on the controller: check the gates before the run, decide the run after the last case."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING

from pytest_evalgate.app.decide import RunDecider, rerun_policy
from pytest_evalgate.config import NoRegressionGate, key_variables
from pytest_evalgate.errors import BaselineError, SettingsError, StorageError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.plugin.context import is_unversioned
from pytest_evalgate.plugin.signals import defer_interrupts
from pytest_evalgate.records.attempts import TakenOver
from pytest_evalgate.records.results import Run
from pytest_evalgate.records.verdicts import Accounting, GateResult
from pytest_evalgate.runs import git, kept, run_file
from pytest_evalgate.runs.joined import part_of
from pytest_evalgate.runs.run_file import RunInfo, config_sha256
from pytest_evalgate.runs.run_log import RunLog, path_of_log
from pytest_evalgate.runs.shard import path_of as shard_path
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.report import ReportWriter
    from pytest_evalgate.app.shard_folders import SharedFolder
    from pytest_evalgate.config import Suite
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.failures import BaselineOutcome
    from pytest_evalgate.plugin.ledger import Ledger
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import SuitePlan
    from pytest_evalgate.records.traces import RunTrace
    from pytest_evalgate.records.verdicts import Verdict, VerdictName
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.runs.shard import Shard
    from pytest_evalgate.runs.state import StateFolder

_UNKNOWN = RunInfo()

_OK, _INTERRUPTED, _NO_TESTS = 0, 2, 5
_ABORTED = frozenset({_INTERRUPTED, 3, 4})
"""Exit codes of pytest: https://docs.pytest.org/en/stable/reference/exit-codes.html."""

_LARGE_SUITE = 150
"""In more cases, a plain gate detects every relevant drop: the power check (0.2 s) is skipped."""


@dataclass
class SessionDecider:
    """Gates, run and verdict of one session.

    Args:
        assembly: Builds the suites.
        state: The state folder.
        run_id: Id of the run.
        resumed: The interrupted run that it resumes.
        arguments: Command line arguments of pytest.
        report_file: Path of the HTML report; None if none is written.
        exit_code: Exit code of the session; None before the verdict is stored.
    """

    assembly: Assembly
    state: StateFolder
    run_id: str
    resumed: str | None = None
    arguments: Sequence[str] = ()
    report_file: str | None = None
    warnings: list[str] = field(default_factory=list)
    run: Run | None = None
    view: ReportView | None = None
    origin: RunInfo = _UNKNOWN
    exit_code: int | None = None
    _outputs: dict[str, Mapping[str, Json]] = field(default_factory=dict)

    @cached_property
    def decider(self) -> RunDecider:
        """The decider of the project, which the command line shares."""
        assembly = self.assembly
        against = assembly.options.baseline
        return RunDecider(
            assembly.root,
            assembly.settings,
            self.state.path,
            self._suite_settings,
            against,
            assembly.base,
            assembly.base_problem,
        )

    @cached_property
    def run_log(self) -> RunLog:
        """The log beside the run file; that of a shard has the shard's name, such as ``1-of-4.log``."""
        return RunLog(path_of_log(self.file) if self.shard is None else self.file.with_suffix(".log"))

    @property
    def _trace(self) -> RunTrace | None:
        return self.assembly.wiring.trace

    @cached_property
    def _config_sha256(self) -> str:
        """The digest of the configuration, without the candidates of the command line."""
        return config_sha256(self.assembly.configured or self.assembly.settings)

    @cached_property
    def redactor(self) -> Redactor:
        """The redactor of the configured API keys, for all text that is written or printed."""
        return Redactor.of(key_variables(self.assembly.settings), os.environ)

    @property
    def shard(self) -> Shard | None:
        """The part of the run that this session runs; None for the whole run."""
        return self.assembly.options.shard

    @property
    def file(self) -> Path:
        """The run file."""
        if self.shard is None:
            return run_file.path_of(self.state.path, self.run_id)
        return shard_path(self.state.path, self.shard)

    def remove_shard_file(self) -> None:
        """Remove the file that an earlier session wrote for this shard, so that an aborted one cannot be merged.

        Raises:
            SettingsError: the folder of ``--eval-shards-to`` cannot be written to.
        """
        if self.shard is not None:
            files.remove(self.file)
            if (folder := self._shard_folder) is not None:
                folder.reserve(self.shard.file_name)

    @cached_property
    def _shard_folder(self) -> SharedFolder | None:
        """The folder of ``--eval-shards-to``."""
        if self.assembly.options.shards_to is None:
            return None
        from pytest_evalgate.app.shard_folders import shard_folder  # noqa: PLC0415 - few runs are sharded

        url, assembly = self.assembly.options.shards_to, self.assembly
        return shard_folder(url, assembly.settings, root=assembly.root, state=self.state.path)

    def check_gates(self, suites: Iterable[ReadySuite]) -> None:
        """Read the baselines, and collect warnings about gates with little power.

        Raises:
            SettingsError: a baseline cannot be read or a gate cannot pass; one line for each problem.
        """
        problems: list[str] = []
        self.decider.check_history()
        for ready in suites:
            name = ready.plan.name
            try:
                self.decider.baseline_of(name)
            except BaselineError as error:
                problems.append(f"suites.{name}.baseline: {error}")
                continue
            problems += [f"suites.{name}.gates: {text}" for text in self._check_power(ready)]
        if problems:
            raise SettingsError("\n".join(problems))

    def _check_power(self, ready: ReadySuite) -> list[str]:
        """Return the reasons why gates cannot pass, and collect the warnings."""
        name = ready.plan.name
        suite = self.assembly.suite_settings(name)
        gates = (suite and suite.gates) or ()
        plain = all(isinstance(gate, NoRegressionGate) and gate.fail_on != "not_proven" for gate in gates)
        usual = suite is None or (suite.aggregate == "mean" and suite.cluster is None and not suite.judges)
        if (plain and usual and ready.plan.size > _LARGE_SUITE) or ready.plan.part is not None:
            return []
        from pytest_evalgate.gates.correction import judge_problems  # noqa: PLC0415 - scipy
        from pytest_evalgate.gates.power import check_power  # noqa: PLC0415 - the same

        rules = self.decider.rules([name], lambda _: None)[name]
        checked = check_power(ready.plan, rules)
        lines = (f"evalgate: {name}: {text}" for text in checked.warnings)
        self.warnings += [line for line in lines if line not in self.warnings]
        return [*checked.problems, *judge_problems(rules)]

    def needs_arrays(self, suites: Iterable[ReadySuite]) -> bool:
        """Return whether the decision is likely to use numpy: not if suites have no baseline and only report rates."""
        return any(map(self._needs_arrays, suites))

    def _needs_arrays(self, ready: ReadySuite) -> bool:
        suite = self.assembly.suite_settings(ready.plan.name)
        is_plain = suite is None or not (suite.gates or suite.slices or suite.cluster or suite.metrics or suite.judges)
        return not is_plain or ready.plan.trials > 1 or self.decider.baselines.get(ready.plan.name) is not None

    def attempt(self, plan: SuitePlan) -> int:
        """Return the number of this attempt at the commit with the cases and scorers of a suite: 1 for the first."""
        info = RunInfo(self._config_sha256, self.assembly.options.target)
        run = Run(self.run_id, "", self._commit, ())
        return len(self.decider.earlier_attempts(plan, run, info)) + 1

    @cached_property
    def _commit(self) -> str | None:
        return git.commit(self.assembly.root)

    def is_pooled(self, plan: SuitePlan) -> bool:
        """Return whether a suite is decided together with earlier attempts. Such a suite must not stop early."""
        return self.attempt(plan) > 1 and rerun_policy(self.assembly.settings) == "pool"

    def header(self, suites: Sequence[ReadySuite]) -> list[str]:
        """Return the header lines of the session."""
        from pytest_evalgate.plugin.header import session_header  # noqa: PLC0415 - not in xdist workers

        lines = [*session_header(self.assembly, suites, self.decider.baselines), *self._attempt_lines(suites)]
        return [self.redactor.redact(line) for line in lines]

    def _attempt_lines(self, suites: Sequence[ReadySuite]) -> Iterator[str]:
        """Yield a line for each number of attempts at this commit above 1, with its suites."""
        how = "decided on the trials of all of them"
        if rerun_policy(self.assembly.settings) == "count":
            how = "counted only"
        attempts: dict[int, list[str]] = {}
        for suite in suites:
            attempts.setdefault(self.attempt(suite.plan), []).append(suite.plan.name)
        for number, names in sorted(attempts.items()):
            if number > 1:
                yield f"evalgate: attempt {number} of this commit: {', '.join(names)} ({how})"

    def before(self, suite: ReadySuite, case: Case) -> BaselineOutcome | None:
        """Return the baseline's outcome of a case; None if the baseline does not contain it unchanged."""
        from pytest_evalgate.plugin.failures import BaselineOutcome  # noqa: PLC0415 - only under --eval-fail-cases

        with contextlib.suppress(BaselineError):  # the controller has reported it before the run
            baseline = self.decider.baseline_of(suite.plan.name)
            known = None if baseline is None else baseline.cases.get(case.golden_id)
            if known is not None and known.fingerprint == suite.planned[case.id].fingerprint:
                return BaselineOutcome(known.mean, self.suite_baseline_outputs(suite.plan.name).get(case.golden_id))
        return None

    def suite_baseline_outputs(self, suite: str) -> Mapping[str, Json]:
        """Return the outputs of the baseline of a suite by case id; read once."""
        from pytest_evalgate.app.report import baseline_outputs_of  # noqa: PLC0415 - only to show cases

        if suite not in self._outputs:
            self._outputs[suite] = baseline_outputs_of(self.decider, suite)
        return self._outputs[suite]

    def decide(
        self, ledger: Ledger, *, duration_s: float, refused: str | None = None, notes: Iterable[str] = ()
    ) -> Verdict:
        """Store the run and decide it.

        Args:
            ledger: Plans and results.
            duration_s: Duration of the session.
            refused: Reason why calls were not sent; None if all were.
            notes: Notes about the run, which are stored with it.
        """
        self.assembly.discard_outputs()
        started = time.monotonic()
        now = datetime.now(UTC)
        ledger.add_unplanned()
        plans = [plan if self.shard is None else part_of(plan, self.shard) for plan in ledger.plans.values()]
        rules = self.decider.rules([plan.name for plan in plans], ledger.add_problem)
        head = Run(
            id=self.run_id,
            created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            commit=self._commit,
            suites=(),
            duration_s=round(duration_s, 3),
            problems=tuple(ledger.problems),
            refused=refused,
        )
        self.origin = self._run_info(plans, notes)
        run = self.run = run_file.write_stream(
            head,
            plans,
            map(ledger.results, plans),
            self.file,
            stopped=ledger.stopped,
            info=self.origin,
            redactor=self.redactor,
            digests=[name for name, rule in rules.items() if rule.compares_outputs],
            run_log=self.run_log,
            judges={name: frozenset(rule.judges) for name, rule in rules.items()},
        )
        stored = time.monotonic()
        self.run_log.add_stage("store", stored - started)
        if self._shard_folder is not None:
            self._shard_folder.put(self.file, self.file.name)
            self.run_log.add_stage("upload", time.monotonic() - stored)
        if self.shard is None:
            verdict = self.decider.decide_attempt(run, self.origin, rules)
            verdict = self.decider.append_history(run, self.origin, verdict)
            self.run_log.add_stage("decide", time.monotonic() - stored)
            return replace(verdict, resumed=self._taken_over(run))
        file = files.relative_name(self.file, self.assembly.root)
        if (folder := self._shard_folder) is not None:
            file = f"{folder.url}/{self.file.name}"
        refused = refused or refused_reason(run, self.shard, file, "DIR" if folder is None else f"{folder.url}/")
        verdict = self.decider.decide(replace(run, refused=refused), rules)
        return without_verdicts(verdict, self.shard, {plan.name: plan.size - len(plan.cases) for plan in plans})

    def _taken_over(self, run: Run) -> TakenOver | None:
        """Count the outputs of applications without a version that came from the interrupted run."""
        if self.resumed is None:
            return None
        answers = sum(
            call.purpose == "target" and call.attempts == 0
            for suite in run.suites
            if self._is_unversioned(suite.plan.name)
            for result in suite.results
            for trial in result.trials
            for call in trial.calls
        )
        return TakenOver(self.resumed, answers)

    def _is_unversioned(self, name: str) -> bool:
        suite = self.assembly.suite_settings(name)
        return suite is not None and is_unversioned(self.assembly.target_settings(suite))

    def _run_info(self, plans: Sequence[SuitePlan], notes: Iterable[str]) -> RunInfo:
        from pytest_evalgate.plugin.header import run_facts  # noqa: PLC0415 - not in xdist workers

        options, settings = self.assembly.options, self.assembly.settings
        facts = run_facts(self.assembly, [plan.name for plan in plans], self.arguments)
        return RunInfo(
            self._config_sha256,
            options.target,
            options.shard,
            {name: self.redactor.redact(text) for name, text in facts.items()},
            settings.default_tier,
            tuple(map(self.redactor.redact, notes)),
            options.labels,
            git.branch(self.assembly.root, os.environ),
            () if self._trace is None else (self._trace.context,),
        )

    def is_complete(self, verdict: Verdict) -> bool:
        """Return whether every case that this session had to run has its result."""
        not_run = verdict.accounting.not_run
        if self.shard is not None and self.run is not None:
            not_run = count_not_run(self.run)
        return not (not_run or verdict.accounting.errored)

    def close(self, verdict: Verdict, status: int) -> Verdict:
        """Combine the verdict with pytest's exit ``status``, write ``verdict.json`` and return the final verdict."""
        if status in _ABORTED and verdict.exit_code == _OK:
            problem = f"pytest aborted with exit code {status}"
            name: VerdictName = "not_evaluated" if status == _INTERRUPTED else "invalid"
            verdict = replace(verdict, verdict=name, problems=(*verdict.problems, problem))
        ours = status == _OK or (status == _NO_TESTS and verdict.exit_code != _OK)
        verdict = replace(verdict, exit_code=verdict.exit_code if ours else status)
        kept.write(verdict, self.state.verdict, self.redactor)
        self.exit_code = verdict.exit_code
        return verdict

    def report(self, verdict: Verdict, report_writer: ReportWriter) -> Iterator[str]:
        """Write log and reports, notify webhooks and export spans; yield lines about them.

        A shard has its log and its spans only.
        """
        yield from self._write_log(verdict)
        if self.shard is None and self.run is not None:
            yield from report_writer.report(verdict, self.decider, (self.run, self.origin), self.redactor, self.view)
            if self.assembly.settings.notify:
                from pytest_evalgate.app.notifying import notify  # noqa: PLC0415 - only if a webhook is configured

                yield from notify(self.run, self.origin.facts, verdict, self.decider, self.redactor)
        if self._trace is not None and self.run is not None:
            from pytest_evalgate.app.tracing import TracedRun, export_decided  # noqa: PLC0415 - the same

            traced = TracedRun(self.run, self.origin, verdict, self.file, self._trace)
            if (problem := export_decided(self.decider, traced, self.redactor)) is not None:
                yield problem

    def _write_log(self, verdict: Verdict) -> Iterator[str]:
        try:
            self.run_log.close(verdict)
        except StorageError as error:
            yield f"the log could not be written: {error}; the verdict is unchanged"

    def store(self, verdict: Verdict) -> str | None:
        """Store the run for later questions; return the line about a failure. Shards are stored when merged."""
        if self.shard is not None or self.run is None or self.assembly.settings.store == "off":
            return None
        from pytest_evalgate.app.storing import store_decided  # noqa: PLC0415 - sqlite3, at the end of a session

        return store_decided(self.decider, self.run, self.origin, verdict, file=self.file, redactor=self.redactor)

    def _suite_settings(self, name: str) -> Suite | None:
        """Return the settings of a suite, with the stop rule of the command line."""
        suite, rule = self.assembly.suite_settings(name), self.assembly.options.stop
        return suite if suite is None or rule is None else suite.model_copy(update={"stop": rule})


def load_gates(*, arrays: bool = True) -> None:
    """Import the gates, and numpy and scipy with ``arrays``, which takes 0.2 s, while outputs are awaited."""
    with defer_interrupts():
        import pytest_evalgate.app.view  # noqa: F401, PLC0415 - imports the gates

        if arrays:
            from pytest_evalgate.stats.arrays import load  # noqa: PLC0415 - the same

            load()


def count_not_run(run: Run) -> int:
    """Return the number of cases that a shard had to run and did not."""
    return sum(result.outcome == "not_run" for suite in run.suites for result in suite.results)


def refused_reason(run: Run, shard: Shard, file: str, folder: str = "DIR") -> str:
    """Return the reason why a shard has no verdict, with the next step."""
    missing = count_not_run(run)
    if missing:
        return f"not run: {count(missing, 'case')} of {shard}; run this shard again"
    command = f"pytest-evalgate merge {folder} --expect-shards {shard.count} --gate"
    return f"{shard} is stored in {file}; merge it with the others: {command}"


def without_verdicts(verdict: Verdict, shard: Shard, others: Mapping[str, int]) -> Verdict:
    """Remove the results of the gates: a suite that one shard contains as a whole is decided after merging, too.

    ``others`` is the number of cases of each suite that other shards run; they are planned, and were not run here.
    """
    from pytest_evalgate.gates import EXIT_CODES  # noqa: PLC0415 - scipy, at the end of a session

    message = f"{shard}: decided after all shards are merged"
    suites = {}
    for name, suite in verdict.suites.items():
        elsewhere = Accounting(planned=others[name], not_run=others[name])
        suites[name] = replace(
            suite,
            cases=suite.cases + others[name],
            accounting=suite.accounting + elsewhere,
            verdict="not_evaluated",
            pass_rate=None,
            interval=None,
            delta=None,
            slices=(),
            repeats=None,
            notes=(),
            corrected=None,
            gates=tuple(
                GateResult(gate.kind, "not_evaluated", None, None, None, message, gate.of) for gate in suite.gates
            ),
        )
    result: VerdictName = "invalid" if verdict.problems or not suites else "not_evaluated"
    return replace(
        verdict,
        verdict=result,
        exit_code=EXIT_CODES[result],
        accounting=reduce(add, (suite.accounting for suite in suites.values()), Accounting()),
        suites=suites,
        side_by_side=(),
    )
