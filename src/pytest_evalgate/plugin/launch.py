"""Before the first item runs: what the run will cost, the plan on disk, and the engine set to work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.golden.sampling import sample_ids
from pytest_evalgate.plugin.canaries import hold_canaries
from pytest_evalgate.plugin.forecast import forecast, why_not_cached
from pytest_evalgate.plugin.golden_test import GOLDEN_TEST, may_begin
from pytest_evalgate.plugin.items import CaseItem
from pytest_evalgate.plugin.lineage import head_of
from pytest_evalgate.runs import journal
from pytest_evalgate.targets import HttpTarget, ModelTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.data import Case, SuitePlan
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.runs.estimate import Estimate
    from pytest_evalgate.settings import Judge


class Launch:
    """Lets a session go, or refuses it; ``refusal`` says why.

    ``works_ahead`` tells whether this process begins with cases before their items run.
    """

    def __init__(self, session: EvalSession) -> None:
        """Launch ``session``."""
        self.refusal: str | None = None
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
        if _is_broken(session) or (ours.is_dry and not ours.options.estimate):
            return None
        if ours.is_worker:
            self._begin_early(session)
            return None
        estimate = self._forecast(session.items)
        if ours.options.estimate:
            self._show(estimate, session.items)
            return True
        if estimate is not None and not ours.options.offline and not self._may_send(estimate, session.items):
            return True
        self._go(session.items)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """In a worker of xdist, begin with the first eval item: all others follow it to the same worker."""
        if self._session.is_worker and _is_early(item):
            self._begin_as_worker(item.session)

    def _begin_early(self, session: pytest.Session) -> None:
        """Begin in the worker to which everything is pinned, unless the controller has not let the run go yet."""
        from pytest_evalgate.plugin.xdist import FIRST  # noqa: PLC0415 - only where tests are distributed

        ours = self._session
        is_first = session.config.workerinput["workerid"] == FIRST  # type: ignore[attr-defined]  # xdist's
        if is_first and journal.is_begun(ours.state.path, ours.lineage.run):
            self._begin_as_worker(session)

    def _begin_as_worker(self, session: pytest.Session) -> None:
        ours = self._session
        if self._has_begun:
            return
        self._has_begun = True
        if ours.assembly.settings.xdist == "pin" and journal.claim(ours.state.path, ours.lineage.run):
            self._begin(session.items)

    def note_end(self, *, whole: bool) -> None:
        """Note in the journal that the run was judged."""
        if self.has_journal:
            journal.finish(self._session.state.path, self._session.lineage.run, whole=whole)

    def _forecast(self, items: Iterable[pytest.Item]) -> Estimate | None:
        try:
            return forecast(self._selected(items), self._session.wiring)
        except SettingsError as error:
            raise pytest.UsageError(str(error)) from None

    def _selected(self, items: Iterable[pytest.Item]) -> Sequence[tuple[ReadySuite, Sequence[Case]]]:
        """Return the cases that will run; the controller of xdist collects nothing, and takes all."""
        if self._session.is_controller:
            return [(suite, self._own(suite)) for suite in self._session.suites]
        cases: dict[str, tuple[ReadySuite, list[Case]]] = {}
        for item in items:
            if (asked := _asked(item)) is not None:
                suite, case = asked
                cases.setdefault(suite.plan.name, (suite, []))[1].append(case)
        return list(cases.values())

    def _own(self, suite: ReadySuite) -> list[Case]:
        """Return the cases of a suite, or of the sample and the shard of it that were asked for."""
        options = self._session.options
        mine = sample_ids(suite.plan, options.sample)
        if options.shard is not None:
            mine &= options.shard.cases_of(suite.plan)
        return [case for golden in suite.sets for case in golden if case.id in mine]

    def _may_send(self, estimate: Estimate, items: Iterable[pytest.Item]) -> bool:
        from pytest_evalgate.reports.estimate import refuse, total_line  # noqa: PLC0415 - only where calls are sent

        self._say(total_line(estimate))
        if estimate.to_send:
            self._check_keys(estimate, items)
        self.refusal = refuse(estimate, self._session.wiring.budget_usd)
        if self.refusal is not None:
            self._say(f"refused: {self.refusal}")
        return self.refusal is None

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
            journal.begin(ours.state.path, head_of(ours.lineage, sum(len(plan.cases) for plan in plans)), plans)
        except OSError as error:
            raise pytest.UsageError(
                f"{ours.state.path}: the plan of the run cannot be written ({error.strerror}), so nothing was called: "
                "make room there, or move the folder with EVALGATE_DIR=..."
            ) from None
        self.has_journal = True

    def _begin(self, items: Sequence[pytest.Item]) -> None:
        self.works_ahead = True
        hold_canaries(self._session, {suite.plan.name: suite for suite, _ in self._selected(items)}.values())
        for item in self._session.stopper.in_order(items):
            asked = _asked(item)
            if asked is not None and may_begin(item) and not _runs_together(item):
                self._session.answers.begin(*asked)

    def _show(self, estimate: Estimate | None, items: Iterable[pytest.Item]) -> None:
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

    def _say(self, line: str) -> None:
        if self._reporter is not None and self._session.config.get_verbosity() > -2:  # noqa: PLR2004 - -qq is silent
            self._reporter.write_line(f"evalgate: {line}")

    @property
    def _reporter(self) -> pytest.TerminalReporter | None:
        reporter: pytest.TerminalReporter | None = self._session.config.pluginmanager.get_plugin("terminalreporter")
        return reporter


def _asked(item: pytest.Item) -> tuple[ReadySuite, Case] | None:
    """Return the suite and the case of an item whose target the engine asks."""
    if isinstance(item, CaseItem):
        return item.suite, item.case
    test = item.stash.get(GOLDEN_TEST, None)
    return None if test is None or test.suite.target is None else (test.suite, test.case)


def _runs_together(item: pytest.Item) -> bool:
    """Tell an item whose target is asked where its body runs: on the engine, when its fixtures are there."""
    test = item.stash.get(GOLDEN_TEST, None)
    return test is not None and test.runs_together


def _is_early(item: pytest.Item) -> bool:
    return _asked(item) is not None or _runs_together(item)


def _routes(suite: ReadySuite, judges: Mapping[str, Judge]) -> Iterator[str]:
    """Iterate over the routes that the calls of a suite take."""
    if isinstance(suite.target, ModelTarget):
        yield suite.target.spec.model
    elif isinstance(suite.target, HttpTarget):
        yield suite.plan.name
    yield from (judges[name].model for name in suite.judge_names)


def _is_broken(session: pytest.Session) -> bool:
    """Tell whether pytest will run nothing, since something could not be collected."""
    return bool(session.testsfailed) and not session.config.option.continue_on_collection_errors
