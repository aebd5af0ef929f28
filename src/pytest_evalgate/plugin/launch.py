"""Canaries: before a judge grades anything it has to tell known good outputs from known bad ones."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import pytest

from pytest_evalgate.errors import MissingOutput, ScorerError, SettingsError
from pytest_evalgate.golden.sampling import sample_ids
from pytest_evalgate.plugin.items import CaseItem
from pytest_evalgate.plugin.marked import GOLDEN_TEST, may_begin
from pytest_evalgate.plugin.xdist import head_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.runs import journal
from pytest_evalgate.targets import HttpTargetRunner, ModelTargetRunner, RecordedTargetRunner, TargetFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.wiring import Wiring
    from pytest_evalgate.config import Judge
    from pytest_evalgate.engine.estimate import Usage
    from pytest_evalgate.judges.canaries import Canary
    from pytest_evalgate.judges.judge import JudgeScorer
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.calls import Call
    from pytest_evalgate.records.results import Case, Score, SuitePlan
    from pytest_evalgate.runs.estimate import Estimate

    Selected = Sequence[tuple[ReadySuite, Sequence[Case]]]

_NAMED = 3


def check_canaries(session: EvalSession, suites: Iterable[ReadySuite]) -> None:
    """Have the judges of ``suites`` grade their canaries; one that fails makes the run invalid and ends its calls."""
    judges = {
        name: judge
        for suite in suites
        for name, judge in zip(suite.judge_names, suite.judges, strict=True)
        if judge.counts
    }
    for name, judge in judges.items():
        problem = _failure(session, name, judge)
        if problem is not None:
            session.session_problems.problems.append(problem)
            session.wiring.halt.stop(problem)


def _failure(session: EvalSession, name: str, judge: JudgeScorer) -> str | None:
    from pytest_evalgate.judges.canaries import canaries_of, failed_canaries  # noqa: PLC0415 - few suites have a judge

    wiring = session.wiring
    canaries = canaries_of(wiring.configured.judges[name], root=wiring.root)
    work_queue = wiring.engine.work_queue(f"canaries of {name}", max(1, len(canaries)))
    futures = [work_queue.submit(_grading_of(judge, canary)) for canary in canaries]
    try:
        found = failed_canaries(canaries, [wiring.engine.wait(future) for future in futures])
    except (MissingOutput, ScorerError) as error:
        return f"judges.{name}: its canaries could not be judged: {error}"
    if not found:
        return None
    named = "; ".join(map(str, found[:_NAMED]))
    return (
        f"judges.{name}: {len(found)} of {len(canaries)} canaries are broken, so nothing that it says counts: {named}"
    )


def _grading_of(judge: JudgeScorer, canary: Canary) -> Callable[[], Coroutine[Any, Any, Score]]:
    return lambda: judge.score(canary.case, canary.output)


_TYPICAL_OUTPUT: Final = Output("x" * 1_000)
"""Stands for an output that nobody knows yet: a long paragraph."""


def estimate_calls(selected: Selected, wiring: Wiring) -> Estimate | None:
    """Estimate what the selected cases will send; None where no target sends anything."""
    sending = _sending(selected)
    if not sending:
        return None
    first = _estimate(sending, wiring, {})
    history = _history({suite.name for suite in first.suites if suite.to_send and not suite.cached}, wiring)
    return _estimate(sending, wiring, history) if history else first


def why_not_cached(selected: Selected, wiring: Wiring) -> str:
    """Say in one line why calls will be sent: how many were never asked, and which fields of the others changed."""
    from pytest_evalgate.engine.cache import first_difference, inventory  # noqa: PLC0415 - only where calls are sent

    sending = _sending(selected)
    before = inventory.newest(wiring.entries()) if sending else {}
    reasons: Counter[str] = Counter()
    for suite, cases in sending:
        for call in _calls(suite, cases, wiring):
            if wiring.memory.lookup(call) is None:
                known = before.get((call.label, call.purpose, call.trial))
                field = first_difference(known.call, call).partition(":")[0] if known else ""
                reasons[f"{field} changed" if field else "never asked"] += 1
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())


def _sending(selected: Selected) -> Selected:
    return [(suite, cases) for suite, cases in selected if _sends_calls(suite.target) or suite.judges]


def _estimate(sending: Selected, wiring: Wiring, history: Mapping[tuple[str, str, str], Sequence[Usage]]) -> Estimate:
    from pytest_evalgate.engine.estimate import EstimateInputs, PlannedCalls, estimate  # noqa: PLC0415 - only where calls are sent

    known = EstimateInputs(wiring.memory.lookup, wiring.client.prices, wiring.limits, history)
    planned = [PlannedCalls(suite.plan.name, len(cases), _calls(suite, cases, wiring)) for suite, cases in sending]
    return estimate(planned, known)


def _calls(suite: ReadySuite, cases: Sequence[Case], wiring: Wiring) -> Iterator[Call]:
    """Iterate over the calls of a suite, those of its judges as if no rule decided before them."""
    target = suite.target
    for case in cases:
        for trial in range(suite.plan.trials if case.skip is None else 0):
            call = target.call_of(case, trial) if _sends_calls(target) else None
            if call is not None:
                yield call
            output = _output(suite, case, trial, call, wiring) if suite.judges else None
            for judge in suite.judges:
                yield from judge.calls_of(case, output or _TYPICAL_OUTPUT)


def _sends_calls(target: Target | None) -> TypeGuard[ModelTargetRunner | HttpTargetRunner]:
    return isinstance(target, ModelTargetRunner | HttpTargetRunner)


def _output(suite: ReadySuite, case: Case, trial: int, call: Call | None, wiring: Wiring) -> Output | None:
    """Return the output of a trial as far as it is known: recorded, or remembered."""
    if call is not None and _sends_calls(suite.target):
        reply = wiring.memory.lookup(call)
        with contextlib.suppress(TargetFailure):
            return None if reply is None else suite.target.output_of(call, reply)
    if isinstance(suite.target, RecordedTargetRunner):
        return suite.target.recordings[trial].outputs.get(case.golden_id)
    return Output(case.output) if case.output is not None else None


def _history(suites: set[str], wiring: Wiring) -> dict[tuple[str, str, str], list[Usage]]:
    """Return what answers took that the calls of these suites had before they changed."""
    from pytest_evalgate.engine.estimate import Usage  # noqa: PLC0415 - only where calls are sent
    from pytest_evalgate.engine.spend import Tokens  # noqa: PLC0415 - the same

    routes = {(model.base_url, model.model): name for name, model in wiring.configured.models.items()}
    found: dict[tuple[str, str, str], list[Usage]] = defaultdict(list)
    for entry in wiring.entries() if suites else ():
        call, reply = entry.call, entry.reply
        suite = call.label.partition("::")[0]
        route = routes.get((call.endpoint, call.model), suite)
        if suite in suites and reply.tokens_in is not None and reply.tokens_out is not None:
            tokens = Tokens(reply.tokens_in, reply.tokens_out)
            found[suite, route, call.purpose].append(Usage(tokens, reply.latency_s))
    return found


class Launch:
    """Lets a session go, or refuses it; ``refused_reason`` says why.

    ``works_ahead`` tells whether this process begins with cases before their items run.
    """

    def __init__(self, session: EvalSession) -> None:
        """Launch ``session``."""
        self.refused_reason: str | None = None
        self.works_ahead = False
        self._session = session
        self.has_journal = False
        self._has_begun = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Say what will be sent; run nothing where that is all that was asked for, or where it may not be sent.

        Of xdist's workers the one that gets what is pinned begins here, while others are still collecting.

        Raises:
            pytest.UsageError: a key that will be needed is not there, or a prompt does not fit a case.

        """
        ours = self._session
        if _collection_failed(session) or (ours.is_dry and not ours.options.estimate):
            return None
        if ours.is_worker:
            self._begin_early(session)
            return None
        estimate = self._estimate(session.items)
        if ours.options.estimate:
            self._print_estimate(estimate, session.items)
            return True
        if estimate is not None and not ours.options.offline and not self._may_send(estimate, session.items):
            return True
        self._go(session.items)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """In a worker of xdist, begin with the first eval item: all others follow it to the same worker."""
        if self._session.is_worker and _starts_early(item):
            self._begin_as_worker(item.session)

    def _begin_early(self, session: pytest.Session) -> None:
        """Begin in the worker to which everything is pinned, unless the controller has not let the run go yet."""
        from pytest_evalgate.plugin.xdist import FIRST_WORKER  # noqa: PLC0415 - only where tests are distributed

        ours = self._session
        is_first = session.config.workerinput["workerid"] == FIRST_WORKER  # type: ignore[attr-defined]  # xdist's
        if is_first and journal.is_started(ours.state.path, ours.run_identity.run):
            self._begin_as_worker(session)

    def _begin_as_worker(self, session: pytest.Session) -> None:
        ours = self._session
        if self._has_begun:
            return
        self._has_begun = True
        if ours.assembly.settings.xdist == "pin" and journal.claim(ours.state.path, ours.run_identity.run):
            self._begin(session.items)

    def finish_journal(self, *, whole: bool) -> None:
        """Note in the journal that the run was judged."""
        if self.has_journal:
            journal.finish(self._session.state.path, self._session.run_identity.run, whole=whole)

    def _estimate(self, items: Iterable[pytest.Item]) -> Estimate | None:
        try:
            return estimate_calls(self._selected(items), self._session.wiring)
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from None

    def _selected(self, items: Iterable[pytest.Item]) -> Sequence[tuple[ReadySuite, Sequence[Case]]]:
        """Return the cases that will run; the controller of xdist collects nothing, and takes all."""
        if self._session.is_controller:
            return [(suite, self._cases_to_run(suite)) for suite in self._session.suites]
        cases: dict[str, tuple[ReadySuite, list[Case]]] = {}
        for item in items:
            if (asked := _suite_and_case(item)) is not None:
                suite, case = asked
                cases.setdefault(suite.plan.name, (suite, []))[1].append(case)
        return list(cases.values())

    def _cases_to_run(self, suite: ReadySuite) -> list[Case]:
        """Return the cases of a suite, or of the sample and the shard of it that were asked for."""
        options = self._session.options
        mine = sample_ids(suite.plan, options.sample)
        if options.shard is not None:
            mine &= options.shard.cases_of(suite.plan)
        return [case for golden in suite.sets for case in golden if case.id in mine]

    def _may_send(self, estimate: Estimate, items: Iterable[pytest.Item]) -> bool:
        from pytest_evalgate.engine.spend import budget_problem  # noqa: PLC0415 - only where calls are sent
        from pytest_evalgate.reports.estimate import total_line  # noqa: PLC0415 - the same

        self._print(total_line(estimate))
        if estimate.to_send:
            self._check_keys(estimate, items)
        self.refused_reason = budget_problem(estimate, self._session.wiring.budget_usd)
        if self.refused_reason is not None:
            self._print(f"refused: {self.refused_reason}")
        return self.refused_reason is None

    def _check_keys(self, estimate: Estimate, items: Iterable[pytest.Item]) -> None:
        sending = {suite.name for suite in estimate.suites if suite.to_send}
        try:
            for suite, _ in self._selected(items):
                if suite.plan.name in sending:
                    for route in _routes(suite, self._session.wiring.configured.judges):
                        self._session.wiring.client.check_key(route)
        except SettingsError as error:
            raise pytest.UsageError(f"{error}; or replay what is remembered, with --eval-offline") from None

    def _go(self, items: Sequence[pytest.Item]) -> None:
        ours = self._session
        if any(suite.waits for suite in ours.suites):
            self._begin_journal([suite.plan for suite in ours.suites])
        if not ours.is_controller:
            self._begin(items)

    def _begin_journal(self, plans: Sequence[SuitePlan]) -> None:
        ours = self._session
        try:
            journal.begin(ours.state.path, head_of(ours.run_identity, sum(len(plan.cases) for plan in plans)), plans)
        except OSError as error:
            raise pytest.UsageError(
                f"{ours.state.path}: the plan of the run cannot be written ({error.strerror}), so nothing was called: "
                "make room there, or move the folder with EVALGATE_DIR=..."
            ) from None
        self.has_journal = True

    def _begin(self, items: Sequence[pytest.Item]) -> None:
        self.works_ahead = True
        check_canaries(self._session, {suite.plan.name: suite for suite, _ in self._selected(items)}.values())
        for item in self._session.stopper.in_order(items):
            asked = _suite_and_case(item)
            if asked is not None and may_begin(item) and not _is_concurrent(item):
                self._session.case_queue.begin(*asked)

    def _print_estimate(self, estimate: Estimate | None, items: Iterable[pytest.Item]) -> None:
        from pytest_evalgate.reports.estimate import render_estimate  # noqa: PLC0415 - asked for

        reporter = self._reporter
        if reporter is None:
            return
        reporter.section("eval gate: estimate (nothing sent)", sep="=")
        if estimate is None:
            reporter.write_line("no selected suite sends calls: its outputs are recorded, or made in this process")
            return
        width = reporter._tw.fullwidth  # noqa: SLF001 - pytest's own width
        for line in render_estimate(estimate, self._session.wiring.budget_usd, width):
            reporter.write_line(line)
        if reasons := why_not_cached(self._selected(items), self._session.wiring):
            reporter.write_line(f"why not cached: {reasons}")

    def _print(self, line: str) -> None:
        if self._reporter is not None and self._session.config.get_verbosity() > -2:  # noqa: PLR2004 - -qq is silent
            self._reporter.write_line(f"evalgate: {line}")

    @property
    def _reporter(self) -> pytest.TerminalReporter | None:
        reporter: pytest.TerminalReporter | None = self._session.config.pluginmanager.get_plugin("terminalreporter")
        return reporter


