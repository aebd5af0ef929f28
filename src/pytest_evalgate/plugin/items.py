"""Items of golden sets: a golden set is a file, and each of its cases an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import EngineStopped, ScorerError
from pytest_evalgate.plugin.failures import CaseMissed, printable, represent
from pytest_evalgate.plugin.ledger import error_result, publish
from pytest_evalgate.plugin.stopper import NotNeeded
from pytest_evalgate.records.results import CaseResult
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from _pytest._code.code import TerminalRepr

    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.case_queue import CaseQueue
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.failures import BaselineOutcome
    from pytest_evalgate.records.cases import Case


class GoldenSetFile(pytest.File):
    """A golden set of a suite, or of the command line."""

    def __init__(
        self,
        *,
        suites: Sequence[ReadySuite],
        elsewhere: Collection[str],
        context: SessionContext,
        case_queue: CaseQueue,
        before: Callable[[ReadySuite, Case], BaselineOutcome | None],
        **kwargs: Any,
    ) -> None:
        """Store the objects that the items of this file use.

        Args:
            suites: The suites that run this file.
            elsewhere: The suites that run this file on the controller of xdist. They have no items here.
            context: The session.
            case_queue: Returns the results.
            before: Returns the baseline's outcome of a case.
            **kwargs: Arguments of pytest.
        """
        super().__init__(**kwargs)
        self._suites = suites
        self._elsewhere = elsewhere
        self.context = context
        self.case_queue = case_queue
        self.before = before

    def collect(self) -> Iterator[CaseItem]:
        """Plan the suites and yield an item for each case; its name contains the suite if there are several."""
        path, root = self.path.resolve(), self.context.assembly.root
        self.context.ledger.add_elsewhere(self._elsewhere)
        for suite in self._suites:
            self.context.ledger.add_plan(suite.plan)
            mark = f"[{suite.plan.name}]" if len(self._suites) > 1 else ""
            for golden_set in suite.sets:
                if root / golden_set.path == path:
                    for case in golden_set:
                        yield CaseItem.from_parent(self, name=f"{case.id}{mark}", suite=suite, case=case)


class CaseItem(pytest.Item):
    """One case of a golden set."""

    def __init__(self, *, suite: ReadySuite, case: Case, **kwargs: Any) -> None:
        """Store the case, which ``-k`` selects by its tags and its suite."""
        super().__init__(**kwargs)
        self.suite = suite
        self.case = case
        self.extra_keyword_matches.update(case.tags)
        self.extra_keyword_matches.add(suite.plan.name)

    def setup(self) -> None:
        """Skip a case that its golden line skips."""
        if self.case.skip is not None:
            pytest.skip(printable(self.case.skip))

    def runtest(self) -> None:
        """Wait for all trials of the case."""
        file = self.parent
        assert isinstance(file, GoldenSetFile)  # noqa: S101 - only that class makes these items
        try:
            result = file.case_queue.result(self.suite, self.case)
        except NotNeeded as finding:
            reason = f"not needed: the verdict of {self.suite.plan.name} was certain without it"
            not_run = CaseResult(self.suite.planned[self.case.id], "not_run", reason=reason)
            publish(self, self.case, not_run, stopped=finding.rule)
            pytest.skip(reason)
        except (EngineStopped, ScorerError) as error:
            publish(self, self.case, error_result(self.suite.planned[self.case.id], str(error)))
            raise
        publish(self, self.case, result, encoded=file.case_queue.encoded(self.suite, self.case))
        if file.context.options.fail_cases and result.outcome not in ("passed", "unscored"):
            raise CaseMissed(self.case, result, file.before(self.suite, self.case))

    def reportinfo(self) -> tuple[str, int, str]:
        """Return the golden line as the location of the item; pytest counts lines from 0."""
        return str(self.path), self.case.place.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Describe the case instead of printing a traceback of this package."""
        error = excinfo.value
        place = self.case.place
        if isinstance(error, CaseMissed):
            return represent(place.file, place.line, str(error), error.describe(self.config.getoption("tbstyle")))
        if isinstance(error, EngineStopped | ScorerError):
            return represent(place.file, place.line, describe_error(error), str(error))
        return super().repr_failure(excinfo, style)
