"""Queue of cases: the engine runs them ahead of their items; a case that cannot wait runs in its item."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.engine import combine_trials, run_case, run_trial
from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.errors import EngineStopped
from pytest_evalgate.plugin.stopper import NotNeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from concurrent.futures import Future

    from pytest_evalgate.engine.loop import Engine
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.progress import Progress
    from pytest_evalgate.plugin.stopper import Stopper
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import CaseResult, Trial

    Futures = Sequence[Future[Trial]]


_SENDING_S: Final = 0.05
"""Time in which the engine sends the first 64 calls, if no other thread runs."""


class CaseQueue:
    """Queue that starts cases before their items run, and returns each result to its item."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        progress: Progress,
        max_concurrency: int | None,
        stopper: Stopper,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Create an empty queue.

        Args:
            engine: Returns the engine. Its thread is started on first use: recorded outputs need none.
            progress: Counts the trials, and is printed while an item waits.
            max_concurrency: Maximum of concurrent trials over all suites; None for the window of each suite.
            stopper: Watches the cases, and decides which are no longer needed.
            meanwhile: Called once, after the first calls are sent and while their results are awaited.
        """
        self._engine = engine
        self._progress = progress
        self._max_concurrency = max_concurrency
        self._stopper = stopper
        self._meanwhile = meanwhile
        self._begun: dict[tuple[str, str], Futures] = {}

    def begin(self, suite: ReadySuite, case: Case) -> None:
        """Queue all trials of a case."""
        if suite.waits and case.skip is None:
            with contextlib.suppress(EngineStopped):  # the item reports a task that cannot be started
                self._begun[suite.plan.name, case.id] = self._submit_case(suite, case)

    def result(self, suite: ReadySuite, case: Case) -> CaseResult:
        """Return the result of a case, which is run now if it was not begun.

        Raises:
            ScorerError: a scorer failed.
            EngineStopped: the engine stopped before the output arrived.
            NotNeeded: its suite stopped before the case was started.
        """
        planned, grading = suite.planned[case.id], suite.grading_of(case)
        if not suite.waits:
            return run_sync(run_case(suite.required_target, grading, case, planned, suite.plan.trials_of(case)))
        futures = self._begun.pop((suite.plan.name, case.id), None) or self._submit_case(suite, case)
        return combine_trials(planned, [self.wait(future) for future in futures])

    def _submit_case(self, suite: ReadySuite, case: Case) -> Futures:
        indices = range(suite.plan.trials_of(case))
        futures = self.submit(suite, [self._trial_of(suite, case, index) for index in indices])
        for future in futures:
            future.add_done_callback(self._uncount)
        self._stopper.watch(suite, case, futures)
        return futures

    def _trial_of(self, suite: ReadySuite, case: Case, index: int) -> Callable[[], Coroutine[Any, Any, Trial]]:
        async def run() -> Trial:
            self._stopper.check_needed(suite, case)
            return await run_trial(suite.required_target, suite.grading_of(case), case, index)

        return run

    def _uncount(self, future: Future[Trial]) -> None:
        """Remove a case that was not needed from the tally, which counts every exception as an error."""
        if isinstance(future.exception(), NotNeeded):
            self._progress.tally.begun -= 1
            self._progress.tally.errored -= 1

    def submit(self, suite: ReadySuite, trials: Iterable[Callable[[], Coroutine[Any, Any, Trial]]]) -> Futures:
        """Queue trials; at most the suite's window of them run at a time."""
        name, window = (suite.plan.name, suite.window)
        if self._max_concurrency is not None:
            name, window = "", self._max_concurrency
        work_queue = self._engine().work_queue(name, window)
        futures = [work_queue.submit(trial) for trial in trials]
        for future in futures:
            self._progress.tally.add(future)
        return futures

    def wait(self, future: Future[Trial]) -> Trial:
        """Return a queued trial, or raise its exception.

        Raises:
            EngineStopped: the engine stopped before the output arrived.
        """
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            _wait_at_most([future], _SENDING_S)
            meanwhile()
        trial = self._engine().wait(future, self._tick)
        self._stopper.check()
        return trial

    def await_first_calls(self) -> None:
        """Let the engine send the first calls, before this thread works beside it."""
        if self._begun:
            _wait_at_most(next(iter(self._begun.values())), _SENDING_S)

    def _tick(self) -> None:
        self._progress.tick()
        self._stopper.check()

    def grade(self, suite: ReadySuite, work: Coroutine[Any, Any, CaseResult]) -> CaseResult:
        """Grade the output of a test's body."""
        return self._engine().run(work) if suite.waits else run_sync(work)


def _wait_at_most(futures: Futures, seconds: float) -> None:
    from concurrent.futures import wait  # noqa: PLC0415 - not for recorded outputs

    wait(futures, seconds)
