"""Queue of cases: the engine runs them ahead of their items; a case that cannot wait runs in its item."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.engine import combine_trials, run_case, run_trial
from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.errors import EngineStopped
from pytest_evalgate.plugin.ledger import encode
from pytest_evalgate.plugin.stopper import NotNeeded

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from concurrent.futures import Future

    from pytest_evalgate.engine.loop import Engine
    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.progress import Progress
    from pytest_evalgate.plugin.stopper import Stopper
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import CaseResult, Trial

    Futures = Sequence[Future[Trial]]


_WAVE: Final = 100
"""Cases that wait for nothing and run together."""

_OPENING_S: Final = 5.0
"""Longest wait for the libraries of a client; the SDK takes 0.4 s."""


class CaseQueue:
    """Queue that starts cases before their items run, and returns each result to its item."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        progress: Progress,
        max_concurrency: int | None,
        stopper: Stopper,
        meanwhile: Callable[[], None] | None = None,
        opened: Callable[[], threading.Event | None] = lambda: None,
    ) -> None:
        """Create an empty queue.

        Args:
            engine: Returns the engine. Its thread is started on first use: recorded outputs need none.
            progress: Counts the trials, and is printed while an item waits.
            max_concurrency: Maximum of concurrent trials over all suites; None for the window of each suite.
            stopper: Watches the cases, and decides which are no longer needed.
            meanwhile: Called once, after the first calls are sent and while their results are awaited.
            opened: Returns the event that the first client is open; None if no calls are sent.
        """
        self._engine = engine
        self._progress = progress
        self._max_concurrency = max_concurrency
        self._stopper = stopper
        self._meanwhile = meanwhile
        self._opened = opened
        self._begun: dict[tuple[str, str], Futures] = {}
        self._next: dict[str, deque[Case]] = {}
        self._graded: dict[tuple[str, str], CaseResult | Exception] = {}
        self._texts: dict[tuple[str, str], str] = {}

    def begin(self, suite: ReadySuite, case: Case) -> None:
        """Queue all trials of a case."""
        if case.skip is not None:
            return
        if not suite.waits:
            self._next.setdefault(suite.plan.name, deque()).append(case)
        else:
            with contextlib.suppress(EngineStopped):  # the item reports a task that cannot be started
                self._begun[suite.plan.name, case.id] = self._submit_case(suite, case)

    def result(self, suite: ReadySuite, case: Case) -> CaseResult:
        """Return the result of a case, which is run now if it was not begun.

        Raises:
            ScorerError: a scorer failed.
            EngineStopped: the engine stopped before the output arrived.
            NotNeeded: its suite stopped before the case was started.
        """
        if not suite.waits:
            return self._result_without_waiting(suite, case)
        futures = self._begun.pop((suite.plan.name, case.id), None) or self._submit_case(suite, case)
        return combine_trials(suite.planned[case.id], [self.wait(future) for future in futures])

    def _result_without_waiting(self, suite: ReadySuite, case: Case) -> CaseResult:
        """Return the result of a case with a recorded output and built-in rules; run the cases after it as well.

        Between two items, pytest runs so much other code that a case alone takes three times as long as in a wave.
        """
        key = (suite.plan.name, case.id)
        if key not in self._graded:
            following = self._next.get(suite.plan.name)
            wave = [case]
            if following and following[0] is case:
                wave = [following.popleft() for _ in range(min(_WAVE, len(following)))]
            for one in wave:
                self._grade_now(suite, one)
        found = self._graded.pop(key)
        if isinstance(found, Exception):
            raise found
        return found

    def _grade_now(self, suite: ReadySuite, case: Case) -> None:
        key = (suite.plan.name, case.id)
        planned, trials = suite.planned[case.id], suite.plan.trials_of(case)
        try:
            result = run_sync(run_case(suite.required_target, suite.grading_of(case), case, planned, trials))
        except Exception as error:  # noqa: BLE001 - raised again by the item of this case
            self._graded[key] = error
        else:
            self._graded[key] = asked = result.with_question(case.question)
            self._texts[key] = encode(asked)

    def encoded(self, suite: ReadySuite, case: Case) -> str | None:
        """Return the result of a case of a wave as JSON, once; None for other cases."""
        return self._texts.pop((suite.plan.name, case.id), None)

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
            self._await_sending(future)
            meanwhile()
        trial = self._engine().wait(future, self._tick)
        self._stopper.check()
        return trial

    def await_first_calls(self) -> None:
        """Let the engine send the first calls, before this thread works beside it."""
        first = next(iter(self._begun.values()), ())
        if first:
            self._await_sending(first[0])

    def _await_sending(self, future: Future[Trial]) -> None:
        """Wait until the first calls are sent, or ``future`` is done: loading modules would delay them."""
        opened = self._opened()
        if opened is not None and not opened.is_set():
            future.add_done_callback(lambda _: opened.set())
            opened.wait(_OPENING_S)
        with contextlib.suppress(EngineStopped):  # the items report it
            self._engine().take_turns()

    def _tick(self) -> None:
        self._progress.tick()
        self._stopper.check()

    def grade(self, suite: ReadySuite, work: Coroutine[Any, Any, CaseResult]) -> CaseResult:
        """Grade the output of a test's body."""
        return self._engine().run(work) if suite.waits else run_sync(work)
