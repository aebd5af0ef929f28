"""Early stopping: once the verdict of a suite is certain, no further call is sent for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.plugin.decider import load_gates
from pytest_evalgate.plugin.ledger import error_result
from pytest_evalgate.protocols import Target
from pytest_evalgate.records.results import CaseResult, SuiteRun, Trial

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from concurrent.futures import Future

    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.decider import SessionDecider
    from pytest_evalgate.records.calls import Call
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import PlannedCase, StopRule, SuitePlan
    from pytest_evalgate.records.verdicts import Baseline

_MAX_CHECKS: Final = 50
"""Checks per suite: one check of 1,000 cases takes 4 ms."""


class NotNeeded(Exception):  # noqa: N818 - a finding about a case
    """A case was not run, because its suite had stopped by ``rule``."""

    def __init__(self, rule: StopRule) -> None:
        """Store the rule."""
        super().__init__(rule)
        self.rule = rule


class Stopper:
    """The suites of this process that may stop.

    Outputs arrive on the engine's thread and are checked on the thread that runs the items. The engine's thread only
    reads which suites have stopped, before it starts a case.
    """

    def __init__(self, context: SessionContext, session_decider: SessionDecider) -> None:
        """Watch no suite until ``start_order`` adds it."""
        self._context = context
        self._session_decider = session_decider
        self._decider = session_decider.decider
        self._watched: dict[str, _WatchedSuite] = {}
        self._finished: deque[tuple[str, PlannedCase, Future[Trial]]] = deque()
        self._stopped: dict[str, StopRule] = {}

    def start_order(self, suite: ReadySuite, selected: Collection[str]) -> list[str] | None:
        """Watch a suite if it may stop, and return the ids of its selected cases in the order to start them.

        None if the suite may not stop: its order does not matter then.
        """
        baseline = self._stoppable_by(suite, selected)
        if baseline is None:
            return None
        self._watched[suite.plan.name] = _WatchedSuite.of(suite.plan)
        return [case.id for case in order_of(suite.plan.cases, baseline) if case.id in selected]

    def _stoppable_by(self, suite: ReadySuite, selected: Collection[str]) -> Baseline | None:
        """Return the baseline of a suite that may stop, else None. Its gates are checked later."""
        name, options = suite.plan.name, self._context.options
        settings = self._decider.suite_of(name)
        if settings is None or settings.stop == "never" or suite.plan.trials > 1 or not suite.plan.is_uniform:
            return None
        if options.offline or options.shard is not None or not isinstance(suite.target, _CallingTarget):
            return None
        if any(case.id not in selected for case in suite.plan.cases if case.skip is None):
            return None
        if self._session_decider.is_pooled(suite.plan):
            return None
        return self._decider.baseline_of(name)

    def watch(self, suite: ReadySuite, case: Case, futures: Iterable[Future[Trial]]) -> None:
        """Collect the result of a case when it is done, if its suite is watched: such a case has one trial."""
        if suite.plan.name in self._watched:
            name, planned = suite.plan.name, suite.planned[case.id]
            for future in futures:
                future.add_done_callback(lambda done: self._finished.append((name, planned, done)))

    def check_needed(self, suite: ReadySuite, case: Case) -> None:
        """Raise if a case is not needed and would send calls; called on the engine's thread.

        Raises:
            NotNeeded: the suite has stopped, and the case would send calls.
        """
        rule = self._stopped.get(suite.plan.name)
        if rule is not None and (suite.asks_models or not self._is_cached(suite.target, case)):
            raise NotNeeded(rule)  # the calls of scorers depend on the output, so they cannot be looked up

    def _is_cached(self, target: Target | None, case: Case) -> bool:
        if not isinstance(target, _CallingTarget):
            return False
        return self._context.wiring.memory.lookup(target.call_of(case, 0)) is not None

    def check(self) -> None:
        """Read the new results, and stop the suites whose verdict is certain."""
        while self._finished:
            name, case, future = self._finished.popleft()
            self._watched[name].add_result(case, future)
        if any(watch.is_due for name, watch in self._watched.items() if name not in self._stopped):
            for name in self._suites_to_stop():
                self._stopped[name] = "certainty"

    def _suites_to_stop(self) -> frozenset[str]:
        load_gates()
        from pytest_evalgate.gates.stopping import stoppable_suites  # noqa: PLC0415 - scipy, needed after the first outputs

        ledger = self._context.ledger
        for watch in self._watched.values():
            watch.unchecked = 0
        suites = [self._partial_run(plan) for plan in ledger.plans.values()]
        return stoppable_suites(suites, self._decider.rules(ledger.plans, ledger.add_problem))

    def _partial_run(self, plan: SuitePlan) -> SuiteRun:
        """Return the results of a suite so far; no result of a suite that is not watched."""
        watch = self._watched.get(plan.name) or _WatchedSuite.of(plan)
        return SuiteRun(plan, tuple(watch.results.values()), self._stopped.get(plan.name))


def order_of(cases: Iterable[PlannedCase], baseline: Baseline) -> list[PlannedCase]:
    """Return ``cases`` in the order to start them: those that the baseline missed come first.

    In this order the verdict is certain soonest: such a case can only become a gain, and until it has run it counts as
    a gain.
    """
    missed = {case_id for case_id, before in baseline.cases.items() if before.mean < 1}
    return sorted(cases, key=lambda case: case.golden_id not in missed)


@runtime_checkable
class _CallingTarget(Target, Protocol):
    """A target that sends calls, which stopping can save."""

    def call_of(self, case: Case, trial: int) -> Call: ...


@dataclass(slots=True)
class _WatchedSuite:
    """Results of a suite so far, in plan order, and the number of those that arrived since the last check."""

    results: dict[str, CaseResult]
    unchecked: int = 0

    @classmethod
    def of(cls, plan: SuitePlan) -> _WatchedSuite:
        """Return the suite before its first result."""
        return cls({case.id: CaseResult(case, "not_run" if case.skip is None else "skipped") for case in plan.cases})

    @property
    def is_due(self) -> bool:
        """True if enough results have arrived for the next check."""
        return self.unchecked >= max(1, len(self.results) // _MAX_CHECKS)

    def add_result(self, case: PlannedCase, future: Future[Trial]) -> None:
        """Store the value of a finished case; the gates do not read its output."""
        error = future.exception()
        if isinstance(error, NotNeeded):
            return
        self.unchecked += 1
        self.results[case.id] = (
            combine_trials(case, [Trial(0, future.result().value)])
            if error is None
            else error_result(case, str(error))
        )
