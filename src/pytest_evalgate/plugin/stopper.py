"""Stopping early: once the verdict of a suite is certain, nothing more is sent for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.plugin.answers import NotNeeded
from pytest_evalgate.plugin.items import CaseItem
from pytest_evalgate.plugin.ledger import error_result
from pytest_evalgate.plugin.verdict import load_gates
from pytest_evalgate.protocols import Target
from pytest_evalgate.records.results import CaseResult, SuiteRun, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    import pytest

    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.records.calls import Call
    from pytest_evalgate.records.results import Baseline, Case, PlannedCase, StopRule, SuitePlan

_MAX_CHECKS: Final = 50
"""How often a suite is looked at on its way: a look at 1,000 cases takes 4 ms."""


def order_of(cases: Iterable[PlannedCase], baseline: Baseline) -> list[PlannedCase]:
    """Return ``cases`` in the order in which they are started: those that the baseline failed come first.

    Certainty comes soonest in this order: such a case can only become a gain, and a case that has not run counts as
    one.
    """
    missed = {case_id for case_id, before in baseline.cases.items() if before.mean < 1}
    return sorted(cases, key=lambda case: case.golden_id not in missed)


class Stopper:
    """Watches the suites of this process that may stop.

    Answers come in on the engine's thread; they are looked at where the items run. What a suite was stopped by, the
    engine's thread reads before it begins with a case.
    """

    def __init__(self, session: EvalSession) -> None:
        """Watch nothing yet."""
        self._session = session
        self._watched: dict[str, _WatchedSuite] = {}
        self._finished: deque[tuple[str, PlannedCase, Future[Trial]]] = deque()
        self._stopped: dict[str, StopRule] = {}

    def in_order(self, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Watch the suites that may stop, and return ``items`` in the order in which to begin with them.

        A suite keeps its places among the others. The items themselves run in the order that they have.
        """
        orders: dict[str, Iterator[CaseItem]] = {}
        for suite, mine in _by_suite(items):
            baseline = self._stoppable_by(suite, mine)
            if baseline is not None:
                self._watched[suite.plan.name] = _WatchedSuite.of(suite.plan)
                order = order_of(suite.plan.cases, baseline)
                orders[suite.plan.name] = iter([mine[case.id] for case in order if case.id in mine])
        return [next(orders[name]) if (name := _suite_of(item)) in orders else item for item in items]

    def watch(self, suite: ReadySuite, case: Case, futures: Iterable[Future[Trial]]) -> None:
        """Take note of what becomes of a case, if its suite is watched: it has one trial then."""
        if suite.plan.name in self._watched:
            for future in futures:
                future.add_done_callback(partial(self._note, suite.plan.name, suite.planned[case.id]))

    def check_needed(self, suite: ReadySuite, case: Case) -> None:
        """Go on with a case only if it is needed, or costs nothing; on the engine's thread.

        Raises:
            NotNeeded: it is not.

        """
        rule = self._stopped.get(suite.plan.name)
        if rule is not None and (suite.judges or not self._is_cached(suite.target, case)):
            raise NotNeeded(rule)  # what its judges would be asked depends on the answer

    def check(self) -> None:
        """Look at what has come in, and stop the suites whose verdict is certain by now."""
        while self._finished:
            name, case, future = self._finished.popleft()
            self._watched[name].add_result(case, future)
        if any(watch.is_due for name, watch in self._watched.items() if name not in self._stopped):
            for name in self._suites_to_stop():
                self._stopped[name] = "certainty"

    def _stoppable_by(self, suite: ReadySuite, items: Mapping[str, CaseItem]) -> Baseline | None:
        """Return the baseline by which a suite may stop; None if it may not. The gates are asked later."""
        options, decider, name = self._session.options, self._session.session_decider.decider, suite.plan.name
        whole = all(case.id in items for case in suite.plan.cases if case.skip is None)
        known = decider.suite_of(name)
        if known is None or known.stop == "never" or not whole or not isinstance(suite.target, _CallingTarget):
            return None
        baseline = None if options.offline or options.shard is not None else decider.baseline_of(name)
        return None if suite.plan.trials > 1 else baseline

    def _note(self, name: str, case: PlannedCase, future: Future[Trial]) -> None:
        self._finished.append((name, case, future))

    def _is_cached(self, target: Target | None, case: Case) -> bool:
        return (
            isinstance(target, _CallingTarget)
            and self._session.wiring.memory.lookup(target.call_of(case, 0)) is not None
        )

    def _suites_to_stop(self) -> frozenset[str]:
        load_gates()
        from pytest_evalgate.gates.stopping import stoppable_suites  # noqa: PLC0415 - scipy, wanted once answers have come

        ledger = self._session.ledger
        for watch in self._watched.values():
            watch.unchecked = 0
        suites = [self._partial_run(plan) for plan in ledger.plans.values()]
        return stoppable_suites(suites, self._session.session_decider.decider.rules(ledger.plans, ledger.add_problem))

    def _partial_run(self, plan: SuitePlan) -> SuiteRun:
        """Return what is known of a suite; of those that are not watched, nothing."""
        watch = self._watched.get(plan.name) or _WatchedSuite.of(plan)
        return SuiteRun(plan, tuple(watch.results.values()), self._stopped.get(plan.name))


@runtime_checkable
class _CallingTarget(Target, Protocol):
    """A target that is asked, and could be spared a call."""

    def call_of(self, case: Case, trial: int) -> Call: ...


@dataclass(slots=True)
class _WatchedSuite:
    """What became of the cases of a suite, in plan order, and how many of them since they were last looked at."""

    results: dict[str, CaseResult]
    unchecked: int = 0

    @classmethod
    def of(cls, plan: SuitePlan) -> _WatchedSuite:
        """Begin before the first case."""
        outcomes = {case.id: CaseResult(case, "not_run" if case.skip is None else "skipped") for case in plan.cases}
        return cls(outcomes)

    @property
    def is_due(self) -> bool:
        """Tell whether it is time for a look."""
        return self.unchecked >= max(1, len(self.results) // _MAX_CHECKS)

    def add_result(self, case: PlannedCase, future: Future[Trial]) -> None:
        """Keep what a gate needs of a case that is done."""
        error = future.exception()
        if isinstance(error, NotNeeded):
            return
        self.unchecked += 1
        self.results[case.id] = (
            combine_trials(case, [Trial(0, future.result().value)])
            if error is None
            else error_result(case, str(error))
        )


def _by_suite(items: Iterable[pytest.Item]) -> Iterator[tuple[ReadySuite, Mapping[str, CaseItem]]]:
    """Iterate over the suites of the no-code door, with their items by case."""
    found: dict[str, tuple[ReadySuite, dict[str, CaseItem]]] = {}
    for item in items:
        if isinstance(item, CaseItem):
            found.setdefault(item.suite.plan.name, (item.suite, {}))[1][item.case.id] = item
    yield from found.values()


def _suite_of(item: pytest.Item) -> str | None:
    return item.suite.plan.name if isinstance(item, CaseItem) else None
