"""From the ledger to the exit code: reads the baselines, has the run judged, writes the verdict, shows it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.data import Run
from pytest_evalgate.errors import BaselineError, SettingsError
from pytest_evalgate.judgement import Judgement
from pytest_evalgate.plugin import sharding
from pytest_evalgate.plugin.facts import facts_of
from pytest_evalgate.plugin.signals import interrupts_wait
from pytest_evalgate.plugin.stop_rule import stopping_by
from pytest_evalgate.redaction import Redactor
from pytest_evalgate.runs import git, run_file, verdict_file
from pytest_evalgate.runs.origin import Origin, config_sha256
from pytest_evalgate.runs.shard import path_of as shard_path
from pytest_evalgate.settings import NoRegressionGate, key_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.data import Case, Json, SuitePlan, Verdict, VerdictName
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.failures import Before
    from pytest_evalgate.plugin.ledger import Ledger
    from pytest_evalgate.reporting import Reporting
    from pytest_evalgate.runs.shard import Shard
    from pytest_evalgate.runs.state import StateFolder
    from pytest_evalgate.settings import Suite

_UNKNOWN = Origin()
_OK = 0
_INTERRUPTED = 2
_NO_TESTS = 5
_BROKEN_OFF = frozenset({_INTERRUPTED, 3, 4})

_PLENTY = 150
"""With so many cases a usual gate sees drops that matter: to look closer takes 0.2 s before the first call."""


@dataclass
class Gatekeeper:
    """Judges one session, on the controller only."""

    assembly: Assembly
    state: StateFolder
    run_id: str
    arguments: Sequence[str] = ()
    report_file: str | None = None
    warnings: list[str] = field(default_factory=list)
    run: Run | None = None
    origin: Origin = _UNKNOWN
    _outputs: dict[str, Mapping[str, Json]] = field(default_factory=dict)

    @cached_property
    def judgement(self) -> Judgement:
        """What judges the run."""
        assembly = self.assembly
        against = assembly.options.baseline
        return Judgement(
            assembly.root, assembly.settings, self.state.path, self._suite_settings, against, assembly.base
        )

    @property
    def shard(self) -> Shard | None:
        """Which part of the run this session is; None for the whole."""
        return self.assembly.options.shard

    @property
    def file(self) -> Path:
        """Where the run is stored."""
        if self.shard is None:
            return run_file.path_of(self.state.path, self.run_id)
        return shard_path(self.state.path, self.shard)

    def forget_shard(self) -> None:
        """Remove what an earlier session left of this shard: should this one break off, that must not be merged."""
        if self.shard is not None:
            self.file.unlink(missing_ok=True)

    @cached_property
    def redactor(self) -> Redactor:
        """Takes the keys of this configuration out of whatever is written or shown."""
        return Redactor.of(key_variables(self.assembly.settings), os.environ)

    def _origin_of(self, plans: Sequence[SuitePlan], notes: Iterable[str]) -> Origin:
        options = self.assembly.options
        known = facts_of(self.assembly, [plan.name for plan in plans], self.arguments)
        facts = {name: self.redactor.clean(text) for name, text in known.items()}
        ours = self.assembly.settings
        said = tuple(map(self.redactor.clean, notes))
        return Origin(config_sha256(ours), options.target, options.shard, facts, ours.default_tier, said)

    def preflight(self, suites: Sequence[ReadySuite]) -> None:
        """Read the baselines and refuse gates that cannot pass.

        Raises:
            SettingsError: everything that is wrong, one a line.

        """
        problems: list[str] = []
        self.judgement.check_history()
        for ready in suites:
            name = ready.plan.name
            try:
                self.judgement.baseline_of(name)
            except BaselineError as error:
                problems.append(f"suites.{name}.baseline: {error}")
                continue
            problems += [f"suites.{name}.gates: {text}" for text in self._foresee(ready)]
        if problems:
            raise SettingsError("\n".join(problems))

    def header(self, suites: Sequence[ReadySuite]) -> list[str]:
        """Say which suites run, how many cases they have, and what they are compared with."""
        from pytest_evalgate.plugin.heading import heading_of  # noqa: PLC0415 - wanted once, at the start
        from pytest_evalgate.reports.header import header_lines  # noqa: PLC0415 - the same

        heading = heading_of(self.assembly, suites, self.judgement.baselines)
        return [self.redactor.clean(line) for line in header_lines(heading)]

    def judge(
        self, ledger: Ledger, *, duration_s: float, refused: str | None = None, notes: Iterable[str] = ()
    ) -> Verdict:
        """Judge what the ledger holds and store the run; ``refused`` says why nothing was sent, or not all.

        ``notes`` are what its session has to say of the run; they are kept with it.
        """
        self.assembly.release()
        now = datetime.now(UTC)
        ledger.settle()
        plans = list(ledger.plans.values())
        rules = self.judgement.rules([plan.name for plan in plans], ledger.add_problem)
        head = Run(
            id=self.run_id,
            created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            commit=git.commit(self.assembly.root),
            suites=(),
            duration_s=round(duration_s, 3),
            problems=tuple(ledger.problems),
            refused=refused,
        )
        results = map(ledger.results, plans)
        self.origin = self._origin_of(plans, notes)
        run = self.run = run_file.write_stream(
            head, plans, results, self.file, stopped=ledger.stopped, origin=self.origin, redactor=self.redactor
        )
        if self.shard is None:
            return self.judgement.remember(run, self.judgement.judge(run, rules))
        said = refused or sharding.refusal(run, self.shard, files.relative_name(self.file, self.assembly.root))
        return sharding.unjudged(self.judgement.judge(replace(run, refused=said), rules), self.shard)

    def before(self, suite: ReadySuite, case: Case) -> Before | None:
        """Return what the baseline says of a case, for who looks at it; None where it does not know it so."""
        from pytest_evalgate.plugin.failures import Before  # noqa: PLC0415 - wanted by --eval-fail-cases

        with contextlib.suppress(BaselineError):  # the controller has refused it, where it is needed
            baseline = self.judgement.baseline_of(suite.plan.name)
            known = None if baseline is None else baseline.cases.get(case.golden_id)
            if known is not None and known.fingerprint == suite.planned[case.id].fingerprint:
                return Before(known.mean, self.outputs_before(suite.plan.name).get(case.golden_id))
        return None

    def outputs_before(self, suite: str) -> Mapping[str, Json]:
        """Return what the cases of the baseline of a suite answered, by id; read once."""
        from pytest_evalgate.judgement.keeping import outputs_of  # noqa: PLC0415 - wanted by who looks closer

        if suite not in self._outputs:
            self._outputs[suite] = outputs_of(self.judgement, suite)
        return self._outputs[suite]

    def is_whole(self, verdict: Verdict) -> bool:
        """Tell whether every case that this session was to run has its answer."""
        left = verdict.accounting.not_run
        if self.shard is not None and self.run is not None:
            left = sharding.lost(self.run, self.shard)
        return not (left or verdict.accounting.errored)

    def close(self, verdict: Verdict, status: int) -> Verdict:
        """Settle the exit code that pytest's ``status`` and the verdict make together, and write the verdict."""
        if status in _BROKEN_OFF and verdict.exit_code == _OK:
            broken = f"pytest broke off with exit code {status}"
            name: VerdictName = "not_evaluated" if status == _INTERRUPTED else "invalid"
            verdict = replace(verdict, verdict=name, problems=(*verdict.problems, broken))
        ours = status == _OK or (status == _NO_TESTS and verdict.exit_code != _OK)
        verdict = replace(verdict, exit_code=verdict.exit_code if ours else status)
        verdict_file.write(verdict, self.state.verdict, self.redactor)
        return verdict

    def report(self, verdict: Verdict, reporting: Reporting) -> Iterator[str]:
        """Keep what reports are made of, write them, and say what could not be written.

        A part of a run has none: it is merged first.
        """
        if self.shard is None and self.run is not None:
            yield from reporting.report(verdict, self.judgement, (self.run, self.origin), self.redactor)

    def _suite_settings(self, name: str) -> Suite | None:
        """Return the settings of a suite, with the rule by which the command line wants it to stop."""
        suite = self.assembly.suite_settings(name)
        return None if suite is None else stopping_by(self.assembly.options.stop, suite)

    def _foresee(self, ready: ReadySuite) -> list[str]:
        """Return why gates cannot pass, and keep the warnings; a large suite with plain gates needs no look ahead."""
        suite = self.assembly.suite_settings(ready.plan.name)
        gates = (suite and suite.gates) or ()
        plain = all(isinstance(gate, NoRegressionGate) and gate.fail_on != "not_proven" for gate in gates)
        usual = suite is None or (suite.aggregate == "mean" and suite.cluster is None and not suite.judges)
        if plain and usual and len(ready.plan.cases) > _PLENTY:
            return []
        from pytest_evalgate.gates.fitness import unfit_judges  # noqa: PLC0415 - scipy
        from pytest_evalgate.gates.foresight import foresee  # noqa: PLC0415 - the same

        name = ready.plan.name
        rules = self.judgement.rules([name], lambda _: None)[name]
        seen = foresee(ready.plan, rules)
        self.warnings += [f"evalgate: {name}: {text}" for text in seen.warnings]
        return [*seen.problems, *unfit_judges(rules)]


def load_judgement() -> None:
    """Load what the gates are judged with: 0.2 s that are free while answers are awaited."""
    with interrupts_wait():
        import pytest_evalgate.reports.view  # noqa: F401, PLC0415 - brings the gates, and with them scipy