def _suite_and_case(item: pytest.Item) -> tuple[ReadySuite, Case] | None:
    """Return the suite and the case of an item whose target the engine asks."""
    if isinstance(item, CaseItem):
        return item.suite, item.case
    test = item.stash.get(GOLDEN_TEST, None)
    return None if test is None or test.suite.target is None else (test.suite, test.case)


def _is_concurrent(item: pytest.Item) -> bool:
    """Tell an item whose target is asked where its body runs: on the engine, when its fixtures are there."""
    test = item.stash.get(GOLDEN_TEST, None)
    return test is not None and test.is_concurrent


def _starts_early(item: pytest.Item) -> bool:
    return _suite_and_case(item) is not None or _is_concurrent(item)


def _routes(suite: ReadySuite, judges: Mapping[str, Judge]) -> Iterator[str]:
    """Iterate over the routes that the calls of a suite take."""
    if isinstance(suite.target, ModelTargetRunner):
        yield suite.target.spec.model
    elif isinstance(suite.target, HttpTargetRunner):
        yield suite.plan.name
    yield from (judges[name].model for name in suite.judge_names)


def _collection_failed(session: pytest.Session) -> bool:
    """Tell whether pytest will run nothing, since something could not be collected."""
    return bool(session.testsfailed) and not session.config.option.continue_on_collection_errors
