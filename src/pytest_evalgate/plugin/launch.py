"""Launch of a session: estimate the calls, refuse what must not be sent, check the judges, start the cases."""

from __future__ import annotations

from functools import partial
from itertools import filterfalse
from typing import TYPE_CHECKING, NoReturn, TypeGuard

import pytest

from pytest_evalgate.app.estimating import count_own_calls, estimate_calls, sends_calls, why_not_cached
from pytest_evalgate.config import with_places
from pytest_evalgate.errors import EngineStopped, MissingOutput, ScorerError, SettingsError, StorageError
from pytest_evalgate.golden.sampling import sample_ids
from pytest_evalgate.plugin.context import FIRST_WORKER, width_of_screen
from pytest_evalgate.plugin.failures import printable
from pytest_evalgate.plugin.items import CaseItem
from pytest_evalgate.plugin.marked import GOLDEN_TEST, may_begin
from pytest_evalgate.protocols import CallingTarget
from pytest_evalgate.runs import journal
from pytest_evalgate.runs.state import storage_message
from pytest_evalgate.scorers.suite_sources import VARIANT_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.wiring import Wiring
    from pytest_evalgate.config import Judge
    from pytest_evalgate.judges.judge import JudgeScorer
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.case_queue import CaseQueue
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.stopper import Stopper
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.runs.estimate import Estimate

    Selected = Sequence[tuple[ReadySuite, Sequence[Case]]]


