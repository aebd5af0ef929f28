"""The no-code door: a golden set is a file of items, one a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_evalgate.engine import describe_error
from pytest_evalgate.errors import EngineStopped, ScorerError
from pytest_evalgate.plugin.answers import NotNeeded
from pytest_evalgate.plugin.context import session_of
from pytest_evalgate.plugin.failures import CaseMissed, represent
from pytest_evalgate.plugin.ledger import error_result, publish
from pytest_evalgate.records.results import CaseResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _pytest._code.code import TerminalRepr

    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.records.results import Case, StopRule


class GoldenSetFile(pytest.File):
    """A golden set that a suite names, or that was given on the command line."""

    def __init__(self, *, suites: Sequence[ReadySuite], **kwargs: Any) -> None:
        """Keep the suites that run this file."""
        super().__init__(**kwargs)
        self._suites = suites

    def collect(self) -> Iterator[CaseItem]:
        """Plan the suites and yield an item for each case of each; where there are several, the name says which."""
        session = session_of(self.config)
        path, root = self.path.resolve(), session.assembly.root
        for suite in self._suites:
            session.ledger.add_plan(suite.plan)
            mark = f"[{suite.plan.name}]" if len(self._suites) > 1 else ""
            for golden_set in suite.sets:
                if root / golden_set.path == path:
                    for case in golden_set:
                        yield CaseItem.from_parent(self, name=f"{case.id}{mark}", suite=suite, case=case)


class CaseItem(pytest.Item):
    """One case of a golden set."""

    def __init__(self, *, suite: ReadySuite, case: Case, **kwargs: Any) -> None:
        """Keep the case; its tags and its suite can be selected by ``-k``."""
        super().__init__(**kwargs)
        self.suite = suite
        self.case = case
        self.extra_keyword_matches.update(case.tags)
        self.extra_keyword_matches.add(suite.plan.name)

    def setup(self) -> None:
        """Skip what the golden line skips."""
        if self.case.skip is not None:
            pytest.skip(self.case.skip)

    def runtest(self) -> None:
        """Wait for all trials of the case."""
        session = session_of(self.config)
        try:
            result = session.case_queue.result(self.suite, self.case)
        except NotNeeded as needless:
            self._leave_out(needless.rule)
        except (EngineStopped, ScorerError) as error:
            publish(self, self.case, error_result(self.suite.planned[self.case.id], str(error)))
            raise
        publish(self, self.case, result)
        if session.options.fail_cases and result.outcome != "passed":
            raise CaseMissed(self.case, result, session.session_decider.before(self.suite, self.case))

    def _leave_out(self, rule: StopRule) -> NoReturn:
        """End without a result: for pytest, and in JUnit, as skipped, since nothing was asked."""
        reason = f"not needed: the verdict of {self.suite.plan.name} was certain without it"
        left_out = CaseResult(self.suite.planned[self.case.id], "not_run", reason=reason)
        publish(self, self.case, left_out, stopped=rule)
        pytest.skip(reason)

    def reportinfo(self) -> tuple[str, int, str]:
        """Point at the golden line (0-based, as pytest wants it)."""
        return str(self.path), self.case.place.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Show the case instead of a traceback through our own code."""
        error = excinfo.value
        if isinstance(error, CaseMissed):
            return represent(self.case.place.file, self.case.place.line, str(error), error.text)
        if isinstance(error, EngineStopped | ScorerError):
            return represent(self.case.place.file, self.case.place.line, describe_error(error), str(error))
        return super().repr_failure(excinfo, style)
