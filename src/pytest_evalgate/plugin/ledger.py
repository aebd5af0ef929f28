"""Planned against accounted: every planned case ends with exactly one result, wherever it ran."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_evalgate.data import CaseResult, SuiteRun
from pytest_evalgate.plugin.results import attached, decode, error_result, outcome_of
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    import pytest

    from pytest_evalgate.data import PlannedCase, SuitePlan


class Ledger:
    """What was planned, and what the reports said of it.

    Under xdist the workers plan and the controller accounts: the plan travels as JSON.
    """

    def __init__(self) -> None:
        """Open an empty ledger."""
        self.plans: dict[str, SuitePlan] = {}
        self.problems: list[str] = []
        self.missed_nodes: list[str] = []
        self._nodes: dict[tuple[str, str], str] = {}
        self._results: dict[str, str] = {}
        self._broken: dict[str, str] = {}

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
            self._results[report.nodeid] = text
            if outcome_of(text) in {"missed", "errored"}:
                self.missed_nodes.append(report.nodeid)
        elif report.failed or report.skipped:
            word = "skipped at run time" if report.skipped else f"failed in {report.when}"
            self._broken.setdefault(report.nodeid, f"{word}: {_reason(report)}")

    def outcome_of(self, nodeid: str) -> str | None:
        """Return the outcome that an item's result says, if it has one."""
        text = self._results.get(nodeid)
        return None if text is None else outcome_of(text)

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

    def suite_runs(self) -> tuple[SuiteRun, ...]:
        """Hand over a result for every planned case, once; unplanned results are problems."""
        unplanned = self._results.keys() - set(self._nodes.values())
        for nodeid in sorted(unplanned):
            self.add_problem(f"{nodeid} reported a result that nobody planned")
        return tuple(
            SuiteRun(plan, tuple(self._result(plan.name, case) for case in plan.cases)) for plan in self.plans.values()
        )

    def _result(self, suite: str, case: PlannedCase) -> CaseResult:
        if case.skip is not None:
            return CaseResult(case, "skipped", reason=case.skip)
        nodeid = self._nodes.get((suite, case.id), "")
        text = self._results.pop(nodeid, None)
        if text is not None:
            return decode(text, case)
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