class Launch:
    """Hooks that start a session, or refuse it.

    ``refused_reason`` is set if nothing may be sent, ``works_ahead`` if this process starts cases before their items
    run, ``has_journal`` once the plan of the run is on disk.
    """

    def __init__(self, context: SessionContext, stopper: Stopper, case_queue: CaseQueue) -> None:
        """Start nothing yet."""
        self.refused_reason: str | None = None
        self.works_ahead = False
        self.has_journal = False
        self._context = context
        self._stopper = stopper
        self._case_queue = case_queue
        self._has_begun = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Print the estimate and start; run no test if only an estimate was requested, or nothing may be sent.

        The xdist worker with the pinned tests starts here, while others are still collecting.

        Raises:
            pytest.UsageError: a key is missing that will be needed, or a prompt does not fit a case.
        """
        context = self._context
        collection_failed = session.testsfailed and not session.config.option.continue_on_collection_errors
        if collection_failed or (context.is_dry and not context.options.estimate):
            return None
        if context.is_worker:
            is_first = session.config.workerinput["workerid"] == FIRST_WORKER  # type: ignore[attr-defined]  # xdist's
            if is_first and journal.is_started(context.state.path, context.run_identity.run):
                self._begin_as_worker(session)
            return None
        if self._is_certain_to_start(session.items):
            self._start(session.items)
            self._case_queue.await_first_calls()
            self._print_total(self._estimate(session.items, from_cache=False))
            return None
        estimate = self._estimate(session.items)
        if context.options.estimate:
            self._print_estimate(estimate, session.items)
            return True
        if estimate is not None and not context.options.offline and not self._may_send(estimate, session.items):
            return True
        self._start(session.items)
        return None

    def _is_certain_to_start(self, items: Sequence[pytest.Item]) -> bool:
        """Return whether no estimate can refuse the run: it is then computed while the first calls are awaited.

        There is no budget, every key is known, and every request was rendered before, in the check that the questions
        reach the application; it leaves out cases of the base branch. If a call may be cached, the estimate comes
        first: it could not tell a cached reply from a reply to a call of this run.
        """
        context = self._context
        if context.options.estimate or context.options.offline or context.is_controller:
            return False
        wiring, selected = context.wiring, self._selected(items)
        return (
            wiring.budget_usd is None
            and context.assembly.base is None
            and sends_calls(selected)
            and wiring.memory.is_empty
            and self._has_keys(selected)
        )

    def _start(self, items: Sequence[pytest.Item]) -> None:
        if any(suite.waits for suite in self._context.suites):
            self._begin_journal()
        if not self._context.is_controller:
            self._begin(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Start the cases at the first eval item of an xdist worker: all others are pinned to the same worker."""
        if self._context.is_worker and (_suite_and_case(item) is not None or _is_concurrent(item)):
            self._begin_as_worker(item.session)

    def _begin_as_worker(self, session: pytest.Session) -> None:
        context = self._context
        if self._has_begun:
            return
        self._has_begun = True
        if context.settings.xdist == "pin" and journal.claim(context.state.path, context.run_identity.run):
            self._begin(session.items)

    def _begin(self, items: Sequence[pytest.Item]) -> None:
        self.works_ahead = True
        if getattr(self._context.config.option, "capture", "no") != "no":
            self._context.wiring.code.streams.hold_threads()
        waiting = [*filterfalse(_waits_for_nothing, items)]
        check_canaries(self._context, {suite.plan.name: suite for suite, _ in self._selected(waiting)}.values())
        for item in items:
            if _waits_for_nothing(item):
                self._case_queue.begin(item.suite, item.case)
        for item in self._in_start_order(waiting):
            selected = _suite_and_case(item)
            if selected is not None and may_begin(item) and not _is_concurrent(item):
                self._case_queue.begin(*selected)

    def _in_start_order(self, items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
        """Yield ``items`` in the order to start their cases; the items themselves run in their original order.

        Only the order inside a suite that may stop changes: its items keep their places among those of other suites.
        """
        by_suite: dict[str, tuple[ReadySuite, dict[str, CaseItem]]] = {}
        for item in items:
            if isinstance(item, CaseItem):
                by_suite.setdefault(item.suite.plan.name, (item.suite, {}))[1][item.case.id] = item
        reordered: dict[str, Iterator[CaseItem]] = {}
        for name, (suite, of_case) in by_suite.items():
            order = self._stopper.start_order(suite, of_case)
            if order is not None:
                reordered[name] = map(of_case.__getitem__, order)
        in_order = [
            next(reordered[name])
            if (name := item.suite.plan.name if isinstance(item, CaseItem) else "") in reordered
            else item
            for item in items
        ]
        # the first to ask for an output pays for it: originals before the variants that are compared with them
        yield from sorted(in_order, key=_is_compared)

    def _begin_journal(self) -> None:
        context = self._context
        plans = [suite.plan for suite in context.suites]
        head = context.run_identity.journal_head(sum(len(plan.cases) for plan in plans))
        try:
            journal.begin(context.state.path, head, plans)
        except StorageError as error:
            raise pytest.UsageError(f"no call was sent: {storage_message(error)}") from None
        self.has_journal = True

    def finish_journal(self, *, interrupted: bool) -> None:
        """Record in the journal that the run was decided, and whether it ended before its last case."""
        if self.has_journal:
            journal.finish(self._context.state.path, self._context.run_identity.run, interrupted=interrupted)

    def _selected(self, items: Iterable[pytest.Item]) -> Selected:
        """Return the cases that will run and may wait for a call.

        The controller of xdist collects few cases, so it takes all of its suites.
        """
        if self._context.is_controller:
            return [(suite, self._cases_to_run(suite)) for suite in self._context.suites]
        cases: dict[str, tuple[ReadySuite, list[Case]]] = {}
        for item in filterfalse(_waits_for_nothing, items):
            if (selected := _suite_and_case(item)) is not None:
                suite, case = selected
                cases.setdefault(suite.plan.name, (suite, []))[1].append(case)
        return list(cases.values())

    def _cases_to_run(self, suite: ReadySuite) -> list[Case]:
        """Return the cases of a suite that the sample, the shard and ``--eval-lf`` leave."""
        options, last_missed = self._context.options, self._context.last_missed
        mine = sample_ids(suite.plan, options.sample)
        if options.shard is not None:
            mine &= options.shard.cases_of(suite.plan)
        if last_missed is not None:
            plans = [each.plan for each in self._context.suites]
            if (repeated := last_missed.select(plans)) is not None:
                mine &= repeated[suite.plan.name]
        return [case for golden in suite.sets for case in golden if case.id in mine]

    def _estimate(self, items: Iterable[pytest.Item], *, from_cache: bool = True) -> Estimate | None:
        try:
            return estimate_calls(self._selected(items), self._context.wiring, from_cache=from_cache)
        except SettingsError as error:
            self._refuse(str(error))

    def _may_send(self, estimate: Estimate, items: Iterable[pytest.Item]) -> bool:
        from pytest_evalgate.engine.spend import budget_problem  # noqa: PLC0415 - only if calls are sent

        self._print_total(estimate)
        if estimate.to_send:
            self._check_keys(estimate, items)
        self.refused_reason = budget_problem(estimate, self._context.wiring.budget_usd)
        if self.refused_reason is not None:
            self._print(f"refused: {self.refused_reason}")
        return self.refused_reason is None

    def _print_total(self, estimate: Estimate | None) -> None:
        from pytest_evalgate.reports.estimate import total_line  # noqa: PLC0415 - only if calls are sent

        if estimate is not None:
            self._print(total_line(estimate))

    def _has_keys(self, selected: Selected) -> bool:
        """Return whether the key of every model that a suite may ask is known."""
        wiring = self._context.wiring
        try:
            for suite, _ in selected:
                for route in _routes(suite, wiring.configured.judges):
                    wiring.client.check_key(route)
        except SettingsError:
            return False
        return True

    def _check_keys(self, estimate: Estimate, items: Iterable[pytest.Item]) -> None:
        wiring = self._context.wiring
        sending = {suite.name for suite in estimate.suites if suite.to_send}
        try:
            for suite, _ in self._selected(items):
                if suite.plan.name in sending:
                    for route in _routes(suite, wiring.configured.judges):
                        wiring.client.check_key(route)
        except SettingsError as error:
            self._refuse(f"{error}; or use cached replies only, with --eval-offline")

    def _refuse(self, message: str) -> NoReturn:
        """End the session before its first call: the message is the reason of its verdict, and is printed once."""
        context = self._context
        text = printable(with_places(message, context.config.rootpath))
        context.ledger.add_problem(text)
        raise pytest.UsageError(*(() if context.prints_section else (text,)))

    def _print_estimate(self, estimate: Estimate | None, items: Iterable[pytest.Item]) -> None:
        from pytest_evalgate.reports.estimate import render_estimate  # noqa: PLC0415 - only under --eval-estimate
        from pytest_evalgate.reports.phrases import local_calls  # noqa: PLC0415 - the same

        reporter, wiring = self._context.reporter, self._context.wiring
        if reporter is None:
            return
        reporter.section("eval gate: estimate (nothing sent)", sep="=")
        if own := count_own_calls(self._selected(items), wiring):
            reporter.write_line(f"this run will make {local_calls(own)}")
        if estimate is None:
            if not own:
                reporter.write_line("no selected suite sends calls: outputs are recorded, or produced in this process")
            return
        width = width_of_screen(reporter)
        for line in render_estimate(estimate, wiring.budget_usd, width):
            reporter.write_line(line)
        if reasons := why_not_cached(self._selected(items), wiring):
            reporter.write_line(f"why not cached: {reasons}")

    def _print(self, line: str) -> None:
        if not self._context.is_silent:
            self._context.print_line(f"evalgate: {line}")


def _waits_for_nothing(item: pytest.Item) -> TypeGuard[CaseItem]:
    """Return whether an item is a case with a recorded output and with built-in rules only, which sends nothing."""
    return isinstance(item, CaseItem) and not item.suite.waits


def _is_compared(item: pytest.Item) -> bool:
    """Return whether an item is a case that a scorer compares with its original."""
    return isinstance(item, CaseItem) and item.suite.has_variants and VARIANT_OF in item.case.metadata


def _suite_and_case(item: pytest.Item) -> tuple[ReadySuite, Case] | None:
    """Return the suite and the case of an item whose target the engine calls."""
    if isinstance(item, CaseItem):
        return item.suite, item.case
    test = item.stash.get(GOLDEN_TEST, None)
    return None if test is None or test.suite.target is None else (test.suite, test.case)


def _is_concurrent(item: pytest.Item) -> bool:
    """Return whether the body of an item runs on the engine, which starts it only after its fixtures are set up."""
    test = item.stash.get(GOLDEN_TEST, None)
    return test is not None and test.is_concurrent


def _routes(suite: ReadySuite, judges: Mapping[str, Judge]) -> Iterator[str]:
    """Yield the routes of a suite's calls."""
    if isinstance(suite.target, CallingTarget):
        yield suite.target.route
    yield from (judges[name].model for name in suite.judge_names)
    yield from suite.asked_models


# -- canaries

_MAX_SHOWN = 3


def check_canaries(context: SessionContext, suites: Iterable[ReadySuite]) -> None:
    """Have the judges of ``suites`` grade their canaries: known good and known bad outputs.

    A judge that fails one makes the run invalid and stops its calls.
    """
    judges = {
        name: judge
        for suite in suites
        for name, judge in zip(suite.judge_names, suite.judges, strict=True)
        if judge.counts
    }
    for name, judge in judges.items():
        problem = _canary_problem(context.wiring, name, judge)
        if problem is not None:
            context.problems.problems.append(problem)
            context.wiring.halt.stop(problem, is_final=True)


def _canary_problem(wiring: Wiring, name: str, judge: JudgeScorer) -> str | None:
    from pytest_evalgate.judges.canaries import canaries_of, failed_canaries  # noqa: PLC0415 - few suites have a judge

    canaries = canaries_of(wiring.configured.judges[name], root=wiring.root)
    try:
        work_queue = wiring.engine.work_queue(f"canaries of {name}", max(1, len(canaries)))
        futures = [work_queue.submit(partial(judge.score, canary.case, canary.output)) for canary in canaries]
        failed = failed_canaries(canaries, [wiring.engine.wait(future) for future in futures])
    except (EngineStopped, MissingOutput, ScorerError) as error:
        return f"judges.{name}: its canaries could not be graded: {error}"
    if not failed:
        return None
    shown = "; ".join(map(str, failed[:_MAX_SHOWN]))
    return f"judges.{name}: {len(failed)} of {len(canaries)} canaries failed, so its scores cannot be used: {shown}"
