"""Planned against accounted: every planned case ends with exactly one result, wherever it ran."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_evalgate.data import CaseResult
from pytest_evalgate.plugin.results import attached, error_result, outcome_of, stopped_by
from pytest_evalgate.plugin.spool import Spool
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from pytest_evalgate.data import PlannedCase, StopRule, SuitePlan


class Ledger:
    """What was planned, and what the reports said of it.

    Under xdist the workers plan and the controller accounts: the plan travels as JSON.
    """

    def __init__(self) -> None:
        """Open an empty ledger."""
        self.plans: dict[str, SuitePlan] = {}
        self.problems: list[str] = []
        self.not_passed: dict[str, str] = {}
        self._nodes: dict[tuple[str, str], str] = {}
        self._results: dict[str, int] = {}
        self._spool = Spool()
        self._broken: dict[str, str] = {}
        self._stopped: dict[str, StopRule] = {}

    @property
    def stopped(self) -> Mapping[str, StopRule]:
        """The suites that ended before their last case, and the rule by which they did."""
        nodes = ((suite, nodeid) for (suite, _), nodeid in self._nodes.items())
        return {suite: self._stopped[nodeid] for suite, nodeid in nodes if nodeid in self._stopped}

    def add_plan(self, plan: SuitePlan) -> None:
        """Plan the cases of a suite."""
        known = self.plans.setdefault(plan.name, plan)
        if known != plan:
            self.add_problem(
                f"suite {plan.name} is defined twice, differently: give one of them another name (suite=)"
            )

    def add_node(self, suite: str, case_id: str, nodeid: str) -> None:
        """Say which item runs a planned case."""
        known = self._nodes.setdefault((suite, case_id), nodeid)
        if known != nodeid:
            self.add_problem(
                f"case {case_id} of suite {suite} is run by {known} and by {nodeid}: name suites of their own (suite=)"
            )

    def add_problem(self, problem: str) -> None:
        """Note what makes the run invalid, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def record(self, report: pytest.TestReport) -> None:
        """Account for a report."""
        text = attached(report)
        if text is not None and report.when == "call":
            if report.nodeid in self._results:
                self.add_problem(f"{report.nodeid} was reported twice: a gate does not rerun cases until they pass")
            self._results[report.nodeid] = self._spool.append(text)
            if (rule := stopped_by(report)) is not None:
                self._stopped[report.nodeid] = rule
            if (outcome := outcome_of(text)) != "passed":
                self.not_passed[report.nodeid] = outcome
        elif report.failed or report.skipped:
            word = "skipped at run time" if report.skipped else f"failed in {report.when}"
            self._broken.setdefault(report.nodeid, f"{word}: {_reason(report)}")

    def export(self) -> str:
        """Return the plan as JSON, for the controller."""
        plans = [codec.encode_plan(plan) for plan in self.plans.values()]
        nodes = [[*case, nodeid] for case, nodeid in self._nodes.items()]
        return json.dumps({"plans": plans, "nodes": nodes, "problems": self.problems})

    def absorb(self, text: str) -> None:
        """Take over the plan of a worker; workers whose plans differ make the run invalid."""
        value = json.loads(text)
        for plan in value["plans"]:
            self.add_plan(codec.decode_plan(plan))
        for suite, case_id, nodeid in value["nodes"]:
            self.add_node(suite, case_id, nodeid)
        for problem in value["problems"]:
            self.add_problem(problem)

    def settle(self) -> None:
        """Note results that nobody planned; after this the plans and the problems are whole."""
        for nodeid in sorted(self._results.keys() - set(self._nodes.values())):
            self.add_problem(f"{nodeid} reported a result that nobody planned")

    def results(self, plan: SuitePlan) -> Iterator[str]:
        """Hand over an encoded result, as JSON, for every case of ``plan``, in plan order."""
        for case in plan.cases:
            nodeid = self._nodes.get((plan.name, case.id), "")
            if case.skip is None and nodeid in self._results:
                yield self._spool.read(self._results[nodeid])
            else:
                yield codec.dumps(codec.encode_result(self._without_answer(case, nodeid)))

    def close(self) -> None:
        """Throw the results away."""
        self._spool.close()

    def _without_answer(self, case: PlannedCase, nodeid: str) -> CaseResult:
        if case.skip is not None:
            return CaseResult(case, "skipped", reason=case.skip)
        if nodeid in self._broken:
            return error_result(case, self._broken[nodeid])
        return CaseResult(case, "not_run")


def _reason(report: pytest.TestReport) -> str:
    """Return the first line of why a test failed or was skipped."""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(longrepr)
    return text.strip().partition("\n")[0] if text else "no reason given"
